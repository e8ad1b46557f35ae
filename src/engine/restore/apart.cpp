#include "restore/apart.hpp"

#include "stanza/manifest_paths.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::engine {

std::vector<NamedPlace> places_of_restore(const RestorePlan& plan) {
  std::vector<NamedPlace> places;
  places.push_back({PlaceKind::data, "the data directory", plan.data_directory, "--pg-path"});
  for (const TablespacePlan& space : plan.tablespaces) {
    places.push_back({PlaceKind::tablespace,
                      format("tablespace {} (\"{}\")", space.oid, space.name),
                      space.location / tablespace_directory(plan.backup), "--tablespace-map"});
  }
  for (const LinkPlan& link : plan.links) {
    if (!link.location.empty())
      places.push_back({PlaceKind::link, format("\"{}\"", link.path), link.location, "--link-map"});
  }
  if (!plan.options.config_to.empty()) {
    places.push_back({PlaceKind::config, "the directory for configuration", plan.options.config_to,
                      "--config-to"});
  }
  return places;
}

void require_apart_from_original(const RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  if (!options.copy || options.replaces || !stat_if_exists(options.original)) return;
  std::vector<NamedPlace> originals = places_of_cluster(options.original);
  for (NamedPlace& place : originals) {
    place.name = place.kind == PlaceKind::data ? "the original's data directory"
                                               : format("{} of the original", place.name);
    place.kind = PlaceKind::original;
  }
  std::vector<NamedPlace> places = places_of_restore(plan);
  for (const fs::path& place : plan.abandoned)
    places.push_back({PlaceKind::tablespace, "what is to be emptied", place, "another link"});
  require_lists_apart(places, originals);
}

}  // namespace pgcairn::engine
