#pragma once

#include "render/render.hpp"

#include <pgcairn/engine/restore/restore.hpp>

#include <filesystem>

namespace pgcairn::command {

/// How the restored server is started and stopped on this host, what it lacks here, and what is
/// off: only what can be known, each with a line to type. `programs`: where the operator has
/// PostgreSQL's; empty: the usual places. To be called when the restore is done, except for a plan.
ServerWords server_words(const engine::RestorePlan& plan, const std::filesystem::path& programs);

}  // namespace pgcairn::command
