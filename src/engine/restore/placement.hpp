#pragma once

#include "restore/paths.hpp"

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <set>
#include <string>

namespace pgcairn::engine {

/// Decides where each tablespace of plan.backup will be. Throws UsageError for maps that name
/// nothing, and for places that cannot be.
void place_tablespaces(RestorePlan& plan);

/// Decides where links lead, while the manifest is read: a link's line comes before what is below
/// it. Adds to plan.links and to `places`.
class LinkPlacer {
 public:
  LinkPlacer(RestorePlan& plan, Places& places);
  void look_at(const repo::ManifestEntry& entry);
  /// Throws UsageError when --link-map named what the backup does not have.
  void finish();

 private:
  RestorePlan& plan_;
  Places& places_;
  std::set<std::string> unused_;
};

}  // namespace pgcairn::engine
