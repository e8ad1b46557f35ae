#include "settings/retention.hpp"

#include "settings/values.hpp"
#include "settings/zone.hpp"

#include <pgcairn/common/calendar_span.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

void load_retention(RepositorySettings& repository,
                    const std::function<std::string(std::string_view)>& text) {
  const auto count = [&](std::string_view key) -> repo::RetentionPolicy::Count {
    const auto number = parse_number(text(key));
    if (!number) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
  };
  repo::RetentionPolicy& policy = repository.retention;
  policy.full = count("retention-full");
  policy.full_in_days = text("retention-full-type") == "time";
  policy.diff = count("retention-diff");
  policy.archive = count("retention-archive");
  const std::string unit = text("retention-archive-type");
  if (unit == "diff") policy.archive_unit = repo::ArchiveUnit::diff;
  if (unit == "incr") policy.archive_unit = repo::ArchiveUnit::incr;
  if (unit == "time") policy.archive_unit = repo::ArchiveUnit::time;
  policy.keep_last = count("keep-last");
  policy.keep_within = parse_calendar_span(text("keep-within"));
  policy.keep_hourly = count("keep-hourly");
  policy.keep_daily = count("keep-daily");
  policy.keep_weekly = count("keep-weekly");
  policy.keep_monthly = count("keep-monthly");
  policy.keep_quarterly = count("keep-quarterly");
  policy.keep_yearly = count("keep-yearly");
  policy.max_age = parse_calendar_span(text("max-age"));
  policy.keep_min = count("keep-min");
  policy.keep_min_age = parse_calendar_span(text("keep-min-age"));
  const std::string zone = text("retention-timezone");
  if (!zone.empty()) repository.retention_timezone = zone;
}

repo::RetentionPolicy retention_of(const RepositorySettings& repository) {
  repo::RetentionPolicy policy = repository.retention;
  const std::string& name = repository.retention_timezone;
  // The one zone that needs no database on this machine.
  if (name == "UTC") return policy;
  const auto zone = named_zone(name);
  if (!zone) {
    throw UsageError(format("retention-timezone of repository \"{}\": there is no time zone \"{}\"",
                            repository.name, name),
                     zone_hint(name));
  }
  policy.offset_at = [zone = *zone](Timestamp when) {
    return zone.offset_at(std::chrono::floor<std::chrono::seconds>(when));
  };
  return policy;
}

}  // namespace pgcairn::command
