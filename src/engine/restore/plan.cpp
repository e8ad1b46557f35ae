#include "restore/apart.hpp"
#include "restore/databases.hpp"
#include "restore/delta.hpp"
#include "restore/directories.hpp"
#include "restore/external_config.hpp"
#include "restore/isolation.hpp"
#include "restore/local_tree.hpp"
#include "restore/mark.hpp"
#include "restore/mounts.hpp"
#include "restore/needed_packs.hpp"
#include "restore/other_clusters.hpp"
#include "restore/paths.hpp"
#include "restore/placement.hpp"
#include "restore/target.hpp"
#include "restore/unarchived_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kRemovesNamed = 20;

/// Adds to what will be removed, and what that frees to `freed`. False when nothing of it goes:
/// something is mounted there.
bool count_removed(RestorePlan& plan, Roots& roots, const Place& place, DeviceRoom& freed) {
  const auto status = roots.status(place);
  if (!status) return false;
  const TreeSize size = roots.get(place.root).size_of_tree(place.path);
  plan.remove_files += size.files;
  plan.remove_bytes += size.bytes;
  freed[status->st_dev].bytes += size.disk_bytes;
  freed[status->st_dev].files += size.files;
  return size.files > 0;
}

void note_removed(RestorePlan& plan, Roots& roots, const Place& place, DeviceRoom& freed) {
  if (!count_removed(plan, roots, place, freed)) return;
  require_removable(place.whole());
  if (plan.removes.size() < kRemovesNamed) plan.removes.push_back(place.whole().native());
}

/// What a file or directory needs on disk beyond what is in its place.
Room growth(const repo::ManifestEntry& entry, const std::optional<struct stat>& local) {
  constexpr std::uint64_t block_bytes = 4096;
  constexpr std::uint64_t stat_block_bytes = 512;
  if (entry.type != repo::EntryType::file) return {local ? 0 : block_bytes, local ? 0U : 1U};
  const std::uint64_t on_disk = (entry.size_bytes + block_bytes - 1) / block_bytes * block_bytes;
  const std::uint64_t there = local && local->st_nlink == 1
                                  ? static_cast<std::uint64_t>(local->st_blocks) * stat_block_bytes
                                  : 0;
  return {on_disk - std::min(on_disk, there), local ? 0U : 1U};
}

/// Reads the whole manifest once, beside what is in its places when it is compared: counts,
/// sizes by directory, packs.
void count(RestorePlan& plan, DeviceRoom& freed, const std::stop_token& stop) {
  repo::ManifestReader manifest =
      repo::StanzaView(*plan.repository, plan.stanza).manifest(plan.backup);
  decide_owner(plan, manifest.header());
  Places places(plan);
  Roots roots(plan);
  LinkPlacer links(plan, places);
  MountRules mounts(plan, places, roots);
  std::optional<LocalTree> tree;
  if (plan.compares) {
    tree.emplace(plan, places, roots,
                 [&](const Place& place) { note_removed(plan, roots, place, freed); });
  }
  repo::PackSet used;
  std::map<fs::path, Room> needed;
  needed[plan.data_directory] = {};
  while (const auto entry = manifest.next()) {
    check_stop(stop);
    require_placeable(*entry, plan.stanza, plan.backup);
    const bool outside = repo::is_outside(entry->path);
    if (!outside) links.look_at(*entry);
    mounts.look_at(*entry);
    if (!places.has(entry->path)) continue;
    if (outside) plan.uses_config_to = true;
    if (outside && entry->type == repo::EntryType::file) ++plan.outside_files;
    const auto local = tree && !outside ? tree->look_at(*entry) : std::nullopt;
    if (local) require_changeable(places.of(entry->path).whole(), *local);
    if (entry->type == repo::EntryType::file) ++plan.files;
    if (is_left_out(*entry, plan.left_out_databases)) continue;
    for (const repo::Extent& extent : entry->map) used.add(extent.ref, extent.pack);
    const Room more = growth(*entry, local);
    Room& room = needed[places.of(entry->path).root];
    room.bytes += more.bytes;
    room.files += more.files;
    plan.write_bytes += entry->size_bytes;
    if (local && entry->type == repo::EntryType::file)
      plan.compare_bytes += std::min(entry->size_bytes, static_cast<std::uint64_t>(local->st_size));
  }
  links.finish();
  if (tree) tree->finish();
  mounts.finish();
  check_packs(plan, manifest.header(), manifest.packs(), used);
  for (const auto& [directory, room] : needed)
    plan.space.push_back({{directory}, room.bytes, 0, room.files});
}

/// What is removed besides what the manifest's places hold.
void find_what_goes(RestorePlan& plan, DeviceRoom& freed) {
  Roots roots(plan);
  if (plan.compares) {
    check_unarchived_wal(plan);
    for (const fs::path& abandoned : plan.abandoned) {
      for (const Place& place : roots.contents(abandoned)) count_removed(plan, roots, place, freed);
      plan.removes.insert(plan.removes.begin(), abandoned.native());  // first: it is elsewhere
    }
  } else if (plan.resumes) {
    for (const Place& place : wiped(plan, roots)) note_removed(plan, roots, place, freed);
  }
}

/// From all that is not the restore's: its own places first.
void require_places_apart(const RestorePlan& plan, const StanzaSettings& stanza) {
  require_apart(places_of_restore(plan), stanza.others);
  require_apart(places_of_restore(plan), stanza.files);
  require_apart_from_original(plan);
}

/// Is it the backup that lacks something? Archived WAL is every backup's.
bool is_of_backup(const DamagedError& error) {
  const auto key = repo::parse_key(error.object());
  return !key || key->kind != repo::ObjectKind::wal;
}

/// Chooses, and counts what the backup needs. One of which something is missing is skipped: for
/// the same one in another repository, then for another one that reaches the same end.
void choose_and_count(RestorePlan& plan, const StanzaSettings& stanza,
                      std::span<repo::Repository> repositories, DeviceRoom& freed,
                      Progress& progress, const std::stop_token& stop) {
  const RestorePlan blank = plan;
  PassedOver passed_over;
  for (const repo::Repository& repository : repositories) {
    for (const auto& [label, why] : plan.options.broken)
      passed_over.emplace(std::pair(&repository, label), why);
  }
  std::exception_ptr first;
  RestorePlan of_first;  // what was chosen when it was thrown
  const auto give_up = [&] {
    plan = of_first;
    std::rethrow_exception(first);
  };
  for (;; plan = blank) {
    try {
      plan_target(plan, repositories, passed_over, progress, stop);
      progress.phase("reading the manifest", 0);
      plan.left_out_databases = left_out_databases(plan.backup, plan.options);
      place_tablespaces(plan);
      require_places_apart(plan, stanza);
      check_directories(plan);
      freed.clear();
      return count(plan, freed, stop);
    } catch (DamagedError& error) {
      if (error.hint().empty())
        error.set_hint("restore another backup with --set; nothing was touched");
      if (!first) {
        first = std::current_exception();
        of_first = plan;
      }
      if (plan.repository == nullptr || !is_of_backup(error)) give_up();
      const std::string reason =
          format("in repository \"{}\", {}", plan.repository->name(), error.message());
      if (!passed_over.emplace(std::pair(plan.repository, plan.backup.label), reason).second)
        give_up();
      log_warn(format("backup {} is skipped: {}", plan.backup.label, reason));
    } catch (const Error&) {
      if (first) give_up();
      throw;
    }
  }
}

}  // namespace

bool may_pass_over(const RestorePlan& plan, const DamagedError& error) {
  return plan.options.set.empty() && is_of_backup(error);
}

RestorePlan plan_restore(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                         const RestoreOptions& options, Progress& progress, std::stop_token stop) {
  RestorePlan plan;
  plan_restore(plan, stanza, repositories, options, progress, std::move(stop));
  return plan;
}

void plan_restore(RestorePlan& plan, const StanzaSettings& stanza,
                  std::span<repo::Repository> repositories, const RestoreOptions& options,
                  Progress& progress, std::stop_token stop) {
  if (stanza.data_directory.empty() || !stanza.data_directory.is_absolute()) {
    throw UsageError(format("stanza \"{}\" has no absolute pg-path to restore to", stanza.name),
                     "set pg-path in the configuration, or give --pg-path");
  }
  plan.stanza = stanza.name;
  plan.options = options;
  plan.data_directory = stanza.data_directory.lexically_normal();
  doing(
      [&] {
        return format("planning the restore of stanza \"{}\" to \"{}\"", stanza.name,
                      plan.data_directory.native());
      },
      [&] {
        DeviceRoom freed;
        choose_and_count(plan, stanza, repositories, freed, progress, stop);
        require_places_apart(plan, stanza);  // links have their places only now
        require_outside_of_clusters(plan);
        check_outside_places(plan);
        check_writable(plan);
        plan_config(plan);
        if (plan.compares) find_abandoned_places(plan);
        require_apart_from_original(plan);
        require_no_other_owner(plan);
        require_named(plan);
        find_what_goes(plan, freed);
        note_missing_mounts(plan);
        resolve_roots(plan);
        plan_isolation(plan);
        check_space(plan, freed);
      });
}

}  // namespace pgcairn::engine
