#pragma once

#include <pgcairn/common/file.hpp>

namespace pgcairn {

/// Makes the names in an open directory durable. Some file systems (CIFS, many of FUSE) cannot be
/// asked to: EINVAL, ENOTSUP or ENOSYS are a warning, once for each file system, and no failure.
/// All else throws SystemError.
void sync_directory(const Fd& directory, const fs::path& path);

}  // namespace pgcairn
