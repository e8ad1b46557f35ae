#pragma once

#include <pgcairn/engine/restore.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <string>

namespace pgcairn::engine {

/// What postgresql.auto.conf of the restored cluster says of recovery. Pure.
postgres::Settings recovery_settings(const RestorePlan& plan);

/// "recovery.signal", "standby.signal", or nothing.
std::string signal_file(RestoreType type);

}  // namespace pgcairn::engine
