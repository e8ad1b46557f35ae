#pragma once

#include "restore/candidates.hpp"

#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/repository.hpp>

#include <span>
#include <stop_token>

namespace pgcairn::engine {

/// Chooses backup and timelines for the target of plan.options and proves that the archived WAL
/// leads there: fills repository, backup, reason, path, wal_needed, wal and notes. Throws what
/// keeps the target from being reached, with the nearest that can be.
void plan_target(RestorePlan& plan, std::span<repo::Repository> repositories,
                 const PassedOver& passed_over, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
