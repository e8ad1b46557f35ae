#pragma once

#include "status/restorable_windows.hpp"

#include <pgcairn/engine/status/verdict.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/records.hpp>

#include <optional>
#include <span>
#include <string>

namespace pgcairn::engine {

/// How a restore to the end of the archived WAL would fare with what one repository holds of the
/// newest backup's cluster; nothing without a backup. `backups` are oldest first; `looked_from`
/// names the first segment of `wal` when there is more that was not listed. Pure.
std::optional<Outlook> outlook_of(std::span<const repo::BackupMarker> backups,
                                  const repo::RecordState* record_state, const ArchivedWal& wal,
                                  const std::string& looked_from = {});

}  // namespace pgcairn::engine
