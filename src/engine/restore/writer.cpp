#include "restore/writer.hpp"

#include "restore/databases.hpp"
#include "restore/local_files.hpp"
#include "restore/pack_reader.hpp"
#include "restore/zero_runs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kWritebackBytes = 8 * kMiB;  // handed to the disk together
constexpr std::size_t kOpenFiles = 32;               // that a thread keeps open

}  // namespace

std::string written_name(const std::string& path) {
  return path == kControlPath ? path + std::string(kTemporarySuffix) : path;
}

void sync_file_system(const Fd& directory, const fs::path& path) {
  if (::syncfs(directory.get()) == 0) return;
  throw SystemError(format("cannot make the file system of \"{}\" durable", path.native()), errno);
}

/// The files a thread wrote to last, still open: parts of one file follow each other.
class RestoreWriter::OpenFiles {
 public:
  explicit OpenFiles(RestoreWriter& writer) : writer_(writer) {}

  void write(std::uint32_t file, Bytes bytes, std::uint64_t offset_bytes) {
    Entry& entry = get(file);
    // Only a new file has zeros wherever nothing is written.
    if (writer_.batch_.files[file].local != File::Local::unknown)
      return write_all_of(entry, bytes, offset_bytes);
    while (!bytes.empty()) {
      const ZeroRun run = first_run(bytes, offset_bytes);
      const std::uint64_t end_bytes = offset_bytes + run.length_bytes;
      if (!run.hole) {
        write_all_of(entry, bytes.first(run.length_bytes), offset_bytes);
      } else if (end_bytes == writer_.batch_.files[file].size_bytes) {
        set_size(entry, end_bytes);
      }
      bytes = bytes.subspan(run.length_bytes);
      offset_bytes = end_bytes;
    }
  }

 private:
  struct Entry {
    std::uint32_t file;
    Fd fd;
    // Written one after the other, and not yet on its way to the disk.
    std::uint64_t start_bytes = 0;
    std::uint64_t end_bytes = 0;
  };

  /// Of a file that ends with a hole.
  void set_size(const Entry& entry, std::uint64_t size_bytes) {
    if (::ftruncate(entry.fd.get(), static_cast<off_t>(size_bytes)) == 0) return;
    throw SystemError(format("cannot set the size of \"{}\"",
                             writer_.place_of(writer_.batch_.files[entry.file]).whole().native()),
                      errno);
  }

  void write_all_of(Entry& entry, Bytes bytes, std::uint64_t offset_bytes) {
    write_at(entry.fd, bytes, offset_bytes, writer_.batch_.files[entry.file].path);
    if (entry.end_bytes != offset_bytes) entry.start_bytes = offset_bytes;
    entry.end_bytes = offset_bytes + bytes.size();
    if (entry.end_bytes - entry.start_bytes < kWritebackBytes) return;
    // Only a wish: what matters for durability is the syncfs at the end, which then finds less to
    // do.
    ::sync_file_range(entry.fd.get(), static_cast<off_t>(entry.start_bytes),
                      static_cast<off_t>(entry.end_bytes - entry.start_bytes),
                      SYNC_FILE_RANGE_WRITE);
    entry.start_bytes = entry.end_bytes;
  }

  Entry& get(std::uint32_t file) {
    const auto found = std::find_if(open_.begin(), open_.end(),
                                    [&](const Entry& entry) { return entry.file == file; });
    if (found != open_.end()) {
      open_.splice(open_.begin(), open_, found);
    } else {
      if (open_.size() >= kOpenFiles) {
        open_.back().fd.close(writer_.batch_.files[open_.back().file].path);
        open_.pop_back();
      }
      open_.push_front({file, writer_.open_target(writer_.batch_.files[file]), 0, 0});
    }
    return open_.front();
  }

  RestoreWriter& writer_;
  std::list<Entry> open_;
};

RestoreWriter::RestoreWriter(const RestorePlan& plan, const Places& places, Roots& roots,
                             const std::vector<repo::ManifestRef>& refs, Progress& progress,
                             std::stop_token stop)
    : plan_(plan),
      places_(places),
      roots_(roots),
      refs_(refs),
      progress_(progress),
      stop_(std::move(stop)),
      batch_(plan.options.batch_bytes) {}

namespace {

/// What is there may have content, other names, or no way to open it.
void remove_unless_empty(const OpenPlace& place) {
  const auto status = place.root.status(place.path);
  if (!status) return;
  if (status->st_size == 0 && status->st_nlink == 1 && (status->st_mode & S_IWUSR) != 0) return;
  place.root.remove(place.path);
}

}  // namespace

void RestoreWriter::add(const repo::ManifestEntry& entry) {
  const auto linked = places_.link_target(entry.path);
  if (linked) make_link(entry, *linked);
  if (entry.type == repo::EntryType::directory) {
    make_directory(entry);
  } else if (entry.type == repo::EntryType::link) {
    return;  // a tablespace's: made above
  } else if (entry.map.empty() || is_left_out(entry, plan_.left_out_databases)) {
    make_file(entry);
  } else {
    batch_.add(entry, restored_mode(entry, plan_.owner));
    if (batch_.full()) write_batch();
  }
}

/// One without content, or whose content stays out.
void RestoreWriter::make_file(const repo::ManifestEntry& entry) {
  const File file{entry.path, 0, {}, restored_mode(entry, plan_.owner)};
  if (plan_.compares) remove_unless_empty(place_of(file));
  const Fd hole = open_target(file);
  if (entry.size_bytes > 0 && ::ftruncate(hole.get(), static_cast<off_t>(entry.size_bytes)) != 0)
    throw SystemError(format("cannot set the size of \"{}\"", place_of(file).whole().native()),
                      errno);
}

void RestoreWriter::make_directory(const repo::ManifestEntry& entry) {
  const Place where = places_.of(entry.path);
  if (where.path.empty()) roots_.make(where.root);
  const OpenPlace place = roots_.open(where);
  // A tablespace's own directories may be there already, and what something is mounted at.
  if (!place.path.empty()) place.root.make_directory(place.path, 0700);
  Fd directory = place.root.open(place.path, O_RDONLY | O_DIRECTORY);
  own(directory, restored_mode(entry, plan_.owner), plan_.owner, place.whole());
  const dev_t device = stat_of(directory, place.whole()).st_dev;
  file_systems_.try_emplace(device, std::move(directory));
}

/// The link itself is in the data directory, or behind a link above it.
void RestoreWriter::make_link(const repo::ManifestEntry& entry, const fs::path& target) {
  if (entry.type == repo::EntryType::file) {
    const fs::path folder = target.parent_path();
    Fd directory = roots_.make(folder).open("", O_RDONLY | O_DIRECTORY);
    const dev_t device = stat_of(directory, folder).st_dev;
    file_systems_.try_emplace(device, std::move(directory));
  }
  const OpenPlace place = roots_.open(places_.name_of(entry.path));
  if (place.root.make_link(place.path, target.native())) return;
  // One that is there when directories are compared leads to the right place.
  if (place.root.link_target(place.path) != target.native())
    throw SystemError(format("cannot create link \"{}\"", place.whole().native()), EEXIST);
}

Fd RestoreWriter::open_target(const File& file) {
  const OpenPlace place = place_of(file);
  Fd fd = place.root.open_to_write(place.path, O_WRONLY | O_CREAT, file.mode);
  own(fd, file.mode, plan_.owner, place.whole());
  return fd;
}

namespace {

/// The parts frame by frame, in ascending order.
std::vector<FramePart> frame_parts(std::span<const RestoreBatch::Part> parts,
                                   std::uint32_t frame_bytes) {
  std::vector<FramePart> all;
  for (const RestoreBatch::Part& part : parts) {
    std::uint64_t done = 0;
    for (std::uint32_t frame = part.frame; done < part.length_bytes; ++frame) {
      const std::uint32_t offset = done == 0 ? part.offset_bytes : 0;
      const std::uint64_t length =
          std::min<std::uint64_t>(part.length_bytes - done, frame_bytes - offset);
      all.push_back({frame, offset, static_cast<std::uint32_t>(length), part.file,
                     part.file_offset_bytes + done});
      done += length;
    }
  }
  std::sort(all.begin(), all.end(), [](const FramePart& a, const FramePart& b) {
    return std::tie(a.frame, a.offset_bytes) < std::tie(b.frame, b.offset_bytes);
  });
  return all;
}

std::uint64_t total_bytes(const std::vector<FramePart>& parts) {
  std::uint64_t bytes = 0;
  for (const FramePart& part : parts) bytes += part.length_bytes;
  return bytes;
}

}  // namespace

const repo::ManifestPack& RestoreWriter::pack_of(const RestoreBatch::Part& part) const {
  const auto found =
      std::lower_bound(plan_.packs.begin(), plan_.packs.end(), part,
                       [](const repo::ManifestPack& pack, const auto& at) {
                         return std::tie(pack.ref, pack.pack) < std::tie(at.ref, at.pack);
                       });
  // The plan has looked for every one of them.
  PGCAIRN_ASSERT(found != plan_.packs.end() && found->ref == part.ref && found->pack == part.pack);
  return *found;
}

/// Another repository whose marker is the same has the same manifest, and packs of the same bytes.
bool RestoreWriter::has_same_backup(repo::Repository& repository) {
  std::lock_guard lock(mutex_);
  const auto [known, is_new] = same_.try_emplace(&repository, false);
  if (!is_new) return known->second;
  try {
    repository.open();
    const auto theirs = repository.find_backup(plan_.stanza, plan_.backup.label);
    known->second = theirs && write_backup_marker(*theirs) == write_backup_marker(plan_.backup);
  } catch (const Error& error) {
    log_warn(format("repository \"{}\" does not have it either: {}", repository.name(),
                    error.message()));
  }
  return known->second;
}

/// `parts` are those of one pack.
void RestoreWriter::write_pack(std::span<const RestoreBatch::Part> parts, OpenFiles& files,
                               Buffer& body, std::stop_token stop) {
  try {
    return write_pack_from(*plan_.repository, parts, files, body, stop);
  } catch (const DamagedError& first) {
    for (repo::Repository& other : plan_.all_repositories) {
      if (&other == plan_.repository || !has_same_backup(other)) continue;
      try {
        write_pack_from(other, parts, files, body, stop);
        log_warn(format("taken from repository \"{}\" instead: {}", other.name(), first.message()));
        return;
      } catch (const Error& error) {
        log_warn(
            format("repository \"{}\" does not have it either: {}", other.name(), error.message()));
      }
    }
    throw;
  }
}

void RestoreWriter::write_pack_from(repo::Repository& repository,
                                    std::span<const RestoreBatch::Part> parts, OpenFiles& files,
                                    Buffer& body, std::stop_token stop) {
  const repo::ManifestRef& ref = refs_[parts.front().ref];
  const repo::ManifestPack& pack = pack_of(parts.front());
  PackReader fetcher(repository.driver(), repository.seal_context(),
                     repo::pack_key(plan_.stanza, ref.backup, pack.pack), pack, body);
  std::vector<FramePart> wanted = frame_parts(parts, ref.frame_bytes);
  const std::uint64_t all_bytes = total_bytes(wanted);
  if (std::any_of(parts.begin(), parts.end(), [&](const RestoreBatch::Part& part) {
        return batch_.files[part.file].local == File::Local::hashed;
      })) {
    wanted = different_parts(batch_, wanted, fetcher.index());
  }
  const std::uint64_t bytes = total_bytes(wanted);
  progress_.advance(all_bytes - bytes);
  std::vector<std::uint32_t> frames;
  for (const FramePart& part : wanted) {
    if (frames.empty() || frames.back() != part.frame) frames.push_back(part.frame);
  }
  if (!frames.empty()) fetcher.want(std::move(frames), bytes);
  Buffer raw;
  std::uint32_t opened = UINT32_MAX;
  for (const FramePart& part : wanted) {
    check_stop(stop);
    if (part.frame != opened) fetcher.open(opened = part.frame, raw);
    if (part.offset_bytes + part.length_bytes > raw.size()) {
      throw DamagedError(fetcher.key(), 0,
                         format("frame {} has {} bytes, {} are needed from it", part.frame,
                                raw.size(), part.offset_bytes + part.length_bytes));
    }
    files.write(part.file, raw.bytes().subspan(part.offset_bytes, part.length_bytes),
                part.file_offset_bytes);
    progress_.advance(part.length_bytes);
  }
  std::lock_guard lock(mutex_);
  result_.fetched_bytes += fetcher.fetched_bytes();
  result_.written_bytes += bytes;
}

void RestoreWriter::write_batch() {
  if (plan_.compares) {
    LocalFiles local(
        batch_, [&](const File& file) { return place_of(file); },
        [&](const Fd& fd, const File& file, const fs::path& path) {
          own(fd, file.mode, plan_.owner, path);
        },
        progress_);
    result_.compared_bytes += local.compare(plan_.options.workers, stop_);
  }
  const auto packs = batch_.by_pack();
  std::atomic<std::size_t> next = 0;
  Workers workers(stop_);
  for (unsigned i = 0; i < plan_.options.workers; ++i) {
    workers.start([&](std::stop_token stopping) {
      OpenFiles files(*this);
      Buffer body;
      for (std::size_t at = next++; at < packs.size(); at = next++) {
        check_stop(stopping);
        write_pack(packs[at], files, body, stopping);
      }
    });
  }
  workers.join();
  batch_.clear();
}

}  // namespace pgcairn::engine
