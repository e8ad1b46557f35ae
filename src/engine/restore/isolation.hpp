#pragma once

#include <pgcairn/engine/restore/restore.hpp>

#include <cstdint>

namespace pgcairn::engine {

/// What the restored server could reach that the plan does not name: fills late_tablespaces and, of
/// an isolated copy, isolation. Throws UsageError when replay would write to a place that may be
/// the original's and was not allowed, with the nearest target before it.
void plan_isolation(RestorePlan& plan);

/// Where replay may create a tablespace in an isolated copy.
std::vector<std::string> allowed_places(const RestorePlan& plan);

/// A port for a copy that neither the original nor another server on this host has, whether these
/// run or not. Of the options, `original` and `original_port` count.
std::uint16_t port_of_copy(const RestoreOptions& options);

}  // namespace pgcairn::engine
