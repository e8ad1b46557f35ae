#include "settings/values.hpp"

#include <pgcairn/common/calendar_span.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace pgcairn::command {

namespace {

[[noreturn]] void refuse(const Value& value, std::string_view expected, std::string hint = {}) {
  throw UsageError(format("{} must be {}, not \"{}\"", value.origin, expected, value.text),
                   std::move(hint));
}

void check_number(const Option& option, const Value& value) {
  const auto number = parse_number(value.text);
  if (number && *number >= option.least && *number <= option.most) return;
  refuse(value, format("a whole number from {} to {}", option.least, option.most));
}

void check_choice(const Option& option, const Value& value) {
  const auto choices = split(option.choices, '|');
  if (std::find(choices.begin(), choices.end(), value.text) != choices.end()) return;
  std::string expected;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i != 0) expected += i + 1 == choices.size() ? " or " : ", ";
    expected += choices[i];
  }
  const auto near = nearest(value.text, choices);
  refuse(value, expected, near && choices.size() > 1 ? format("did you mean \"{}\"?", *near) : "");
}

/// For a bare number, which each reader would take for something else.
std::string unit_hint(std::string_view text, const std::array<std::string_view, 3>& units) {
  if (!is_digits(text)) return {};
  return format("a number needs its unit: write {0}{1}, {0}{2} or {0}{3}", text, units[0], units[1],
                units[2]);
}

void check_duration(const Option& option, const Value& value) {
  const auto duration = parse_duration(value.text);
  if (duration && (duration->count() > 0 || option.least == 0)) return;
  refuse(value, "a duration such as 90s, 5m or 2h",
         duration ? "0 would not wait at all" : unit_hint(value.text, {"s", "m", "h"}));
}

void check_span(const Option& option, const Value& value) {
  constexpr std::string_view expected = "a span such as 36h, 14d, 2w, 6mo or 1y";
  const std::string_view text = value.text;
  const auto span = parse_calendar_span(text);
  if (span && span->is_zero() && option.least > 0)
    refuse(value, expected, "a span of nothing would keep the newest backup only");
  if (span) return;
  const std::string_view number = text.substr(0, text.find_first_not_of("0123456789"));
  const std::string_view unit = text.substr(number.size());
  if (!number.empty() && unit == "m") {
    refuse(value, expected,
           format("m is minutes elsewhere: write {}mo for months, or a number of days", number));
  }
  if (!number.empty() && (unit == "s" || unit == "ms"))
    refuse(value, expected, "the shortest unit is h");
  refuse(value, expected, unit_hint(text, {"d", "w", "mo"}));
}

std::optional<bool> parse_bool(std::string_view text) {
  static constexpr std::array<std::string_view, 4> yes = {"true", "yes", "on", "1"};
  static constexpr std::array<std::string_view, 4> no = {"false", "no", "off", "0"};
  if (std::find(yes.begin(), yes.end(), text) != yes.end()) return true;
  if (std::find(no.begin(), no.end(), text) != no.end()) return false;
  return std::nullopt;
}

}  // namespace

void check_value(const Option& option, const Value& value) {
  // A NUL byte would cut a path short in a system call; a line break would leave a setting's line.
  const bool odd = std::any_of(value.text.begin(), value.text.end(),
                               [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (odd) throw UsageError(format("{} has a control character in its value", value.origin));
  switch (option.kind) {
    case ValueKind::text:
    case ValueKind::list:
      if (value.text.empty()) throw UsageError(format("{} must not be empty", value.origin));
      return;
    case ValueKind::path:
    case ValueKind::paths:
      if (value.text.empty()) throw UsageError(format("{} must not be empty", value.origin));
      if (value.source == Source::file && value.text.front() != '/') {
        refuse(value, "an absolute path");
      }
      return;
    case ValueKind::number:
      return check_number(option, value);
    case ValueKind::percent: {
      const auto percent = parse_percent(value.text);
      if (!percent || *percent < option.least || *percent > option.most)
        refuse(value, format("a percentage from {}% to {}%", option.least, option.most));
      return;
    }
    case ValueKind::duration:
      return check_duration(option, value);
    case ValueKind::span:
      return check_span(option, value);
    case ValueKind::size:
      if (!parse_size(value.text)) {
        refuse(value, "a size such as 512KiB, 64MiB or 2GiB",
               unit_hint(value.text, {"KiB", "MiB", "GiB"}));
      }
      return;
    case ValueKind::flag:
      if (!parse_bool(value.text)) refuse(value, "true or false");
      return;
    case ValueKind::choice:
      return check_choice(option, value);
    case ValueKind::map:
      parse_map(value.text, value.origin);
      return;
  }
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto size = parse_u64(text.substr(negative ? 1 : 0));
  if (!size || *size > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  const auto number = static_cast<std::int64_t>(*size);
  return negative ? -number : number;
}

std::optional<Timeline> parse_timeline(std::string_view text) {
  constexpr std::size_t kDigits = 8;  // of a timeline, in the name of a WAL file
  const bool prefixed = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = text.substr(prefixed ? 2 : 0);
  const bool hexadecimal = prefixed || digits.size() == kDigits;
  if (!hexadecimal && digits.starts_with('0')) return std::nullopt;
  const auto number = parse_u64(digits, hexadecimal ? 16 : 10);
  if (!number || *number == 0 || *number > UINT32_MAX) return std::nullopt;
  return static_cast<Timeline>(*number);
}

std::optional<std::int64_t> parse_percent(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  return parse_number(text.substr(0, text.size() - 1));
}

bool is_true(std::string_view text) {
  return parse_bool(text).value_or(false);
}

LogLevel log_level_of(std::string_view name) {
  for (const LogLevel level : {LogLevel::error, LogLevel::warn, LogLevel::info, LogLevel::detail}) {
    if (name_of(level) == name) return level;
  }
  return LogLevel::debug;
}

std::pair<std::string, std::string> parse_map(const std::string& text, std::string_view origin) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw UsageError(format("{} must be A=B, not \"{}\"", origin, text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += format("{}\"{}\"", text.empty() ? "" : ", ", name);
  return text;
}

}  // namespace pgcairn::command
