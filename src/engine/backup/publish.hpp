#pragma once

#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/repository.hpp>

#include <functional>
#include <optional>
#include <string>

namespace pgcairn::engine {

/// The key of the first pack or part of the manifest that the marker names and the repository does
/// not have. Costs a listing of what is named.
std::optional<std::string> first_missing(repo::Repository& repository, const std::string& stanza,
                                         const repo::BackupMarker& info);

/// The last step of a backup and of a copy: `put_marker`, between two looks at the lease. Before it
/// all that the marker names must be there. When the lease was lost before, there is no marker;
/// when it was lost meanwhile, the marker is taken back, as the other run may remove what it names.
/// Throws LockedError then. When the last look fails for another reason the marker stays, and the
/// error says that the backup may be listed.
void publish(repo::Repository& repository, const std::string& stanza,
             const repo::BackupMarker& info, const std::function<void()>& check_lease,
             const std::function<void()>& put_marker);

}  // namespace pgcairn::engine
