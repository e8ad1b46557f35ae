#include "settings/target_time.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>

#include <array>
#include <optional>

namespace pgcairn::command {

namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;

constexpr const char* kForms =
    "write it like \"2026-11-21 02:41:07+00\", \"2026-11-21 02:41:07 Europe/Berlin\", "
    "\"yesterday 14:00\" or \"90 minutes ago\"";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes pieces from the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }
  bool at_end() const { return rest_.empty(); }
  void skip_spaces() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly `count` digits.
  std::optional<unsigned> digits(std::size_t count) {
    if (rest_.size() < count || !is_digits(rest_.substr(0, count))) return std::nullopt;
    const auto value = static_cast<unsigned>(*parse_u64(rest_.substr(0, count)));
    rest_.remove_prefix(count);
    return value;
  }
  std::string_view word() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    skip_spaces();
    return taken;
  }

 private:
  std::string_view rest_;
};

/// "02:41", "02:41:07", "02:41:07.123": since midnight.
std::optional<microseconds> parse_clock(Scanner& text) {
  const auto hour = text.digits(2);
  if (!hour || *hour > 23 || !text.skip(':')) return std::nullopt;
  const auto minute = text.digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  microseconds total = std::chrono::hours(*hour) + std::chrono::minutes(*minute);
  if (!text.skip(':')) return total;
  const auto second = text.digits(2);
  if (!second || *second > 59) return std::nullopt;
  total += Seconds(*second);
  if (!text.skip('.')) return total;
  // Of a finer fraction the rest is dropped: PostgreSQL counts microseconds too.
  long scale = 100'000;
  if (text.rest().empty() || !is_digit(text.rest().front())) return std::nullopt;
  while (const auto digit = text.digits(1)) {
    total += microseconds(static_cast<long>(*digit) * scale);
    scale /= 10;
  }
  return total;
}

std::optional<sys_days> parse_date(Scanner& text) {
  const auto year = text.digits(4);
  if (!year || !text.skip('-')) return std::nullopt;
  const auto month = text.digits(2);
  if (!month || !text.skip('-')) return std::nullopt;
  const auto day = text.digits(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  return sys_days(date);
}

/// "+01", "+0130", "+01:30".
std::optional<Zone> parse_offset(std::string_view text) {
  Scanner scanner(text);
  const bool west = scanner.skip('-');
  if (!west && !scanner.skip('+')) return std::nullopt;
  const auto hours = scanner.digits(2);
  unsigned minutes = 0;
  if (!scanner.at_end()) {
    scanner.skip(':');
    const auto given = scanner.digits(2);
    if (!given) return std::nullopt;
    minutes = *given;
  }
  // No place on earth is further from UTC (PostgreSQL's own limit is a little above).
  if (!hours || *hours > 15 || minutes > 59 || !scanner.at_end()) return std::nullopt;
  const Seconds offset = std::chrono::hours(*hours) + std::chrono::minutes(minutes);
  return fixed_zone(west ? -offset : offset);
}

Zone parse_zone(std::string_view text, std::string_view whole) {
  const std::string name = lower_case(text);
  if (name == "z" || name == "utc" || name == "gmt") return fixed_zone(Seconds(0));
  if (const auto zone = parse_offset(text)) return *zone;
  // "CET" and its like mean different offsets to different people, and to PostgreSQL.
  const bool is_name = text.find('/') != std::string_view::npos;
  if (is_name) {
    if (auto zone = named_zone(std::string(text))) return *zone;
  }
  throw UsageError(format("unknown time zone \"{}\" in the target \"{}\"", text, whole),
                   is_name ? zone_hint(std::string(text))
                           : "use an offset such as +01, UTC, or a name such as Europe/Berlin");
}

/// "2026-10-25 02:30:00+01"
std::string with_offset(Timestamp shown, Seconds offset) {
  std::string text = format_utc(shown);
  text.pop_back();
  text[text.find('T')] = ' ';
  return text + offset_text(offset);
}

Timestamp resolve(const Zone& zone, Timestamp shown, std::string_view whole) {
  const std::vector<Timestamp> instants = instants_of(zone, shown);
  if (instants.size() == 1) return instants.front();
  const auto [before, after] = offsets_around(zone, shown);
  const std::string earlier = with_offset(shown, std::max(before, after));
  const std::string later = with_offset(shown, std::min(before, after));
  if (instants.empty()) {
    throw UsageError(format("there is no \"{}\" in {}: the clocks were set forward over it, from "
                            "{} to {}",
                            whole, zone.name, offset_text(before), offset_text(after)),
                     format("write \"{}\" for {}, or \"{}\" for {}", earlier,
                            format_utc(shown - std::max(before, after)), later,
                            format_utc(shown - std::min(before, after))));
  }
  throw UsageError(format("\"{}\" happened twice in {}, when the clocks were set back: at {} and "
                          "at {}",
                          whole, zone.name, format_utc(instants[0]), format_utc(instants[1])),
                   format("write \"{}\" for the first, or \"{}\" for the second", earlier, later));
}

/// Of an amount in "90 minutes ago".
std::optional<Seconds> unit_of(std::string_view word) {
  struct Unit {
    std::string_view name;
    Seconds length;
  };
  static constexpr std::array<Unit, 10> units = {{{"second", Seconds(1)},
                                                  {"sec", Seconds(1)},
                                                  {"s", Seconds(1)},
                                                  {"minute", Seconds(60)},
                                                  {"min", Seconds(60)},
                                                  {"hour", Seconds(3600)},
                                                  {"h", Seconds(3600)},
                                                  {"day", Seconds(86400)},
                                                  {"d", Seconds(86400)},
                                                  {"week", Seconds(604800)}}};
  for (const Unit& unit : units) {
    if (word == unit.name || word == std::string(unit.name) + "s") return unit.length;
  }
  return std::nullopt;
}

/// "1 hour 30 minutes ago"; nothing when it is no such text.
std::optional<Timestamp> parse_ago(const std::string& text, Timestamp now) {
  if (!text.ends_with(" ago")) return std::nullopt;
  Scanner scanner(std::string_view(text).substr(0, text.size() - 4));
  Timestamp when = now;
  do {
    const std::string_view amount_word = scanner.word();
    const auto amount = amount_word == "an" || amount_word == "a" ? 1 : parse_u64(amount_word);
    const auto unit = unit_of(scanner.word());
    // A century and more is a slip of the finger, and must not overflow.
    if (!amount || !unit || *amount > 4'000'000'000U / static_cast<unsigned>(unit->count())) {
      return std::nullopt;
    }
    when -= *unit * static_cast<std::int64_t>(*amount);
  } while (!scanner.at_end());
  return when;
}

/// The day of "today" and "yesterday" in a zone.
sys_days day_in(const Zone& zone, Timestamp now, days back) {
  const Timestamp shown = now + zone.offset_at(std::chrono::floor<Seconds>(now));
  return std::chrono::floor<days>(shown) - back;
}

}  // namespace

TargetTime parse_target_time(std::string_view whole, Timestamp now,
                             const std::function<Zone()>& local) {
  const std::string_view text = trim(whole);
  const std::string lowered = lower_case(text);
  if (lowered == "now") return {now, "UTC", false};
  if (const auto when = parse_ago(lowered, now)) return {*when, "UTC", false};

  const auto refuse = [&]() -> UsageError {
    return UsageError(format("\"{}\" is not a time to recover to", whole), kForms);
  };
  Scanner scanner(text);
  std::optional<sys_days> date;
  std::optional<days> back;
  const std::string first_word = lowered.substr(0, lowered.find(' '));
  if (first_word == "today") back = days(0);
  if (first_word == "yesterday") back = days(1);
  if (back) {
    scanner.word();
  } else {
    date = parse_date(scanner);
    if (!date) throw refuse();
    if (!scanner.skip('T') && !scanner.skip('t')) scanner.skip_spaces();
  }
  microseconds clock{};
  if (!scanner.at_end() && is_digit(scanner.rest().front())) {
    const auto parsed = parse_clock(scanner);
    if (!parsed) throw refuse();
    clock = *parsed;
  }
  scanner.skip_spaces();
  const bool zone_assumed = scanner.at_end();
  const Zone zone = zone_assumed ? local() : parse_zone(scanner.rest(), whole);
  if (back) date = day_in(zone, now, *back);
  return {resolve(zone, Timestamp(*date) + clock, whole), zone.name, zone_assumed};
}

}  // namespace pgcairn::command
