#include "drill_checks.hpp"
#include "places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/drill.hpp>
#include <pgcairn/postgres/private_server.hpp>
#include <pgcairn/repo/records.hpp>

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kMark = "pgcairn.drill";  // holds the stanza's name
constexpr std::size_t kMostSocketDirectoryBytes =
    107 - std::string_view("/.s.PGSQL.5432.lock").size();

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

/// The directory of a drill, which belongs to one drill at a time.
class Scratch {
 public:
  Scratch(fs::path directory, const std::string& stanza)
      : directory_(std::move(directory)), made_(!stat_if_exists(directory_)) {
    require_ours(stanza);
    std::error_code error;
    fs::create_directories(directory_, error);
    if (error)
      throw SystemError(format("cannot create \"{}\"", directory_.native()), error.value());
    mark_ = open_file(directory_ / kMark, O_RDWR | O_CREAT, 0600);
    if (::flock(mark_.get(), LOCK_EX | LOCK_NB) != 0) {
      throw LockedError(format("another drill is at work in \"{}\"", directory_.native()),
                        "wait for its end, or name another directory with --drill-path");
    }
    write_at(mark_, as_bytes(stanza + "\n"), 0, directory_ / kMark);
    remove("config");
    remove("server");
    make("server");
  }
  ~Scratch() {
    if (keep_ || !mark_) return;
    for (const char* const name : {"data", "tablespaces", "config", "server", kMark}) remove(name);
    std::error_code ignored;
    if (made_) fs::remove(directory_, ignored);  // unless something else is in it
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  fs::path operator/(const char* name) const { return directory_ / name; }
  void keep() { keep_ = true; }

 private:
  void require_ours(const std::string& stanza) const {
    if (made_) return;
    const std::vector<std::string> names = list_directory(directory_);
    const bool empty = names.empty() || (names.size() == 1 && names[0] == "lost+found");
    const auto mark = read_file_if_exists(directory_ / kMark);
    if (empty || (mark && trim(as_text(*mark)) == stanza)) return;
    throw UsageError(
        mark ? format("\"{}\" is the directory of drills of stanza \"{}\"", directory_.native(),
                      trim(as_text(*mark)))
             : format("\"{}\" is not empty, and no drill made what is in it", directory_.native()),
        "name an empty or new directory with --drill-path; nothing was touched");
  }
  void make(const char* name) const {
    std::error_code error;
    fs::create_directory(directory_ / name, error);
    fs::permissions(directory_ / name, fs::perms::owner_all, error);
    if (error)
      throw SystemError(format("cannot create \"{}\"", (directory_ / name).native()),
                        error.value());
  }
  void remove(const char* name) const {
    std::error_code ignored;
    fs::remove_all(directory_ / name, ignored);
  }

  fs::path directory_;
  bool made_;
  bool keep_ = false;
  Fd mark_;
};

/// One run of `drill`.
class DrillRun {
 public:
  DrillRun(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
           const DrillOptions& options, Progress& progress, std::stop_token stop)
      : stanza_(stanza),
        repositories_(repositories),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)) {}

  DrillResult run() {
    check_user();
    check_place();
    Scratch scratch(options_.directory, stanza_.name);
    RestorePlan plan;
    const bool planned = make_plan(plan, scratch);
    result_.repository = plan.repository->name();
    result_.backup = plan.backup.label;
    result_.reason = plan.reason;
    result_.notes = plan.notes;
    // What concerns restore's own options is not asked of whoever runs a drill.
    std::erase_if(result_.notes, [](const std::string& note) {
      return note.find("--config-to") != std::string::npos;
    });
    if (planned) {
      const fs::path programs = postgres::find_programs(plan.backup.pg_version, options_.programs,
                                                        scratch / "server", stop_);
      if (restore(plan)) start_and_look(plan, scratch, programs);
    }
    if (options_.keep) {
      scratch.keep();
      result_.kept = options_.directory;
    }
    record(*plan.repository);
    return std::move(result_);
  }

 private:
  void check_user() const;
  void check_place() const;
  bool make_plan(RestorePlan& plan, const Scratch& scratch);
  bool restore(const RestorePlan& plan);
  void start_and_look(const RestorePlan& plan, const Scratch& scratch, const fs::path& programs);
  fs::path config_of(const RestorePlan& plan) const;
  void record(repo::Repository& repository);

  const StanzaSettings& stanza_;
  std::span<repo::Repository> repositories_;
  const DrillOptions& options_;
  Progress& progress_;
  std::stop_token stop_;
  DrillResult result_;
};

void DrillRun::check_user() const {
  if (::geteuid() != 0) return;
  throw UsageError("a drill starts PostgreSQL, which does not run as root",
                   "run it as another user that can read the repository, such as the one that "
                   "PostgreSQL runs as");
}

/// Nothing of the live cluster or of a repository may come near.
void DrillRun::check_place() const {
  const fs::path& directory = options_.directory;
  std::vector<NamedPlace> others = stanza_.others;
  if (!stanza_.data_directory.empty()) {
    const auto cluster = places_of_cluster(stanza_.data_directory);
    others.insert(others.end(), cluster.begin(), cluster.end());
  }
  require_apart({{PlaceKind::drill, "the drill's directory", directory, "--drill-path"}}, others);
  const std::size_t socket_bytes = (directory / "server").native().size();
  if (socket_bytes > kMostSocketDirectoryBytes) {
    throw UsageError(format("\"{}\" is too long for a directory with a socket", directory.native()),
                     format("name one of at most {} bytes with --drill-path",
                            kMostSocketDirectoryBytes - std::string_view("/server").size()));
  }
}

/// False when the backup that was chosen cannot be restored, which is a finding.
bool DrillRun::make_plan(RestorePlan& plan, const Scratch& scratch) {
  StanzaSettings target = stanza_;
  target.data_directory = data_directory_of(options_.directory);
  RestoreOptions options = options_.restore;
  options.archive_off = true;
  options.delta = true;
  // A server of an earlier drill died with it, and the lock says that none is at work.
  options.server_is_stopped = true;
  options.sandboxed = true;
  options.target_action = has_target(options.type) ? "promote" : "";
  options.tablespace_map_all = (scratch / "tablespaces").native();
  options.config_to = scratch / "config";
  const auto found = [&](const Error& error) {
    if (plan.repository == nullptr) throw;
    result_.findings.push_back(error.message());
    return false;
  };
  try {
    plan_restore(plan, target, repositories_, options);
    return true;
  } catch (const WalMissingError& error) {
    return found(error);
  } catch (const DamagedError& error) {
    return found(error);
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
  for (const OutsideFile& file : plan.outside) {
    if (file.setting == "config_file") return file.location;
  }
  return {};
}

void DrillRun::start_and_look(const RestorePlan& plan, const Scratch& scratch,
                              const fs::path& programs) {
  postgres::PrivateServer server({plan.data_directory, config_of(plan), scratch / "server",
                                  programs, plan.backup.pg_version, options_.user});
  const auto began = Steady::now();
  progress_.phase("recovering", 0);
  try {
    server.start(
        options_.timeout,
        [&](const std::string& wal) { progress_.phase(format("recovering, at {}", wal), 0); },
        stop_);
    result_.started = true;
  } catch (const PostgresError& error) {
    result_.findings.push_back(error.message());
  }
  result_.recovery_seconds = seconds_since(began);
  for (const std::string& library : server.missing_libraries())
    result_.notes.push_back(
        format("library \"{}\" of shared_preload_libraries is not on this "
               "machine: the server ran without it",
               library));
  if (!result_.started) return;
  try {
    look_at_end(server, plan, result_);
    progress_.phase("checking", 0);
    count_relations(server, result_, stop_);
    run_amcheck(server, programs, scratch / "server", options_.restore.workers, result_, stop_);
    if (options_.foreign_keys) check_foreign_keys(server, result_, stop_);
    ask(server, options_.questions, result_, stop_);
  } catch (const PostgresError& error) {
    result_.findings.push_back(
        format("{}; the server's log ends: {}", error.message(), server.log_end()));
  }
  progress_.phase("stopping the server", 0);
  server.stop();
}

void DrillRun::record(repo::Repository& repository) {
  if (!options_.record) return;
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
    result_.notes.push_back(format("the outcome is not recorded: {}", error.message()));
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
