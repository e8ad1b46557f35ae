#include "settings/target_time.hpp"

#include <pgcairn/common/calendar_span.hpp>
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
    "\"02:41\" (today), \"yesterday 14:00\" or \"90 minutes ago\"";

UsageError not_a_time(std::string_view whole, std::string hint) {
  return UsageError(format("\"{}\" is not a time to recover to", whole),
                    hint.empty() ? kForms : std::move(hint));
}

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
  /// As many as there are.
  std::string_view digits() { return take_while(is_digit); }
  std::string_view letters() {
    return take_while([](char c) { return c >= 'a' && c <= 'z'; });
  }
  std::string_view word() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    skip_spaces();
    return taken;
  }

 private:
  template <class Wanted>
  std::string_view take_while(Wanted wanted) {
    std::size_t end = 0;
    while (end < rest_.size() && wanted(rest_[end])) ++end;
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return taken;
  }

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
  throw UsageError(format("unknown time zone \"{}\" in \"{}\"", text, whole),
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

/// A unit that a nearest right word replaces; thrown as the refusal of the whole text.
void refuse_unit(std::string_view word, std::string_view whole) {
  if (word == "m")
    throw not_a_time(whole, "\"m\" may be a month: write \"min\", as in \"90 min ago\"");
  if (word == "month" || word == "months" || word == "year" || word == "years")
    throw not_a_time(whole, "months and years differ in length: count days, as in \"30 days ago\"");
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

/// A century and more is a slip of the finger, and must not overflow.
constexpr Seconds kLongestAgo{4'000'000'000};

/// "90 minutes", "1 hour 30 minutes", "1h30min"; nothing when it is no such text.
std::optional<Seconds> parse_amount(std::string_view text, std::string_view whole) {
  Scanner scanner(text);
  Seconds total{};
  do {
    const std::string_view digits = scanner.digits();
    const std::string_view article = digits.empty() ? scanner.letters() : "";
    const auto amount = article == "an" || article == "a" ? 1 : parse_u64(digits);
    scanner.skip_spaces();
    const std::string_view word = scanner.letters();
    const auto unit = unit_of(word);
    if (amount && !unit) refuse_unit(word, whole);
    if (!amount || !unit || *amount > static_cast<std::uint64_t>(kLongestAgo / *unit))
      return std::nullopt;
    total += *unit * static_cast<std::int64_t>(*amount);
    if (total > kLongestAgo) return std::nullopt;
    scanner.skip_spaces();
  } while (!scanner.at_end());
  return total;
}

/// "1 hour ago", "-1 hour": how long before now; nothing when it is no such text.
std::optional<Seconds> parse_ago(std::string_view text, std::string_view whole) {
  const bool ago = text.ends_with(" ago");
  const bool minus = text.starts_with('-');
  if (ago && minus) throw not_a_time(whole, "write it without the minus sign");
  if (ago) return parse_amount(text.substr(0, text.size() - 4), whole);
  if (minus) return parse_amount(trim(text.substr(1)), whole);
  if (!text.empty() && parse_amount(text, whole))
    throw not_a_time(whole, format("did you mean \"{} ago\"?", text));
  return std::nullopt;
}

/// "yesterday": how many days after today.
std::optional<days> named_day(std::string_view word) {
  if (word == "today") return days(0);
  if (word == "yesterday") return days(-1);
  if (word == "tomorrow") return days(1);
  return std::nullopt;
}

/// The day that a zone's clocks show.
sys_days today_in(const Zone& zone, Timestamp now) {
  return std::chrono::floor<days>(now + zone.offset_at(std::chrono::floor<Seconds>(now)));
}

/// The error for what is not a time at all; with a hint, or one that shows all forms.
using Refusal = UsageError (*)(std::string_view whole, std::string hint);

/// The day that a text begins with, and what was taken for it.
struct Day {
  std::optional<sys_days> date;
  std::optional<days> after_today;
  bool is_named = false;
};

Day parse_day(Scanner& scanner, std::string_view lowered, std::string_view whole, Refusal refusal) {
  Day day;
  if (const auto after = named_day(lowered.substr(0, lowered.find(' ')))) {
    scanner.word();
    return {{}, after, true};
  }
  if (Scanner clock = scanner; parse_clock(clock)) return {{}, days(0), false};
  day.date = parse_date(scanner);
  if (!day.date) throw refusal(whole, {});
  if (!scanner.skip('T') && !scanner.skip('t')) scanner.skip_spaces();
  day.is_named = true;
  return day;
}

/// A clock alone is today's; where today's has not come yet, yesterday's was meant, perhaps.
void require_past(Timestamp when, Timestamp now, std::string_view whole) {
  if (when <= now) return;
  throw UsageError(format("\"{}\" has not come yet today: it is {}", whole, format_local(now)),
                   format("for the day before, write \"yesterday {}\"", trim(whole)));
}

/// A day, a clock and a zone, each but the first two left out or not. `ahead`: a clock alone is the
/// next such time, not today's.
TargetTime read_moment(std::string_view whole, Timestamp now, const std::function<Zone()>& local,
                       bool ahead, Refusal refusal) {
  const std::string_view text = trim(whole);
  Scanner scanner(text);
  const Day day = parse_day(scanner, lower_case(text), whole, refusal);
  microseconds clock{};
  if (!scanner.at_end() && is_digit(scanner.rest().front())) {
    const auto parsed = parse_clock(scanner);
    if (!parsed) throw refusal(whole, {});
    clock = *parsed;
  }
  scanner.skip_spaces();
  if (named_day(lower_case(scanner.rest()))) {
    const std::string_view before = text.substr(0, text.size() - scanner.rest().size());
    throw refusal(whole, format("write \"{} {}\"", scanner.rest(), trim(before)));
  }
  const bool zone_assumed = scanner.at_end();
  const Zone zone = zone_assumed ? local() : parse_zone(scanner.rest(), whole);
  const sys_days date = day.date ? *day.date : today_in(zone, now) + *day.after_today;
  Timestamp when = resolve(zone, Timestamp(date) + clock, whole);
  if (!day.is_named && ahead && when <= now)
    when = resolve(zone, Timestamp(date + days(1)) + clock, whole);
  if (!day.is_named && !ahead) require_past(when, now, whole);
  return {when, zone.name, zone_assumed};
}

UsageError not_an_end(std::string_view whole, std::string hint) {
  return UsageError(format("\"{}\" is neither a time nor a span", whole),
                    hint.empty()
                        ? "write a span as 12h, 90d, 2w, 6mo for months, or 1y; a time as "
                          "\"2026-12-31 18:00\", \"tomorrow 08:30\" or \"23:13\" (the next one)"
                        : std::move(hint));
}

}  // namespace

TargetTime parse_target_time(std::string_view whole, Timestamp now,
                             const std::function<Zone()>& local) {
  const std::string lowered = lower_case(trim(whole));
  if (lowered == "now") return {now, "UTC", false};
  if (const auto ago = parse_ago(lowered, whole)) return {now - *ago, "UTC", false};
  return read_moment(whole, now, local, false, not_a_time);
}

TargetTime parse_end_time(std::string_view whole, Timestamp now,
                          const std::function<Zone()>& local) {
  const std::string lowered = lower_case(trim(whole));
  const bool is_span = lowered.starts_with("in ");
  const auto span = parse_calendar_span(is_span ? trim(lowered.substr(3)) : lowered);
  if (is_span && !span) throw not_an_end(whole, {});
  const bool has_passed = lowered == "now" || lowered.starts_with('-') || lowered.ends_with(" ago");
  TargetTime end{now, "UTC", false};
  if (span) {
    end.when = after(now, *span, [](Timestamp) { return std::chrono::seconds(0); });
  } else if (!has_passed) {
    end = read_moment(whole, now, local, true, not_an_end);
  }
  if (end.when > now) return end;
  throw UsageError(has_passed || span ? format("\"{}\" is not a time to come", whole)
                                      : format("\"{}\" is not a time to come: it is {}", whole,
                                               format_utc(end.when)),
                   "write a span such as 90d, or a later time");
}

}  // namespace pgcairn::command
