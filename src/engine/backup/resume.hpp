#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/repository.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// A page that an interrupted backup has stored: its content's hash, and where it is.
struct StoredPage {
  std::uint64_t hash = 0;
  std::uint32_t number = 0;  // in the file, counted in pages
  std::uint32_t ref = 0;     // of the new manifest
  std::uint32_t pack = 0;
  std::uint32_t frame = 0;
  std::uint32_t offset_bytes = 0;  // in the frame's payload
};

/// The pages of one file that interrupted backups have stored.
class StoredPages {
 public:
  StoredPages() = default;
  explicit StoredPages(std::vector<StoredPage> pages);

  bool empty() const { return pages_.empty(); }
  /// Where `page`, which begins at `offset_bytes` of the file, is stored with just that content.
  std::optional<repo::Extent> find(std::uint64_t offset_bytes, Bytes page) const;

 private:
  std::vector<StoredPage> pages_;  // by number; one may be there several times
};

/// What an interrupted backup has stored is of use to the next ones for a time: a label
/// that is older is not resumed. An expire removes what is a day older, so that one that was
/// suspended in the middle of a request takes nothing away from a backup that began meanwhile.
inline constexpr std::chrono::days kLongestResume(6);
inline constexpr std::chrono::days kLongestKept = kLongestResume + std::chrono::days(1);

/// Leaves out the labels that are older than kLongestResume at `when`.
void leave_out_old(std::vector<std::string>& labels, Timestamp when);

/// Of the labels below which packs are stored, those of interrupted backups that the new backup
/// `label` may take over, the newest first. Pure. A full one takes over from full ones, others from
/// those of the same full backup; and only from what began after the last backup of that kind that
/// was completed, so that never two backups take over the same packs.
std::vector<std::string> resumable_for(std::string_view label, std::span<const std::string> listed,
                                       std::span<const std::string> stored);

/// What interrupted backups have stored, read beside the cluster: their packs were filled in the
/// order of paths. Packs that are not whole are skipped. Memory: the pages of the packs around
/// the path that was asked for last.
class InterruptedBackups {
 public:
  /// `repositories`: those that the new backup goes to. A pack is used when all of them have it.
  /// `first_ref`: where refs() will stand in the manifest's. Only frames of at most `frame_bytes`
  /// are used.
  InterruptedBackups(std::vector<repo::Repository*> repositories, const std::string& stanza,
                     std::span<const std::string> labels, std::uint32_t first_ref,
                     std::uint32_t frame_bytes);
  InterruptedBackups(repo::Repository& repository, const std::string& stanza,
                     std::span<const std::string> labels, std::uint32_t first_ref,
                     std::uint32_t frame_bytes)
      : InterruptedBackups(std::vector{&repository}, stanza, labels, first_ref, frame_bytes) {}
  ~InterruptedBackups();

  /// Those of the labels that have packs.
  const std::vector<repo::ManifestRef>& refs() const { return refs_; }
  /// What is stored of a file, in terms of the manifest's refs. To be asked for paths in ascending
  /// order, each once.
  StoredPages take(const std::string& path);
  /// The packs that were read and are whole.
  std::vector<repo::ManifestPack> packs() const;

 private:
  class Stream;
  std::vector<repo::ManifestRef> refs_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace pgcairn::engine
