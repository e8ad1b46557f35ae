#include "restore/isolation.hpp"

#include "restore/recovery_settings.hpp"
#include "wal/guard.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/host_clusters.hpp>
#include <pgcairn/postgres/isolation.hpp>
#include <pgcairn/postgres/postmaster.hpp>

#include <algorithm>
#include <optional>
#include <set>

namespace pgcairn::engine {

namespace {

constexpr std::uint16_t kUsualPort = 5432;

bool is_archive_setting(const std::string& name) {
  return name == "archive_mode" || name == "archive_command" || name == "archive_library";
}

/// With --type=preserve these are what the operator asked to have back.
bool is_recovery_setting(const std::string& name) {
  return name == "primary_conninfo" || name == "primary_slot_name" ||
         name == "recovery_end_command" || name == "archive_cleanup_command";
}

postgres::Settings settings_of_copy(const RestorePlan& plan) {
  postgres::Settings settings =
      postgres::isolation_settings(plan.backup.pg_version, format("copy of {}", plan.stanza));
  std::erase_if(settings, [&](const auto& one) {
    return (plan.options.archive_kept && is_archive_setting(one.first)) ||
           (plan.options.target.type() == RestoreType::preserve && is_recovery_setting(one.first));
  });
  settings.emplace_back("port", std::to_string(port_of_copy(plan.options)));
  return settings;
}

/// Does the cluster that the stanza has on this host keep a tablespace there? What its user alone
/// may look at may be such.
bool is_of_original(const RestorePlan& plan, const std::string& location) {
  if (!plan.options.copy || plan.options.original.empty()) return false;
  std::error_code failed;
  const fs::directory_iterator links(plan.options.original / "pg_tblspc", failed);
  if (failed) return failed != std::errc::no_such_file_or_directory;
  for (const auto& link : links) {
    std::error_code unknown;
    if (fs::equivalent(link.path(), location, unknown)) return true;
    const fs::path leads_to = fs::read_symlink(link.path(), unknown);
    if (!unknown && is_allowed(location, {leads_to.native()})) return true;
  }
  return false;
}

/// Would replay write into a tablespace of the original's? What takes the original's place, or
/// belongs to its cluster, may do so once that one is stopped; an isolated copy never.
bool reaches_original(const RestorePlan& plan, const std::string& location) {
  return is_of_original(plan, location) &&
         (plan.options.isolated ||
          postgres::look_for_server(plan.options.original).life != postgres::ServerLife::stopped);
}

/// What the operator can do instead.
std::string ways_out(const RestorePlan& plan, const postgres::CreatedTablespace& found,
                     bool of_original) {
  std::vector<std::string> ways;
  // Before the backup's end there is no state to end at.
  if (plan.way.before_created >= plan.backup.stop_lsn) {
    ways.push_back(
        format("end before it with --type=lsn --target={}", to_string(plan.way.before_created)));
  }
  ways.emplace_back("restore a backup that was begun after it, with --tablespace-map");
  if (!of_original) {
    ways.push_back(
        format("if the directory is this copy's (on another host), allow it: --allow-tablespace={}",
               shell_quote(found.location)));
  } else if (!plan.options.isolated) {
    ways.push_back(
        format("stop the server in {} first", shell_quote(plan.options.original.native())));
  }
  std::string text;
  for (const std::string& way : ways) text += (text.empty() ? "" : "; or ") + way;
  return text + "; nothing was touched";
}

[[noreturn]] void refuse(const RestorePlan& plan, const postgres::CreatedTablespace& found,
                         bool of_original) {
  const bool during = found.start < plan.backup.stop_lsn;
  const std::size_t more = plan.late_tablespaces.size() - 1;
  const std::string whose = of_original ? format("where the cluster in \"{}\" has a tablespace",
                                                 plan.options.original.native())
                                        : "which may be its original's";
  throw UsageError(
      format("tablespace {} was created in \"{}\" {} backup {} (at {}{}){}: replayed, that makes "
             "this copy write there, {}",
             found.oid, found.location, during ? "during" : "after", plan.backup.label,
             to_string(found.start),
             found.dropped.value == 0
                 ? ""
                 : format(", and dropped later, at {}", to_string(found.dropped)),
             more == 0 ? "" : format(", and {} more like it", more), whose),
      ways_out(plan, found, of_original));
}

/// Is restore_command the operator's?
bool has_own_command(const RestoreOptions& options) {
  return options.target.type() == RestoreType::preserve ||
         std::any_of(options.recovery_options.begin(), options.recovery_options.end(),
                     [](const auto& one) { return one.first == "restore_command"; });
}

void note_what_is_left(RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  if (!options.copy && !options.sandboxed && options.original.empty()) {
    plan.notes.push_back(
        format("\"{}\" is treated as the cluster's own place, since no pg-path is configured: the "
               "server archives and listens as its configuration says (--archive-mode=off, and a "
               "configuration with pg-path, make an isolated copy)",
               plan.data_directory.native()));
  }
  if (const auto end = guarded_end(plan)) {
    plan.notes.push_back(
        format("this copy cannot go past LSN {} without a new restore: later WAL was not checked, "
               "and archive-get withholds WAL that would write to the original's places",
               to_string(*end)));
  }
  if (options.isolated && has_own_command(options)) {
    plan.notes.push_back(
        "restore_command is not pgcairn's: recovery may create tablespaces that are made after "
        "this plan at the original's places");
  }
  if (options.target.type() == RestoreType::standby && options.copy) {
    plan.notes.push_back(
        "a standby is not isolated: promoted, it archives where its configuration says; "
        "archive-push takes its WAL once pg-path of the stanza names its directory");
  }
}

}  // namespace

std::uint16_t port_of_copy(const RestoreOptions& options) {
  const fs::path& original = options.original;
  // Lines 4 and 5 of postmaster.pid: port, directory of the socket (miscadmin.h).
  constexpr std::size_t port_line = 3;
  constexpr std::size_t socket_line = 4;
  std::vector<fs::path> sockets = {"/var/run/postgresql", "/tmp"};
  std::set<std::uint16_t> reserved = postgres::ports_of_services();
  std::optional<std::uint16_t> configured;
  if (!original.empty()) configured = postgres::configured_port(original);
  if (!configured && options.original_port != 0) configured = options.original_port;
  std::uint16_t taken = configured.value_or(kUsualPort);
  reserved.insert(options.original_port);
  std::optional<Buffer> content;
  try {
    if (!original.empty()) content = read_file_if_exists(original / "postmaster.pid", 64 * kKiB);
  } catch (const Error&) {
    // Another user's: the usual port will do to begin at.
  }
  const auto lines = content ? split(as_text(*content), '\n') : std::vector<std::string>();
  if (lines.size() > socket_line) {
    const auto port = parse_u64(trim(lines[port_line]));
    if (port && *port > 0 && *port <= UINT16_MAX) taken = static_cast<std::uint16_t>(*port);
    if (lines[socket_line].starts_with('/')) sockets.emplace_back(lines[socket_line]);
  }
  return postgres::free_port_after(taken, sockets, reserved);
}

std::vector<std::string> allowed_places(const RestorePlan& plan) {
  std::vector<std::string> places = plan.options.allow_tablespaces;
  for (const TablespacePlan& space : plan.tablespaces) places.push_back(space.location.native());
  return places;
}

postgres::Settings isolation_of(const RestorePlan& plan) {
  postgres::Settings settings = plan.isolation;
  const auto& given = plan.options.recovery_options;
  std::erase_if(settings, [&](const auto& one) {
    return std::any_of(given.begin(), given.end(),
                       [&](const auto& own) { return own.first == one.first; });
  });
  return settings;
}

std::optional<Lsn> guarded_end(const RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  if (!options.isolated || signal_file(options.target.type()).empty() || has_own_command(options))
    return {};
  return plan.way.end;
}

void plan_isolation(RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  std::vector<std::string> places;
  for (const TablespacePlan& space : plan.tablespaces) places.push_back(space.location.native());
  for (const postgres::CreatedTablespace& one : plan.way.created) {
    if (!is_allowed(one.location, places)) plan.late_tablespaces.push_back(one);
  }
  for (const postgres::CreatedTablespace& one : plan.late_tablespaces) {
    if (reaches_original(plan, one.location)) refuse(plan, one, true);
    if (options.isolated && !is_allowed(one.location, options.allow_tablespaces))
      refuse(plan, one, false);
  }
  if (options.isolated) plan.isolation = settings_of_copy(plan);
  note_what_is_left(plan);
}

}  // namespace pgcairn::engine
