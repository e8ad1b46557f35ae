#include "drill/blame.hpp"
#include "drill/checks.hpp"
#include "drill/directory.hpp"
#include "drill/time_limit.hpp"
#include "drill/wal.hpp"
#include "restore/isolation.hpp"
#include "stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/drill/drill.hpp>
#include <pgcairn/postgres/isolation.hpp>
#include <pgcairn/postgres/private_server.hpp>
#include <pgcairn/postgres/server_sandbox.hpp>
#include <pgcairn/repo/records.hpp>

#include <chrono>

#include <unistd.h>

namespace pgcairn::engine {

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kMostSocketDirectoryBytes =
    107 - std::string_view("/.s.PGSQL.5432.lock").size();

constexpr off_t kMostConfigBytes = 16 * kMiB;  // of a file that a server reads as configuration

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

/// One run of `drill`.
class DrillRun {
 public:
  DrillRun(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
           const DrillOptions& options, Progress& progress, std::stop_token stop)
      : stanza_(stanza),
        repositories_(repositories),
        options_(options),
        progress_(progress),
        limit_(options.timeout, std::move(stop)),
        stop_(limit_.token()) {}

  DrillResult run() {
    check_user();
    check_place();
    DrillDirectory directory(options_.directory, stanza_.name);
    RestorePlan plan;
    const bool planned = make_plan(plan, directory);
    result_.repository = plan.repository->name();
    result_.backup = plan.backup.label;
    result_.reason = plan.reason;
    result_.pg_version = plan.backup.pg_version;
    result_.notes = plan.notes;
    // What concerns restore's own options does not concern the user who runs a drill.
    std::erase_if(result_.notes, [](const std::string& note) {
      return note.find("--config-to") != std::string::npos;
    });
    if (planned) try_backup(plan, directory);
    if (options_.keep) {
      directory.keep();
      result_.kept = options_.directory;
      result_.kept_settings = kept_settings(plan);
    }
    record(*plan.repository);
    return std::move(result_);
  }

 private:
  void try_backup(const RestorePlan& plan, DrillDirectory& directory);
  std::string time_is_over() const;
  void check_user() const;
  std::vector<NamedPlace> other_places() const;
  void check_place() const;
  bool make_plan(RestorePlan& plan, const DrillDirectory& directory);
  std::unique_ptr<Sandbox> make_sandbox(const RestorePlan& plan, const DrillDirectory& directory,
                                        const fs::path& programs);
  bool restore(const RestorePlan& plan);
  void start_and_look(const RestorePlan& plan, const DrillDirectory& directory,
                      const fs::path& programs, const Sandbox* sandbox);
  bool start(postgres::PrivateServer& server, const DrillWal& wal);
  void show_config(const DrillDirectory& directory, const Sandbox& sandbox);
  fs::path config_of(const RestorePlan& plan) const;
  postgres::Settings kept_settings(const RestorePlan& plan) const;
  void compare_limits(const postgres::PrivateServer& server, const RestorePlan& plan,
                      const DrillWal& wal);
  void record(repo::Repository& repository);

  const StanzaSettings& stanza_;
  std::span<repo::Repository> repositories_;
  const DrillOptions& options_;
  Progress& progress_;
  TimeLimit limit_;
  std::stop_token stop_;
  DrillResult result_;
};

void DrillRun::try_backup(const RestorePlan& plan, DrillDirectory& directory) {
  try {
    const fs::path programs = postgres::find_programs(plan.backup.pg_version, options_.programs,
                                                      directory / "server", stop_);
    const auto sandbox = make_sandbox(plan, directory, programs);
    directory.remove_unused_tablespaces(plan);
    const bool restored = restore(plan);
    if (restored && sandbox) show_config(directory, *sandbox);
    if (restored) start_and_look(plan, directory, programs, sandbox.get());
  } catch (const Interrupted&) {
    if (!limit_.is_over()) throw;
    result_.unproved.push_back(time_is_over());
  }
}

std::string DrillRun::time_is_over() const {
  return format("the drill did not finish within {} (more time: --drill-timeout)",
                format_duration(options_.timeout));
}

void DrillRun::check_user() const {
  if (::geteuid() != 0) return;
  throw UsageError("a drill starts PostgreSQL, which does not run as root",
                   "run it as another user that can read the repository, such as the one that "
                   "PostgreSQL runs as");
}

/// Of the live cluster, and all that the configuration names.
std::vector<NamedPlace> DrillRun::other_places() const {
  std::vector<NamedPlace> others = stanza_.others;
  if (!stanza_.data_directory.empty()) {
    const auto cluster = places_of_cluster(stanza_.data_directory);
    others.insert(others.end(), cluster.begin(), cluster.end());
  }
  return others;
}

/// Nothing of the live cluster or of a repository may come near.
void DrillRun::check_place() const {
  const fs::path& directory = options_.directory;
  const std::vector<NamedPlace> own = {
      {PlaceKind::drill, "the drill's directory", directory, "--drill-path"}};
  require_apart(own, other_places());
  require_apart(own, stanza_.files);
  const std::size_t socket_bytes = (directory / "server").native().size();
  if (socket_bytes > kMostSocketDirectoryBytes) {
    throw UsageError(format("\"{}\" is too long for a directory with a socket", directory.native()),
                     format("name one of at most {} bytes with --drill-path",
                            kMostSocketDirectoryBytes - std::string_view("/server").size()));
  }
}

/// False when the backup that was chosen cannot be restored, which is a finding.
bool DrillRun::make_plan(RestorePlan& plan, const DrillDirectory& directory) {
  StanzaSettings target = stanza_;
  target.data_directory = data_directory_of(options_.directory);
  RestoreOptions options = options_.restore;
  options.archive_off = true;
  options.delta = true;
  // A server of an earlier drill died with it, and the lock says that none is at work.
  options.server_is_stopped = true;
  options.sandboxed = true;
  options.copy = true;
  options.target_action = options.target.stops_early() ? "promote" : "";
  options.own_folder = directory / "tablespaces";
  options.tablespace_map_all = (directory / "tablespaces").native();
  options.config_to = directory / "config";
  const auto found = [&](const Error& error) {
    if (plan.repository == nullptr) throw;
    result_.findings.push_back(error.message());
    return false;
  };
  try {
    plan_restore(plan, target, repositories_, options, progress_, stop_);
    return true;
  } catch (const WalMissingError& error) {
    return found(error);
  } catch (const DamagedError& error) {
    return found(error);
  } catch (const NotReplayableError& error) {
    return found(error);
  } catch (const Interrupted&) {
    if (!limit_.is_over()) throw;
    if (plan.repository == nullptr) throw Error(time_is_over());
    result_.unproved.push_back(time_is_over());
    return false;
  }
}

/// False when the backup could not be restored, which is a finding.
bool DrillRun::restore(const RestorePlan& plan) {
  const auto began = Steady::now();
  try {
    result_.restored = run_restore(plan, progress_, stop_);
  } catch (const DamagedError& error) {
    result_.findings.push_back(error.message());
  }
  result_.restore_seconds = seconds_since(began);
  return result_.good();
}

/// The configuration that was outside of the data directory, where the restore has put it.
fs::path DrillRun::config_of(const RestorePlan& plan) const {
  for (const ExternalConfigFile& file : plan.outside) {
    if (file.setting == "config_file") return file.location;
  }
  return {};
}

/// With these, a server on what is kept reaches neither archive nor original.
postgres::Settings DrillRun::kept_settings(const RestorePlan& plan) const {
  postgres::Settings settings =
      postgres::isolation_settings(plan.backup.pg_version, format("drill of {}", plan.stanza));
  RestoreOptions beside;
  beside.original = stanza_.data_directory;
  beside.original_port = stanza_.connection.port;
  settings.emplace_back("port", std::to_string(port_of_copy(beside)));
  if (!plan.outside.empty()) settings.emplace_back("data_directory", plan.data_directory.native());
  for (const ExternalConfigFile& file : plan.outside) {
    if (!file.location.empty()) settings.emplace_back(file.setting, file.location.native());
  }
  return settings;
}

/// What the configuration includes by absolute paths is in the sandbox where it names it, as it was
/// restored. Below what is shown of the host, the host's own is seen.
void DrillRun::show_config(const DrillDirectory& directory, const Sandbox& sandbox) {
  const fs::path config = directory / "config";
  std::error_code error;
  fs::recursive_directory_iterator at(config, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const auto status = stat_if_exists(at->path());
    const fs::path was = "/" / at->path().lexically_relative(config);
    if (status && S_ISDIR(status->st_mode)) sandbox.make_directory(was);
    const bool small = status && S_ISREG(status->st_mode) && status->st_size <= kMostConfigBytes;
    if (!small) continue;
    sandbox.put_file(was, read_file(at->path()));
  }
}

/// None, with a note, where it is not wanted or cannot be had.
std::unique_ptr<Sandbox> DrillRun::make_sandbox(const RestorePlan& plan,
                                                const DrillDirectory& directory,
                                                const fs::path& programs) {
  const auto go_without = [&](const std::string& reason) {
    result_.notes.push_back(
        format("the server ran without namespaces of its own ({}): WAL that writes outside of the "
               "drill's directory was not replayed",
               reason));
  };
  if (options_.sandbox == SandboxUse::off) {
    go_without("drill-sandbox is off");
    return {};
  }
  std::vector<fs::path> hidden;
  for (const NamedPlace& place : other_places()) hidden.push_back(place.path);
  for (const repo::TablespaceInfo& space : plan.backup.tablespaces)
    hidden.push_back(space.location);
  try {
    auto sandbox =
        postgres::sandbox_for_server(directory / "root", programs, directory.path(), hidden);
    postgres::try_sandbox(*sandbox, plan.backup.pg_version, programs, directory / "server", stop_);
    result_.sandboxed = true;
    return sandbox;
  } catch (const Error& error) {
    if (options_.sandbox == SandboxUse::required) {
      throw Error(
          format("the drill's server cannot have namespaces of its own: {}", error.message()),
          "let this user create user namespaces (sysctl user.max_user_namespaces, and "
          "kernel.apparmor_restrict_unprivileged_userns on Ubuntu), or do without them: "
          "drill-sandbox = \"auto\"");
    }
    // Without, a drill is as good; what was not replayed is in the result.
    log_info(
        format("the drill's server has no namespaces of its own, so WAL that writes outside of the "
               "drill's directory will not be replayed: {}",
               error.message()));
    go_without(error.message());
    return {};
  }
}

/// Of what the server was not given, when that is what it came to.
std::string withheld_text(const postgres::CreatedTablespace& withheld, bool sandboxed) {
  return format(
      "recovery was stopped at {}, before CREATE TABLESPACE at \"{}\" (oid {}): {}. Later WAL is "
      "not tested; a new backup contains the tablespace",
      to_string(withheld.start), withheld.location, withheld.oid,
      sandboxed ? "the drill cannot have a directory of its own under that name"
                : "without namespaces it would be replayed to that same place");
}

bool DrillRun::start(postgres::PrivateServer& server, const DrillWal& wal) {
  const auto began = Steady::now();
  progress_.phase("recovering", 0);
  std::string failure;
  try {
    server.start(
        [&](const std::string& file) { progress_.phase(format("recovering, at {}", file), 0); },
        stop_);
    result_.started = true;
  } catch (const PostgresError& error) {
    failure = error.message();
  }
  result_.recovery_seconds = seconds_since(began);
  const bool to_the_end = options_.restore.target.type() == RestoreType::latest;
  if (wal.withheld() && (to_the_end || !result_.started))
    result_.findings.push_back(withheld_text(*wal.withheld(), result_.sandboxed));
  if (result_.started) return true;
  if (!wal.failure().empty()) failure += format("; WAL could not be fetched: {}", wal.failure());
  const bool machine = blame_of(failure) == Blame::machine;
  (machine ? result_.unproved : result_.findings).push_back(failure);
  return false;
}

void DrillRun::start_and_look(const RestorePlan& plan, const DrillDirectory& directory,
                              const fs::path& programs, const Sandbox* sandbox) {
  DrillWal wal(plan, repositories_, sandbox);
  postgres::PrivateServer server(
      {plan.data_directory, config_of(plan), directory / "server", programs, plan.backup.pg_version,
       options_.user,
       [&](const std::string& name, const std::string& place) { return wal.give(name, place); },
       sandbox, directory.lock()});
  const bool started = start(server, wal);
  for (const std::string& library : server.missing_libraries())
    result_.unproved.push_back(
        format("library \"{}\" of shared_preload_libraries is not on this "
               "machine: the server ran without it",
               library));
  compare_limits(server, plan, wal);
  if (!started) return;
  try {
    look_at_end(server, plan, wal.withheld().has_value(), result_);
    note_prepared(server, result_);
    progress_.phase("checking", 0);
    count_relations(server, result_, stop_);
    if (options_.amcheck)
      run_amcheck(server, programs, options_.restore.workers, result_, stop_);
    else
      result_.notes.push_back("tables and indexes were not checked: --no-amcheck");
    if (options_.foreign_keys) check_foreign_keys(server, result_, stop_);
    ask(server, options_.questions, result_, stop_);
  } catch (const PostgresError& error) {
    add_failure(result_, "the running server",
                format("{}; the server's log ends: {}", error.message(), server.log_end()));
  }
  progress_.phase("stopping the server", 0);
  server.stop();
}

/// Where the server ran with other limits than the restored one will.
void DrillRun::compare_limits(const postgres::PrivateServer& server, const RestorePlan& plan,
                              const DrillWal& wal) {
  const auto& configured = server.limits_not_tried();
  if (!configured) return;
  ServerLimits needed = plan.backup.limits.value_or(ServerLimits{});
  if (wal.limits()) needed = highest(needed, *wal.limits());
  for (std::size_t i = 0; i < kLimitNames.size(); ++i) {
    if (configured->values[i] >= needed.values[i]) continue;
    result_.findings.push_back(
        format("{} is {} in the restored configuration, and the server that wrote the WAL ran with "
               "{}: with hot_standby = on, recovery would not finish",
               kLimitNames[i], configured->values[i], needed.values[i]));
  }
}

/// What proves nothing of the backup is not a record of it.
void DrillRun::record(repo::Repository& repository) {
  if (!options_.record || (result_.findings.empty() && !result_.unproved.empty())) return;
  repo::DrillRecord record;
  record.backup = result_.backup;
  record.good = result_.good();
  record.findings = result_.findings;
  record.restore_seconds = result_.restore_seconds;
  record.recovery_seconds = result_.recovery_seconds;
  record.wal_bytes = result_.wal_bytes;
  record.last_transaction = result_.last_transaction;
  try {
    repo::add_record(repository, stanza_.name, record);
  } catch (const Error& error) {
    result_.notes.push_back(format("the result is not recorded: {}", error.message()));
  }
}

}  // namespace

DrillQuestion parse_drill_question(std::string_view text) {
  constexpr std::string_view arrow = " => ";
  DrillQuestion question;
  const std::size_t colon = text.find(": ");
  if (colon != std::string_view::npos && colon > 0 && text.find(' ') > colon) {
    question.database = text.substr(0, colon);
    text.remove_prefix(colon + 2);
  }
  const std::size_t at = text.rfind(arrow);
  if (at != std::string_view::npos) {
    question.answer = trim(text.substr(at + arrow.size()));
    text = text.substr(0, at);
  }
  question.statement = trim(text);
  return question;
}

fs::path data_directory_of(const fs::path& drill_directory) {
  return drill_directory / "data";
}

DrillResult drill(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                  const DrillOptions& options, Progress& progress, std::stop_token stop) {
  return doing(
      [&] { return format("drilling a restore of stanza \"{}\"", stanza.name); },
      [&] { return DrillRun(stanza, repositories, options, progress, std::move(stop)).run(); });
}

}  // namespace pgcairn::engine
