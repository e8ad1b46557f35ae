#include "wal/hole.hpp"

#include "wal/timelines.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

std::string later_segment(std::span<repo::Repository> repositories, const std::string& stanza,
                          const repo::Cluster& cluster, const std::string& segment) {
  std::string first;
  for (repo::Repository& repository : repositories) {
    const std::string later =
        repo::StanzaView(repository, stanza).next_wal(repo::cluster_id(cluster), segment);
    if (!later.empty() && (first.empty() || later < first)) first = later;
  }
  return first;
}

Timeline newest_timeline(std::span<repo::Repository> repositories, const std::string& stanza,
                         const repo::Cluster& cluster) {
  Timeline newest = 0;
  for (repo::Repository& repository : repositories) {
    const std::set<Timeline> all =
        repo::StanzaView(repository, stanza).wal_timelines(repo::cluster_id(cluster));
    if (!all.empty()) newest = std::max(newest, *all.rbegin());
  }
  return newest;
}

/// From the first repository that has it; empty when none does.
Buffer history(std::span<repo::Repository> repositories, const std::string& stanza,
               const repo::Cluster& cluster, const std::string& name) {
  for (repo::Repository& repository : repositories) {
    auto content = repo::StanzaView(repository, stanza).read_wal(cluster, name);
    if (content) return std::move(*content);
  }
  return {};
}

}  // namespace

std::string wal_after(std::span<repo::Repository> repositories, const std::string& stanza,
                      const repo::Cluster& cluster, const std::string& segment,
                      std::uint64_t segment_bytes) {
  std::string later = later_segment(repositories, stanza, cluster, segment);
  if (!later.empty()) return later;
  const auto place = *parse_wal_segment_name(segment, segment_bytes);
  const Lsn end{(place.number + 1) * segment_bytes};
  const Timeline newest = newest_timeline(repositories, stanza, cluster);
  for (unsigned read = 1; read <= kMostHistories; ++read) {
    const Timeline timeline = place.timeline + read;
    const std::string name = postgres::history_file_name(timeline);
    const Buffer content = history(repositories, stanza, cluster, name);
    if (content.empty() && timeline > newest) break;
    if (content.empty()) continue;
    Timelines timelines;
    timelines.add(timeline, content, name);
    if (timelines.left_after(place.timeline, end) != 0) return name;
  }
  return {};
}

}  // namespace pgcairn::engine
