#pragma once

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <string>

namespace pgcairn::engine {

/// What postgresql.auto.conf of the restored cluster says of recovery. Pure.
postgres::Settings recovery_settings(const RestorePlan& plan);

/// The missing segment that recovery may meet without being stopped, though later ones are
/// archived: one that the operator accepted, or one that lies behind the target, which the server
/// may read ahead to; a server that has a target and does not reach it says so itself. Empty: none.
std::string accepted_gap(const RestorePlan& plan);

/// "recovery.signal", "standby.signal", or nothing.
std::string signal_file(RestoreType type);

}  // namespace pgcairn::engine
