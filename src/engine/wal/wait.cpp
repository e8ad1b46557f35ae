#include "wal/wait.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <optional>

namespace pgcairn::engine {

namespace {

constexpr milliseconds kFirstPause{5};
constexpr milliseconds kLongestPause{500};

// Longer than archive-push believes what it knows of a repository (storage/answer_cache.hpp),
// clocks that are set back included.
constexpr std::chrono::minutes kDoubtful{10};

/// When another repository was made in the place of one that hosts remember, what they stored at
/// first belongs to the old one, and is listed anyway. So all that is not much younger than
/// the repository, by the store's own clock, is read back.
void prove_readable(repo::Repository& repository, const std::string& stanza,
                    const repo::Cluster& cluster, const std::vector<std::string>& segments,
                    const std::stop_token& stop) {
  const auto made = repository.driver().stat(repo::kRepositoryKey);
  if (!made) throw MissingError(format("repository \"{}\" is gone", repository.name()));
  std::vector<char> doubtful(segments.size());
  for_each_index(segments.size(), kRequestsAtOnce, stop, [&](std::size_t i) {
    const auto object =
        repository.driver().stat(repo::wal_key(stanza, repo::cluster_id(cluster), segments[i]));
    doubtful[i] = !object || object->modified < made->modified + kDoubtful;
  });
  for (std::size_t i = 0; i < segments.size(); ++i) {
    check_stop(stop);
    if (doubtful[i] && !repository.get_wal(stanza, cluster, segments[i], [](Bytes) {})) {
      throw MissingError(
          format("WAL segment {} is gone from repository \"{}\"", segments[i], repository.name()));
    }
  }
}

}  // namespace

std::vector<std::string> segments_between(const std::string& first, const std::string& last,
                                          std::uint64_t segment_bytes) {
  const auto from = parse_wal_segment_name(first, segment_bytes);
  const auto to = parse_wal_segment_name(last, segment_bytes);
  PGCAIRN_ASSERT(from && to && from->timeline == to->timeline);
  std::vector<std::string> names;
  for (WalSegment segment = *from; segment.number <= to->number; ++segment.number)
    names.push_back(wal_segment_name(segment, segment_bytes));
  return names;
}

std::vector<std::string> missing_wal(const repo::WalListing& listing, const std::string& first,
                                     const std::string& last, std::uint64_t segment_bytes) {
  std::vector<std::string> missing = segments_between(first, last, segment_bytes);
  std::erase_if(missing, [&](const std::string& name) {
    return std::binary_search(listing.segments.begin(), listing.segments.end(), name);
  });
  return missing;
}

void wait_for_wal(repo::Repository& repository, const std::string& stanza,
                  const repo::Cluster& cluster, const std::string& first, const std::string& last,
                  std::uint64_t segment_bytes, milliseconds timeout, std::stop_token stop) {
  Timestamp deadline = now() + timeout;
  const Timestamp half_time = now() + timeout / 2;  // to know at the end whether more is coming
  milliseconds pause = kFirstPause;
  std::optional<std::size_t> missing_before;
  for (;;) {
    // The archiver works in order: when the last one is there, one listing proves the others.
    if (repository.has_wal(stanza, cluster, last) || now() >= deadline ||
        (!missing_before && now() >= half_time)) {
      const repo::StanzaView view(repository, stanza);
      const auto missing =
          missing_wal(view.list_wal(repo::cluster_id(cluster)), first, last, segment_bytes);
      if (missing.empty()) {
        prove_readable(repository, stanza, cluster, segments_between(first, last, segment_bytes),
                       stop);
        return;
      }
      if (missing_before && missing.size() < *missing_before)
        deadline = now() + timeout;  // it is coming
      missing_before = missing.size();
      if (now() >= deadline) {
        throw LateWalError(
            format("WAL segment {} did not reach repository \"{}\" within {}{}", missing.front(),
                   repository.name(), format_duration(timeout),
                   missing.size() > 1 ? format(" ({} segments are missing)", missing.size()) : ""),
            "see PostgreSQL's log for messages of archive_command (it must be \"pgcairn "
            "--stanza=... archive-push %p\"), and pg_stat_archiver: archiving goes on only when "
            "each repository of archive_command takes each segment. A backup of a standby waits "
            "for the primary to end its segment (\"SELECT pg_switch_wal()\" there, or "
            "archive_timeout). Raise archive-timeout when the archive is merely slow",
            missing);
      }
    }
    sleep_for(pause, stop);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace pgcairn::engine
