#include "delta_plan.hpp"
#include "local_tree.hpp"
#include "restore_config.hpp"
#include "restore_databases.hpp"
#include "restore_files.hpp"
#include "restore_mark.hpp"
#include "restore_mounts.hpp"
#include "restore_places.hpp"
#include "restore_target.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore.hpp>
#include <pgcairn/postgres/recovery.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <algorithm>
#include <cerrno>

#include <sys/statvfs.h>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kRemovesNamed = 20;

bool is_empty_or_absent(const fs::path& directory) {
  const auto status = stat_if_exists(directory);
  if (!status) return true;
  if (S_ISLNK(status->st_mode)) return is_empty_or_absent(fs::canonical(directory));
  if (!S_ISDIR(status->st_mode))
    throw UsageError(format("\"{}\" is no directory", directory.native()),
                     "name another one with --pg-path; nothing was touched");
  const auto names = list_directory(directory);
  return names.empty() || (names.size() == 1 && names.front() == "lost+found");
}

/// A directory that is not empty is restored into only when asked for, and never another's.
void require_own_cluster(const RestorePlan& plan) {
  const fs::path& data = plan.data_directory;
  const Ownership found = ownership(data, plan.backup);
  if (plan.options.delta && !found.own) {
    throw Error(format("\"{}\" is not a data directory of the cluster that was backed up: {}",
                       data.native(), found.why_not),
                "--delta keeps and removes files only in the cluster's own directory, or where a "
                "restore of "
                "pgcairn was interrupted; move the content away; nothing was touched");
  }
  if (plan.options.delta) return;
  throw Error(format("\"{}\" is not empty", data.native()),
              found.own
                  ? "give --delta to bring this directory back to the backup, which keeps what "
                    "is right in it and removes the rest, or restore into another directory "
                    "with --pg-path; nothing was touched"
                  : "move its content away, or restore into another directory with --pg-path; "
                    "nothing was touched");
}

void check_directories(RestorePlan& plan) {
  const fs::path& data = plan.data_directory;
  const bool empty = is_empty_or_absent(data);
  if (const auto pid = postgres::running_postmaster(data)) {
    throw Error(format("PostgreSQL is running in \"{}\" (process {})", data.native(), *pid),
                "stop the server first");
  }
  plan.resumes = is_unfinished_restore(data);
  if (!plan.resumes && !empty) require_own_cluster(plan);
  plan.compares = plan.options.delta && !empty;
  take_mark(plan);
}

/// Outside of the data directory, only what an interrupted restore of this very directory left may
/// be wiped, and only what its own links lead to may be changed.
void check_outside_places(const RestorePlan& plan) {
  std::vector<fs::path> known = plan.marked;
  if (plan.compares) {
    const auto own = own_places(plan);
    known.insert(known.end(), own.begin(), own.end());
  }
  for (const fs::path& place : outside_places(plan)) {
    if (std::find(known.begin(), known.end(), place) != known.end()) continue;
    const auto status = stat_if_exists(place);
    if (!status || (S_ISDIR(status->st_mode) && is_empty_or_absent(place))) continue;
    throw Error(
        S_ISDIR(status->st_mode)
            ? format("\"{}\", where a part of the cluster belongs, is not empty", place.native())
            : format("\"{}\", where a part of the cluster belongs, exists", place.native()),
        "move it away, or name another place with --tablespace-map, --tablespace-map-all, "
        "--link-map or --config-to; nothing was touched");
  }
}

using PackIds = std::set<std::pair<std::uint32_t, std::uint32_t>>;  // by ref and number

/// What the manifest asks for must be in the repository, whole, before anything is touched.
void check_packs(RestorePlan& plan, const repo::ManifestHeader& header,
                 const std::vector<repo::ManifestPack>& packs, const PackIds& used) {
  for (std::size_t ref = 0; ref < header.refs.size(); ++ref) {
    std::map<std::string, std::uint64_t> found;
    const std::string& label = header.refs[ref].backup;
    plan.repository->driver().list(
        repo::pack_prefix(plan.stanza, label),
        [&](const storage::Object& object) { found[object.key] = object.size_bytes; });
    for (const repo::ManifestPack& pack : packs) {
      if (pack.ref != ref || !used.contains({pack.ref, pack.pack})) continue;
      const std::string key = repo::pack_key(plan.stanza, label, pack.pack);
      const auto object = found.find(key);
      const std::string hint = "restore another backup with --set; nothing was touched";
      if (object == found.end()) throw DamagedError(key, 0, "the pack is missing", hint);
      if (object->second != pack.size_bytes) {
        throw DamagedError(key, std::min(object->second, pack.size_bytes),
                           format("the pack has {} bytes, and had {} when it was written",
                                  object->second, pack.size_bytes),
                           hint);
      }
      plan.fetch_bytes += pack.size_bytes;
      plan.packs.push_back(pack);
    }
  }
  if (plan.packs.size() != used.size()) {
    throw DamagedError(
        repo::manifest_key(plan.stanza, plan.backup.label, plan.backup.manifest_parts - 1), 0,
        "a map names a pack that is not in the manifest's list");
  }
}

using DeviceBytes = std::map<dev_t, std::uint64_t>;

/// Adds to what will be removed, and what that frees to `freed`. False when nothing of it goes:
/// something is mounted there.
bool count_removed(RestorePlan& plan, Roots& roots, const Place& place, DeviceBytes& freed) {
  const auto status = roots.status(place);
  if (!status) return false;
  const TreeSize size = roots.get(place.root).size_of_tree(place.path);
  plan.remove_files += size.files;
  plan.remove_bytes += size.bytes;
  freed[status->st_dev] += size.disk_bytes;
  return size.files > 0;
}

void note_removed(RestorePlan& plan, Roots& roots, const Place& place, DeviceBytes& freed) {
  if (count_removed(plan, roots, place, freed) && plan.removes.size() < kRemovesNamed)
    plan.removes.push_back(place.whole().native());
}

/// What a file or directory needs on disk beyond what stands in its place.
std::uint64_t growth(const repo::ManifestEntry& entry, const std::optional<struct stat>& local) {
  constexpr std::uint64_t block_bytes = 4096;
  constexpr std::uint64_t stat_block_bytes = 512;
  if (entry.type != repo::EntryType::file) return local ? 0 : block_bytes;
  const std::uint64_t on_disk = (entry.size_bytes + block_bytes - 1) / block_bytes * block_bytes;
  const std::uint64_t there = local && local->st_nlink == 1
                                  ? static_cast<std::uint64_t>(local->st_blocks) * stat_block_bytes
                                  : 0;
  return on_disk - std::min(on_disk, there);
}

/// Reads the whole manifest once, beside what stands in its places when it is compared: counts,
/// sizes by directory, packs.
void count(RestorePlan& plan, DeviceBytes& freed) {
  repo::ManifestReader manifest(plan.repository->driver(), plan.repository->vault(), plan.stanza,
                                plan.backup.label, plan.backup.manifest_parts,
                                plan.backup.manifest_seals);
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
  PackIds used;
  std::map<fs::path, std::uint64_t> needed;
  needed[plan.data_directory] = 0;
  while (const auto entry = manifest.next()) {
    require_placeable(*entry, plan.stanza, plan.backup);
    const bool outside = repo::is_outside(entry->path);
    if (!outside) links.look_at(*entry);
    mounts.look_at(*entry);
    if (!places.has(entry->path)) continue;
    if (outside && entry->type == repo::EntryType::file) ++plan.outside_files;
    const auto local = tree && !outside ? tree->look_at(*entry) : std::nullopt;
    if (entry->type == repo::EntryType::file) ++plan.files;
    if (is_left_out(*entry, plan.left_out_databases)) continue;
    for (const repo::Extent& extent : entry->map) used.insert({extent.ref, extent.pack});
    needed[places.of(entry->path).root] += growth(*entry, local);
    plan.write_bytes += entry->size_bytes;
    if (local && entry->type == repo::EntryType::file)
      plan.compare_bytes += std::min(entry->size_bytes, static_cast<std::uint64_t>(local->st_size));
  }
  links.finish();
  if (tree) tree->finish();
  mounts.finish();
  check_packs(plan, manifest.header(), manifest.packs(), used);
  for (const auto& [directory, bytes] : needed) plan.space.push_back({{directory}, bytes, 0});
}

/// What is removed besides what the manifest's places hold.
void find_what_goes(RestorePlan& plan, DeviceBytes& freed) {
  Roots roots(plan);
  if (plan.compares) {
    find_abandoned_places(plan);
    note_unarchived_wal(plan);
    for (const fs::path& abandoned : plan.abandoned) {
      for (const Place& place : roots.contents(abandoned)) count_removed(plan, roots, place, freed);
      plan.removes.insert(plan.removes.begin(), abandoned.native());  // first: it is elsewhere
    }
  } else if (plan.resumes) {
    for (const Place& place : wiped(plan, roots)) note_removed(plan, roots, place, freed);
  }
}

fs::path nearest_existing(fs::path path) {
  while (!fs::exists(path) && path.has_parent_path() && path != path.parent_path())
    path = path.parent_path();
  return path;
}

/// One row for each file system, in place of one for each directory, and refuses what does not fit.
void check_space(RestorePlan& plan, DeviceBytes& freed) {
  std::vector<dev_t> devices;
  std::vector<SpacePlan> by_device;
  for (const SpacePlan& one : plan.space) {
    const fs::path existing = nearest_existing(one.directories.front());
    struct statvfs fs_status {};
    struct stat status {};
    if (::statvfs(existing.c_str(), &fs_status) != 0 || ::stat(existing.c_str(), &status) != 0) {
      throw SystemError(format("cannot examine \"{}\"", existing.native()), errno);
    }
    const auto known = std::find(devices.begin(), devices.end(), status.st_dev);
    const auto at = static_cast<std::size_t>(known - devices.begin());
    if (known == devices.end()) {
      devices.push_back(status.st_dev);
      by_device.push_back({{}, 0, std::uint64_t{fs_status.f_bavail} * fs_status.f_frsize});
    }
    by_device[at].directories.push_back(one.directories.front());
    by_device[at].needed_bytes += one.needed_bytes;
  }
  plan.space = std::move(by_device);
  // What an interrupted restore has written is wiped, but how much that frees is not known: no
  // refusal on a guess.
  if (plan.resumes && !plan.compares) return;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const SpacePlan& space = plan.space[i];
    if (space.needed_bytes <= space.free_bytes + freed[devices[i]]) continue;
    throw Error(format("the file system of \"{}\" has {} free, and the restore needs {}",
                       space.directories.front().native(), format_size(space.free_bytes),
                       format_size(space.needed_bytes)),
                "free space there, or restore elsewhere with --pg-path and --tablespace-map; "
                "nothing was touched");
  }
}

/// Chooses, and counts what the backup needs. A repository that lacks some of it is passed over for
/// another one.
void choose_and_count(RestorePlan& plan, std::span<repo::Repository> repositories,
                      DeviceBytes& freed) {
  const RestorePlan blank = plan;
  PassedOver passed_over;
  std::exception_ptr first;
  for (;; plan = blank) {
    try {
      plan_target(plan, repositories, passed_over);
      plan.left_out_databases = left_out_databases(plan.backup, plan.options);
      place_tablespaces(plan);
      check_directories(plan);
      freed.clear();
      return count(plan, freed);
    } catch (const DamagedError& error) {
      if (!first) first = std::current_exception();
      if (plan.repository == nullptr || passed_over.size() + 1 >= repositories.size())
        std::rethrow_exception(first);
      log_warn(
          format("repository \"{}\" is passed over: {}", plan.repository->name(), error.message()));
      passed_over.emplace(plan.repository, error.message());
    } catch (const Error&) {
      if (first) std::rethrow_exception(first);
      throw;
    }
  }
}

void note_copy(RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  if (!options.copy || options.archive_off || options.type == RestoreType::standby) return;
  plan.notes.push_back(
      "this is not the stanza's own pg-path. A copy that is promoted archives on a timeline of its "
      "own, and archive-push refuses other content under a name that is taken; still, a second "
      "cluster in one archive confuses people: --archive-mode=off keeps it out");
}

}  // namespace

RestorePlan plan_restore(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                         const RestoreOptions& options) {
  RestorePlan plan;
  plan_restore(plan, stanza, repositories, options);
  return plan;
}

void plan_restore(RestorePlan& plan, const StanzaSettings& stanza,
                  std::span<repo::Repository> repositories, const RestoreOptions& options) {
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
        DeviceBytes freed;
        choose_and_count(plan, repositories, freed);
        check_config_place(plan);
        check_outside_places(plan);
        plan_config(plan);
        find_what_goes(plan, freed);
        resolve_roots(plan);
        note_copy(plan);
        check_space(plan, freed);
      });
}

}  // namespace pgcairn::engine
