#pragma once

namespace pgcairn::engine {

/// Where good ends. 0: not looked at.
struct HealthLimit {
  double warn = 0;
  double critical = 0;
};
struct HealthLimits {
  HealthLimit backup_age_seconds;
  HealthLimit backup_count;  // fewer are not good
  HealthLimit wal_lag_bytes;
  HealthLimit free_space_percent;   // less is not good
  HealthLimit size_change_percent;  // of the median, or the median of it
  HealthLimit verify_age_seconds;
  HealthLimit drill_age_seconds;
};

}  // namespace pgcairn::engine
