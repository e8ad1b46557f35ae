#include "engine/wal/gap.hpp"

#include "engine/status/restorable_windows.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = kDefaultWalSegmentBytes;

std::string name(std::string_view text) {  // "1:5"
  const auto colon = text.find(':');
  return wal_segment_name({static_cast<Timeline>(*parse_u64(text.substr(0, colon))),
                           *parse_u64(text.substr(colon + 1))},
                          kBytes);
}

/// "1:3-5 1:9.backup": what is archived of a cluster whose timeline 2 left timeline 1 within
/// segment 6.
ArchivedWal archived(const std::string& text) {
  ArchivedWal wal;
  for (std::string_view word : split(text, ' ')) {
    if (word.ends_with(".backup")) {
      wal.backup_files.insert(name(word.substr(0, word.size() - 7)));
      continue;
    }
    const auto dash = word.find('-');
    const auto first = *parse_wal_segment_name(name(word.substr(0, dash)), kBytes);
    const std::uint64_t last =
        dash == std::string_view::npos ? first.number : *parse_u64(word.substr(dash + 1));
    for (std::uint64_t number = first.number; number <= last; ++number)
      wal.segments.emplace_back(wal_segment_name({first.timeline, number}, kBytes), Timestamp{});
  }
  std::sort(wal.segments.begin(), wal.segments.end());
  const std::string history = format("1\t{}\tpromoted\n", to_string(Lsn{6 * kBytes + 100}));
  wal.timelines.add(2, as_bytes(history), "00000002.history");
  return wal;
}

/// "1:3-4 1:9+": backups by their own WAL; "+": stored by the backup itself.
std::vector<repo::BackupMarker> backups(const std::string& text) {
  std::vector<repo::BackupMarker> all;
  for (std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    repo::BackupMarker backup;
    backup.cluster = "15-1";
    backup.wal_segment_bytes = kBytes;
    backup.wal_copied = word.ends_with('+');
    if (backup.wal_copied) word.remove_suffix(1);
    const auto dash = word.find('-');
    backup.wal_start = backup.wal_stop = name(word.substr(0, dash));
    if (dash != std::string_view::npos)
      backup.wal_stop = name(format("{}:{}", word.substr(0, 1), word.substr(dash + 1)));
    all.push_back(backup);
  }
  return all;
}

}  // namespace

TEST_CASE("what is missing before later WAL was lost, or never promised, or nobody can tell") {
  struct Row {
    const char* what;
    const char* there;
    const char* backups;
    Timeline to;
    Gap gap;  // after what goes on from segment 3
  };
  const Row rows[] = {
      {"nothing is missing", "1:3-9", "1:3", 1, Gap::none},
      {"in the middle of archived WAL", "1:3-5 1:7-9", "1:3", 1, Gap::lost},
      {"before an archived backup", "1:3-5 1:7-9", "1:3 1:7", 1, Gap::lost},
      {"behind a backup, and no other begins", "1:3-5 1:7-9", "1:3 1:5", 1, Gap::lost},
      // Expire leaves nothing between two backups before the place that retention-archive moves.
      {"between two backups that stand alone", "1:3 1:7-9", "1:3 1:7", 1, Gap::unpromised},
      {"between two, and WAL leads up to the first", "1:2-3 1:5-9", "1:3 1:5", 1, Gap::lost},
      {"between two, and another's own leads up to the first", "1:2-3 1:5-9", "1:2 1:3 1:5", 1,
       Gap::unpromised},
      {"between two, and WAL leads up to both", "1:1-3 1:5-9", "1:2 1:3 1:5", 1, Gap::lost},
      // Without an archive each brings its own.
      {"between two with their own", "1:3 1:7", "1:3+ 1:7+", 1, Gap::unpromised},
      {"the archive was switched off", "1:3-5 1:7-8", "1:3 1:7-8+", 1, Gap::unpromised},
      {"switched off, and others follow", "1:3-5 1:7 1:9-11", "1:3 1:7+ 1:9-10+ 1:11+", 1,
       Gap::unpromised},
      {"switched on again later", "1:3-5 1:7 1:9-11", "1:3 1:7+ 1:10", 1, Gap::unpromised},
      {"archived WAL right behind it", "1:3-5 1:7-9", "1:3 1:7+", 1, Gap::doubtful},
      {"right behind the second", "1:3-5 1:7-9", "1:3 1:7+ 1:8+", 1, Gap::doubtful},
      {"an archiver was at work", "1:3-5 1:7 1:7.backup", "1:3 1:7+", 1, Gap::lost},
      {"of another backup", "1:3-5 1:7 1:3.backup", "1:3 1:7+", 1, Gap::unpromised},
      {"between two of which an archiver knows", "1:2-3 1:5 1:3.backup 1:5.backup", "1:3+ 1:5+", 1,
       Gap::lost},
      // After a recovery to an earlier point, expire keeps of the new timeline what its oldest
      // backup needs, and later WAL.
      {"from the switch to a backup", "1:3-6 2:8-9", "1:3 2:8", 2, Gap::unpromised},
      {"from the switch to later", "1:3-6 2:8-9", "1:3 2:9", 2, Gap::lost},
      // What leads to a branch that was left stays, and no more of the old timeline.
      {"where another timeline left", "1:3-6 1:9-10", "1:3 1:9", 1, Gap::unpromised},
      {"behind there", "1:3-7 1:9-10", "1:3 1:9", 1, Gap::lost},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const ArchivedWal wal = archived(row.there);
    const auto all = backups(row.backups);
    const auto path = wal.timelines.path(1, row.to);
    const ArchivedNames names = names_of(wal);
    const WalReach reach = trace_wal(names, path, 3, kBytes);
    const Gap gap = judge_gap(names, wal.timelines, path, reach, {all, "15-1", kBytes});
    CHECK(name_of(gap) == name_of(row.gap));
    CHECK(gap_words(gap, reach.missing, reach.after_gap).empty() ==
          (gap == Gap::none || gap == Gap::lost));
  }
}

TEST_CASE("backups of another cluster, or with segments of another size, say nothing of a gap") {
  const ArchivedWal wal = archived("1:3 1:7-9");
  const auto path = wal.timelines.path(1, 1);
  const ArchivedNames names = names_of(wal);
  const WalReach reach = trace_wal(names, path, 3, kBytes);
  auto all = backups("1:3 1:7");
  CHECK(judge_gap(names, wal.timelines, path, reach, {all, "15-2", kBytes}) == Gap::lost);
  all[1].wal_segment_bytes = 2 * kBytes;
  CHECK(judge_gap(names, wal.timelines, path, reach, {all, "15-1", kBytes}) == Gap::lost);
  // A backup whose marker cannot be read may begin there.
  CHECK(judge_gap(names, wal.timelines, path, reach, {all, "15-1", kBytes, true}) ==
        Gap::unpromised);
}
