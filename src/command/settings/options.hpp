#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::command {

enum class ValueKind {
  text,
  path,
  number,    // whole, from `least` to `most`
  duration,  // "60s", "5m": see parse_duration()
  span,      // "14d", "6mo": see parse_calendar_span(); not empty when `least` is above 0
  size,      // "64MiB": see parse_size()
  percent,   // "5%", from `least` to `most`
  flag,      // --name, and --no-name where the option may also stand in TOML
  choice,    // one of `choices`
  map,       // A=B, repeatable
  list,      // an array of texts in TOML, repeatable on the command line
  paths,     // an array in TOML, repeatable on the command line
};

constexpr bool is_repeatable(ValueKind kind) {
  return kind == ValueKind::map || kind == ValueKind::list || kind == ValueKind::paths;
}

/// Where an option may be set. Bits.
enum Place : unsigned {
  on_command_line = 1,
  in_environment = 2,
  in_global = 4,  // [global]
  in_repo = 8,    // [repo.NAME]
  in_stanza = 16  // [stanza.NAME], which wins over [global]
};

constexpr unsigned kShell = on_command_line | in_environment;
constexpr unsigned kSections = in_global | in_stanza;
constexpr unsigned kCluster = kShell | in_stanza;
constexpr unsigned kTuning = kShell | in_global | in_stanza;
constexpr unsigned kPerRepository = kTuning | in_repo;

/// A row from which everything about an option follows: how it is parsed on the command line, in
/// the environment and in TOML, and what `help` says. Options of one verb are in its file, others
/// in options.cpp. Two rows may share a name when no verb and no TOML section takes both (backup's
/// and restore's --type).
struct Option {
  std::string_view name;
  ValueKind kind;
  unsigned places;
  std::string_view value_name;     // what help shows for the value
  std::string_view default_value;  // as it is written; empty: none, or described by `help`
  std::string_view choices;        // divided by '|'
  std::int64_t least;
  std::int64_t most;
  std::string_view help;  // one line
  /// Names divided by spaces; "*": every verb. all_options() fills it in.
  std::string_view verbs = {};
};

/// Each verb's own rows in the order of the verbs, then those that several verbs take.
std::span<const Option> all_options();

/// The row that `verb` means by `name` on its command line or in the environment; null: none.
const Option* find_option(std::string_view name, std::string_view verb);
/// The row of `name` in a TOML section; null: none. `place` is in_global, in_repo or in_stanza.
const Option* find_key(std::string_view name, Place place);

bool takes(const Option& option, std::string_view verb);
/// Verbs that take `name` on the command line, in words: "backup and restore".
std::string verbs_taking(std::string_view name);
/// Is what is right for `name` in the environment another thing for another verb, as for --type?
bool depends_on_verb(std::string_view name);
/// Distinct names of the rows that may stand in any of `places`.
std::vector<std::string> option_names(unsigned places);

/// "PGCAIRN_PROCESS_MAX" for "process-max".
std::string environment_name(std::string_view option);

}  // namespace pgcairn::command
