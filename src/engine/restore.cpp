#include "local_tree.hpp"
#include "recovery_settings.hpp"
#include "restore_files.hpp"
#include "restore_writer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <cerrno>
#include <map>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

/// Makes everything on the file system of `directory` durable, with one call instead of one a file.
void sync_file_system(const fs::path& directory) {
  const Fd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (::syncfs(fd.get()) != 0)
    throw SystemError(format("cannot make the file system of \"{}\" durable", directory.native()),
                      errno);
}

void make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    throw SystemError(format("cannot create directory \"{}\"", path.native()), error.value());
}

/// tablespace_map with the places of this restore: at its first start the server makes the links
/// anew from it.
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
      : plan_(plan), progress_(progress), stop_(std::move(stop)), places_(plan) {}

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
  void remove(const fs::path& path);
  void write_files();
  void make_config_directory(Owners& owners);
  void write_wal();
  void write_recovery();
  void write_auto_conf();
  void make_durable();
  void put_control_file();
  void write_small(const std::string& name, Bytes content);

  const RestorePlan& plan_;
  Progress& progress_;
  std::stop_token stop_;
  Places places_;
  repo::ManifestEntry directory_;           // owner and mode of the data directory
  std::map<dev_t, fs::path> file_systems_;  // that were written to: a directory on each
  RestoreResult result_;
};

void RestoreRun::prepare() {
  const fs::path& data = plan_.data_directory;
  if (!fs::exists(data)) {
    make_directories(data);
    if (::chmod(data.c_str(), 0700) != 0)
      throw SystemError(format("cannot change the mode of \"{}\"", data.native()), errno);
  }
  std::vector<fs::path> old;
  if (plan_.resumes && !plan_.compares) {
    log_info(format("\"{}\" holds an interrupted restore, which is wiped", data.native()));
    old = wiped(plan_);
  }
  // Where this fails, the cluster that stands there still starts.
  for (const TablespacePlan& space : plan_.tablespaces) make_directories(space.location);
  for (const LinkPlan& link : plan_.links) {
    if (!link.location.empty()) make_directories(link.location.parent_path());
  }
  if (plan_.outside_files > 0) make_directories(plan_.options.config_to.parent_path());
  mark_unfinished(data, plan_);
  if (plan_.compares) take_control_file_away();
  for (const fs::path& path : old) remove(path);
}

/// Durable before anything else changes: from here to put_control_file() no server starts.
void RestoreRun::take_control_file_away() {
  const fs::path control = plan_.data_directory / kControlPath;
  const fs::path folder = control.parent_path();
  const auto status = stat_if_exists(folder);
  if (!status) return;
  // A link that is to lead elsewhere goes itself: what it leads to may be another cluster's.
  const bool foreign = S_ISLNK(status->st_mode) &&
                       places_.link_target(folder.filename().native()) != fs::read_symlink(folder);
  const fs::path& gone = foreign ? folder : control;
  if (::unlink(gone.c_str()) != 0 && errno != ENOENT)
    throw SystemError(format("cannot remove \"{}\"", gone.native()), errno);
  fsync_directory(gone.parent_path());
}

void RestoreRun::remove(const fs::path& path) {
  const TreeSize size = tree_size(path);
  result_.removed_files += size.files;
  result_.removed_bytes += size.bytes;
  remove_tree(path);
}

/// Before anything is written, so that the space is free by then.
void RestoreRun::remove_extras() {
  progress_.phase("removing what does not belong", 0);
  repo::ManifestReader manifest(plan_.repository->driver(), plan_.repository->vault(), plan_.stanza,
                                plan_.backup.label, plan_.backup.manifest_parts,
                                plan_.backup.manifest_seals);
  Owners owners(plan_.data_directory);
  LocalTree tree(plan_, places_, [&](const fs::path& path) { remove(path); });
  while (const auto entry = manifest.next()) {
    check_stop(stop_);
    if (repo::is_outside(entry->path)) continue;
    const auto status = tree.look_at(*entry);
    // Its mode may be what keeps its content from being removed.
    if (status && entry->type == repo::EntryType::directory)
      owners.apply_to_directory(*entry, places_.of(entry->path));
  }
  tree.finish();
  for (const fs::path& place : plan_.abandoned) {
    for (const fs::path& path : contents(place)) remove(path);
    const fs::path folder = place.parent_path();
    file_systems_.emplace(stat_of(open_file(folder, O_RDONLY | O_DIRECTORY), folder).st_dev,
                          folder);
  }
}

void RestoreRun::write_files() {
  progress_.phase("restoring", plan_.compare_bytes + plan_.write_bytes);
  repo::ManifestReader manifest(plan_.repository->driver(), plan_.repository->vault(), plan_.stanza,
                                plan_.backup.label, plan_.backup.manifest_parts,
                                plan_.backup.manifest_seals);
  const repo::ManifestHeader& header = manifest.header();
  directory_.mode = header.directory_mode;
  directory_.user = header.user;
  directory_.group = header.group;
  Owners owners(plan_.data_directory);
  owners.apply_to_directory(directory_, plan_.data_directory);
  for (const TablespacePlan& space : plan_.tablespaces)
    owners.apply_to_directory(directory_, space.location);

  if (plan_.outside_files > 0) make_config_directory(owners);

  RestoreWriter writer(plan_, places_, header.refs, progress_, stop_);
  while (const auto entry = manifest.next()) {
    check_stop(stop_);
    if (places_.has(entry->path)) writer.add(*entry);
  }
  writer.finish();
  result_.compared_bytes = writer.result().compared_bytes;
  result_.fetched_bytes = writer.result().fetched_bytes;
  result_.written_bytes = writer.result().written_bytes;
  file_systems_.insert(writer.file_systems().begin(), writer.file_systems().end());
}

/// Closed to others, since configuration holds secrets; the modes below it are those that were.
void RestoreRun::make_config_directory(Owners& owners) {
  const fs::path& directory = plan_.options.config_to;
  if (fs::exists(directory)) return;
  make_directories(directory);
  repo::ManifestEntry entry = directory_;
  entry.mode = 0700;
  owners.apply_to_directory(entry, directory);
}

/// Files that the server is to find in pg_wal, each from the first repository that gives it.
void RestoreRun::write_wal() {
  const repo::Cluster cluster{plan_.backup.system_id, plan_.backup.pg_version};
  for (const WalPlacement& file : plan_.wal_files) {
    Buffer content;
    std::exception_ptr error;
    for (repo::Repository& repository : plan_.all_repositories) {
      try {
        repository.open();
        content.resize(0);
        if (repository.get_wal(plan_.stanza, cluster, file.archived,
                               [&](Bytes piece) { content.append(piece); }))
          break;
      } catch (const Error&) {
        content.resize(0);
        if (!error) error = std::current_exception();
      }
    }
    if (content.size() == 0 && error) std::rethrow_exception(error);
    if (content.size() == 0) throw Error(format("{} is no longer in the archive", file.archived));
    write_small("pg_wal/" + file.segment, content);
  }
}

void RestoreRun::write_small(const std::string& name, Bytes content) {
  const fs::path path = plan_.data_directory / name;
  AtomicFile file(path, 0600);
  file.write(content);
  repo::ManifestEntry entry = directory_;
  entry.mode = directory_.mode & 0666;
  Owners(plan_.data_directory).apply(file.fd(), entry, path);
  file.commit();
}

void RestoreRun::write_recovery() {
  write_small("backup_label", as_bytes(plan_.backup.backup_label));
  if (!plan_.backup.tablespace_map.empty())
    write_small("tablespace_map", as_bytes(tablespace_map_text(plan_)));
  if (plan_.options.type != RestoreType::preserve || !recovery_settings(plan_).empty())
    write_auto_conf();
  const std::string signal = signal_file(plan_.options.type);
  if (!signal.empty()) write_small(signal, {});
}

void RestoreRun::write_auto_conf() {
  const auto existing = read_file_if_exists(plan_.data_directory / "postgresql.auto.conf");
  const std::string_view old = existing ? as_text(*existing) : std::string_view{};
  const std::string comment = format("written by pgcairn {} when it restored backup {}",
                                     PGCAIRN_VERSION, plan_.backup.label);
  const std::string text =
      plan_.options.type == RestoreType::preserve
          ? postgres::added_to_auto_conf(old, recovery_settings(plan_), comment)
          : postgres::recovery_auto_conf(old, recovery_settings(plan_), comment);
  write_small("postgresql.auto.conf", as_bytes(text));
}

void RestoreRun::make_durable() {
  progress_.phase("making durable", 0);
  sync_file_system(plan_.data_directory);
  for (const auto& [device, directory] : file_systems_) sync_file_system(directory);
}

/// From here on the server can be started, so this comes last.
void RestoreRun::put_control_file() {
  const fs::path written = plan_.data_directory / written_name(std::string(kControlPath));
  const fs::path final = plan_.data_directory / kControlPath;
  Buffer control = read_file(written);
  postgres::require_backup_label(control.writable(), written);
  const Fd fd = open_file(written, O_WRONLY);
  write_at(fd, control, 0, written);
  fsync_file(fd, written);
  if (::rename(written.c_str(), final.c_str()) != 0) {
    throw SystemError(format("cannot rename to \"{}\"", final.native()), errno);
  }
  fsync_directory(final.parent_path());
  unmark_unfinished(plan_.data_directory);
}

}  // namespace

RestoreResult run_restore(const RestorePlan& plan, Progress& progress, std::stop_token stop) {
  return doing(
      [&] {
        return format("restoring backup {} to \"{}\"", plan.backup.label,
                      plan.data_directory.native());
      },
      [&] { return RestoreRun(plan, progress, std::move(stop)).run(); });
}

}  // namespace pgcairn::engine
