#include "restore/apart.hpp"
#include "restore/candidates.hpp"
#include "restore/directories.hpp"
#include "restore/external_config.hpp"
#include "restore/needed_packs.hpp"
#include "restore/other_clusters.hpp"
#include "restore/paths.hpp"
#include "restore/writer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore/config_only.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// Is the entry restored, in or outside of the data directory?
bool is_wanted(const ConfigPlan& plan, const repo::ManifestEntry& entry) {
  if (repo::is_outside(entry.path)) return entry.type != repo::EntryType::link;
  if (entry.type == repo::EntryType::file) return is_config_file(entry.path);
  return plan.folders.contains(entry.path);
}

/// Reads the manifest once: what is configuration, and the packs that it needs.
void find_entries(ConfigPlan& plan, const fs::path& data_directory, const std::stop_token& stop) {
  RestorePlan& restore = plan.restore;
  repo::ManifestReader manifest =
      repo::StanzaView(*restore.repository, restore.stanza).manifest(restore.backup);
  decide_owner(restore, manifest.header());
  repo::PackSet used;
  while (const auto entry = manifest.next()) {
    check_stop(stop);
    require_placeable(*entry, restore.stanza, restore.backup);
    if (!is_wanted(plan, *entry)) continue;
    const bool outside = repo::is_outside(entry->path);
    const bool is_directory = entry->type == repo::EntryType::directory;
    const fs::path was = outside ? fs::path(entry->path) : data_directory / entry->path;
    plan.entries.push_back(
        {was, restore.options.config_to / was.relative_path(), is_directory, !outside});
    for (const repo::Extent& extent : entry->map) used.add(extent.ref, extent.pack);
    if (is_directory) continue;
    ++restore.files;
    restore.write_bytes += entry->size_bytes;
    for (fs::path above = fs::path(entry->path).parent_path(); !outside && !above.empty();
         above = above.parent_path())
      plan.folders.insert(above.native());
  }
  check_packs(restore, manifest.header(), manifest.packs(), used);
}

/// The newest one that lacks nothing, in the repository where it is best.
void choose(ConfigPlan& plan, std::span<repo::Repository> repositories, PassedOver& passed_over) {
  RestorePlan& restore = plan.restore;
  const Candidates all =
      find_candidates(repositories, restore.stanza, restore.options, passed_over);
  restore.notes = all.notes;
  const auto newest =
      std::find_if(all.backups.rbegin(), all.backups.rend(), [&](const repo::BackupMarker& backup) {
        return flaw_of(backup, all.flaws).kind != Flaw::Kind::lacking;
      });
  if (newest == all.backups.rend()) {
    throw MissingError(
        format("there is no backup of stanza \"{}\" to take configuration from", restore.stanza),
        "\"pgcairn info\" lists the backups");
  }
  restore.backup = *newest;
  restore.repository = all.where.at(newest->label);
}

/// Another one is as good where this one lacks something: configuration changes seldom.
void choose_and_find(ConfigPlan& plan, std::span<repo::Repository> repositories,
                     const fs::path& data_directory, const std::stop_token& stop) {
  const ConfigPlan blank = plan;
  PassedOver passed_over;
  std::vector<std::string> skipped;
  std::exception_ptr first;
  for (;; plan = blank) {
    try {
      choose(plan, repositories, passed_over);
      find_entries(plan, data_directory, stop);
      plan.restore.notes.insert(plan.restore.notes.end(), skipped.begin(), skipped.end());
      return;
    } catch (const DamagedError& error) {
      if (!first) first = std::current_exception();
      const RestorePlan& restore = plan.restore;
      if (restore.repository == nullptr) throw;
      skipped.push_back(format("backup {} in repository \"{}\" is skipped: {}",
                               restore.backup.label, restore.repository->name(), error.message()));
      passed_over.emplace(std::pair(restore.repository, restore.backup.label), error.message());
    } catch (const MissingError&) {
      if (first) std::rethrow_exception(first);
      throw;
    }
  }
}

/// The topmost directory or file on the way to `path` that this host does not have; empty: it has
/// all.
fs::path first_absent(const fs::path& path) {
  fs::path at;
  for (const fs::path& part : path) {
    at /= part;
    if (!stat_if_exists(at)) return at;
  }
  return {};
}

/// What the operator does next depends on what is on this host.
void look_at_host(ConfigPlan& plan) {
  for (const ConfigEntry& entry : plan.entries) {
    if (entry.in_data_directory) continue;
    const fs::path absent = first_absent(entry.was);
    std::vector<fs::path>& paths = absent.empty() ? plan.there : plan.absent;
    if (absent.empty() && entry.is_directory) continue;
    const fs::path path = absent.empty() ? entry.was.parent_path() : absent;
    const bool known = std::any_of(paths.begin(), paths.end(),
                                   [&](const fs::path& one) { return is_inside(path, one); });
    if (known) continue;
    std::erase_if(paths, [&](const fs::path& one) { return is_inside(one, path); });
    paths.push_back(path);
  }
}

void require_place(const ConfigPlan& plan, const StanzaSettings& stanza) {
  const RestorePlan& restore = plan.restore;
  const NamedPlace target{PlaceKind::config, "the directory for configuration",
                          restore.options.config_to, "--config-to"};
  require_apart({target, {PlaceKind::data, "the data directory", stanza.data_directory, "pg-path"}},
                stanza.others);
  require_apart({target}, stanza.files);
  require_outside_of_clusters(restore);
  check_outside_places(restore);
  check_writable(restore);
}

}  // namespace

bool is_config_file(std::string_view path) {
  if (!path.ends_with(".conf")) return false;
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view top = path.substr(0, slash);
  return top != "base" && top != "global" && !top.starts_with("pg_");
}

ConfigPlan plan_config_restore(const StanzaSettings& stanza,
                               std::span<repo::Repository> repositories,
                               const RestoreOptions& options, Progress& progress,
                               std::stop_token stop) {
  return doing(
      [&] {
        return format("planning the restore of the configuration of stanza \"{}\" to \"{}\"",
                      stanza.name, options.config_to.native());
      },
      [&] {
        progress.phase("reading the manifest", 0);
        ConfigPlan plan;
        RestorePlan& restore = plan.restore;
        restore.stanza = stanza.name;
        restore.options = options;
        restore.all_repositories = repositories;
        restore.uses_config_to = true;
        restore.data_directory = stanza.data_directory.lexically_normal();
        choose_and_find(plan, repositories, restore.data_directory, stop);
        note_unreadable(restore);
        restore.data_directory = options.config_to / restore.data_directory.relative_path();
        require_place(plan, stanza);
        resolve_roots(restore);
        look_at_host(plan);
        return plan;
      });
}

RestoreResult run_config_restore(const ConfigPlan& plan, Progress& progress, std::stop_token stop) {
  const RestorePlan& restore = plan.restore;
  const fs::path& target = restore.options.config_to;
  return doing(
      [&] {
        return format("restoring the configuration of backup {} to \"{}\"", restore.backup.label,
                      target.native());
      },
      [&] {
        Roots roots(restore);
        const Places places(restore);
        Fd directory = roots.make(target).open("", O_RDONLY | O_DIRECTORY);
        own(directory, 0700, restore.owner, target);
        progress.phase("restoring", restore.write_bytes);
        repo::ManifestReader manifest =
            repo::StanzaView(*restore.repository, restore.stanza).manifest(restore.backup);
        RestoreWriter writer(restore, places, roots, manifest.header().refs, progress, stop);
        bool in_data_directory = false;
        while (const auto entry = manifest.next()) {
          check_stop(stop);
          require_placeable(*entry, restore.stanza, restore.backup);
          if (!is_wanted(plan, *entry)) continue;
          if (!repo::is_outside(entry->path) && !in_data_directory) {
            in_data_directory = true;
            const Beneath& data = roots.make(restore.data_directory);
            own(data.open("", O_RDONLY | O_DIRECTORY), 0700, restore.owner, data.path());
          }
          writer.add(*entry);
        }
        writer.finish();
        sync_file_system(directory, target);
        return writer.result();
      });
}

}  // namespace pgcairn::engine
