#pragma once

#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>

#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Reads the markers of these backups, many at once: adds those that can be read to `backups`,
/// which is then sorted by the times at which they stopped, and why others cannot to `unreadable`,
/// by label. A backup that is gone by now is left out. Throws when the store does not answer; what
/// was read until then is there.
void read_markers(repo::Repository& repository, const std::string& stanza,
                  std::span<const std::string> labels, const std::stop_token& stop,
                  std::vector<repo::BackupMarker>& backups,
                  std::map<std::string, std::string>& unreadable);

}  // namespace pgcairn::engine
