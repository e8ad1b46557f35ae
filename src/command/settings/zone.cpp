// Why not libcctz: it takes no POSIX TZ strings, calls the local zone UTC when TZ names none, does
// not tell a zone with leap seconds from none, and opens any file that a name leads to.
#include "settings/zone.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <ctime>
#include <memory>

namespace pgcairn::command {

namespace {

using std::chrono::sys_seconds;

template <class Integer>
Integer big_endian(Bytes bytes) {
  Integer value = 0;
  for (const std::byte byte : bytes) {
    value = static_cast<Integer>((value << 8) | std::to_integer<Integer>(byte));
  }
  return value;
}

/// A TZif file of version 2 or later: its 64-bit part and its footer.
class TzFile {
 public:
  TzFile(Bytes bytes, const std::string& object) : reader_(bytes, object), object_(object) {
    const Counts old_part = header();
    reader_.take(old_part.bytes(4));
    const Counts counts = header();
    counts_leap_seconds_ = counts.leaps != 0;
    for (std::uint32_t i = 0; i < counts.transitions; ++i) {
      transitions_.push_back(static_cast<std::int64_t>(big_endian<std::uint64_t>(reader_.take(8))));
    }
    for (std::uint32_t i = 0; i < counts.transitions; ++i) {
      kinds_.push_back(std::to_integer<std::uint8_t>(reader_.take(1)[0]));
    }
    for (std::uint32_t i = 0; i < counts.types; ++i) {
      const auto offset = big_endian<std::uint32_t>(reader_.take(4));
      offsets_.push_back(static_cast<std::int32_t>(offset));
      reader_.take(2);
    }
    reader_.take(counts.after_types(8));
    const bool sound = !offsets_.empty() &&
                       std::is_sorted(transitions_.begin(), transitions_.end()) &&
                       std::all_of(kinds_.begin(), kinds_.end(),
                                   [&](auto kind) { return kind < offsets_.size(); });
    if (!sound) throw DamagedError(object_, 0, "not a sound time zone file");
    const std::string_view footer = as_text(bytes.subspan(reader_.position()));
    rule_ = posix_rule(trim(footer));
  }

  bool counts_leap_seconds() const { return counts_leap_seconds_; }

  Seconds offset_at(sys_seconds when) const {
    const std::int64_t at = when.time_since_epoch().count();
    const auto next = std::upper_bound(transitions_.begin(), transitions_.end(), at);
    if (next == transitions_.end() && rule_) return (*rule_)(when);
    // Type 0 holds before the first transition (RFC 8536, 3.2).
    if (next == transitions_.begin()) return Seconds(offsets_.front());
    return Seconds(offsets_[kinds_[static_cast<std::size_t>(next - transitions_.begin()) - 1]]);
  }

 private:
  struct Counts {
    std::uint32_t utc_marks, standard_marks, leaps, transitions, types, letters;
    std::size_t after_types(std::size_t time_bytes) const {
      return letters + leaps * (time_bytes + 4) + standard_marks + utc_marks;
    }
    std::size_t bytes(std::size_t time_bytes) const {
      return transitions * (time_bytes + 1) + std::size_t{types} * 6 + after_types(time_bytes);
    }
  };

  Counts header() {
    const Bytes start = reader_.take(20);
    const auto version = std::to_integer<char>(start[4]);
    if (as_text(start.first(4)) != "TZif" || version < '2') {
      throw DamagedError(object_, 0, "not a time zone file of version 2 or later");
    }
    Counts counts{};
    for (std::uint32_t* count : {&counts.utc_marks, &counts.standard_marks, &counts.leaps,
                                 &counts.transitions, &counts.types, &counts.letters}) {
      *count = big_endian<std::uint32_t>(reader_.take(4));
    }
    return counts;
  }

  ByteReader reader_;
  std::string object_;
  bool counts_leap_seconds_ = false;
  std::vector<std::int64_t> transitions_;
  std::vector<std::uint8_t> kinds_;
  std::vector<std::int32_t> offsets_;
  std::optional<std::function<Seconds(sys_seconds)>> rule_;
};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Reads the pieces of a POSIX TZ string from the front; every function says whether it could.
class RuleText {
 public:
  explicit RuleText(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// "CET" or "<+0330>".
  bool name() {
    const bool quoted = skip('<');
    const auto ends = std::find_if(rest_.begin(), rest_.end(),
                                   [quoted](char c) { return quoted ? c == '>' : !is_letter(c); });
    const auto length = static_cast<std::size_t>(ends - rest_.begin());
    rest_.remove_prefix(length);
    return length >= 3 && (!quoted || skip('>'));
  }
  bool number(int& value) {
    const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    const auto parsed = parse_u64(rest_.substr(0, digits));
    if (!parsed || *parsed > 1000) return false;
    value = static_cast<int>(*parsed);
    rest_.remove_prefix(digits);
    return true;
  }
  /// [+-]h[:m[:s]]
  bool clock(Seconds& value) {
    const bool negative = skip('-');
    if (!negative) skip('+');
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    if (!number(hours)) return false;
    if (skip(':') && !number(minutes)) return false;
    if (skip(':') && !number(seconds)) return false;
    value = Seconds((hours * 60 + minutes) * 60 + seconds);
    if (negative) value = -value;
    return true;
  }

 private:
  std::string_view rest_;
};

/// "M3.5.0/2": the last (5) Sunday (0) of March at 02:00 on the clocks before the change. "J60" is
/// the first of March in every year, "59" the 60th day of the year.
struct ChangeDay {
  enum class Form { weekday, day_without_leap, day };
  Form form = Form::weekday;
  int day = 0;
  int month = 0;
  int week = 0;
  int weekday = 0;
  Seconds time{7200};

  bool parse(RuleText& text) {
    if (!text.skip(',')) return false;
    const bool known = text.skip('M') ? parse_weekday(text) : parse_day(text);
    return known && (!text.skip('/') || text.clock(time));
  }
  bool parse_weekday(RuleText& text) {
    return text.number(month) && text.skip('.') && text.number(week) && text.skip('.') &&
           text.number(weekday) && month >= 1 && month <= 12 && week >= 1 && week <= 5 &&
           weekday <= 6;
  }
  bool parse_day(RuleText& text) {
    form = text.skip('J') ? Form::day_without_leap : Form::day;
    return text.number(day) && day <= 365 && (form == Form::day || day >= 1);
  }

  Seconds in_year(std::chrono::year year) const {
    using namespace std::chrono;
    if (form != Form::weekday) {
      const bool skips_leap_day = form == Form::day_without_leap && (!year.is_leap() || day < 60);
      const sys_days first = year / January / 1;
      return (first + days(day - (skips_leap_day ? 1 : 0))).time_since_epoch() + time;
    }
    const year_month in = year / static_cast<unsigned>(month);
    const std::chrono::weekday on(static_cast<unsigned>(weekday));
    const sys_days when =
        week == 5 ? sys_days(in / on[last]) : sys_days(in / on[static_cast<unsigned>(week)]);
    return when.time_since_epoch() + time;
  }
};

std::optional<Zone> zone_in_file(const std::string& name, const std::filesystem::path& path) {
  const auto status = stat_if_exists(path);
  if (!status || S_ISDIR(status->st_mode)) return std::nullopt;
  const auto file = std::make_shared<TzFile>(read_file(path, kMiB), path.string());
  if (file->counts_leap_seconds()) {
    throw UsageError(
        format("time zone \"{}\" counts leap seconds, which PostgreSQL does not", name),
        name.starts_with("right/") ? format("did you mean {}?", name.substr(6))
                                   : "use one that is not in the directory right");
  }
  return Zone{name, [file](sys_seconds when) { return file->offset_at(when); }};
}

/// Names of the zones in the database, sorted; none when it cannot be read.
std::vector<std::string> zone_names(const std::filesystem::path& database) {
  std::vector<std::string> names;
  std::error_code ended;
  std::filesystem::recursive_directory_iterator entry(database, ended);
  for (; !ended && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(ended)) {
    // Beside the zones are their other forms ("right", "posix") and tables ("zone.tab").
    const std::string name = entry->path().filename();
    const bool is_zone = name.front() >= 'A' && name.front() <= 'Z';
    std::error_code unknown;
    if (!entry->is_directory(unknown)) {
      if (is_zone) names.push_back(entry->path().lexically_relative(database));
    } else if (!is_zone) {
      entry.disable_recursion_pending();
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::optional<std::function<Seconds(sys_seconds)>> posix_rule(std::string_view rule_text) {
  RuleText text(rule_text);
  Seconds west{};  // POSIX counts offsets westward
  if (!text.name() || !text.clock(west)) return std::nullopt;
  const Seconds standard = -west;
  if (text.at_end()) return [standard](sys_seconds) { return standard; };
  if (!text.name()) return std::nullopt;
  Seconds summer_west = west - Seconds(3600);
  ChangeDay start;
  ChangeDay end;
  RuleText before_offset = text;
  if (!text.clock(summer_west)) text = before_offset;
  if (!start.parse(text) || !end.parse(text) || !text.at_end()) return std::nullopt;
  const Seconds summer = -summer_west;
  return [=](sys_seconds when) {
    const auto days = std::chrono::floor<std::chrono::days>(when + standard);
    const std::chrono::year year = std::chrono::year_month_day(days).year();
    const sys_seconds summer_starts(start.in_year(year) - standard);
    const sys_seconds summer_ends(end.in_year(year) - summer);
    const bool in_summer = summer_starts < summer_ends
                               ? when >= summer_starts && when < summer_ends
                               : when >= summer_starts || when < summer_ends;  // southern half
    return in_summer ? summer : standard;
  };
}

std::filesystem::path zone_database() {
  const char* const named = std::getenv("TZDIR");
  return named == nullptr || *named == '\0' ? "/usr/share/zoneinfo" : named;
}

Zone local_zone() {
  if (const char* const value = std::getenv("TZ")) check_tz(value);
  return {"local time", [](sys_seconds when) {
            const std::time_t seconds = when.time_since_epoch().count();
            std::tm parts{};
            localtime_r(&seconds, &parts);
            return Seconds(parts.tm_gmtoff);
          }};
}

Zone fixed_zone(Seconds offset) {
  const std::string name = offset == Seconds(0) ? "UTC" : "UTC" + offset_text(offset);
  return {name, [offset](sys_seconds) { return offset; }};
}

std::optional<Zone> named_zone(const std::string& name, const std::filesystem::path& database) {
  // The name becomes a path: only what zone names consist of.
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  });
  if (!plain || name.empty() || name.front() == '/') return std::nullopt;
  return zone_in_file(name, database / name);
}

void check_tz(std::string_view value, const std::filesystem::path& database) {
  const std::string name(value.substr(value.starts_with(':') ? 1 : 0));
  if (name.empty() || name == "UTC") return;
  const bool is_path = name.front() == '/';
  const auto zone = is_path ? zone_in_file(name, name) : named_zone(name, database);
  if (zone || posix_rule(name)) return;
  const std::string with_days = name + ",M3.5.0,M10.5.0/3";
  if (posix_rule(with_days)) {
    throw UsageError(format("TZ: \"{}\" does not say when summer time begins and ends", name),
                     format("name the zone, like Europe/Berlin, or its days, like {}", with_days));
  }
  throw UsageError(format("TZ: there is no time zone \"{}\"", name),
                   is_path ? "name it like Europe/Berlin" : zone_hint(name, database));
}

std::string zone_hint(const std::string& name, const std::filesystem::path& database) {
  const std::vector<std::string> known = zone_names(database);
  if (known.empty()) return format("{} has no zones: install tzdata", database.string());
  // A city alone is a frequent slip, and too far from the whole name.
  const auto city = std::find_if(known.begin(), known.end(), [&](const std::string& zone) {
    return lower_case(zone).ends_with("/" + lower_case(name));
  });
  const auto near = city != known.end() ? std::optional(*city) : nearest(name, known);
  if (near) return format("did you mean {}?", *near);
  return format("name it like Europe/Berlin; {} has the zones of this machine", database.string());
}

std::pair<Seconds, Seconds> offsets_around(const Zone& zone, Timestamp shown) {
  const auto near = std::chrono::floor<Seconds>(shown);
  return {zone.offset_at(near - std::chrono::days(1)), zone.offset_at(near + std::chrono::days(1))};
}

std::vector<Timestamp> instants_of(const Zone& zone, Timestamp shown) {
  // Zones change at most once within a day either side, so one of these two offsets holds.
  std::vector<Timestamp> instants;
  const auto [before, after] = offsets_around(zone, shown);
  for (const Seconds offset : {before, after}) {
    const Timestamp candidate = shown - offset;
    const bool shows = candidate + zone.offset_at(std::chrono::floor<Seconds>(candidate)) == shown;
    if (shows && std::find(instants.begin(), instants.end(), candidate) == instants.end()) {
      instants.push_back(candidate);
    }
  }
  std::sort(instants.begin(), instants.end());
  return instants;
}

std::string offset_text(Seconds offset) {
  const auto total = offset.count() < 0 ? -offset.count() : offset.count();
  std::string text = format("{}{:02}", offset.count() < 0 ? '-' : '+', total / 3600);
  if (total % 3600 != 0) text += format(":{:02}", total / 60 % 60);
  if (total % 60 != 0) text += format(":{:02}", total % 60);
  return text;
}

}  // namespace pgcairn::command
