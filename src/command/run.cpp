#include "console.hpp"
#include "exit_codes.hpp"
#include "identity.hpp"
#include "render/health.hpp"
#include "settings/arguments.hpp"
#include "settings/early_options.hpp"
#include "settings/settings.hpp"
#include "settings/zone.hpp"
#include "signals.hpp"
#include "stop_file.hpp"
#include "verbs.hpp"
#include "whole_commands.hpp"

#include <pgcairn/command/run.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/secret.hpp>
#include <pgcairn/engine/wal/archive.hpp>
#include <pgcairn/engine/wal/push_failure.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>

#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> variables;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view line = *at;
    const std::size_t equals = line.find('=');
    if (!line.starts_with("PGCAIRN_") || equals == std::string_view::npos) continue;
    variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return variables;
}

std::optional<std::string> read_config_file(const std::filesystem::path& path) {
  const auto content = read_file_if_exists(path, kMiB);
  if (!content) return std::nullopt;
  return std::string(as_text(*content));
}

/// Which of the two verbs that answer PostgreSQL is meant, known even when the command line is
/// wrong: its wrong answer could end a recovery.
std::string archive_verb(std::span<const std::string> words) {
  for (const std::string_view verb : {"archive-get", "archive-push"}) {
    if (std::find(words.begin(), words.end(), verb) != words.end()) return std::string(verb);
  }
  return {};
}

/// What archive-get is asked for, and where it runs, known even when the command line is wrong.
engine::WalRequest wal_request(std::span<const std::string> words) {
  const auto name = std::find_if(words.begin(), words.end(), [](const std::string& word) {
    return wal_file_kind(word).has_value();
  });
  if (name == words.end()) return engine::wal_request({}, {});
  const auto destination = std::next(name);
  return engine::wal_request(*name, destination == words.end() ? "" : *destination);
}

/// Does health answer a monitoring system? Known even when the command line is wrong, since a usage
/// error must not look like a critical state.
bool answers_nagios(std::span<const std::string> words,
                    const std::map<std::string, std::string>& environment) {
  const auto has = [&](std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (!has("health")) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--output=nagios") return true;
    if (words[i] == "--output") return i + 1 < words.size() && words[i + 1] == "nagios";
    if (words[i].starts_with("--output=")) return false;
  }
  const auto at = environment.find("PGCAIRN_OUTPUT");
  return at != environment.end() && at->second == "nagios";
}

class Run {
 public:
  explicit Run(std::span<const std::string> words)
      : words_(words),
        environment_(own_environment()),
        nagios_(answers_nagios(words_, environment_)),
        verb_(archive_verb(words)) {
    if (verb_ == "archive-get") unknown_is_absent_ = engine::taken_for_absent(wal_request(words_));
  }

  int execute() {
    ExitCode code = ExitCode::failed;
    bool certain = true;
    try {
      code = execute_verb();
      release_output(code != ExitCode::done);
    } catch (const ReaderGone&) {
      code = ExitCode::done;
    } catch (...) {
      certain = false;
      code = exit_code_of(std::current_exception());
      release_output_of_failure();
      report(std::current_exception());
    }
    const int signal = watch_ ? watch_->received() : 0;
    return process_exit_code(verb_, code, certain, unknown_is_absent_, signal, nagios_);
  }

 private:
  ExitCode execute_verb() {
    Arguments arguments = parse_arguments(words_);
    if (arguments.version) arguments = {"version", {}, {}, false, false};
    if (arguments.help) arguments = help_about(arguments.verb);
    verb_ = arguments.verb;
    given_ = arguments;
    std::error_code gone;  // paths that are not absolute then lead nowhere
    const std::filesystem::path here = std::filesystem::current_path(gone);
    const SettingsSources sources{environment_, read_config_file, here};
    LoadedSettings loaded = load_settings(arguments, sources);
    settings_ = std::move(loaded.settings);
    const Verb& verb = *settings_.verb;
    const Work work = verb.load(loaded.options, settings_);
    start_log();
    if (settings_.quiet) hold_output();
    acting_as_ = act_as_owner(verb, settings_, words_, environment_);
    if (verb.needs_configuration) watch_signals();
    if (verb.refused_when_stopped) refuse_when_stopped_here(settings_);
    return work({settings_, *console_, watch_ ? watch_->stop_token() : std::stop_token(), given_});
  }

  static Arguments help_about(const std::string& verb) {
    Arguments arguments;
    arguments.verb = "help";
    if (!verb.empty()) arguments.operands.push_back(verb);
    return arguments;
  }

  void start_log() {
    console_ = std::make_unique<Console>(settings_.log_format);
    set_log(settings_.log_level,
            [this, console = console_.get()](LogLevel level, std::string_view line) {
              console->line(level, whole_commands(line, given_));
            });
    for (const std::string& warning : settings_.warnings) log_warn(warning);
    if (settings_.verb->needs_configuration && !settings_.verb->run_by_postgres) warn_of_zone();
  }

  /// What only shows times does so as the C library takes such a zone, in UTC or by the days of the
  /// United States; what reads one is refused.
  static void warn_of_zone() {
    try {
      static_cast<void>(local_zone());
    } catch (const Error& error) {
      log_warn(format("{}; times may be shown in another zone; {}", error.message(), error.hint()));
    }
  }

  void watch_signals() {
    // A reader that went away is an error of write(), not the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
    const bool archives = settings_.verb->run_by_postgres;
    const auto hasty_code = [verb = verb_, absent = unknown_is_absent_](int signal) {
      return process_exit_code(verb, ExitCode::interrupted, false, absent, signal);
    };
    watch_ = std::make_unique<SignalWatch>(hasty_code, milliseconds(archives ? 2000 : 0));
  }

  /// Root is surprised to be denied anything.
  void explain_denied(SystemError& error) const {
    if (!acting_as_ || error.error_number() != EACCES || !error.hint().empty()) return;
    error.set_hint(
        format("started by root, pgcairn runs as {}, the owner of the repository or the "
               "data directory, who needs to have access to it",
               acting_as_->describe()));
  }

  /// For check, which finds it also where the settings could not be read, and with them neither
  /// state-path nor the stanza: by the command line, or else in the default place.
  void keep_for_check(const Error& error) const {
    const auto text = [&](std::string_view option) {
      return early_text(words_, environment_, option);
    };
    std::filesystem::path state_path = settings_.state_path;
    if (state_path.empty()) state_path = text("state-path");
    if (!state_path.is_absolute()) state_path = kDefaultStatePath;
    const std::string stanza = settings_.stanza.empty() ? text("stanza") : settings_.stanza;
    const std::string file = given_.operands.empty() ? "" : given_.operands.front();
    engine::keep_push_failure(state_path, stanza, file, error);
  }

  /// What failed itself is told next.
  static void release_output_of_failure() {
    try {
      release_output(true);
    } catch (const SystemError&) {
    }
  }

  /// Monitoring reads standard output only.
  static void print_unknown(const Error& error) {
    try {
      print(nagios_unknown(error.message()));
    } catch (const SystemError&) {
      // Nobody listens any more.
    }
  }

  void report_error(Error& error) const {
    error.set_hint(whole_commands(error.hint(), given_));
    console_->error(error);
    if (nagios_) print_unknown(error);
    if (verb_ == kArchivePush.name) keep_for_check(error);
  }

  void report(const std::exception_ptr& thrown) {
    if (!console_) {
      console_ = std::make_unique<Console>(early_log_format(words_, environment_));
    }
    try {
      std::rethrow_exception(thrown);
    } catch (SystemError& error) {
      explain_denied(error);
      report_error(error);
    } catch (Error& error) {
      report_error(error);
    } catch (const Interrupted&) {
      const int signal = watch_ ? watch_->received() : 0;
      console_->error(Error(signal == 0 ? "interrupted"
                                        : format("interrupted by SIG{}", sigabbrev_np(signal))));
    } catch (const std::bad_alloc&) {
      console_->error(Error("out of memory", "lower process-max"));
    } catch (const std::filesystem::filesystem_error& error) {
      const std::string path = error.path1().native();
      console_->error(SystemError(path.empty() ? "cannot find the working directory"
                                               : format("cannot examine \"{}\"", path),
                                  error.code().value(),
                                  "look at the rights of the directories above it"));
    } catch (const std::exception& error) {
      console_->error(Error(format("unexpected: {}", error.what()), "please report this"));
    }
  }

  std::span<const std::string> words_;
  std::map<std::string, std::string> environment_;
  bool nagios_;
  std::string verb_;
  Arguments given_;                 // empty while they are not known
  bool unknown_is_absent_ = false;  // of archive-get, see process_exit_code()
  Settings settings_;
  std::optional<Account> acting_as_;  // when root started this and is root no more
  std::unique_ptr<Console> console_;
  std::unique_ptr<SignalWatch> watch_;
};

}  // namespace

int run(std::span<const std::string> words) {
  // Repositories are 0640 and 0750 for any user who runs this: the archiver's umask is not the
  // operator's.
  ::umask(027);
  // Configuration and environment hold secrets.
  crypto::forbid_core_dumps();
  Run program(words);
  const int code = program.execute();
  set_log(LogLevel::error, {});
  return code;
}

}  // namespace pgcairn::command
