#pragma once

#include "restore/roots.hpp"

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <string>
#include <vector>

namespace pgcairn::engine {

/// File systems that are mounted inside of what is restored over. A directory of PostgreSQL's own
/// may be one (pg_wal on a disk of its own): it stays mounted, and its content is the cluster's.
/// Any other is left alone, whatever is in it; where the backup has content for one, the restore is
/// refused, since it is not known whose the content is.
class MountRules {
 public:
  /// Looks for mount points only when the plan restores over something.
  MountRules(RestorePlan& plan, const Places& places, Roots& roots);

  /// To be called for all entries in the manifest's order, before anything asks for the entry's
  /// place. Throws Error for what cannot be restored while the file system is mounted.
  void look_at(const repo::ManifestEntry& entry);
  /// Adds the mount points that the backup does not know to the plan, with notes on all that are
  /// left alone.
  void finish();

 private:
  void look_below_left(const repo::ManifestEntry& entry) const;
  void look_at_name(const repo::ManifestEntry& entry, const Place& place);
  void look_at_directory(const repo::ManifestEntry& entry);
  std::string real(const Place& place);

  RestorePlan& plan_;
  const Places& places_;
  Roots& roots_;
  std::vector<std::string> points_;  // sorted
};

}  // namespace pgcairn::engine
