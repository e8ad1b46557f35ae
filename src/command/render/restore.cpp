#include "console.hpp"
#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/text.hpp>

#include <array>

namespace pgcairn::command {

namespace {

using engine::RestoreType;

std::string time_text(Timestamp when, const std::optional<TargetTime>& target) {
  std::string text = format("{} ({})", format_utc(when), format_local(when));
  if (target && target->zone_assumed)
    text += format("; it names no zone: {} is used", target->zone);
  return text;
}

std::string target_text(const engine::RestorePlan& plan, const std::optional<TargetTime>& target) {
  const engine::RecoveryTarget& to = plan.options.target;
  const std::string before = to.exclusive() ? "just before " : "";
  switch (to.type()) {
    case RestoreType::latest:
      return "the end of the archived WAL";
    case RestoreType::immediate:
      return "the end of the backup, as soon as the cluster is consistent";
    case RestoreType::time:
      return before + time_text(to.time()->when, target);
    case RestoreType::xid:
      return format("{}transaction {}", before, to.xid()->xid);
    case RestoreType::lsn:
      return format("{}LSN {}", before, to_string(to.lsn()->at));
    case RestoreType::name:
      return format("restore point \"{}\"", to.name()->name);
    case RestoreType::standby:
      return "none: the server becomes a standby";
    case RestoreType::preserve:
      return "what the configuration in the backup says";
    case RestoreType::none:
      break;
  }
  return "the end of the backup, without an archive";
}

std::string path_text(const std::vector<engine::TimelineSpan>& path) {
  std::string text;
  for (const engine::TimelineSpan& span : path) {
    text += format("{}{}", text.empty() ? "" : ", then ", engine::timeline_text(span.timeline));
    if (span.end.value != 0) text += format(" to {}", to_string(span.end));
  }
  return text;
}

std::string range_text(const engine::WalRange& range) {
  std::string text = range.first == range.last ? range.first
                                               : format("{} to {} ({})", range.first, range.last,
                                                        counted(range.segments, "segment"));
  for (std::size_t i = 0; i < range.repositories.size(); ++i)
    text += format("{}{}", i == 0 ? " in " : ", ", range.repositories[i]);
  return text;
}

std::string reach_text(const engine::WalReach& wal) {
  if (!wal.last_commit) return wal.last;
  return format("{} ({}), the last transaction up to {}", format_utc(*wal.last_commit),
                format_local(*wal.last_commit), wal.last);
}

std::string wal_text(const engine::RestorePlan& plan) {
  std::string text;
  if (!plan.path.empty()) text += row("timeline", path_text(plan.path));
  if (!plan.path.empty()) {
    for (const std::string& line : branch_lines(plan.branches, plan.path.back().timeline))
      text += row("branch", line);
  }
  if (!plan.wal_needed.empty()) {
    text += row("wal needed", format("{} to {}", plan.wal_needed.front(), plan.wal_needed.back()));
  }
  for (const engine::WalRange& range : plan.wal.ranges) text += row("wal there", range_text(range));
  if (!plan.wal.last.empty()) text += row("reaches", reach_text(plan.wal));
  return text;
}

std::string removes_text(const engine::RestorePlan& plan) {
  std::string text;
  if (plan.remove_files > 0) {
    text += row("remove", format("{} files, links and directories with {}, which are not in the "
                                 "backup; of them, with what is below:",
                                 plan.remove_files, format_size(plan.remove_bytes)));
  }
  for (const std::string& path : plan.removes) text += row("removes", path);
  if (plan.resumes) {
    text +=
        row("note",
            plan.compares
                ? "an interrupted restore is there, and is finished"
                : "removes what an interrupted restore left there; --delta keeps matching files");
  }
  return text;
}

bool pauses(const engine::RestoreOptions& options) {
  return options.target.stops_early() &&
         (options.target_action.empty() || options.target_action == "pause");
}

std::string config_text(const engine::RestorePlan& plan) {
  std::string text;
  if (plan.outside_files > 0) {
    text +=
        row("config", format("{} from outside of the data directory to {}",
                             counted(plan.outside_files, "file"), plan.options.config_to.string()));
  }
  for (const engine::ExternalConfigFile& file : plan.outside) {
    text +=
        row("config", format("{} was {}, {}", file.setting, file.was,
                             !file.location.empty() ? format("goes to {}", file.location.string())
                             : file.on_host && !plan.options.copy
                                 ? "outside of the data directory: stays as it is on this host"
                                 : "outside of the data directory: not restored"));
  }
  return text;
}

std::string space_text(const engine::RestorePlan& plan) {
  std::string text;
  for (const engine::SpacePlan& space : plan.space) {
    std::string directories;
    for (const auto& directory : space.directories)
      directories += format("{}{}", directories.empty() ? "" : ", ", directory.string());
    text += row("space", format("{} needed, {} free in the file system of {}",
                                format_size(space.needed_bytes), format_size(space.free_bytes),
                                directories));
  }
  return text;
}

std::string late_tablespaces_text(const engine::RestorePlan& plan) {
  std::string text;
  for (const auto& space : plan.late_tablespaces) {
    text +=
        row("tablespace", format("{} in {}, made after the backup began (at {}): replay creates "
                                 "it there, and the directory must exist",
                                 space.oid, space.location, to_string(space.start)));
  }
  return text;
}

std::string port_of(const engine::RestorePlan& plan) {
  std::string port;
  for (const postgres::Settings* settings : {&plan.isolation, &plan.options.recovery_options}) {
    for (const auto& [name, value] : *settings) {
      if (name == "port") port = value;
    }
  }
  return port;
}

std::string isolation_text(const engine::RestorePlan& plan) {
  if (plan.isolation.empty()) return {};
  std::string names;
  for (const auto& [name, value] : engine::isolation_of(plan)) {
    if (name.find('.') == std::string::npos)
      names += format("{}{}={}", names.empty() ? "" : ", ", name, value.empty() ? "''" : value);
  }
  return row("copy",
             "isolated: not the stanza's own pg-path, so that the server is kept from the "
             "original's archive, primary, publishers, files and addresses; --replace "
             "makes it the cluster that takes the original's place") +
         row("sets", names);
}

/// A server whose configuration is not where it would look for it is told where it is.
postgres::Settings start_settings(const engine::RestorePlan& plan) {
  postgres::Settings settings;
  for (const engine::ExternalConfigFile& file : plan.outside) {
    settings.emplace_back(file.setting, file.location.empty() ? file.was : file.location.string());
    // What it says itself would win over -D, and may be the cluster that this is a copy of.
    if (file.setting == "config_file")
      settings.emplace_back("data_directory", plan.data_directory.string());
  }
  return settings;
}

std::string advice_text(const std::vector<Advice>& advice) {
  std::string text;
  for (const Advice& one : advice) {
    text += format("- {}\n", one.what);
    if (!one.command.empty()) text += format("    {}\n", one.command);
  }
  return text;
}

std::string stop_command(const engine::RestorePlan& plan, const ServerWords& server) {
  if (server.service) return server.service->stop;
  return format("{} -D {} -m fast stop", shell_quote(server.pg_ctl),
                shell_quote(plan.data_directory.string()));
}

std::string estimate_text(const engine::RestorePlan& plan,
                          const std::optional<engine::RestoreEstimate>& estimate) {
  if (!estimate) return row("takes", "not known: no drill has measured it");
  std::string text = format("{}about {} to restore", plan.compares ? "at most " : "",
                            format_duration(estimate->restore));
  if (estimate->recovery) {
    text += format(", then {}about {} to replay {} of WAL",
                   plan.options.target.lsn() == nullptr ? "at most " : "",
                   format_duration(*estimate->recovery), format_size(estimate->wal_bytes));
  }
  return row("takes", format("{}, by the drill of {}", text, format_local(estimate->drill_time)));
}

std::string notes_text(const engine::RestorePlan& plan, bool deciding) {
  std::string text;
  for (std::size_t i = 0; i < plan.notes.size(); ++i) {
    if ((i < plan.deciding_notes) == deciding) text += row("note", plan.notes[i]);
  }
  return text;
}

}  // namespace

std::string start_command(const std::string& pg_ctl, const std::filesystem::path& data_directory,
                          const postgres::Settings& settings) {
  std::string options;
  for (const auto& [name, value] : settings)
    options += format("{}-c {}", options.empty() ? "" : " ", shell_quote(name + "=" + value));
  if (!options.empty()) options = format(" -o {}", shell_quote(options));
  return format("{} -D {}{} -l {} start", shell_quote(pg_ctl), shell_quote(data_directory.string()),
                options, shell_quote((data_directory / "start.log").string()));
}

std::string restore_plan_text(const engine::RestorePlan& plan,
                              const std::optional<TargetTime>& target,
                              const std::optional<engine::RestoreEstimate>& estimate) {
  std::string text =
      format("restore of stanza {} to {}\n", plan.stanza, plan.data_directory.string());
  text += notes_text(plan, true) + page_errors_text(plan.backup, "  ");
  text += row(
      "backup",
      format("{}, begun {}{}", plan.backup.label, format_local(plan.backup.start_time),
             plan.repository == nullptr ? ""
                                        : format(", from repository {}", plan.repository->name())));
  if (!plan.reason.empty()) text += row("why", plan.reason);
  text += row("target", target_text(plan, target));
  if (!plan.options.target_action.empty()) text += row("then", plan.options.target_action);
  text += wal_text(plan);
  const std::string at_most = plan.compares ? "at most " : "";
  if (plan.compares) {
    text += row("compare", format("{} that are there: matching files are kept",
                                  format_size(plan.compare_bytes)));
  }
  text += row("fetch", at_most + format_size(plan.fetch_bytes));
  text += row("write", format("{}{} in {}", at_most, format_size(plan.write_bytes),
                              counted(plan.files, "file")));
  text += estimate_text(plan, estimate);
  for (const engine::TablespacePlan& tablespace : plan.tablespaces) {
    text += row("tablespace", format("{} ({}) in {}", tablespace.name, tablespace.oid,
                                     tablespace.location.string()));
  }
  for (const repo::DatabaseInfo& database : plan.backup.databases) {
    if (plan.left_out_databases.contains(database.oid))
      text += row("left out", format("the content of database {}", database.name));
  }
  for (const engine::LinkPlan& link : plan.links) {
    text += row("link", format("{}{}, {}", link.path,
                               link.was.empty() ? "" : format(", was a link to {}", link.was),
                               link.location.empty() ? "becomes a part of the data directory"
                                                     : format("in {}", link.location.string())));
  }
  text += late_tablespaces_text(plan) + isolation_text(plan);
  text += config_text(plan) + space_text(plan) + removes_text(plan);
  return text + notes_text(plan, false);
}

std::string restore_end_text(const engine::RestorePlan& plan,
                             const std::optional<engine::RestoreResult>& result,
                             const ServerWords& server) {
  if (!result) {
    std::string text = "dry run: nothing was touched\n";
    if (plan.server_runs) text += format("stop the server first: {}\n", stop_command(plan, server));
    return text;
  }
  const std::string directory = shell_quote(plan.data_directory.string());
  std::string text;
  if (plan.compares) {
    text += row("compared", format_size(result->compared_bytes));
    text += row("removed", format("{} files, links and directories with {}", result->removed_files,
                                  format_size(result->removed_bytes)));
  }
  text += row("fetched", format_size(result->fetched_bytes));
  text += row("written", format_size(result->written_bytes));
  if (!server.before.empty())
    text += "Before the server is started:\n" + advice_text(server.before);
  if (plan.options.target.type() == RestoreType::preserve) {
    text += "restored; recovery is not set up: create recovery.signal or standby.signal in\n";
    text += format("{} when postgresql.auto.conf has the settings that you want. Then start",
                   directory);
  } else {
    text += "restored; now start";
  }
  if (server.service) {
    text += format(" the server{} with\n  {}\n", server.service->needs_root ? ", as root," : "",
                   server.service->start);
  } else {
    text += format(" the server as its own user, with\n  {}\n",
                   start_command(server.pg_ctl, plan.data_directory, start_settings(plan)));
    text += plan.isolation.empty()
                ? "or with the service manager of this machine. "
                : format("It is an isolated copy; its port is {}.\n", port_of(plan));
  }
  text += plan.options.target.stops_early() ? "It replays WAL up to the target.\n"
                                            : "It replays all archived WAL.\n";
  if (const auto end = engine::guarded_end(plan))
    text += format("It cannot go past LSN {} without a new restore.\n", to_string(*end));
  if (pauses(plan.options)) {
    text += "At the target it pauses and can be read. Go on with: SELECT pg_wal_replay_resume();\n";
    text +=
        "A table that was being dropped or changed at the target may be locked until then: a query "
        "of it waits. --target-action=promote does not pause.\n";
  }
  if (!server.after.empty()) text += "Then:\n" + advice_text(server.after);
  return text;
}

namespace {

void write_target(JsonWriter& json, const engine::RestoreOptions& options) {
  const engine::RecoveryTarget& target = options.target;
  json.member("type", name_of(target.type())).key("target-time");
  target.time() != nullptr ? json.value(format_utc(target.time()->when)) : json.null();
  json.key("target-lsn");
  target.lsn() != nullptr ? json.value(to_string(target.lsn()->at)) : json.null();
  json.key("target-xid");
  target.xid() != nullptr ? json.value(target.xid()->xid) : json.null();
  json.key("target-name");
  target.name() != nullptr ? json.value(as_utf8(target.name()->name)) : json.null();
  json.member("target-exclusive", target.exclusive()).key("target-action");
  options.target_action.empty() ? json.null() : json.value(options.target_action);
}

void write_wal(JsonWriter& json, const engine::RestorePlan& plan) {
  json.key("path").begin_array();
  for (const engine::TimelineSpan& span : plan.path) {
    json.begin_object().member("timeline", span.timeline).key("until");
    span.end.value == 0 ? json.null() : json.value(to_string(span.end));
    json.end_object();
  }
  json.end_array();
  write_branches(json, plan.branches);
  json.key("wal").begin_object().key("needed").begin_array();
  for (const std::string& segment : plan.wal_needed) json.value(segment);
  json.end_array().key("ranges").begin_array();
  for (const engine::WalRange& range : plan.wal.ranges) {
    json.begin_object().member("first", range.first).member("last", range.last);
    json.member("segments", range.segments).key("repositories").begin_array();
    for (const std::string& name : range.repositories) json.value(name);
    json.end_array().end_object();
  }
  json.end_array();
  const auto text = [&](std::string_view name, const std::string& value) {
    json.key(name);
    value.empty() ? json.null() : json.value(value);
  };
  text("last", plan.wal.last);
  text("last-lsn", plan.wal.last_record.value == 0 ? "" : to_string(plan.wal.last_record));
  text("last-time", plan.wal.last_commit ? format_utc(*plan.wal.last_commit) : "");
  text("missing", plan.wal.missing);
  text("after-gap", plan.wal.after_gap);
  text("partial", plan.wal.partial);
  json.end_object();
}

void write_result(JsonWriter& json, const std::optional<engine::RestoreResult>& result) {
  if (!result) {
    json.null();
    return;
  }
  json.begin_object().member("compared-bytes", result->compared_bytes);
  json.member("fetched-bytes", result->fetched_bytes);
  json.member("written-bytes", result->written_bytes);
  json.member("removed-files", result->removed_files);
  json.member("removed-bytes", result->removed_bytes).end_object();
}

void write_estimate(JsonWriter& json, const std::optional<engine::RestoreEstimate>& estimate) {
  json.key("estimate");
  if (!estimate) {
    json.null();
    return;
  }
  const auto seconds = [](milliseconds time) { return static_cast<double>(time.count()) / 1000; };
  json.begin_object().member("restore-seconds", seconds(estimate->restore));
  json.key("recovery-seconds");
  estimate->recovery ? json.value(seconds(*estimate->recovery)) : json.null();
  json.member("wal-bytes", estimate->wal_bytes).member("drilled-backup", estimate->drilled);
  json.member("drill-time", format_utc(estimate->drill_time)).end_object();
}

void write_config(JsonWriter& json, const engine::RestorePlan& plan) {
  const auto path = [&](std::string_view name, const std::string& value) {
    json.key(name);
    value.empty() ? json.null() : json.value(escape_bytes(value));
  };
  json.key("config").begin_object();
  path("to", plan.options.config_to.string());
  json.member("files", plan.outside_files).key("settings").begin_array();
  for (const engine::ExternalConfigFile& file : plan.outside) {
    json.begin_object().member("name", file.setting);
    path("was", file.was);
    path("location", file.location.string());
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace

std::string restore_json(const engine::RestorePlan& plan,
                         const std::optional<engine::RestoreResult>& result,
                         const std::optional<engine::RestoreEstimate>& estimate) {
  JsonWriter json;
  json.begin_object().key("restore").begin_object();
  json.member("stanza", plan.stanza).member("dry-run", !result.has_value());
  json.key("repository");
  plan.repository == nullptr ? json.null() : json.value(plan.repository->name());
  json.key("backup");
  write_backup(json, plan.backup);
  json.member("reason", as_utf8(plan.reason));
  write_target(json, plan.options);
  json.member("data-directory", escape_bytes(plan.data_directory.string()));
  json.member("resumes", plan.resumes)
      .member("delta", plan.compares)
      .key("tablespaces")
      .begin_array();
  for (const engine::TablespacePlan& tablespace : plan.tablespaces) {
    json.begin_object().member("oid", tablespace.oid);
    json.member("name", escape_bytes(tablespace.name));
    json.member("location", escape_bytes(tablespace.location.string())).end_object();
  }
  json.end_array().key("late-tablespaces").begin_array();
  for (const auto& space : plan.late_tablespaces) {
    json.begin_object().member("oid", space.oid);
    json.member("location", escape_bytes(space.location));
    json.member("lsn", to_string(space.start)).end_object();
  }
  json.end_array().key("isolation").begin_object();
  for (const auto& [name, value] : engine::isolation_of(plan)) json.member(name, as_utf8(value));
  json.end_object().key("left-out-databases").begin_array();
  for (const repo::DatabaseInfo& database : plan.backup.databases) {
    if (plan.left_out_databases.contains(database.oid)) json.value(escape_bytes(database.name));
  }
  json.end_array().key("links").begin_array();
  for (const engine::LinkPlan& link : plan.links) {
    json.begin_object().member("path", escape_bytes(link.path)).key("was");
    link.was.empty() ? json.null() : json.value(escape_bytes(link.was));
    json.key("location");
    link.location.empty() ? json.null() : json.value(escape_bytes(link.location.string()));
    json.end_object();
  }
  json.end_array();
  write_config(json, plan);
  json.key("space").begin_array();
  for (const engine::SpacePlan& space : plan.space) {
    json.begin_object().key("directories").begin_array();
    for (const auto& directory : space.directories) json.value(escape_bytes(directory.string()));
    json.end_array().member("needed-bytes", space.needed_bytes);
    json.member("free-bytes", space.free_bytes).end_object();
  }
  json.end_array().member("compare-bytes", plan.compare_bytes);
  json.member("fetch-bytes", plan.fetch_bytes);
  json.member("write-bytes", plan.write_bytes).member("files", plan.files);
  write_estimate(json, estimate);
  write_wal(json, plan);
  json.member("remove-files", plan.remove_files).member("remove-bytes", plan.remove_bytes);
  json.key("removes").begin_array();
  for (const std::string& path : plan.removes) json.value(escape_bytes(path));
  json.end_array().key("notes").begin_array();
  for (const std::string& note : plan.notes) json.value(as_utf8(note));
  json.end_array().member("server-runs", plan.server_runs).key("result");
  write_result(json, result);
  json.end_object().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
