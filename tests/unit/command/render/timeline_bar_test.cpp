#include "command/render/info_status.hpp"

#include <pgcairn/common/text.hpp>

#include <cstdlib>
#include <ctime>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

namespace {

Timestamp day(int number) {
  return *parse_utc(format("2026-11-{:02}T00:00:00Z", number));
}

engine::RestorableWindow window(Timeline timeline, int from, int to,
                                std::vector<std::string> backups) {
  engine::RestorableWindow one;
  one.cluster = "15-1";
  one.timeline = timeline;
  one.from_time = day(from);
  one.to_time = day(to);
  one.backups = std::move(backups);
  return one;
}

repo::BackupMarker backup(const std::string& label, repo::BackupType type, Timeline timeline,
                          int when) {
  repo::BackupMarker one;
  one.label = label;
  one.type = type;
  one.cluster = "15-1";
  one.timeline = timeline;
  one.stop_time = day(when);
  return one;
}

}  // namespace

TEST_CASE("the timeline bar shows windows, gaps and backups") {
  setenv("TZ", "UTC", 1);
  tzset();
  using repo::BackupType;
  engine::RepositoryInfo repository;
  repository.clusters = {{1, 15}};
  CHECK(timeline_bar(repository, 80, "").empty());
  repository.backups = {
      backup("a", BackupType::full, 1, 1), backup("b", BackupType::incremental, 1, 5),
      backup("c", BackupType::differential, 1, 13), backup("d", BackupType::full, 1, 17)};
  repository.windows = {window(1, 1, 9, {"a", "b"}), window(1, 13, 15, {"c"}),
                        window(2, 9, 21, {"a", "b"})};
  repository.windows.front().after_gap = "00000001000000000000000D";
  CHECK(timeline_bar(repository, 53, "") ==
        "            2026-11-01 00:00         2026-11-21 00:00\n"
        "timeline 1  F=======I=======|.......D====...x\n"
        "timeline 2                  =========================\n"
        "            = restorable, . not, | gap, F D I backup, x backup that is not\n");
}

TEST_CASE("the timeline bar fits, whatever the width") {
  setenv("TZ", "UTC", 1);
  tzset();
  engine::RepositoryInfo repository;
  repository.clusters = {{1, 15}, {2, 16}};
  repository.backups = {backup("a", repo::BackupType::full, 1, 1)};
  repository.windows = {window(1, 1, 1, {"a"}), window(12, 2, 28, {"a"})};
  for (std::size_t columns = 60; columns < 200; ++columns) {
    std::size_t longest = 0;
    for (const std::string& line : split(timeline_bar(repository, columns, "    "), '\n'))
      if (line.find("restorable,") == std::string::npos) longest = std::max(longest, line.size());
    CHECK(longest == columns);
  }
  // Too narrow for anything: it is drawn all the same.
  CHECK(timeline_bar(repository, 5, "").find('F') != std::string::npos);
}

TEST_CASE("the time that is left follows from what was done") {
  repo::LeaseState lease;
  CHECK_FALSE(time_left(lease));
  lease.since = day(1);
  lease.time = day(1) + std::chrono::seconds(30);
  lease.progress = repo::LeaseProgress{250, 1000};
  CHECK(*time_left(lease) == std::chrono::seconds(90));
  lease.progress = repo::LeaseProgress{2000, 1000};
  CHECK(*time_left(lease) == milliseconds(0));
  lease.progress = repo::LeaseProgress{250, 0};
  CHECK_FALSE(time_left(lease));
  lease.progress = repo::LeaseProgress{0, 1000};
  CHECK_FALSE(time_left(lease));
}

TEST_CASE("a held lease is running, or left behind") {
  engine::RepositoryInfo repository;
  const auto told = [&](Timestamp when) {
    return format("{}{}", running(repository, when) != nullptr ? "running" : "",
                  left_behind(repository, when) != nullptr ? "left" : "");
  };
  CHECK(told(day(1)).empty());
  repository.lease = repo::LeaseState{};
  repository.lease->time = day(1);
  repository.lease->valid_for = std::chrono::seconds(120);
  CHECK(told(day(1)).empty());
  repository.lease->held = true;
  CHECK(told(day(1)) == "running");
  CHECK(told(day(2)) == "left");
}
