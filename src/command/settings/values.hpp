#pragma once

#include "settings/options.hpp"

#include <pgcairn/common/log.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::command {

/// Stronger sources first.
enum class Source { command_line, environment, file };

/// What was said about an option, and where.
struct Value {
  std::string text;
  std::string origin;  // a noun: "option --stanza", "environment variable PGCAIRN_STANZA", ...
  Source source = Source::command_line;
};

/// Throws UsageError, naming the origin and what would be right, unless the text is a value of the
/// option's kind.
void check_value(const Option& option, const Value& value);

/// The whole text as a whole number, with a sign if any; nothing when it is anything else.
std::optional<std::int64_t> parse_number(std::string_view text);
/// A timeline's number, above 0: in decimal, in hexadecimal after "0x", or as the eight hexadecimal
/// digits that names of WAL files begin with. Nothing for any other number with a leading zero,
/// which PostgreSQL takes for octal.
std::optional<Timeline> parse_timeline(std::string_view text);
/// "5%" as 5.
std::optional<std::int64_t> parse_percent(std::string_view text);
/// For texts that check_value() let pass: true, yes, on, 1.
bool is_true(std::string_view text);
/// For names that check_value() let pass.
LogLevel log_level_of(std::string_view name);
/// "A=B" in two. Throws UsageError when either is empty.
std::pair<std::string, std::string> parse_map(const std::string& text, std::string_view origin);

/// "a", "b": for messages.
std::string quoted_list(const std::vector<std::string>& names);

}  // namespace pgcairn::command
