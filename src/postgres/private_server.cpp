#include "server_socket.hpp"
#include "wal_requests.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/isolation.hpp>
#include <pgcairn/postgres/private_server.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

constexpr milliseconds kPoll{100};
constexpr milliseconds kOrderlyEnd{60'000};
constexpr milliseconds kHastyEnd{10'000};
constexpr std::uint64_t kLogEndBytes = 16 * kKiB;
constexpr std::size_t kLogEndLines = 12;
constexpr std::uint64_t kMostSettingBytes = kMiB;
constexpr std::uint16_t kPort = 5432;  // names the socket, in a directory of its own

constexpr std::string_view kPassedOn[] = {"HOME", "USER", "LOGNAME",  "PATH",
                                          "LANG", "TZ",   "LANGUAGE", "LD_LIBRARY_PATH"};

std::string text_of(const fs::path& path) {
  const auto content = read_file_if_exists(path);
  return content ? std::string(as_text(*content)) : std::string();
}

/// For what a child says: a new file, and not what has its name later.
Fd new_output(const Beneath& directory, const std::string& name) {
  directory.remove(name);
  return directory.open_to_write(name, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600);
}

/// The end of a file that may be long; nothing when it is not open.
std::string end_of(const Fd& file, std::uint64_t most_bytes) {
  if (!file) return {};
  const fs::path path = "the output of a program";
  const auto size_bytes = static_cast<std::uint64_t>(stat_of(file, path).st_size);
  Buffer content;
  content.resize(std::min(size_bytes, most_bytes));
  const std::size_t count = read_at(file, content.writable(), size_bytes - content.size(), path);
  return std::string(as_text(content.bytes().first(count)));
}

/// "postgres (PostgreSQL) 15.4 (Debian ...)" as 15; 0 when it cannot be run.
int major_of(const fs::path& programs, const fs::path& scratch, const Sandbox* sandbox,
             std::stop_token stop) {
  const fs::path said = scratch / "version";
  std::error_code ignored;
  fs::remove(said, ignored);
  ChildCommand command;
  command.words = {(programs / "postgres").native(), "--version"};
  command.environment = program_environment();
  command.output = said;
  command.sandbox = sandbox;
  try {
    if (run_child(command, std::move(stop)) != 0) return 0;
  } catch (const SandboxError&) {
    throw;
  } catch (const SystemError&) {
    return 0;
  }
  constexpr std::string_view before = "postgres (PostgreSQL) ";
  const std::string text = text_of(said);
  if (!text.starts_with(before)) return 0;
  const std::string_view number = std::string_view(text).substr(before.size());
  const auto end = number.find_first_not_of("0123456789");
  return static_cast<int>(parse_u64(number.substr(0, end)).value_or(0));
}

bool has_library(const fs::path& programs, const std::string& name) {
  // One that this user cannot reach is as good as absent: the server could not load it, either.
  const auto is_there = [](const fs::path& file) {
    std::error_code unknown;
    return fs::exists(file, unknown) || fs::exists(file.native() + ".so", unknown);
  };
  if (name.starts_with('/')) return is_there(name);
  const std::string plain =
      name.starts_with("$libdir/") ? name.substr(std::string_view("$libdir/").size()) : name;
  for (const char* const folder : {"lib", "lib64", "lib/postgresql", "lib64/postgresql"}) {
    if (is_there(programs.parent_path() / folder / plain)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> program_environment() {
  std::vector<std::string> environment;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view variable = *at;
    const std::string_view name = variable.substr(0, variable.find('='));
    if (std::find(std::begin(kPassedOn), std::end(kPassedOn), name) != std::end(kPassedOn) ||
        name.starts_with("LC_"))
      environment.emplace_back(variable);
  }
  return environment;
}

fs::path find_programs(int major, const fs::path& given, const fs::path& scratch,
                       std::stop_token stop) {
  std::vector<fs::path> places;
  if (!given.empty()) {
    places.push_back(given);
  } else {
    places = {format("/usr/lib/postgresql/{}/bin", major), format("/usr/pgsql-{}/bin", major)};
    const char* const path = std::getenv("PATH");
    for (const std::string& place : split(path == nullptr ? "" : path, ':'))
      if (place.starts_with('/')) places.emplace_back(place);
  }
  std::string looked;
  for (const fs::path& place : places) {
    std::error_code closed;  // a directory of PATH that we may not look into
    if (!fs::exists(place / "postgres", closed)) continue;
    const int found = major_of(place, scratch, nullptr, stop);
    if (found == major) return place;
    looked +=
        format("{}\"{}\" has version {}", looked.empty() ? ": " : ", ", place.native(), found);
  }
  throw PostgresError(
      format("the programs of PostgreSQL {} were not found{}", major, looked),
      format("install the server's package of version {}, or name their directory with pg-bin",
             major));
}

void try_sandbox(const Sandbox& sandbox, int major, const fs::path& programs,
                 const fs::path& scratch, std::stop_token stop) {
  if (major_of(programs, scratch, &sandbox, std::move(stop)) == major) return;
  throw PostgresError(format("\"{}\" does not run there: {}", (programs / "postgres").native(),
                             trim(text_of(scratch / "version"))));
}

Settings private_settings(int major) {
  Settings settings = isolation_settings(major, "pgcairn drill");
  const Settings more = {
      {"unix_socket_permissions", "0700"},
      {"unix_socket_group", ""},
      {"ssl", "off"},
      {"recovery_min_apply_delay", "0"},
      // As small as it can be, and for one life.
      {"shared_buffers", "128MB"},
      {"huge_pages", "off"},
      {"fsync", "off"},
      {"autovacuum", "off"},
      {"jit", "off"},
      {"restart_after_crash", "off"},
      {"session_preload_libraries", ""},
      {"local_preload_libraries", ""},
      {"default_transaction_read_only", "off"},
      {"logging_collector", "off"},
      {"log_destination", "stderr"},
      {"log_min_messages", "warning"},
      {"lc_messages", "C"},
  };
  settings.insert(settings.end(), more.begin(), more.end());
  if (major < 15) settings.emplace_back("stats_temp_directory", "pg_stat_tmp");
  if (major >= 17) settings.emplace_back("summarize_wal", "off");
  if (major >= 18) settings.emplace_back("io_method", "worker");
  return settings;
}

PrivateServer::PrivateServer(PrivateServerSettings settings)
    : settings_(std::move(settings)),
      own_(settings_.own_directory),
      data_(settings_.data_directory),
      overrides_(private_settings(settings_.major)) {
  const fs::path& own = settings_.own_directory;
  overrides_.emplace_back("data_directory", settings_.data_directory.native());
  overrides_.emplace_back("unix_socket_directories", own.native());
  overrides_.emplace_back("port", std::to_string(kPort));
  overrides_.emplace_back("hba_file", (own / "hba.conf").native());
  overrides_.emplace_back("ident_file", (own / "ident.conf").native());
  overrides_.emplace_back("restore_command", WalRequests::restore_command(own));
  if (!settings_.config_file.empty())
    overrides_.emplace_back("config_file", settings_.config_file.native());
  own_.replace("hba.conf", as_bytes("local all all trust\n"), 0600);
  own_.replace("ident.conf", {}, 0600);
}

PrivateServer::~PrivateServer() {
  if (!process_) return;
  process_->signal(SIGQUIT);
  try {
    process_->wait(kHastyEnd);
  } catch (const Error&) {
    // The process is killed with its owner.
  }
}

std::vector<std::string> PrivateServer::words() const {
  std::vector<std::string> words = {(settings_.programs / "postgres").native(), "-D",
                                    settings_.data_directory.native()};
  for (const auto& [name, value] : overrides_) {
    words.emplace_back("-c");
    words.push_back(format("{}={}", name, value));
  }
  return words;
}

/// A setting of the restored configuration, with what overrules it.
std::string PrivateServer::configured(const std::string& name, const std::stop_token& stop) const {
  ChildCommand command;
  command.words = words();
  command.words.insert(command.words.end(), {"-C", name});
  command.environment = program_environment();
  const Fd said = new_output(own_, "configured");
  command.output_fd = said.get();
  command.sandbox = settings_.sandbox;
  const int status = run_child(command, stop);
  // The last line is the value, whatever the server says before.
  std::string text = end_of(said, kMostSettingBytes);
  if (status != 0) {
    throw PostgresError(format("the configuration cannot be read: {}", trim(text)),
                        "it is the one that was backed up");
  }
  if (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

void PrivateServer::leave_out_missing_libraries(const std::stop_token& stop) {
  std::string kept;
  for (const std::string& one : split(configured("shared_preload_libraries", stop), ',')) {
    std::string name(trim(one));
    std::erase(name, '"');
    if (name.empty()) continue;
    if (has_library(settings_.programs, name)) {
      kept += format("{}{}", kept.empty() ? "" : ",", name);
    } else {
      missing_libraries_.push_back(name);
    }
  }
  overrides_.emplace_back("shared_preload_libraries", kept);
  if (!kept.empty()) keep_jobs_out(stop);
}

/// Only a preloaded library can have background workers.
void PrivateServer::keep_jobs_out(const std::stop_token& stop) {
  if (configured("hot_standby", stop) == "on") {
    limits_not_tried_.emplace();
    for (std::size_t i = 0; i < kLimitNames.size(); ++i) {
      const auto value = parse_u64(configured(std::string(kLimitNames[i]), stop));
      limits_not_tried_->values[i] = static_cast<std::uint32_t>(value.value_or(0));
    }
  }
  overrides_.emplace_back("max_worker_processes", "0");
  overrides_.emplace_back("hot_standby", "off");
}

/// Line 8 of postmaster.pid says how far the server is (miscadmin.h, LOCK_FILE_LINE_PM_STATUS). A
/// hot standby is ready before recovery is over: that, the log tells.
bool PrivateServer::is_ready() const {
  constexpr std::size_t status_line = 7;
  const char* const name = "postmaster.pid";
  std::optional<Buffer> content;
  try {
    content = data_.read_if_exists(name);
  } catch (const SystemError& error) {
    throw PostgresError(format("the server does not report its progress: {}", error.message()));
  }
  if (!content) return false;
  const auto lines = split(as_text(*content), '\n');
  const int own_pid = settings_.sandbox == nullptr ? process_->pid() : 1;
  return lines.size() > status_line && trim(lines[status_line]) == "ready" &&
         lines[0] == std::to_string(own_pid) &&
         end_of(log_, kLogEndBytes).find("database system is ready to accept connections") !=
             std::string::npos;
}

/// Out of "restored log file "000000010000000000000003" from archive".
std::string PrivateServer::last_restored() const {
  constexpr std::string_view words = "restored log file \"";
  const std::string text = end_of(log_, kLogEndBytes);
  const std::size_t at = text.rfind(words);
  if (at == std::string::npos) return {};
  const std::size_t from = at + words.size();
  return text.substr(from, text.find('"', from) - from);
}

void PrivateServer::start(const std::function<void(const std::string&)>& restored,
                          std::stop_token stop) {
  leave_out_missing_libraries(stop);
  log_ = new_output(own_, "postgresql.log");
  ChildCommand command;
  command.words = words();
  command.environment = program_environment();
  command.directory = settings_.data_directory;
  command.output_fd = log_.get();
  command.sandbox = settings_.sandbox;
  command.kept_fd = settings_.kept_fd;
  // The first process of a sandbox takes all others with it, without a word to them.
  command.death_signal = settings_.sandbox == nullptr ? SIGQUIT : SIGKILL;
  const WalRequests requests(own_, settings_.give_wal);
  process_ = std::make_unique<Child>(command);
  wait_until_ready(restored, stop);
  socket_ = std::make_unique<ServerSocket>(own_, kPort, process_->pid());
  find_superuser();
}

/// Recovery pauses when the server's limits are lower than those of the one that wrote the WAL.
bool PrivateServer::is_paused() const {
  return end_of(log_, kLogEndBytes).find("recovery has paused") != std::string::npos;
}

void PrivateServer::wait_until_ready(const std::function<void(const std::string&)>& restored,
                                     const std::stop_token& stop) {
  std::string last;
  while (!is_ready()) {
    check_stop(stop);
    if (const auto status = process_->wait(kPoll)) {
      process_.reset();
      throw PostgresError(
          format("the server ended with status {} before recovery was over; its "
                 "log ends: {}",
                 *status, log_end()));
    }
    if (is_paused()) {
      throw PostgresError(format(
          "recovery pauses, and nothing would resume it; the server's log ends: {}", log_end()));
    }
    std::string now_at = last_restored();
    if (now_at == last) continue;
    last = std::move(now_at);
    restored(last);
  }
}

ConnectionSettings PrivateServer::connection(const std::string& user,
                                             const std::string& database) const {
  ConnectionSettings settings;
  settings.host = socket_->directory().native();
  settings.port = kPort;
  settings.user = user;
  settings.database = database;
  return settings;
}

/// The role with oid 10 (BOOTSTRAP_SUPERUSERID); anyone may ask for its name.
void PrivateServer::find_superuser() {
  std::vector<std::string> users = {"postgres"};
  if (!settings_.user.empty()) users.insert(users.begin(), settings_.user);
  if (const passwd* const self = ::getpwuid(::geteuid())) users.emplace_back(self->pw_name);
  FirstError failure;
  for (const std::string& user : users) {
    try {
      Connection connection(this->connection(user, "template1"));
      const auto rows = connection.query("SELECT rolname FROM pg_roles WHERE oid = 10");
      superuser_ = rows.at(0).at(0).value();
      return;
    } catch (const PostgresError&) {
      failure.keep();
    }
  }
  failure.throw_if_any();
}

Connection PrivateServer::connect(const std::string& database) {
  Connection session(connection(superuser_, database));
  const auto rows = session.query("SELECT current_setting('data_directory')");
  std::error_code error;
  if (!fs::equivalent(rows.at(0).at(0).value_or(""), settings_.data_directory, error)) {
    throw PostgresError("another server answers than the one that was started",
                        "take PGHOSTADDR and PGSERVICE out of the environment");
  }
  session.query("SELECT set_config('lock_timeout', $1, false)",
                {std::to_string(settings_.lock_timeout.count())});
  return session;
}

std::vector<std::string> PrivateServer::databases() {
  std::vector<std::string> names;
  for (const Row& row : connect("template1")
                            .query("SELECT datname FROM pg_database WHERE datallowconn AND "
                                   "datconnlimit <> -2 ORDER BY 1"))
    names.push_back(row.at(0).value_or(""));
  return names;
}

std::pair<int, std::string> PrivateServer::run_client(const std::string& program,
                                                      std::vector<std::string> words,
                                                      std::uint64_t most_bytes,
                                                      std::stop_token stop) {
  ChildCommand command;
  command.words = {(settings_.programs / program).native(),
                   "-h",
                   socket_->directory().native(),
                   "-p",
                   std::to_string(kPort),
                   "-U",
                   superuser_};
  command.words.insert(command.words.end(), words.begin(), words.end());
  command.environment = program_environment();
  command.environment.push_back(
      format("PGOPTIONS=-c lock_timeout={}", settings_.lock_timeout.count()));
  const Fd said = new_output(own_, program + ".log");
  command.output_fd = said.get();
  command.kept_fd = socket_->fd();
  const int status = run_child(command, std::move(stop));
  return {status, end_of(said, most_bytes)};
}

void PrivateServer::stop() noexcept {
  try {
    if (process_) process_->signal(SIGINT);
    if (process_ && process_->wait(kOrderlyEnd)) process_.reset();
  } catch (const Error&) {
    // What runs on is ended by the destructor.
  }
}

std::string PrivateServer::log_end() const {
  const std::string text = end_of(log_, kLogEndBytes);
  std::vector<std::string> lines = split(trim(text), '\n');
  const std::size_t skipped = lines.size() - std::min(lines.size(), kLogEndLines);
  std::string joined;
  for (std::size_t i = skipped; i < lines.size(); ++i)
    joined += format("{}{}", joined.empty() ? "" : "\n  ", lines[i]);
  return joined;
}

}  // namespace pgcairn::postgres
