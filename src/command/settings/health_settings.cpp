#include "settings/health_settings.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

namespace pgcairn::command {

namespace {

double limit(const Said& said, std::string_view check, std::string_view end) {
  const Option& option = *find_key(format("health-{}-{}", check, end), in_global);
  const auto value = said.from_file(option);
  const std::string text = value ? value->text : std::string(option.default_value);
  if (option.kind == ValueKind::duration)
    return static_cast<double>(parse_duration(text)->count()) / 1000;
  if (option.kind == ValueKind::size) return static_cast<double>(*parse_size(text));
  if (option.kind == ValueKind::percent) return static_cast<double>(*parse_percent(text));
  return static_cast<double>(*parse_number(text));
}

engine::HealthLimit limits(const Said& said, std::string_view check) {
  return {limit(said, check, "warn"), limit(said, check, "critical")};
}

}  // namespace

engine::HealthLimits health_limits(const Said& said) {
  engine::HealthLimits all;
  all.backup_age_seconds = limits(said, "backup-age");
  all.backup_count = limits(said, "backup-count");
  all.wal_lag_bytes = limits(said, "wal-lag");
  all.free_space_percent = limits(said, "free-space");
  all.size_change_percent = limits(said, "size-change");
  all.verify_age_seconds = limits(said, "verify-age");
  all.drill_age_seconds = limits(said, "drill-age");
  return all;
}

void load_health_limits(Said said, Settings& settings) {
  for (const std::string& name : said.file.stanzas) {
    said.stanza = name;
    settings.health_limits[name] = health_limits(said);
  }
  said.stanza.clear();
  settings.default_health_limits = health_limits(said);
}

}  // namespace pgcairn::command
