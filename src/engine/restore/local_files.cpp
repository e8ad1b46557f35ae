#include "restore/local_files.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

using Local = RestoreBatch::File::Local;
using repo::kHashedBytes;

constexpr std::uint64_t kRangeBytes = 32 * kMiB;  // of a file that a thread reads at a time
constexpr std::uint64_t kReadBytes = 256 * kKiB;  // stays in the processor's cache while hashed

/// Nothing when there is no file that could stay.
std::optional<Fd> open_to_keep(const OpenPlace& place, int flags) {
  try {
    return place.root.open_if_exists(place.path, flags | O_NONBLOCK);
  } catch (const SystemError& error) {
    if (error.error_number() == EACCES || error.error_number() == EPERM) return std::nullopt;
    throw;
  }
}

std::uint64_t units_of(std::uint64_t bytes) {
  return (bytes + kHashedBytes - 1) / kHashedBytes;
}

/// The units of a file of `size_bytes` that a local one can have in common with it.
std::uint64_t common_units(std::uint64_t size_bytes, std::uint64_t local_bytes) {
  return local_bytes >= size_bytes ? units_of(size_bytes) : local_bytes / kHashedBytes;
}

}  // namespace

LocalFiles::LocalFiles(RestoreBatch& batch, PlaceOf place_of, Correct correct, Progress& progress)
    : batch_(batch),
      place_of_(std::move(place_of)),
      correct_(std::move(correct)),
      progress_(progress) {}

std::uint64_t LocalFiles::compare(unsigned threads, std::stop_token stop) {
  std::vector<Task> tasks;
  std::size_t units = 0;
  for (std::uint32_t i = 0; i < batch_.files.size(); ++i) {
    RestoreBatch::File& file = batch_.files[i];
    const std::uint64_t range = file.hash ? file.size_bytes : kRangeBytes;
    for (std::uint64_t at = 0; at < file.size_bytes; at += range)
      tasks.push_back({i, at, std::min(at + range, file.size_bytes)});
    file.first_unit = units;
    if (!file.hash) units += units_of(file.size_bytes);
  }
  batch_.local_hashes.resize(units);
  std::atomic<std::size_t> next = 0;
  Workers workers(stop);
  for (unsigned i = 0; i < threads; ++i) {
    workers.start([&](std::stop_token stopping) {
      Buffer buffer;
      for (std::size_t at = next++; at < tasks.size(); at = next++)
        work(tasks[at], buffer, stopping);
    });
  }
  workers.join();
  return read_bytes_;
}

void LocalFiles::work(const Task& task, Buffer& buffer, std::stop_token stop) {
  check_stop(stop);
  RestoreBatch::File& file = batch_.files[task.file];
  const OpenPlace place = place_of_(file);
  const fs::path path = place.whole();
  if (file.hash) {
    compare_whole(file, place, buffer, stop);
    return;
  }
  const bool first = task.start == 0;  // it alone changes the file
  const auto fd = open_to_keep(place, O_RDWR);
  const auto status = fd ? stat_of(*fd, path) : (struct stat){};
  if (!fd || status.st_nlink > 1 || !S_ISREG(status.st_mode)) {
    if (first) place.root.remove(place.path);
    return;
  }
  const auto local_bytes = static_cast<std::uint64_t>(status.st_size);
  if (first) {
    if (local_bytes > file.size_bytes &&
        ::ftruncate(fd->get(), static_cast<off_t>(file.size_bytes)) != 0)
      throw SystemError(format("cannot set the size of \"{}\"", path.native()), errno);
    correct_(*fd, file, path);
    file.local = Local::hashed;
    file.local_units = static_cast<std::uint32_t>(common_units(file.size_bytes, local_bytes));
  }
  hash_units(task, *fd, local_bytes, path, buffer, stop);
}

void LocalFiles::compare_whole(RestoreBatch::File& file, const OpenPlace& place, Buffer& buffer,
                               std::stop_token stop) {
  const fs::path path = place.whole();
  const auto fd = open_to_keep(place, O_RDONLY);
  const auto status = fd ? stat_of(*fd, path) : (struct stat){};
  if (fd && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
      static_cast<std::uint64_t>(status.st_size) == file.size_bytes) {
    crypto::Hasher128 hasher;
    for (std::uint64_t at = 0; at < file.size_bytes; at += buffer.size()) {
      check_stop(stop);
      read(*fd, at, std::min(kReadBytes, file.size_bytes - at), path, buffer);
      hasher.add(buffer);
    }
    if (hasher.finish() == *file.hash) {
      correct_(*fd, file, path);
      file.local = Local::same;
      progress_.advance(file.size_bytes);
      return;
    }
  }
  place.root.remove(place.path);
}

void LocalFiles::hash_units(const Task& task, const Fd& fd, std::uint64_t local_bytes,
                            const fs::path& path, Buffer& buffer, std::stop_token stop) {
  const RestoreBatch::File& file = batch_.files[task.file];
  ::posix_fadvise(fd.get(), static_cast<off_t>(task.start),
                  static_cast<off_t>(task.end - task.start), POSIX_FADV_SEQUENTIAL);
  const std::uint64_t common =
      std::min(file.size_bytes, common_units(file.size_bytes, local_bytes) * kHashedBytes);
  const std::uint64_t end = std::min(task.end, common);
  std::uint64_t* hash = batch_.local_hashes.data() + file.first_unit + task.start / kHashedBytes;
  for (std::uint64_t at = task.start; at < end; at += buffer.size()) {
    check_stop(stop);
    read(fd, at, std::min(kReadBytes, end - at), path, buffer);
    for (Bytes rest = buffer; !rest.empty();) {
      const Bytes unit = rest.first(std::min(rest.size(), kHashedBytes));
      *hash++ = crypto::hash64(unit);
      rest = rest.subspan(unit.size());
    }
  }
}

void LocalFiles::read(const Fd& fd, std::uint64_t offset, std::uint64_t length,
                      const fs::path& path, Buffer& buffer) {
  buffer.resize(length);
  if (read_at(fd, buffer.writable(), offset, path) < length) {
    throw Error(format("\"{}\" became shorter while it was compared", path.native()),
                "nothing else may change the directory during a restore; run it again");
  }
  read_bytes_ += length;
  progress_.advance(length);
}

namespace {

/// Does the unit of `length` bytes at `done` in the part have a hash in the index, and the same one
/// on disk?
bool is_same(const RestoreBatch& batch, const FramePart& part, const repo::PackIndex& index,
             std::uint64_t done, std::uint64_t length) {
  const RestoreBatch::File& file = batch.files[part.file];
  const std::uint64_t place = part.offset_bytes + done;
  const std::uint64_t offset = part.file_offset_bytes + done;
  if (place % kHashedBytes != 0 || offset % kHashedBytes != 0) return false;
  if (part.frame >= index.frames() || place >= index.raw_bytes(part.frame)) return false;
  // The hash in the index covers what there is of a unit in the frame, that on disk what there is
  // of it in the file.
  if (length != std::min<std::uint64_t>(kHashedBytes, index.raw_bytes(part.frame) - place))
    return false;
  if (length != std::min<std::uint64_t>(kHashedBytes, file.size_bytes - offset)) return false;
  const std::uint64_t unit = offset / kHashedBytes;
  return unit < file.local_units && batch.local_hashes[file.first_unit + unit] ==
                                        index.hashes(part.frame)[place / kHashedBytes];
}

}  // namespace

std::vector<FramePart> different_parts(const RestoreBatch& batch,
                                       const std::vector<FramePart>& parts,
                                       const repo::PackIndex& index) {
  std::vector<FramePart> different;
  for (const FramePart& part : parts) {
    if (batch.files[part.file].local != Local::hashed) {
      different.push_back(part);
      continue;
    }
    bool goes_on = false;  // the last one of `different`
    for (std::uint32_t done = 0; done < part.length_bytes;) {
      const auto length = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(kHashedBytes, part.length_bytes - done));
      if (is_same(batch, part, index, done, length)) {
        goes_on = false;
      } else if (goes_on) {
        different.back().length_bytes += length;
      } else {
        different.push_back({part.frame, part.offset_bytes + done, length, part.file,
                             part.file_offset_bytes + done});
        goes_on = true;
      }
      done += length;
    }
  }
  return different;
}

}  // namespace pgcairn::engine
