#include "settings/health_settings.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

namespace pgcairn::command {

namespace {

double limit(const OptionSources& options, std::string_view check, std::string_view end) {
  const Option& option = *find_key(format("health-{}-{}", check, end), in_global);
  const auto value = options.from_file(option);
  const std::string text = value ? value->text : std::string(option.default_value);
  if (option.kind == ValueKind::duration)
    return static_cast<double>(parse_duration(text)->count()) / 1000;
  if (option.kind == ValueKind::size) return static_cast<double>(*parse_size(text));
  if (option.kind == ValueKind::percent) return static_cast<double>(*parse_percent(text));
  return static_cast<double>(*parse_number(text));
}

engine::HealthLimit limits(const OptionSources& options, std::string_view check) {
  return {limit(options, check, "warn"), limit(options, check, "critical")};
}

}  // namespace

engine::HealthLimits health_limits(const OptionSources& options) {
  engine::HealthLimits all;
  all.backup_age_seconds = limits(options, "backup-age");
  all.backup_count = limits(options, "backup-count");
  all.wal_lag_bytes = limits(options, "wal-lag");
  all.free_space_percent = limits(options, "free-space");
  all.size_change_percent = limits(options, "size-change");
  all.verify_age_seconds = limits(options, "verify-age");
  all.drill_age_seconds = limits(options, "drill-age");
  return all;
}

StanzaLimits load_limits(OptionSources options) {
  StanzaLimits limits;
  for (const std::string& name : options.file.stanzas) {
    options.stanza = name;
    limits.configured[name] = health_limits(options);
  }
  options.stanza.clear();
  limits.others = health_limits(options);
  return limits;
}

}  // namespace pgcairn::command
