#include "backup/resume.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <deque>
#include <map>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kPageBytes = repo::kHashedBytes;
// A backup that is interrupted again and again takes over from all of these.
constexpr std::size_t kMostLeftovers = 4;
// Threads filled packs side by side, so that their numbers follow the paths only roughly.
constexpr std::size_t kPacksAhead = 16;
constexpr std::size_t kMostHeldBytes = 16 * kMiB;  // of each leftover
constexpr std::size_t kBytesOfAFile = 200;         // what a held file takes besides its pages

std::string_view full_part(std::string_view label) {
  return label.substr(0, 16);
}

bool is_full(std::string_view label) {
  return label == full_part(label);
}

}  // namespace

StoredPages::StoredPages(std::vector<StoredPage> pages) : pages_(std::move(pages)) {
  // Stable: of pages with the same content the newest backup's stays first.
  std::stable_sort(pages_.begin(), pages_.end(),
                   [](const StoredPage& a, const StoredPage& b) { return a.number < b.number; });
}

std::optional<repo::Extent> StoredPages::find(std::uint64_t offset_bytes, Bytes page) const {
  if (pages_.empty() || page.size() != kPageBytes || offset_bytes % kPageBytes != 0)
    return std::nullopt;
  const std::uint64_t number = offset_bytes / kPageBytes;
  auto stored = std::partition_point(
      pages_.begin(), pages_.end(), [&](const StoredPage& other) { return other.number < number; });
  if (stored == pages_.end() || stored->number != number) return std::nullopt;
  const std::uint64_t hash = crypto::hash64(page);
  for (; stored != pages_.end() && stored->number == number; ++stored) {
    if (stored->hash != hash) continue;
    return repo::Extent{kPageBytes, stored->ref, stored->pack, stored->frame, stored->offset_bytes};
  }
  return std::nullopt;
}

void leave_out_old(std::vector<std::string>& labels, Timestamp when) {
  const std::string oldest = format_label_time(when - kLongestResume);
  std::erase_if(labels, [&](const auto& label) { return repo::label_time(label) <= oldest; });
}

std::vector<std::string> resumable_for(std::string_view label, std::span<const std::string> listed,
                                       std::span<const std::string> stored) {
  const auto same_kind = [&](std::string_view other) {
    return is_full(label) ? is_full(other)
                          : !is_full(other) && full_part(other) == full_part(label);
  };
  // What names packs of a leftover is later than it. A full backup that does may be gone while
  // others that were built on it remain: they tell when it was by their first part.
  std::string_view completed;
  for (const std::string& other : listed) {
    if (is_full(label)) {
      completed = std::max(completed, repo::label_time(full_part(other)));
    } else if (full_part(other) == full_part(label)) {
      completed = std::max(completed, repo::label_time(other));
    }
  }
  std::vector<std::string> found;
  for (const std::string& other : stored) {
    if (!repo::is_backup_label(other) || !same_kind(other)) continue;
    const std::string_view time = repo::label_time(other);
    if (time > completed && time < repo::label_time(label)) found.push_back(other);
  }
  std::sort(found.begin(), found.end(), [](const std::string& a, const std::string& b) {
    return repo::label_time(a) > repo::label_time(b);
  });
  found.resize(std::min(found.size(), kMostLeftovers));
  return found;
}

/// The packs of one leftover, by number.
class InterruptedBackups::Stream {
 public:
  Stream(std::vector<repo::Repository*> repositories, std::string stanza, std::string label,
         std::uint32_t ref, std::uint32_t frame_bytes);

  bool empty() const { return listed_.empty(); }
  void take(const std::string& path, std::vector<StoredPage>& pages);
  const std::vector<repo::ManifestPack>& packs() const { return whole_; }

 private:
  struct PathOrder {
    bool operator()(const std::string& a, const std::string& b) const {
      return postgres::path_before(a, b);
    }
  };
  using Files = std::map<std::string, std::vector<StoredPage>, PathOrder>;

  void read_next(const std::string& path);
  void read(const repo::ListedPack& pack, Files& files);
  repo::PackIndex read_from(repo::Repository& repository, const std::string& key,
                            std::uint32_t pack, Files& files);
  void add_pages(const repo::PackIndex& index, std::uint32_t pack, std::uint32_t frame,
                 const std::vector<repo::Piece>& pieces, Files& files) const;
  static std::size_t bytes_of(const Files::value_type& file);

  std::vector<repo::Repository*> repositories_;
  std::string stanza_;
  std::string label_;
  std::uint32_t ref_;
  std::uint32_t frame_bytes_;
  std::vector<repo::ListedPack> listed_;
  std::size_t next_ = 0;  // of listed_, to be read
  std::vector<repo::ManifestPack> whole_;
  std::vector<std::string> ahead_;  // where packs begin that were read too early
  Files held_;
  std::size_t held_bytes_ = 0;
  Buffer body_;
};

InterruptedBackups::Stream::Stream(std::vector<repo::Repository*> repositories, std::string stanza,
                                   std::string label, std::uint32_t ref, std::uint32_t frame_bytes)
    : repositories_(std::move(repositories)),
      stanza_(std::move(stanza)),
      label_(std::move(label)),
      ref_(ref),
      frame_bytes_(frame_bytes) {
  repo::StanzaView(*repositories_.front(), stanza_)
      .packs(label_, [&](const repo::ListedPack& pack) { listed_.push_back(pack); });
}

std::size_t InterruptedBackups::Stream::bytes_of(const Files::value_type& file) {
  return kBytesOfAFile + file.first.size() + file.second.size() * sizeof(StoredPage);
}

void InterruptedBackups::Stream::take(const std::string& path, std::vector<StoredPage>& pages) {
  const auto drop_first = [&] {
    held_bytes_ -= bytes_of(*held_.begin());
    held_.erase(held_.begin());
  };
  while (!held_.empty() && postgres::path_before(held_.begin()->first, path)) drop_first();
  std::erase_if(ahead_,
                [&](const std::string& first) { return !postgres::path_before(path, first); });
  while (next_ < listed_.size() && ahead_.size() < kPacksAhead && held_bytes_ < kMostHeldBytes)
    read_next(path);
  if (held_.empty() || held_.begin()->first != path) return;
  const std::vector<StoredPage>& found = held_.begin()->second;
  pages.insert(pages.end(), found.begin(), found.end());
  drop_first();
}

void InterruptedBackups::Stream::read_next(const std::string& path) {
  const repo::ListedPack& pack = listed_[next_++];
  Files files;
  try {
    read(pack, files);
  } catch (const TransientError&) {
    throw;  // the repository cannot be reached: no word about the pack
  } catch (const Error& error) {
    log_info(format("pack {} of interrupted backup {} is not used: {}", pack.number, label_,
                    error.message()));
    return;
  }
  if (files.empty()) return;
  if (postgres::path_before(path, files.begin()->first)) ahead_.push_back(files.begin()->first);
  for (auto& [name, pages] : files) {
    if (postgres::path_before(name, path)) continue;
    const auto [file, created] = held_.try_emplace(name);
    if (!created) held_bytes_ -= bytes_of(*file);
    file->second.insert(file->second.end(), pages.begin(), pages.end());
    held_bytes_ += bytes_of(*file);
  }
}

/// Reads all of a pack, since a new backup is about to rely on it: every frame's check must hold,
/// in each repository, and all must have the same.
void InterruptedBackups::Stream::read(const repo::ListedPack& pack, Files& files) {
  const std::string key = repo::pack_key(stanza_, label_, pack.number);
  if (pack.size_bytes > repo::kMostPackBytes) throw DamagedError(key, 0, "the pack is too long");
  Files found;
  const repo::PackIndex index = read_from(*repositories_.front(), key, pack.number, found);
  const std::size_t size_bytes = body_.size();
  for (std::size_t i = 1; i < repositories_.size(); ++i) {
    Files same;
    if (read_from(*repositories_[i], key, pack.number, same) != index || body_.size() != size_bytes)
      throw DamagedError(key, 0,
                         format("repository \"{}\" has another one", repositories_[i]->name()));
  }
  files = std::move(found);
  const std::uint64_t index_offset = index.offset(index.frames());
  whole_.push_back({ref_, pack.number, size_bytes, index_offset,
                    static_cast<std::uint32_t>(size_bytes - repo::kPackFooterBytes - index_offset),
                    index.seal()});
}

repo::PackIndex InterruptedBackups::Stream::read_from(repo::Repository& repository,
                                                      const std::string& key, std::uint32_t pack,
                                                      Files& files) {
  if (!repository.driver().get(key, {0, repo::kMostPackBytes}, body_))
    throw DamagedError(key, 0, "the pack is gone");
  auto index = repo::PackIndex::parse(body_, repository.seal_context(), key);
  repo::FrameReader reader(repository.seal_context(), key, index.seal());
  for (std::uint32_t i = 0; i < index.frames(); ++i) {
    const std::uint64_t start = index.offset(i);
    const repo::Frame frame = reader.read(body_.bytes().subspan(start, index.end(i) - start), start,
                                          repo::FrameKind::data, i);
    if (frame.whole_bytes != index.end(i) - start || frame.raw_bytes != index.raw_bytes(i))
      throw DamagedError(key, start, "the index has another size for the frame");
    if (frame.raw_bytes <= frame_bytes_)
      add_pages(index, pack, i, repo::read_pieces(frame.about, key, start), files);
  }
  return index;
}

/// The whole pages among a frame's pieces whose hashes are in the index.
void InterruptedBackups::Stream::add_pages(const repo::PackIndex& index, std::uint32_t pack,
                                           std::uint32_t frame,
                                           const std::vector<repo::Piece>& pieces,
                                           Files& files) const {
  const std::span<const std::uint64_t> hashes = index.hashes(frame);
  std::uint64_t at = 0;  // in the payload
  for (const repo::Piece& piece : pieces) {
    std::vector<StoredPage>& pages = files[piece.path];
    for (const repo::Run& run : piece.runs) {
      if (run.length_bytes > index.raw_bytes(frame) - at)
        throw DamagedError(repo::pack_key(stanza_, label_, pack), index.offset(frame),
                           "the frame claims more content than it has");
      const bool known = at % kPageBytes == 0 && run.offset_bytes % kPageBytes == 0 &&
                         run.offset_bytes / kPageBytes < UINT32_MAX - hashes.size();
      for (std::uint64_t done = 0; known && done + kPageBytes <= run.length_bytes;
           done += kPageBytes) {
        pages.push_back({hashes[(at + done) / kPageBytes],
                         static_cast<std::uint32_t>((run.offset_bytes + done) / kPageBytes), ref_,
                         pack, frame, static_cast<std::uint32_t>(at + done)});
      }
      at += run.length_bytes;
    }
  }
}

InterruptedBackups::InterruptedBackups(std::vector<repo::Repository*> repositories,
                                       const std::string& stanza,
                                       std::span<const std::string> labels, std::uint32_t first_ref,
                                       std::uint32_t frame_bytes) {
  for (const std::string& label : labels) {
    const auto ref = first_ref + static_cast<std::uint32_t>(refs_.size());
    auto stream = std::make_unique<Stream>(repositories, stanza, label, ref, frame_bytes);
    if (stream->empty()) continue;
    refs_.push_back({label, frame_bytes});
    streams_.push_back(std::move(stream));
  }
}

InterruptedBackups::~InterruptedBackups() = default;

StoredPages InterruptedBackups::take(const std::string& path) {
  std::vector<StoredPage> pages;
  for (const auto& stream : streams_) stream->take(path, pages);
  return StoredPages(std::move(pages));
}

std::vector<repo::ManifestPack> InterruptedBackups::packs() const {
  std::vector<repo::ManifestPack> packs;
  for (const auto& stream : streams_)
    packs.insert(packs.end(), stream->packs().begin(), stream->packs().end());
  return packs;
}

}  // namespace pgcairn::engine
