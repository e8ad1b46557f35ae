#pragma once

#include "restore/preference.hpp"

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/repository.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Backups that lack something in a repository, as was found out since, and what.
using PassedOver = std::map<std::pair<const repo::Repository*, std::string>, std::string>;

/// The backups among which a restore chooses.
struct Candidates {
  std::vector<repo::BackupMarker> backups;                // oldest first, each label once
  std::map<std::string, repo::Repository*> where;         // by label: where it is best
  Flaws flaws;                                            // there
  std::map<std::string, std::vector<std::string>> worse;  // by label: notes on where it is worse
  std::vector<std::string> unreadable;                    // names of repositories that do not open
  std::vector<std::string> notes;  // repositories and markers that could not be read
};

/// Of all repositories together, the one alone that options.set names. What cannot be read is
/// skipped, with a note; that nothing can be read is an error.
Candidates find_candidates(std::span<repo::Repository> repositories, const std::string& stanza,
                           const RestoreOptions& options, const PassedOver& passed_over);

}  // namespace pgcairn::engine
