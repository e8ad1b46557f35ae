#pragma once

#include <pgcairn/engine/restore/restore.hpp>

#include <span>
#include <string_view>

namespace pgcairn::command {

/// The word of --type.
std::string_view name_of(engine::RestoreType type);
std::span<const engine::RestoreType> all_restore_types();

}  // namespace pgcairn::command
