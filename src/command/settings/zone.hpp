#pragma once

#include <pgcairn/common/time.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::command {

using Seconds = std::chrono::seconds;

/// A time zone: how far its clocks are ahead of UTC at an instant.
struct Zone {
  std::string name;  // "Europe/Berlin", "UTC+01:30", "local time"
  std::function<Seconds(std::chrono::sys_seconds)> offset_at;
};

/// The zone of this machine (TZ, else /etc/localtime), as the C library tells it.
Zone local_zone();
/// Clocks that are always `offset` ahead.
Zone fixed_zone(Seconds offset);
/// A zone of the system's database, read from its file (TZif, RFC 8536); nothing when there is no
/// such zone. Throws DamagedError when the file is not what it must be.
std::optional<Zone> named_zone(const std::string& name,
                               const std::filesystem::path& database = "/usr/share/zoneinfo");

/// The instants at which clocks of the zone show `shown` (given as if it were UTC): one, none where
/// the clocks jumped over it, two where they were set back.
std::vector<Timestamp> instants_of(const Zone& zone, Timestamp shown);

/// "+01", "-03:30", "+00".
std::string offset_text(Seconds offset);

/// The rule of a POSIX TZ string ("CET-1CEST,M3.5.0,M10.5.0/3"): what holds after the last
/// transition a TZif file lists. Nothing when the text is not such a rule.
std::optional<std::function<Seconds(std::chrono::sys_seconds)>> posix_rule(std::string_view text);

}  // namespace pgcairn::command
