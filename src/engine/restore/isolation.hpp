#pragma once

#include <pgcairn/engine/restore/restore.hpp>

namespace pgcairn::engine {

/// What the restored server could reach that the plan does not name: fills late_tablespaces and, of
/// an isolated copy, isolation. Throws UsageError when replay would write to a place that may be
/// the original's and was not allowed, with the nearest target before it.
void plan_isolation(RestorePlan& plan);

/// Where replay may create a tablespace in an isolated copy.
std::vector<std::string> allowed_places(const RestorePlan& plan);

}  // namespace pgcairn::engine
