#pragma once

#include <pgcairn/common/file.hpp>
#include <pgcairn/engine/restore/restore.hpp>

#include <cstdint>
#include <filesystem>
#include <map>

#include <sys/stat.h>

namespace pgcairn::engine {

/// What files take on a file system.
struct Room {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
};
using DeviceRoom = std::map<dev_t, Room>;

/// Keeps other restores out of the directory until it is closed. Throws LockedError when one is at
/// work there. Nothing is kept where the file system has no locks for directories (NFS).
Fd lock_directory(Fd directory, const std::filesystem::path& path);

/// Throws when the data directory that was opened, and locked, is not what the plan was made for.
void require_as_planned(const RestorePlan& plan, const Fd& opened);

/// Refuses a data directory with a server or another restore, or with a content that this restore
/// may not replace. Fills plan.resumes, plan.compares and plan.marked.
void check_directories(RestorePlan& plan);

/// Outside of the data directory, only what an interrupted restore of this very directory left may
/// be wiped, and only what its own links lead to may be changed.
void check_outside_places(const RestorePlan& plan);

/// Can every directory of the plan be made, or be written into by this user?
void check_writable(const RestorePlan& plan);
/// Can what stands at `path` be brought to what the backup has there?
void require_changeable(const std::filesystem::path& path, const struct stat& status);
/// Can what stands at `path` be removed?
void require_removable(const std::filesystem::path& path);

/// Does this kind of file system, by its magic number (statfs), store less than is written to it?
/// Then its free space does not tell what fits.
bool may_compress(std::uint32_t magic);

/// Makes plan.space one row for each file system, in place of one for each directory, and refuses
/// what does not fit into what is free there or will be `freed`, or notes it where that may be
/// wrong.
void check_space(RestorePlan& plan, DeviceRoom& freed);

}  // namespace pgcairn::engine
