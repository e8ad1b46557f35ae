#pragma once

#include "console.hpp"
#include "exit_codes.hpp"
#include "settings/options.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <string_view>

namespace pgcairn::command {

class OptionSources;
struct Arguments;
struct Settings;

/// What a verb works with.
struct Session {
  const Settings& settings;  // those that several verbs have
  Console& console;
  std::stop_token stop;
  const Arguments& given;  // on the command line
};

/// Does the work, writes the result to standard output. Throws what went wrong; the code says how
/// it went right.
using Work = std::function<ExitCode(const Session& session)>;

/// Reads the settings that only this verb has, and binds them to what does the work. Throws
/// UsageError.
using LoadFunction = Work (*)(const OptionSources& options, const Settings& settings);

/// Which stanza a verb is about.
enum class StanzaUse {
  one,   // that is named, or the only one
  all,   // unless one is named
  none,  // it is about repositories
};

/// What a verb needs to know of the cluster.
enum class ClusterUse {
  none,        // nothing: the stanza may be one that this host does not know
  configured,  // its stanza is in the configuration, or the data directory is named
  directory,   // its data directory
};

/// A command, in one file of verbs/: what help says, its own options, settings and work.
struct Verb {
  std::string_view name = {};
  std::string_view operands = {};  // as help shows them
  std::size_t least_operands = 0;
  std::size_t most_operands = 0;
  std::string_view summary = {};      // one line
  std::string_view description = {};  // paragraphs, broken into lines of at most 96 columns
  std::string_view examples = {};     // lines
  /// Lines that replace the shared ones of these codes; all of them if run_by_postgres.
  std::string_view exit_status = {};
  std::span<const Option> options = {};  // its own
  std::string_view takes = {};  // names of options that other verbs take as well: options.cpp
  LoadFunction load = nullptr;

  bool needs_configuration = true;
  StanzaUse stanza = StanzaUse::one;
  ClusterUse cluster = ClusterUse::none;
  /// PostgreSQL runs it for each segment: it logs little, is not stopped by settings that it does
  /// not read, and its exit codes are the server's.
  bool run_by_postgres = false;
  bool monitors = false;    // it is asked again in a minute, and does not wait for a silent store
  bool runs_often = false;  // and keeps the unlocked key, which costs a moment
  bool refused_when_stopped = false;  // while the stanza is stopped on this host
  bool only_reads = false;            // it puts nothing into a repository, not even a record
  bool keeps_state = false;           // in state-path, though it is not refused when stopped
  bool makes_repositories = false;
  bool frees_space = false;  // on a full file system it may use the reserve
  /// Started by root it stays root, to write where the operator says, for whomever. Others act as
  /// the owner of what they touch: see act_as_owner().
  bool stays_root = false;
};

/// The load function of a verb whose `load` reads its settings, and whose `run` takes them.
template <auto load, auto run>
Work with_settings(const OptionSources& options, const Settings& settings) {
  return [own = load(options, settings)](const Session& session) { return run(session, own); };
}

/// That of a verb without settings of its own.
template <auto run>
Work without_settings(const OptionSources&, const Settings&) {
  return run;
}

/// A raw string that begins on a line of its own.
consteval std::string_view lines(std::string_view raw) {
  return raw.substr(1);
}

}  // namespace pgcairn::command
