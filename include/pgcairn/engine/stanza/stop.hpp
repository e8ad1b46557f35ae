#pragma once

#include <pgcairn/repo/repository.hpp>

#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

// Stops that hold for all hosts, since they stand in the repositories (repo/records).

struct StoppedRepository {
  std::string repository;
  bool changed = false;  // false: it was so already
};

/// Nothing is backed up, archived or expired in these repositories until allowed again.
std::vector<StoppedRepository> stop_stanza(const std::string& stanza, const std::string& reason,
                                           std::span<repo::Repository> repositories);
std::vector<StoppedRepository> start_stanza(const std::string& stanza,
                                            std::span<repo::Repository> repositories);

/// Throws LockedError, saying who stopped the stanza and why.
void refuse_when_stopped(repo::Repository& repository, const std::string& stanza);

}  // namespace pgcairn::engine
