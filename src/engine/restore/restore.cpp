#include "restore/directories.hpp"
#include "restore/local_tree.hpp"
#include "restore/mark.hpp"
#include "restore/paths.hpp"
#include "restore/recovery_settings.hpp"
#include "restore/writer.hpp"
#include "wal/read_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/version.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/recovery.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

/// tablespace_map with the places of this restore: at its first start the server makes the links
/// again from it.
std::string tablespace_map_text(const RestorePlan& plan) {
  std::string text;
  for (const TablespacePlan& space : plan.tablespaces) {
    text += format("{} ", space.oid);
    for (const char c : space.location.native()) {
      if (c == '\n' || c == '\r' || c == '\\') text += '\\';  // as do_pg_backup_start writes it
      text += c;
    }
    text += '\n';
  }
  return text;
}

/// One run of `restore`.
class RestoreRun {
 public:
  RestoreRun(const RestorePlan& plan, Progress& progress, std::stop_token stop)
      : plan_(plan), progress_(progress), stop_(std::move(stop)), places_(plan), roots_(plan) {}

  RestoreResult run() {
    prepare();
    if (plan_.compares) remove_extras();
    write_files();
    write_wal();
    write_recovery();
    make_durable();
    put_control_file();
    return result_;
  }

 private:
  void prepare();
  void take_control_file_away();
  void remove_extras();
  void remove(const Place& place);
  void write_files();
  void own_tablespaces();
  void make_config_directory();
  void write_wal();
  void write_recovery();
  void write_auto_conf();
  void make_durable();
  void put_control_file();
  Buffer archived(const std::string& name);
  void mark_done(const std::string& segment);
  void write_small(const std::string& name, Bytes content);
  void own_directory(const fs::path& root, mode_t mode);
  const Beneath& data() { return roots_.get(plan_.data_directory); }

  const RestorePlan& plan_;
  Progress& progress_;
  std::stop_token stop_;
  Places places_;
  Roots roots_;
  Fd lock_;
  std::map<dev_t, Fd> file_systems_;  // that were written to: a directory on each
  RestoreResult result_;
};

void RestoreRun::prepare() {
  roots_.make(plan_.data_directory);
  lock_ = lock_directory(data().open("", O_RDONLY | O_DIRECTORY), plan_.data_directory);
  require_as_planned(plan_, lock_);
  std::vector<Place> old;
  if (plan_.resumes && !plan_.compares) {
    log_info(format("\"{}\" holds an interrupted restore, which is wiped",
                    plan_.data_directory.native()));
    old = wiped(plan_, roots_);
  }
  // Where this fails, the cluster that is there still starts.
  for (const TablespacePlan& space : plan_.tablespaces) roots_.make(space.location);
  for (const LinkPlan& link : plan_.links) {
    if (!link.location.empty())
      roots_.make(link.is_file ? link.location.parent_path() : link.location);
  }
  if (plan_.uses_config_to) make_config_directory();
  mark_unfinished(data(), plan_);
  if (plan_.compares) take_control_file_away();
  for (const Place& place : old) remove(place);
}

/// Durable before anything else changes: from here to put_control_file() no server starts.
void RestoreRun::take_control_file_away() {
  const std::string folder = fs::path(kControlPath).parent_path().native();
  const auto leads = data().link_target(folder);
  // A link that is to lead elsewhere goes itself: what it leads to may be another cluster's.
  const auto is_to_lead = places_.link_target(folder);
  if (leads && (!is_to_lead || is_to_lead->native() != *leads)) {
    data().remove(folder);
    return data().sync("");
  }
  const Place control =
      leads ? places_.of(kControlPath) : Place{plan_.data_directory, std::string(kControlPath)};
  const Beneath* const root = roots_.find(control.root);
  const std::string above = fs::path(control.path).parent_path().native();
  if (root != nullptr && root->remove(control.path)) root->sync(above);
}

void RestoreRun::remove(const Place& place) {
  const Beneath* const root = roots_.find(place.root);
  if (root == nullptr) return;
  const TreeSize size = root->remove_tree(place.path);
  result_.removed_files += size.files;
  result_.removed_bytes += size.bytes;
}

void RestoreRun::own_directory(const fs::path& root, mode_t mode) {
  own(roots_.get(root).open("", O_RDONLY | O_DIRECTORY), mode, plan_.owner, root);
}

/// Before anything is written, so that the space is free by then.
void RestoreRun::remove_extras() {
  progress_.phase("removing what does not belong", 0);
  repo::ManifestReader manifest =
      repo::StanzaView(*plan_.repository, plan_.stanza).manifest(plan_.backup);
  LocalTree tree(plan_, places_, roots_, [&](const Place& place) { remove(place); });
  while (const auto entry = manifest.next()) {
    check_stop(stop_);
    if (repo::is_outside(entry->path) || !places_.has(entry->path)) continue;
    const auto status = tree.look_at(*entry);
    // Its mode may be what keeps its content from being removed.
    if (!status || entry->type != repo::EntryType::directory) continue;
    const OpenPlace place = roots_.open(places_.of(entry->path));
    own(place.root.open(place.path, O_RDONLY | O_DIRECTORY), restored_mode(*entry, plan_.owner),
        plan_.owner, place.whole());
  }
  tree.finish();
  for (const fs::path& abandoned : plan_.abandoned) {
    for (const Place& place : roots_.contents(abandoned)) remove(place);
    const fs::path folder = abandoned.parent_path();
    const Beneath* const root = roots_.find(folder);
    if (root == nullptr) continue;
    Fd directory = root->open("", O_RDONLY | O_DIRECTORY);
    const dev_t device = stat_of(directory, folder).st_dev;
    file_systems_.try_emplace(device, std::move(directory));
  }
}

void RestoreRun::write_files() {
  progress_.phase("restoring", plan_.compare_bytes + plan_.write_bytes);
  repo::ManifestReader manifest =
      repo::StanzaView(*plan_.repository, plan_.stanza).manifest(plan_.backup);
  own_directory(plan_.data_directory, plan_.owner.directory_mode);
  own_tablespaces();

  RestoreWriter writer(plan_, places_, roots_, manifest.header().refs, progress_, stop_);
  while (const auto entry = manifest.next()) {
    check_stop(stop_);
    require_placeable(*entry, plan_.stanza, plan_.backup);
    if (places_.has(entry->path)) writer.add(*entry);
  }
  writer.finish();
  result_.compared_bytes = writer.result().compared_bytes;
  result_.fetched_bytes = writer.result().fetched_bytes;
  result_.written_bytes = writer.result().written_bytes;
  file_systems_.merge(writer.file_systems());
}

/// The directory of a tablespace belongs to the server's user, as CREATE TABLESPACE wants it; but
/// where other things are in it, it is not the tablespace's own.
void RestoreRun::own_tablespaces() {
  for (const TablespacePlan& space : plan_.tablespaces) {
    const Beneath& directory = roots_.get(space.location);
    const auto names = directory.list("");
    const bool own_alone = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return name == kLostAndFound || name == tablespace_directory(plan_.backup);
    });
    if (own_alone) own_directory(space.location, plan_.owner.directory_mode);
  }
}

/// Closed to others, since configuration holds secrets; the modes below it are those that were.
void RestoreRun::make_config_directory() {
  const fs::path& directory = plan_.options.config_to;
  if (roots_.find(directory) != nullptr) return;
  roots_.make(directory);
  own_directory(directory, 0700);
}

/// Files that the server is to find in pg_wal.
void RestoreRun::write_wal() {
  for (const WalPlacement& file : plan_.wal_files) {
    Buffer content;
    try {
      content = archived(file.archived);
    } catch (const Error& error) {
      if (!file.may_fail) throw;
      log_warn(
          format("{} is not put into pg_wal: {}. Recovery asks for it, and ends there, only if a "
                 "transaction was prepared in it and is still open where the next timeline begins",
                 file.archived, error.message()));
      continue;
    }
    write_small("pg_wal/" + file.segment, content);
    // As the server marks what it fetched itself (KeepFileRestoredFromArchive, xlogarchive.c).
    if (file.is_done) mark_done(file.segment);
  }
}

/// A WAL file from the first repository that gives it.
Buffer RestoreRun::archived(const std::string& name) {
  const repo::Cluster cluster{plan_.backup.system_id, plan_.backup.pg_version};
  FirstError failure;
  auto content = read_wal(plan_.all_repositories, plan_.stanza, cluster, name, failure);
  if (content) return std::move(*content);
  failure.throw_if_any();
  throw Error(format("{} is no longer in the archive", name));
}

void RestoreRun::mark_done(const std::string& segment) {
  const std::string folder = "pg_wal/archive_status";
  const OpenPlace place = roots_.open(places_.of(folder));
  if (place.root.make_directory(place.path, 0700))
    own(place.root.open(place.path, O_RDONLY | O_DIRECTORY), plan_.owner.directory_mode,
        plan_.owner, place.whole());
  write_small(folder + "/" + segment + ".done", {});
}

void RestoreRun::write_small(const std::string& name, Bytes content) {
  const OpenPlace place = roots_.open(places_.of(name));
  const mode_t mode = plan_.owner.directory_mode & 0640U;
  place.root.replace(place.path, content, 0600,
                     [&](const Fd& fd) { own(fd, mode, plan_.owner, place.whole()); });
}

void RestoreRun::write_recovery() {
  write_small("backup_label", as_bytes(plan_.backup.backup_label));
  if (!plan_.tablespaces.empty())
    write_small("tablespace_map", as_bytes(tablespace_map_text(plan_)));
  if (plan_.options.target.type() != RestoreType::preserve || !recovery_settings(plan_).empty())
    write_auto_conf();
  const std::string signal = signal_file(plan_.options.target.type());
  if (!signal.empty()) write_small(signal, {});
}

void RestoreRun::write_auto_conf() {
  const OpenPlace place = roots_.open(places_.of("postgresql.auto.conf"));
  const auto existing = place.root.read_if_exists(place.path);
  const std::string_view old = existing ? as_text(*existing) : std::string_view{};
  const std::string comment = format("written by pgcairn {} when it restored backup {}",
                                     program_version(), plan_.backup.label);
  const std::string text =
      plan_.options.target.type() == RestoreType::preserve
          ? postgres::added_to_auto_conf(old, recovery_settings(plan_), comment)
          : postgres::recovery_auto_conf(old, recovery_settings(plan_), comment);
  write_small("postgresql.auto.conf", as_bytes(text));
}

void RestoreRun::make_durable() {
  progress_.phase("making durable", 0);
  sync_file_system(data().open("", O_RDONLY | O_DIRECTORY), plan_.data_directory);
  for (const auto& [device, directory] : file_systems_)
    sync_file_system(directory, plan_.data_directory);
}

/// From here on the server can be started, so this comes last.
void RestoreRun::put_control_file() {
  const OpenPlace written = roots_.open(places_.of(written_name(std::string(kControlPath))));
  const OpenPlace final = roots_.open(places_.of(kControlPath));
  auto control = written.root.read_if_exists(written.path);
  if (!control) throw SystemError(format("cannot open \"{}\"", written.whole().native()), ENOENT);
  postgres::require_backup_label(control->writable(), written.whole());
  const Fd fd = written.root.open_to_write(written.path, O_WRONLY, 0600);
  write_at(fd, *control, 0, written.whole());
  fsync_file(fd, written.whole());
  written.root.rename(written.path, final.path);
  final.root.sync(fs::path(final.path).parent_path().native());
  unmark_unfinished(data());
}

}  // namespace

RestoreResult run_restore(const RestorePlan& plan, Progress& progress, std::stop_token stop) {
  return doing(
      [&] {
        return format("restoring backup {} to \"{}\"", plan.backup.label,
                      plan.data_directory.native());
      },
      [&] {
        try {
          return RestoreRun(plan, progress, std::move(stop)).run();
        } catch (DamagedError& error) {
          error.set_hint(
              format("backup {} cannot be restored whole from repository \"{}\": restore another "
                     "one with --set, or from another repository with --repo; \"pgcairn verify "
                     "--level=full\" finds all that is damaged, and restores skip it from then on",
                     plan.backup.label, plan.repository->name()));
          throw;
        }
      });
}

}  // namespace pgcairn::engine
