#include "engine/status/restorable_windows.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = kDefaultWalSegmentBytes;

std::string name(Timeline timeline, std::uint64_t number) {
  return wal_segment_name({timeline, number}, kBytes);
}

Timestamp at(int minute) {
  return Timestamp(std::chrono::minutes(minute));
}

/// Segments [first, last]; each was archived in the minute of its number.
void archive(ArchivedWal& wal, Timeline timeline, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t number = first; number <= last; ++number)
    wal.segments.emplace_back(name(timeline, number), at(static_cast<int>(number)));
  std::sort(wal.segments.begin(), wal.segments.end());
}

/// A timeline that left its parent in the middle of a segment.
void branch(ArchivedWal& wal, Timeline parent, Timeline child, std::uint64_t number) {
  const std::string history =
      format("{}\t{}\tpromoted\n", parent, to_string(Lsn{number * kBytes + 0x800000}));
  wal.timelines.add(child, as_bytes(history), format("{:08X}.history", child));
  wal.histories[child] = at(static_cast<int>(number));
}

/// A backup that begins in one segment and ends in another.
repo::BackupMarker backup(const std::string& label, Timeline timeline, std::uint64_t first,
                          std::uint64_t last) {
  repo::BackupMarker info;
  info.label = label;
  info.cluster = "15-1";
  info.wal_segment_bytes = kBytes;
  info.timeline = timeline;
  info.wal_start = name(timeline, first);
  info.wal_stop = name(timeline, last);
  info.start_lsn = {first * kBytes + 0x28};
  info.stop_lsn = {last * kBytes + 0x100};
  info.stop_time = at(static_cast<int>(last));
  return info;
}

/// "1: 4-6 F" a window: its timeline, the minutes it is about, backups, and how it ends.
std::string windows(const std::vector<repo::BackupMarker>& backups, const ArchivedWal& wal) {
  std::string text;
  for (const RestorableWindow& window : find_windows(backups, wal)) {
    const auto minute = [](Timestamp when) {
      return std::chrono::duration_cast<std::chrono::minutes>(when.time_since_epoch()).count();
    };
    text += format("{}{}:{}{}-{}", text.empty() ? "" : " ", window.timeline,
                   window.switched ? "~" : "", minute(window.from_time), minute(window.to_time));
    for (const std::string& label : window.backups) text += " " + label;
    if (!window.after_gap.empty()) text += format(" gap {}", window.missing.substr(22));
    if (!window.partial.empty()) text += " partial";
    CHECK(window.from < window.to);
  }
  return text;
}

}  // namespace

TEST_CASE("a window begins at a backup's end and goes on as far as the WAL") {
  ArchivedWal wal;
  archive(wal, 1, 3, 9);
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-9 a");
  CHECK(windows({backup("b", 1, 6, 6), backup("a", 1, 3, 4)}, wal) == "1:4-9 a b");
  // The last of its WAL is not there, or the first.
  CHECK(windows({backup("a", 1, 8, 10)}, wal).empty());
  CHECK(windows({backup("a", 1, 2, 4)}, wal).empty());
  CHECK(windows({backup("a", 1, 20, 21)}, wal).empty());
  CHECK(windows({}, wal).empty());
  CHECK(windows({backup("a", 1, 3, 4)}, {}).empty());
}

TEST_CASE("a gap ends a window, and a backup after it begins another") {
  ArchivedWal wal;
  archive(wal, 1, 3, 5);
  archive(wal, 1, 7, 9);
  CHECK(windows({backup("a", 1, 3, 4), backup("b", 1, 7, 8)}, wal) == "1:4-5 a gap 06 1:8-9 b");
  // Nothing can be restored after the gap without a backup there.
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-5 a gap 06");
  // A backup over the gap cannot become consistent.
  CHECK(windows({backup("c", 1, 5, 7)}, wal).empty());
}

TEST_CASE("each timeline has its part of the way") {
  ArchivedWal wal;
  archive(wal, 1, 3, 9);
  archive(wal, 2, 6, 8);
  branch(wal, 1, 2, 6);
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-9 a 2:~6-8 a");
  CHECK(windows({backup("a", 1, 3, 4), backup("b", 2, 7, 7)}, wal) == "1:4-9 a 2:~6-8 a b");
  // After the switch, the other branch is no longer to be reached.
  CHECK(windows({backup("c", 1, 7, 8)}, wal) == "1:8-9 c");
  // What the old timeline wrote after it says nothing about the new one.
  ArchivedWal torn;
  archive(torn, 1, 3, 9);
  archive(torn, 2, 8, 9);
  branch(torn, 1, 2, 6);
  CHECK(windows({backup("a", 1, 3, 4)}, torn) == "1:4-9 a");
  CHECK(windows({backup("a", 1, 3, 4), backup("b", 2, 8, 8)}, torn) == "1:4-9 a 2:8-9 b");
}

TEST_CASE("a gap across a timeline switch is named where the WAL ends") {
  ArchivedWal wal;
  archive(wal, 1, 3, 5);
  archive(wal, 2, 8, 9);
  branch(wal, 1, 2, 7);
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-5 a gap 06");
  CHECK(windows({backup("a", 1, 3, 4), backup("b", 2, 8, 8)}, wal) == "1:4-5 a gap 06 2:8-9 b");
  // The switch is in the segment that is missing.
  ArchivedWal torn;
  archive(torn, 1, 3, 5);
  archive(torn, 2, 7, 9);
  branch(torn, 1, 2, 6);
  CHECK(windows({backup("a", 1, 3, 4)}, torn) == "1:4-5 a gap 06");
}

TEST_CASE("the switch's own segment may be only on the old timeline") {
  ArchivedWal wal;
  archive(wal, 1, 3, 6);
  branch(wal, 1, 2, 6);
  // Timeline 2 has nothing yet: it cannot be followed.
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-6 a");
}

TEST_CASE("what a partial segment holds is told") {
  ArchivedWal wal;
  archive(wal, 1, 3, 6);
  wal.partials = {name(1, 7) + ".partial"};
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-6 a partial");
  archive(wal, 1, 8, 8);
  CHECK(windows({backup("a", 1, 3, 4)}, wal) == "1:4-6 a gap 07");
}
