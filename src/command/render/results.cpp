#include "console.hpp"
#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <chrono>

namespace pgcairn::command {

namespace {

milliseconds duration_of(const repo::BackupMarker& backup) {
  return std::chrono::duration_cast<milliseconds>(backup.stop_time - backup.start_time);
}

}  // namespace

std::string row(std::string_view name, std::string_view value) {
  return format("  {:<12}{}\n", name, value);
}

namespace {

void write_outside(JsonWriter& json, const repo::ExternalConfigInfo& outside) {
  const auto place = [&](std::string_view name, const std::string& path) {
    json.key(name);
    path.empty() ? json.null() : json.value(escape_bytes(path));
  };
  json.key("outside").begin_object();
  place("config-file", outside.config_file);
  place("hba-file", outside.hba_file);
  place("ident-file", outside.ident_file);
  json.member("files", outside.files).key("unreadable").begin_array();
  for (const repo::UnreadableFile& file : outside.unreadable) {
    json.begin_object().member("path", escape_bytes(file.path));
    json.member("cause", as_utf8(file.cause)).end_object();
  }
  json.end_array().end_object();
}

}  // namespace

void write_backup(JsonWriter& json, const repo::BackupMarker& backup) {
  json.begin_object();
  write_backup_members(json, backup);
  json.end_object();
}

void write_backup_members(JsonWriter& json, const repo::BackupMarker& backup) {
  json.member("label", backup.label).member("type", repo::name_of(backup.type));
  if (backup.prior.empty()) {
    json.key("prior").null();
  } else {
    json.member("prior", backup.prior);
  }
  json.member("start-time", format_utc(backup.start_time));
  json.member("stop-time", format_utc(backup.stop_time));
  json.member("duration-seconds", static_cast<double>(duration_of(backup).count()) / 1000);
  json.member("start-lsn", to_string(backup.start_lsn));
  json.member("stop-lsn", to_string(backup.stop_lsn));
  json.member("timeline", backup.timeline);
  json.member("wal-start", backup.wal_start).member("wal-stop", backup.wal_stop);
  json.member("wal-copied", backup.wal_copied);
  json.member("cluster-bytes", backup.cluster_bytes).member("read-bytes", backup.read_bytes);
  json.member("stored-bytes", backup.stored_bytes).member("files", backup.files);
  json.key("resumed").begin_array();
  for (const repo::Resumed& one : backup.resumed) {
    json.begin_object().member("backup", one.backup).member("packs", one.packs);
    json.member("bytes", one.bytes).end_object();
  }
  json.end_array().member("method", backup.method);
  json.key("method-reason");
  backup.method_reason.empty() ? json.null() : json.value(backup.method_reason);
  json.key("page-errors").begin_array();
  for (const repo::PageErrors& file : backup.page_errors) {
    json.begin_object().member("path", escape_bytes(file.path)).key("blocks").begin_array();
    for (const std::uint32_t block : file.blocks) json.value(block);
    json.end_array().member("count", file.count).key("relation");
    file.relation ? write_relation(json, *file.relation) : void(json.null());
    json.end_object();
  }
  json.end_array().member("page-error-count", backup.page_error_count());
  json.member("data-checksums", backup.data_checksums);
  write_outside(json, backup.outside);
  json.key("excluded").begin_array();
  for (const std::string& path : backup.excluded) json.value(escape_bytes(path));
  json.end_array();
  json.member("pg-version", backup.pg_version);
  // A string: 64 bits are more than JavaScript and jq keep.
  json.member("system-id", std::to_string(backup.system_id));
}

std::string page_errors_text(const repo::BackupMarker& backup, std::string_view indent) {
  static constexpr std::size_t most_named = 8;
  std::string text;
  for (const repo::PageErrors& file : backup.page_errors) {
    const std::size_t named = std::min(file.blocks.size(), most_named);
    text += format("{}PAGES DAMAGED: {} block ", indent, printable_in_line(file.path));
    for (std::size_t i = 0; i < named; ++i)
      text += format("{}{}", i == 0 ? "" : ", ", file.blocks[i]);
    if (file.count > named) text += format(" and {} more", file.count - named);
    text += "\n";
    if (file.relation) text += format("{}  in {}\n", indent, describe(*file.relation));
  }
  return text;
}

std::string unreadable_text(const repo::BackupMarker& backup, std::string_view indent) {
  std::string text;
  for (const repo::UnreadableFile& file : backup.outside.unreadable)
    text +=
        format("{}NOT IN THE BACKUP: {} ({})\n", indent, printable_in_line(file.path), file.cause);
  return text;
}

std::string excluded_names(const repo::BackupMarker& backup) {
  std::string text;
  for (const std::string& path : backup.excluded)
    text += format("{}{}", text.empty() ? "" : ", ", escape_bytes(path));
  return text;
}

std::string backup_text(const engine::TakenBackup& taken) {
  const repo::BackupMarker& backup = taken.info;
  std::string names;
  for (const std::string& name : taken.repositories) names += (names.empty() ? "" : ", ") + name;
  std::string text = format("backup {} is in {} {}\n", backup.label,
                            taken.repositories.size() == 1 ? "repository" : "repositories", names);
  for (const engine::FailedRepository& one : taken.failed)
    text += format("  NOT IN REPOSITORY {}\n", one.name);
  text += row("took", format_duration(duration_of(backup)));
  text += row("cluster",
              format("{} in {}", format_size(backup.cluster_bytes), counted(backup.files, "file")));
  if (backup.outside.files > 0) {
    text += row("outside",
                format("{} outside of the data directory", counted(backup.outside.files, "file")));
  }
  if (!backup.excluded.empty()) text += row("excluded", excluded_names(backup));
  if (!backup.prior.empty()) {
    text += row("builds on", backup.prior);
    text += row("changes", backup.method == "summaries"
                               ? "found by WAL summaries"
                               : format("found by comparing pages: {}", backup.method_reason));
  }
  text += row("read", format_size(backup.read_bytes));
  text += row("stored", format_size(backup.stored_bytes));
  for (const repo::Resumed& one : backup.resumed) {
    text += row("resumed", format("{} in {} of interrupted backup {} used again",
                                  format_size(one.bytes), counted(one.packs, "pack"), one.backup));
  }
  text += row("wal", backup.wal_start == backup.wal_stop
                         ? backup.wal_start
                         : format("{} to {}", backup.wal_start, backup.wal_stop));
  if (!backup.data_checksums) text += row("pages", "not checked: no data checksums");
  if (!taken.left_branch.empty())
    text += row("LEFT", format("on a branch that was left: {}", taken.left_branch));
  if (taken.archiver_stuck)
    text += row("ARCHIVER", "stuck: the backup stored the WAL that it needs itself");
  if (!backup.page_errors.empty()) {
    text += page_errors_text(backup, "  ");
    text += "  these pages were damaged in the cluster itself when they were copied\n";
  }
  return text + unreadable_text(backup, "  ");
}

std::string backup_json(const engine::TakenBackup& taken) {
  JsonWriter json;
  json.begin_object().key("backup");
  write_backup(json, taken.info);
  json.member("repository", taken.repositories.front()).key("repositories").begin_array();
  for (const std::string& name : taken.repositories)
    json.begin_object().member("name", name).key("error").null().end_object();
  for (const engine::FailedRepository& one : taken.failed) {
    json.begin_object().member("name", one.name);
    json.member("error", as_utf8(one.reason)).end_object();
  }
  json.end_array().key("left-branch");
  taken.left_branch.empty() ? json.null() : json.value(as_utf8(taken.left_branch));
  json.member("archiver-stuck", taken.archiver_stuck);
  json.end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
