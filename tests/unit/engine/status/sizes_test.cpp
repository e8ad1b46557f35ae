#include "engine/status/sizes.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

repo::BackupMarker backup(const std::string& label, int day, std::uint64_t cluster_bytes,
                          std::uint64_t stored_bytes, std::vector<repo::PackRange> packs = {}) {
  repo::BackupMarker info;
  info.label = label;
  info.stop_time = Timestamp(std::chrono::days(day));
  info.cluster_bytes = cluster_bytes;
  info.stored_bytes = stored_bytes;
  info.packs = std::move(packs);
  return info;
}

}  // namespace

TEST_CASE("packs are taken for as large as their owner's are on average") {
  const std::vector<repo::BackupMarker> backups = {
      backup("full", 0, 0, 1000, {{"full", 0, 9}}),
      backup("incr", 1, 0, 40, {{"full", 0, 8}, {"gone", 3, 3}, {"incr", 0, 1}})};
  const PackBytes bytes = estimated_pack_bytes(backups);
  CHECK(bytes("full", 0, 9) == 1000);
  CHECK(bytes("full", 3, 4) == 200);
  CHECK(bytes("incr", 1, 1) == 20);
  CHECK(bytes("gone", 0, 11) == 1040);  // the mean of all
  const auto sizes = sizes_of(backups, bytes);
  CHECK(sizes.at("full").named_bytes == 1000);
  CHECK(sizes.at("full").freed_bytes == 100);
  CHECK(sizes.at("full").shared_bytes == 900);
  CHECK(sizes.at("incr").freed_bytes == 126);
  CHECK(estimated_pack_bytes({})("any", 0, 3) == 0);
}

TEST_CASE("the slope of a line through points") {
  const auto slope = [](std::vector<Point> points) { return slope_of(points); };
  CHECK(*slope({{0, 1}, {1, 3}, {2, 5}}) == Approx(2));
  CHECK(*slope({{0, 5}, {10, 0}}) == Approx(-0.5));
  CHECK(*slope({{0, 0}, {1, 1}, {2, 0}, {3, 1}}) == Approx(0.2));
  CHECK_FALSE(slope({}));
  CHECK_FALSE(slope({{1, 1}}));
  CHECK_FALSE(slope({{1, 1}, {1, 2}}));
}

TEST_CASE("growth is told where the backups span a day, and free space lasts as long as it says") {
  RepositoryInfo repository;
  CHECK_FALSE(growth_of(repository, {}));
  repository.backups = {backup("a", 10, 1000, 500)};
  CHECK_FALSE(growth_of(repository, {}));
  repository.backups = {backup("a", 10, 1000, 500), backup("b", 12, 1200, 100),
                        backup("c", 14, 1400, 100)};
  repository.wal_bytes = 80;
  repository.wal_time = Timestamp(std::chrono::days(14));
  repository.growth = growth_of(repository, Timestamp(std::chrono::days(10)));
  REQUIRE(repository.growth);
  CHECK(repository.growth->days == 4);
  CHECK(repository.growth->cluster_bytes_per_day == 100);
  CHECK(repository.growth->stored_bytes_per_day == 50);
  CHECK(repository.growth->wal_bytes_per_day == 20);

  const auto open = forecast(repository);
  REQUIRE(open);
  CHECK(open->bytes_per_day == Approx(70));
  CHECK_FALSE(open->days);  // a store that cannot be full
  repository.space = Space{10'000, 700};
  CHECK(*forecast(repository)->days == Approx(10));
  repository.growth.reset();
  CHECK_FALSE(forecast(repository));
}

TEST_CASE("a cluster that shrinks has a negative growth") {
  RepositoryInfo repository;
  repository.backups = {backup("a", 0, 1000, 1), backup("b", 5, 500, 1)};
  CHECK(growth_of(repository, {})->cluster_bytes_per_day == -100);
  CHECK(growth_of(repository, {})->wal_bytes_per_day == 0);
}
