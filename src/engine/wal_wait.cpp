#include "wal_wait.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{500};

/// archive-push believes for a minute what it knows of a repository; when another was made in its
/// place meanwhile, what it stored belongs to the old one. What came later is ours when the first
/// is.
void prove_readable(repo::Repository& repository, const std::string& stanza,
                    const repo::Cluster& cluster, const std::string& file) {
  if (!repository.get_wal(stanza, cluster, file, [](Bytes) {}))
    throw Error(format("WAL segment {} is gone from repository \"{}\"", file, repository.name()));
}

}  // namespace

std::vector<std::string> missing_wal(const repo::WalListing& listing, const std::string& first,
                                     const std::string& last, std::uint64_t segment_bytes) {
  const auto from = parse_wal_segment_name(first, segment_bytes);
  const auto to = parse_wal_segment_name(last, segment_bytes);
  PGCAIRN_ASSERT(from && to && from->timeline == to->timeline);
  std::vector<std::string> missing;
  for (WalSegment segment = *from; segment.number <= to->number; ++segment.number) {
    std::string name = wal_segment_name(segment, segment_bytes);
    if (!std::binary_search(listing.segments.begin(), listing.segments.end(), name))
      missing.push_back(std::move(name));
  }
  return missing;
}

void wait_for_wal(repo::Repository& repository, const std::string& stanza,
                  const repo::Cluster& cluster, const std::string& first, const std::string& last,
                  std::uint64_t segment_bytes, milliseconds timeout, std::stop_token stop) {
  Timestamp deadline = now() + timeout;
  milliseconds pause = kFirstPause;
  std::size_t missing_before = SIZE_MAX;
  for (;;) {
    // The archiver works in order: when the last one is there, one listing proves the others.
    if (repository.has_wal(stanza, cluster, last) || now() >= deadline) {
      const auto missing =
          missing_wal(repository.list_wal(stanza, cluster), first, last, segment_bytes);
      if (missing.empty()) {
        prove_readable(repository, stanza, cluster, first);
        return;
      }
      if (missing.size() < missing_before) deadline = now() + timeout;  // it is coming
      missing_before = missing.size();
      if (now() >= deadline) {
        throw Error(
            format("WAL segment {} did not reach repository \"{}\" within {}{}", missing.front(),
                   repository.name(), format_duration(timeout),
                   missing.size() > 1 ? format(" ({} segments are missing)", missing.size()) : ""),
            "look into PostgreSQL's log for messages of archive_command (it must be \"pgcairn "
            "--stanza=... archive-push %p\"), "
            "and into pg_stat_archiver; raise archive-timeout when the archive is merely slow");
      }
    }
    sleep_for(pause, stop);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace pgcairn::engine
