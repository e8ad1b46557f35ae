#pragma once

#include <pgcairn/repo/repository.hpp>
#include <pgcairn/storage/driver.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::test {

/// The stanza "main" of a repository whose history is made up: markers that name packs and WAL, and
/// objects without content. For what only asks what is there.
class MadeStanza {
 public:
  static constexpr std::uint64_t kSegmentBytes = 16 * kMiB;
  static constexpr repo::Cluster kCluster{7412345678901234567, 15};

  explicit MadeStanza(repo::Repository& repository, repo::Cluster cluster = kCluster);

  /// The marker of a backup that nothing is said of yet but its label, type, prior and stop time.
  repo::BackupMarker backup(repo::BackupType type, const std::string& prior, Timestamp stop) const;
  /// On `timeline`, from the first to the last segment.
  void set_wal(repo::BackupMarker& info, Timeline timeline, std::uint64_t first,
               std::uint64_t last) const;
  /// Puts packs [0, count) and a part of the manifest; the marker will name them.
  void put_data(repo::BackupMarker& info, std::uint32_t count);
  void put_data(const std::string& label, std::uint32_t count);
  void list(const repo::BackupMarker& info);

  void put_wal(Timeline timeline, std::uint64_t segment, std::string_view suffix = {});
  /// `parents`: where each of the timelines that lead to it was left.
  struct Left {
    Timeline timeline;
    std::uint64_t segment;  // within it
  };
  void put_history(Timeline timeline, const std::vector<Left>& parents);

  std::string wal_name(Timeline timeline, std::uint64_t segment) const;
  std::string wal_key(Timeline timeline, std::uint64_t segment) const;

 private:
  void put(const std::string& key);
  repo::Repository& repository_;
  repo::Cluster cluster_;
};

}  // namespace pgcairn::test
