#pragma once

#include <pgcairn/common/time.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::command {

using Seconds = std::chrono::seconds;

/// A time zone: how far its clocks are ahead of UTC at an instant.
struct Zone {
  std::string name;  // "Europe/Berlin", "UTC+01:30", "local time"
  std::function<Seconds(std::chrono::sys_seconds)> offset_at;
};

/// The system's database, or the one that TZDIR names.
std::filesystem::path zone_database();

/// The zone of this machine (TZ, else /etc/localtime), as the C library reads it. Throws what
/// check_tz() throws.
Zone local_zone();
/// The C library takes a TZ that names no zone for UTC, without a word. Throws UsageError for it,
/// with the name that was probably meant, and for a zone that counts leap seconds.
void check_tz(std::string_view value, const std::filesystem::path& database = zone_database());
/// Clocks that are always `offset` ahead.
Zone fixed_zone(Seconds offset);
/// A zone of the database, read from its file (TZif, RFC 8536); nothing when there is no such zone.
/// Throws DamagedError when the file is not what it must be, and UsageError when the zone counts
/// leap seconds, which neither PostgreSQL nor this program does.
std::optional<Zone> named_zone(const std::string& name,
                               const std::filesystem::path& database = zone_database());
/// A hint for a name that is no zone: the zone that was probably meant, or how zones are named.
std::string zone_hint(const std::string& name,
                      const std::filesystem::path& database = zone_database());

/// The instants at which clocks of the zone show `shown` (given as if it were UTC): one, none where
/// the clocks jumped over it, two where they were set back.
std::vector<Timestamp> instants_of(const Zone& zone, Timestamp shown);

/// "+01", "-03:30", "+00".
std::string offset_text(Seconds offset);

/// The offsets of the zone a day before and a day after clocks show `shown`.
std::pair<Seconds, Seconds> offsets_around(const Zone& zone, Timestamp shown);

/// The rule of a POSIX TZ string ("CET-1CEST,M3.5.0,M10.5.0/3"): what holds after the last
/// transition a TZif file lists. Nothing when the text is not such a rule, or does not say when
/// summer time begins and ends ("CET-1CEST": C libraries differ in what they take then).
std::optional<std::function<Seconds(std::chrono::sys_seconds)>> posix_rule(std::string_view text);

}  // namespace pgcairn::command
