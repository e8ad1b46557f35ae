#include "restore_config.hpp"
#include "restore_databases.hpp"
#include "restore_files.hpp"
#include "restore_places.hpp"
#include "restore_target.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
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

void check_directories(RestorePlan& plan) {
  const fs::path& data = plan.data_directory;
  const bool empty = is_empty_or_absent(data);
  if (const auto pid = postgres::running_postmaster(data)) {
    throw Error(format("PostgreSQL is running in \"{}\" (process {})", data.native(), *pid),
                "stop the server first");
  }
  plan.resumes = is_unfinished_restore(data);
  if (!plan.resumes && !empty) {
    throw Error(format("\"{}\" is not empty", data.native()),
                "move its content away, or restore into another directory with --pg-path; nothing "
                "was touched");
  }
}

/// Outside of the data directory, only what an interrupted restore of this very directory left may
/// be wiped.
void check_outside_places(const RestorePlan& plan) {
  std::vector<fs::path> known;
  if (plan.resumes) known = marked_places(plan.data_directory);
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

/// What the manifest asks for must be in the repository, whole, before anything is touched.
void check_packs(RestorePlan& plan, const repo::ManifestHeader& header,
                 const std::vector<repo::ManifestPack>& packs,
                 const std::set<std::pair<std::uint32_t, std::uint32_t>>& used) {
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
    }
  }
}

/// Reads the whole manifest once: counts, sizes by directory, packs.
void count(RestorePlan& plan) {
  repo::ManifestReader manifest(plan.repository->driver(), plan.repository->id(), plan.stanza,
                                plan.backup.label, plan.backup.manifest_parts);
  Places places(plan);
  LinkPlacer links(plan, places);
  std::set<std::pair<std::uint32_t, std::uint32_t>> used;  // packs
  std::map<fs::path, std::uint64_t> needed;
  needed[plan.data_directory] = 0;
  constexpr std::uint64_t block_bytes = 4096;
  while (const auto entry = manifest.next()) {
    if (!places.has(entry->path)) continue;
    if (repo::is_outside(entry->path)) {
      if (entry->type == repo::EntryType::file) ++plan.outside_files;
    } else {
      links.look_at(*entry);
    }
    if (entry->type == repo::EntryType::file) ++plan.files;
    if (is_left_out(*entry, plan.left_out_databases)) continue;
    for (const repo::Extent& extent : entry->map) used.insert({extent.ref, extent.pack});
    const std::uint64_t on_disk = (entry->size_bytes + block_bytes - 1) / block_bytes * block_bytes;
    needed[places.root_of(entry->path)] +=
        entry->type == repo::EntryType::file ? on_disk : block_bytes;
    plan.write_bytes += entry->size_bytes;
  }
  links.finish();
  check_packs(plan, manifest.header(), manifest.packs(), used);
  for (const auto& [directory, bytes] : needed) plan.space.push_back({{directory}, bytes, 0});
}

fs::path nearest_existing(fs::path path) {
  while (!fs::exists(path) && path.has_parent_path() && path != path.parent_path())
    path = path.parent_path();
  return path;
}

/// One row for each file system, in place of one for each directory, and refuses what does not fit.
void check_space(RestorePlan& plan) {
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
  if (plan.resumes) return;
  for (const SpacePlan& space : plan.space) {
    if (space.needed_bytes <= space.free_bytes) continue;
    throw Error(format("the file system of \"{}\" has {} free, and the restore needs {}",
                       space.directories.front().native(), format_size(space.free_bytes),
                       format_size(space.needed_bytes)),
                "free space there, or restore elsewhere with --pg-path and --tablespace-map; "
                "nothing was touched");
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
  if (stanza.data_directory.empty() || !stanza.data_directory.is_absolute()) {
    throw UsageError(format("stanza \"{}\" has no absolute pg-path to restore to", stanza.name),
                     "set pg-path in the configuration, or give --pg-path");
  }
  RestorePlan plan;
  plan.stanza = stanza.name;
  plan.options = options;
  plan.data_directory = stanza.data_directory.lexically_normal();
  return doing(
      [&] {
        return format("planning the restore of stanza \"{}\" to \"{}\"", stanza.name,
                      plan.data_directory.native());
      },
      [&] {
        plan_target(plan, repositories);
        plan.left_out_databases = left_out_databases(plan.backup, options);
        place_tablespaces(plan);
        check_directories(plan);
        count(plan);
        check_config_place(plan);
        check_outside_places(plan);
        plan_config(plan);
        if (plan.resumes) plan.removes = wiped(plan);
        note_copy(plan);
        check_space(plan);
        return plan;
      });
}

}  // namespace pgcairn::engine
