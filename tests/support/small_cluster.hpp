#pragma once

#include "repository.hpp"

#include <pgcairn/repo/backup_marker.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pgcairn::test {

/// A page of that block whose checksum fits, with some content.
std::string good_page(std::uint32_t block, std::uint64_t lsn, char content = 'x');

/// A backup of a cluster that never was, with all that a restore of it needs: packs, manifest,
/// marker, pg_control, and WAL that goes on on timeline 2.
struct SmallCluster {
  explicit SmallCluster(std::string_view label = kLabel);

  std::map<std::string, std::string> files;  // by path
  std::map<std::string, std::vector<std::uint32_t>> bad_blocks{};
  repo::Cluster cluster{7710454570926170144u, 15};
  repo::BackupMarker info;

  /// Stores all of it.
  void store(repo::Repository& repository);
  void store_wal(repo::Repository& repository) const;
  void store_backup(repo::Repository& repository);
};

}  // namespace pgcairn::test
