#pragma once

#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/repository.hpp>

#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Writes the hold to every repository that has the backup; the names of these. Throws MissingError
/// when none has it, LockedError when an expire is at work that may not see the hold any more, and
/// what kept a repository from taking it after all others were tried.
std::vector<std::string> hold_backup(const std::string& stanza,
                                     std::span<repo::Repository> repositories,
                                     const repo::HoldRecord& hold);

struct ReleasedHold {
  std::string repository;
  repo::HoldRecord hold;
};
/// Releases all holds of a backup in every repository. Throws MissingError when there is none.
std::vector<ReleasedHold> release_holds(const std::string& stanza,
                                        std::span<repo::Repository> repositories,
                                        const std::string& label);

/// Writes the notes to every repository that has their backup, which is one; the names of these.
std::vector<std::string> annotate_backup(const std::string& stanza,
                                         std::span<repo::Repository> repositories,
                                         const std::string& label,
                                         std::span<const repo::AnnotationRecord> notes);

}  // namespace pgcairn::engine
