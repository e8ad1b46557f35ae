#include "restore_writer.hpp"

#include "restore_databases.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>
#include <cerrno>
#include <list>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kWritebackBytes = 8 * kMiB;  // handed to the disk together
constexpr std::size_t kOpenFiles = 32;               // that a thread keeps open
constexpr std::size_t kFetchBytes = 16 * kMiB;
constexpr std::uint64_t kGapBytes = 256 * kKiB;  // cheaper to read over than to ask again

}  // namespace

std::string written_name(const std::string& path) {
  return path == kControlPath ? path + std::string(kTemporarySuffix) : path;
}

/// The files a thread wrote to last, still open: parts of one file follow each other.
class RestoreWriter::OpenFiles {
 public:
  explicit OpenFiles(RestoreWriter& writer) : writer_(writer) {}

  void write(std::uint32_t file, Bytes bytes, std::uint64_t offset_bytes) {
    Entry& entry = get(file);
    write_at(entry.fd, bytes, offset_bytes, writer_.files_[file].path);
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

 private:
  struct Entry {
    std::uint32_t file;
    Fd fd;
    // Written one after the other, and not yet on its way to the disk.
    std::uint64_t start_bytes = 0;
    std::uint64_t end_bytes = 0;
  };

  Entry& get(std::uint32_t file) {
    const auto found = std::find_if(open_.begin(), open_.end(),
                                    [&](const Entry& entry) { return entry.file == file; });
    if (found != open_.end()) {
      open_.splice(open_.begin(), open_, found);
    } else {
      if (open_.size() >= kOpenFiles) {
        open_.back().fd.close(writer_.files_[open_.back().file].path);
        open_.pop_back();
      }
      open_.push_front({file, writer_.open_target(writer_.files_[file]), 0, 0});
    }
    return open_.front();
  }

  RestoreWriter& writer_;
  std::list<Entry> open_;
};

RestoreWriter::RestoreWriter(const RestorePlan& plan, const Places& places, Progress& progress)
    : plan_(plan), places_(places), progress_(progress), owners_(plan.data_directory) {}

std::uint32_t RestoreWriter::owner_of(const repo::ManifestEntry& entry) {
  const std::pair names(entry.user, entry.group);
  const auto found = std::find(owner_names_.begin(), owner_names_.end(), names);
  if (found == owner_names_.end()) owner_names_.push_back(names);
  return static_cast<std::uint32_t>(std::find(owner_names_.begin(), owner_names_.end(), names) -
                                    owner_names_.begin());
}

void RestoreWriter::add(const repo::ManifestEntry& entry,
                        const std::vector<repo::ManifestRef>& refs) {
  const fs::path path = places_.of(entry.path);
  const auto linked = places_.link_target(entry.path);
  if (linked) make_link(entry, *linked);
  if (entry.type == repo::EntryType::directory) {
    // A tablespace's own directories may be there already.
    if (::mkdir(path.c_str(), entry.mode) != 0 && errno != EEXIST) {
      throw SystemError(format("cannot create directory \"{}\"", path.native()), errno);
    }
    owners_.apply_to_directory(entry, path);
    return;
  }
  if (entry.type == repo::EntryType::link) {
    if (!linked) make_link(entry, entry.target);
    return;
  }
  files_.push_back({entry.path, entry.mode, owner_of(entry)});
  if (is_left_out(entry, plan_.left_out_databases)) {
    const Fd hole = open_target(files_.back());
    if (::ftruncate(hole.get(), static_cast<off_t>(entry.size_bytes)) != 0)
      throw SystemError(format("cannot set the size of \"{}\"", path.native()), errno);
    return;
  }
  if (entry.map.empty()) {
    open_target(files_.back());
    return;
  }
  const auto file = static_cast<std::uint32_t>(files_.size() - 1);
  std::uint64_t at = 0;
  for (const repo::Extent& extent : entry.map) {
    PGCAIRN_ASSERT(extent.ref < refs.size());
    packs_[{extent.ref, extent.pack}].parts.push_back(
        {file, extent.frame, extent.offset_bytes, at, extent.length_bytes});
    at += extent.length_bytes;
  }
}

/// The link itself stands in the data directory, or behind a link above it.
void RestoreWriter::make_link(const repo::ManifestEntry& entry, const fs::path& target) {
  std::error_code error;
  if (entry.type != repo::EntryType::link) fs::create_directories(target.parent_path(), error);
  if (error) {
    throw SystemError(format("cannot create directory \"{}\"", target.parent_path().native()),
                      error.value());
  }
  const fs::path own(entry.path);
  const fs::path above =
      own.has_parent_path() ? places_.of(own.parent_path().native()) : plan_.data_directory;
  const fs::path path = above / own.filename();
  if (::symlink(target.c_str(), path.c_str()) != 0) {
    throw SystemError(format("cannot create link \"{}\"", path.native()), errno);
  }
}

Fd RestoreWriter::open_target(const File& file) {
  const fs::path path = places_.of(written_name(file.path));
  Fd fd = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW, file.mode);
  repo::ManifestEntry entry;
  entry.mode = file.mode;
  std::lock_guard lock(owners_mutex_);
  std::tie(entry.user, entry.group) = owner_names_[file.owner];
  owners_.apply(fd, entry, path);
  return fd;
}

namespace {

/// What one frame gives to one file.
struct FramePart {
  std::uint32_t frame;
  std::uint32_t offset_bytes;
  std::uint32_t length_bytes;
  std::uint32_t file;
  std::uint64_t file_offset_bytes;
};

/// Fetches frames of a pack that are asked for in ascending order, several at a time.
class PackFetcher {
 public:
  /// `wanted`: ascending, without repetition.
  PackFetcher(storage::Driver& driver, std::string_view repository_id, const std::string& key,
              const repo::ManifestPack& pack, std::vector<std::uint32_t> wanted, Buffer& body)
      : driver_(driver), reader_(repository_id, key), wanted_(std::move(wanted)), body_(body) {
    // Nearly all packs are needed whole: one request brings frames and index.
    if (pack.size_bytes <= kFetchBytes + kFetchBytes / 4) {
      fetch(0, pack.size_bytes);
      index_ = repo::PackIndex::parse(body_, repository_id, key);
    } else {
      index_ = repo::PackIndex::load(driver, repository_id, key, pack.size_bytes);
    }
    if (!wanted_.empty() && wanted_.back() >= index_.frames()) {
      throw DamagedError(
          key, pack.size_bytes,
          format("frame {} is named, the pack has {}", wanted_.back(), index_.frames()));
    }
  }

  void open(std::uint32_t frame, Buffer& raw) {
    const std::uint64_t start = index_.offset(frame);
    if (start < body_start_ || index_.end(frame) > body_start_ + body_.size()) fetch_from(frame);
    const repo::Frame found =
        reader_.read(body_.bytes().subspan(start - body_start_, index_.end(frame) - start), start,
                     repo::FrameKind::data, frame);
    reader_.open(found, start, raw);
  }

 private:
  void fetch(std::uint64_t start, std::uint64_t end) {
    if (!driver_.get(reader_.key(), {start, end - start}, body_))
      throw DamagedError(reader_.key(), 0, "the pack is missing");
    if (body_.size() != end - start)
      throw DamagedError(reader_.key(), start + body_.size(), "the pack ends early");
    body_start_ = start;
  }

  /// `frame` and those wanted after it, as far as they lie together.
  void fetch_from(std::uint32_t frame) {
    const std::uint64_t start = index_.offset(frame);
    std::uint64_t end = index_.end(frame);
    for (auto next = std::upper_bound(wanted_.begin(), wanted_.end(), frame); next != wanted_.end();
         ++next) {
      if (index_.offset(*next) - end > kGapBytes || index_.end(*next) - start > kFetchBytes) break;
      end = index_.end(*next);
    }
    fetch(start, end);
  }

  storage::Driver& driver_;
  repo::FrameReader reader_;
  std::vector<std::uint32_t> wanted_;
  Buffer& body_;
  std::uint64_t body_start_ = 0;
  repo::PackIndex index_;
};

}  // namespace

void RestoreWriter::write_pack(const PackWork& work, const repo::ManifestRef& ref, OpenFiles& files,
                               Buffer& body, std::stop_token stop) {
  std::vector<FramePart> parts;
  for (const Part& part : work.parts) {
    std::uint64_t done = 0;
    for (std::uint32_t frame = part.frame; done < part.length_bytes; ++frame) {
      const std::uint32_t offset = done == 0 ? part.offset_bytes : 0;
      const std::uint64_t length =
          std::min<std::uint64_t>(part.length_bytes - done, ref.frame_bytes - offset);
      parts.push_back({frame, offset, static_cast<std::uint32_t>(length), part.file,
                       part.file_offset_bytes + done});
      done += length;
    }
  }
  std::sort(parts.begin(), parts.end(), [](const FramePart& a, const FramePart& b) {
    return std::tie(a.frame, a.offset_bytes) < std::tie(b.frame, b.offset_bytes);
  });
  std::vector<std::uint32_t> wanted;
  for (const FramePart& part : parts) {
    if (wanted.empty() || wanted.back() != part.frame) wanted.push_back(part.frame);
  }

  const std::string key = repo::pack_key(plan_.stanza, ref.backup, work.pack.pack);
  PackFetcher fetcher(plan_.repository->driver(), plan_.repository->id(), key, work.pack,
                      std::move(wanted), body);
  Buffer raw;
  std::uint32_t opened = UINT32_MAX;
  for (const FramePart& part : parts) {
    check_stop(stop);
    if (part.frame != opened) fetcher.open(opened = part.frame, raw);
    if (part.offset_bytes + part.length_bytes > raw.size()) {
      throw DamagedError(key, 0,
                         format("frame {} has {} bytes, {} are asked of it", part.frame, raw.size(),
                                part.offset_bytes + part.length_bytes));
    }
    files.write(part.file, raw.bytes().subspan(part.offset_bytes, part.length_bytes),
                part.file_offset_bytes);
    progress_.advance(part.length_bytes);
  }
}

void RestoreWriter::write(const std::vector<repo::ManifestPack>& packs,
                          const std::vector<repo::ManifestRef>& refs, unsigned threads,
                          std::stop_token stop) {
  std::vector<const PackWork*> work;
  for (const repo::ManifestPack& pack : packs) {
    const auto found = packs_.find({pack.ref, pack.pack});
    if (found == packs_.end()) continue;
    found->second.pack = pack;
    work.push_back(&found->second);
  }
  if (work.size() != packs_.size()) {
    throw DamagedError(
        repo::manifest_key(plan_.stanza, plan_.backup.label, plan_.backup.manifest_parts - 1), 0,
        "a map names a pack that is not in the manifest's list");
  }
  std::atomic<std::size_t> next = 0;
  Workers workers(stop);
  for (unsigned i = 0; i < threads; ++i) {
    workers.start([&](std::stop_token stopping) {
      OpenFiles files(*this);
      Buffer body;
      for (std::size_t at = next++; at < work.size(); at = next++) {
        check_stop(stopping);
        write_pack(*work[at], refs[work[at]->pack.ref], files, body, stopping);
      }
    });
  }
  workers.join();
}

}  // namespace pgcairn::engine
