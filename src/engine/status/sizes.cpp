#include "status/sizes.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace pgcairn::engine {

namespace {

constexpr double kSecondsPerDay = 86400;

std::uint64_t count_of(const repo::PackRange& range) {
  return std::uint64_t{range.last} - range.first + 1;
}

/// Where a backup begins, or ends, to name the packs of an owner.
struct Edge {
  std::uint64_t pack = 0;
  std::size_t backup = 0;
  bool begins = false;
};

double days_between(Timestamp from, Timestamp to) {
  return std::chrono::duration<double>(to - from).count() / kSecondsPerDay;
}

/// What was written up to each moment at which something is known of it.
std::vector<Point> written_over_days(const RepositoryInfo& repository) {
  std::vector<Point> points;
  double sum = 0;
  for (const repo::BackupMarker& backup : repository.backups) {
    sum += static_cast<double>(backup.stored_bytes);
    points.push_back({days_between(repository.backups.front().stop_time, backup.stop_time), sum});
  }
  return points;
}

}  // namespace

PackBytes estimated_pack_bytes(std::span<const repo::BackupMarker> backups) {
  std::map<std::string, double> means;
  double all_bytes = 0;
  double all_packs = 0;
  for (const repo::BackupMarker& backup : backups) {
    double packs = 0;
    for (const repo::PackRange& range : backup.packs)
      if (range.backup == backup.label) packs += static_cast<double>(count_of(range));
    if (packs == 0) continue;
    all_bytes += static_cast<double>(backup.stored_bytes);
    all_packs += packs;
    means[backup.label] = static_cast<double>(backup.stored_bytes) / packs;
  }
  const double mean = all_packs == 0 ? 0 : all_bytes / all_packs;
  return [means = std::move(means), mean](const std::string& owner, std::uint32_t first,
                                          std::uint32_t last) {
    const auto own = means.find(owner);
    const double bytes = own == means.end() ? mean : own->second;
    return static_cast<std::uint64_t>(bytes * (static_cast<double>(last - first) + 1));
  };
}

std::map<std::string, BackupSizes> sizes_of(std::span<const repo::BackupMarker> backups,
                                            const PackBytes& pack_bytes) {
  std::map<std::string, std::vector<Edge>> edges;  // by owner
  std::vector<BackupSizes> sizes(backups.size());
  for (std::size_t i = 0; i < backups.size(); ++i) {
    for (const repo::PackRange& range : backups[i].packs) {
      edges[range.backup].push_back({range.first, i, true});
      edges[range.backup].push_back({std::uint64_t{range.last} + 1, i, false});
      sizes[i].named_bytes += pack_bytes(range.backup, range.first, range.last);
    }
  }
  for (auto& [owner, of_owner] : edges) {
    std::sort(of_owner.begin(), of_owner.end(),
              [](const Edge& a, const Edge& b) { return a.pack < b.pack; });
    // Between two edges always the same backups name the packs: where it is one alone, the sum of
    // their positions is its position.
    std::size_t naming = 0;
    std::size_t sum = 0;
    std::uint64_t since = 0;
    for (const Edge& edge : of_owner) {
      if (naming == 1 && edge.pack > since) {
        sizes[sum].freed_bytes += pack_bytes(owner, static_cast<std::uint32_t>(since),
                                             static_cast<std::uint32_t>(edge.pack - 1));
      }
      naming = edge.begins ? naming + 1 : naming - 1;
      sum = edge.begins ? sum + edge.backup : sum - edge.backup;
      since = edge.pack;
    }
  }
  std::map<std::string, BackupSizes> by_label;
  for (std::size_t i = 0; i < backups.size(); ++i) {
    sizes[i].shared_bytes =
        sizes[i].named_bytes - std::min(sizes[i].freed_bytes, sizes[i].named_bytes);
    by_label[backups[i].label] = sizes[i];
  }
  return by_label;
}

std::optional<double> slope_of(std::span<const Point> points) {
  if (points.empty()) return std::nullopt;
  const auto count = static_cast<double>(points.size());
  Point mean;
  for (const Point& point : points) {
    mean.x += point.x / count;
    mean.y += point.y / count;
  }
  double up = 0;
  double across = 0;
  for (const Point& point : points) {
    up += (point.x - mean.x) * (point.y - mean.y);
    across += (point.x - mean.x) * (point.x - mean.x);
  }
  if (across == 0) return std::nullopt;
  return up / across;
}

std::optional<Growth> growth_of(const RepositoryInfo& repository, Timestamp first_wal) {
  const auto& backups = repository.backups;
  if (backups.empty()) return std::nullopt;
  Growth growth;
  growth.days = days_between(backups.front().stop_time, backups.back().stop_time);
  if (growth.days < 1) return std::nullopt;
  std::vector<Point> clusters;
  double stored = 0;
  for (const repo::BackupMarker& backup : backups) {
    clusters.push_back({days_between(backups.front().stop_time, backup.stop_time),
                        static_cast<double>(backup.cluster_bytes)});
    stored += static_cast<double>(backup.stored_bytes);
  }
  stored -= static_cast<double>(backups.front().stored_bytes);
  growth.cluster_bytes_per_day = std::llround(slope_of(clusters).value_or(0));
  growth.stored_bytes_per_day = static_cast<std::uint64_t>(stored / growth.days);
  const double wal_days = repository.wal_time ? days_between(first_wal, *repository.wal_time) : 0;
  if (wal_days >= 1) {
    growth.wal_bytes_per_day =
        static_cast<std::uint64_t>(static_cast<double>(repository.wal_bytes) / wal_days);
  }
  return growth;
}

std::optional<Forecast> forecast(const RepositoryInfo& repository) {
  if (!repository.growth) return std::nullopt;
  Forecast result;
  const std::vector<Point> points = written_over_days(repository);
  result.bytes_per_day =
      slope_of(points).value_or(0) + static_cast<double>(repository.growth->wal_bytes_per_day);
  if (result.bytes_per_day > 0 && repository.space)
    result.days = static_cast<double>(repository.space->free_bytes) / result.bytes_per_day;
  return result;
}

}  // namespace pgcairn::engine
