#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace pgcairn::engine {

/// A segment is absent, and the archive shows that the log went on after it.
class WalHole : public Error {
  using Error::Error;
};

/// What shows that the log went on past `segment`, which no repository has: the first later segment
/// of its timeline that is archived, or the history of a timeline that left this one after the
/// segment. Empty: nothing, so that the archive may end here. Costs two listings, of folders and of
/// one, and at most kMostHistories requests, however long the archive is. Throws when a repository
/// does not answer.
std::string wal_after(std::span<repo::Repository> repositories, const std::string& stanza,
                      const repo::Cluster& cluster, const std::string& segment,
                      std::uint64_t segment_bytes);

/// Histories of later timelines that are read for it, beginning with the next ones: a timeline that
/// leaves another one has the next free number.
inline constexpr unsigned kMostHistories = 64;

}  // namespace pgcairn::engine
