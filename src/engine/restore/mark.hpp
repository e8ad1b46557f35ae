#pragma once

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/engine/restore/restore.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The file in a data directory that says that a restore was interrupted, and which places outside
/// of the directory hold parts of it.
///
/// Any user who may write into the directory could have written it, and what it names is removed.
/// So it counts when it belongs to root, or to the user who runs the restore. When root restores, a
/// mark of the directory's owner counts for the directory itself, and for nothing outside.
struct RestoreMark {
  bool counts = false;                      // for the directory itself
  std::vector<std::filesystem::path> ours;  // places outside that may be removed
  std::vector<std::filesystem::path> doubted;
  std::string writer;  // name of the user
};
RestoreMark read_mark(const std::filesystem::path& data_directory);

/// True when the directory holds a restore of ours that was interrupted: such a directory may be
/// wiped.
bool is_unfinished_restore(const std::filesystem::path& data_directory);

/// Keeps in the plan what the mark says: plan.marked, and notes on what it does not prove.
void take_mark(RestorePlan& plan);

/// Says in the directory that a restore is going on, and which places outside of it hold parts.
/// Durable when it returns.
void mark_unfinished(const Beneath& data_directory, const RestorePlan& plan);
void unmark_unfinished(const Beneath& data_directory);

}  // namespace pgcairn::engine
