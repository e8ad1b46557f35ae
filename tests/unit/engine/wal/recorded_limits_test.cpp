#include "engine/wal/recorded_limits.hpp"

#include "support/made_stanza.hpp"
#include "support/made_wal.hpp"
#include "support/repository.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <cerrno>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr std::uint64_t kBytes = kMiB;  // of a segment
const std::string kCluster = repo::cluster_id(MadeStanza::kCluster);

/// A note at `segment` and an offset in it.
repo::LimitsRecord note(Timeline timeline, std::uint64_t segment, std::uint64_t offset_bytes,
                        std::uint32_t wal_level = kWalLevelMinimal) {
  return {kCluster, timeline, Lsn{segment * kBytes + offset_bytes}, {{}, wal_level}};
}

/// A backup in segment 10 of timeline 1, which was left in the middle of segment 20 for timeline 3;
/// the archived WAL ends with segment 29.
struct Way {
  Way() {
    backup.cluster = kCluster;
    backup.timeline = 1;
    backup.wal_segment_bytes = kBytes;
    backup.start_lsn = Lsn{10 * kBytes + 40};
  }
  std::optional<Lsn> minimal(const std::vector<repo::LimitsRecord>& notes) const {
    return minimal_on_way(notes, backup, path, end);
  }

  repo::BackupMarker backup;
  std::vector<TimelineSpan> path = {{1, {}, Lsn{20 * kBytes + 500}},
                                    {3, Lsn{20 * kBytes + 500}, Lsn{}}};
  Lsn end{30 * kBytes};
};

}  // namespace

TEST_CASE("a note of limits counts on the way from the backup through the timelines to the end") {
  const Way way;
  struct Row {
    const char* what;
    repo::LimitsRecord note;
    bool counts;
  };
  repo::LimitsRecord foreign = note(1, 12, 0);
  foreign.cluster = "15-1";
  const std::vector<Row> rows = {
      {"where the backup began", note(1, 10, 40), true},
      {"just before the backup", note(1, 10, 39), false},
      {"on the backup's timeline", note(1, 12, 0), true},
      {"of another cluster", foreign, false},
      {"just before the timeline was left", note(1, 20, 499), true},
      {"where it was left", note(1, 20, 500), false},
      {"after it was left", note(1, 25, 0), false},
      {"where the next began", note(3, 20, 500), true},
      // Its first segment begins with a copy of what came before.
      {"in the next one's copy of the end of the one before", note(3, 20, 0), true},
      {"in a segment before the next began", note(3, 19, kBytes - 8), false},
      {"on the next", note(3, 29, kBytes - 8), true},
      {"at the end of the archived WAL", note(3, 30, 0), false},
      {"after the end", note(3, 31, 0), false},
      {"on a branch that the way does not lead through", note(2, 22, 0), false},
      {"of a later branch", note(4, 22, 0), false},
      {"of a server that was not minimal", note(1, 12, 0, 1), false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(way.minimal({row.note}) == (row.counts ? std::optional(row.note.lsn) : std::nullopt));
  }
  CHECK_FALSE(way.minimal({}));
}

TEST_CASE("the first note of a minimal server counts, in whatever order they were read") {
  const Way way;
  std::vector<repo::LimitsRecord> notes = {note(1, 11, 0, 1), note(1, 12, 0), note(1, 13, 0),
                                           note(3, 25, 0)};
  std::sort(notes.begin(), notes.end(),
            [](const auto& one, const auto& other) { return one.lsn < other.lsn; });
  do {
    CHECK(way.minimal(notes) == Lsn{12 * kBytes});
  } while (std::next_permutation(
      notes.begin(), notes.end(),
      [](const auto& one, const auto& other) { return one.lsn < other.lsn; }));
}

namespace {

/// In front of `records`, so much that a note after it begins `before` bytes before the end of the
/// first MiB.
std::size_t filler_bytes(std::int64_t before) {
  const std::size_t pages = kMiB / kPage;
  const std::size_t headers = kMiB / kSegment * 40 + (pages - kMiB / kSegment) * 24;
  const std::int64_t heads_bytes = 24 + 5;  // of the record
  return static_cast<std::size_t>(static_cast<std::int64_t>(kMiB - headers) - heads_bytes - before);
}

/// Segments in a directory, of WAL that begins with the third.
struct Segments {
  Segments(const std::vector<std::string>& records, std::uint64_t segment_bytes)
      : bytes(wal(records, 3 * segment_bytes, 0xD110, &starts)), size_bytes(segment_bytes) {
    bytes.resize((bytes.size() + size_bytes - 1) / size_bytes * size_bytes);
    std::string size;
    put(size, static_cast<std::uint32_t>(size_bytes));
    for (std::size_t at = 0; at < bytes.size(); at += size_bytes) {
      if (bytes[at] != 0) bytes.replace(at + 32, 4, size);
      segments.push_back(bytes.substr(at, size_bytes));
    }
    for (std::size_t i = 0; i < segments.size(); ++i) keep(i, segments[i]);
  }
  std::string name(std::size_t number) const {
    return wal_segment_name({1, 3 + number}, size_bytes);
  }
  void keep(std::size_t number, std::string_view content) const {
    write_file_atomically(directory / name(number), as_bytes(content));
  }
  /// Of one of them, or under another name.
  std::vector<RecordedLimits> found(std::size_t number, std::string as = {}) const {
    if (as.empty()) as = name(number);
    return limits_in(repo::wal_content(as_bytes(segments[number])), as, directory / as);
  }

  std::vector<std::uint64_t> starts;
  std::string bytes;
  std::uint64_t size_bytes;
  std::vector<std::string> segments;
  TempDir directory{TempDir::Where::memory};
};

}  // namespace

TEST_CASE("a note is found once, in the segment in which it ends") {
  // Small records follow, so that the next segment begins with a short rest where it has one.
  for (std::int64_t before = 160; before >= -16; before -= 8) {
    INFO("begins " << before << " bytes before the end");
    std::vector<std::string> records = {filler(filler_bytes(before)), limits(300, 9, 0)};
    for (int i = 0; i < 5; ++i) records.push_back(filler(40));
    const Segments wal(records, kMiB);
    REQUIRE(wal.segments.size() == 2);
    const std::uint64_t border = 4 * kMiB;
    REQUIRE((wal.starts[1] < border) == (before > 0));
    const auto first = wal.found(0);
    const auto second = wal.found(1);
    // Header, header of the data, 28 bytes of it.
    const bool ends_before = wal.starts[1] + 24 + 2 + 28 <= border;
    REQUIRE(first.size() == (ends_before ? 1 : 0));
    REQUIRE(second.size() == (ends_before ? 0 : 1));
    const RecordedLimits& one = ends_before ? first[0] : second[0];
    CHECK(one.at == Lsn{wal.starts[1]});
    CHECK(one.limits == ServerLimits{{300, 9, 9, 9, 9}, 0});
  }
}

TEST_CASE("without the segment before, the rest of a note is none, and no harm") {
  const std::vector<std::string> records = {filler(filler_bytes(32)), limits(300, 9, 0),
                                            filler(40)};
  const Segments wal(records, kMiB);
  REQUIRE(wal.found(1).size() == 1);
  SECTION("another segment by now") {
    wal.keep(0, wal.segments[1]);
  }
  SECTION("cut short") {
    wal.keep(0, wal.segments[0].substr(0, kMiB - kPage));
  }
  SECTION("empty") {
    wal.keep(0, "");
  }
  SECTION("removed") {
    std::filesystem::remove(wal.directory / wal.name(0));
  }
  CHECK(wal.found(1).empty());
}

TEST_CASE("a note is found wherever in its segment it is, and only in segments") {
  for (const std::size_t bytes : {std::size_t{20}, std::size_t{kPage}, filler_bytes(32),
                                  filler_bytes(-40), filler_bytes(-500'000)}) {
    INFO("after " << bytes << " bytes");
    const Segments wal({filler(bytes), limits(300, 9, 1), filler(100), limits(400, 9, 1)},
                       2 * kMiB);
    const auto found = wal.found(0);
    REQUIRE(found.size() == 2);
    CHECK(found[0].at == Lsn{wal.starts[1]});
    CHECK(found[1].at == Lsn{wal.starts[3]});
    CHECK(wal.found(0, wal.name(0) + ".partial").empty());
    CHECK(wal.found(0, "00000002.history").empty());
  }
}

namespace {

struct Stanza {
  MemoryRepository memory;
  MadeStanza made{memory.repository};
  std::string segment = made.wal_name(1, 5);

  void record(repo::Repository& repository, const std::vector<RecordedLimits>& limits) const {
    record_limits(repository, "main", MadeStanza::kCluster, segment, limits);
  }
  std::vector<repo::LimitsRecord> read() { return read_limits("main", {&memory.repository, 1}); }
};

}  // namespace

TEST_CASE("limits are recorded before their segment is stored, and not again with it") {
  Stanza stanza;
  const std::vector<RecordedLimits> limits = {{Lsn{100}, {{300, 1, 2, 3, 4}, 1}},
                                              {Lsn{200}, {{400, 1, 2, 3, 4}, 0}}};
  stanza.record(stanza.memory.repository, {});
  CHECK(stanza.read().empty());
  stanza.record(stanza.memory.repository, limits);
  auto found = stanza.read();
  std::sort(found.begin(), found.end(),
            [](const auto& one, const auto& other) { return one.lsn < other.lsn; });
  REQUIRE(found.size() == 2);
  CHECK(found[0] == repo::LimitsRecord{kCluster, 1, Lsn{100}, limits[0].limits});
  CHECK(found[1] == repo::LimitsRecord{kCluster, 1, Lsn{200}, limits[1].limits});
  stanza.made.put_wal(1, 5);
  stanza.record(stanza.memory.repository, limits);
  CHECK(stanza.read().size() == 2);
}

TEST_CASE("a record of limits that cannot be written does not keep WAL from being archived") {
  Stanza stanza;
  repo::Repository full = stanza.memory.client({[](std::string_view operation, std::string_view) {
                                                  if (operation == "put")
                                                    throw SystemError("cannot write", ENOSPC);
                                                },
                                                {}});
  CHECK_NOTHROW(stanza.record(full, {{Lsn{100}, {}}}));
  CHECK(stanza.read().empty());
}

TEST_CASE("limits are read from all repositories that can be read, in the order of the WAL") {
  Stanza one;
  Stanza other;
  Way way;
  std::vector<std::uint64_t> places;
  for (std::uint64_t segment = 19; segment >= 11; --segment) {
    Stanza& where = segment % 2 == 0 ? one : other;
    where.record(where.memory.repository, {{Lsn{segment * kBytes}, {{}, 1}}});
    places.insert(places.begin(), segment * kBytes);
  }
  one.record(one.memory.repository, {{Lsn{25 * kBytes}, {{}, 1}}});  // after timeline 1 was left
  repo::add_record(other.memory.repository, "main", repo::StopRecord{"of another kind"});
  const std::string damaged = repo::add_record(one.memory.repository, "main", note(1, 12, 0));
  replace(*one.memory.store, repo::record_key("main", damaged), "damaged");

  std::vector<repo::Repository> repositories;
  repositories.emplace_back(
      "gone", shared(*one.memory.store, {[](std::string_view, std::string_view) {
                                           throw SystemError("cannot reach the store", EIO);
                                         },
                                         {}}));
  repositories.push_back(one.memory.client());
  repositories.push_back(other.memory.client());
  std::vector<std::uint64_t> found;
  for (const RecordedLimits& limits :
       limits_on_way(read_limits("main", repositories), way.backup, way.path, way.end))
    found.push_back(limits.at.value);
  CHECK(found == places);
}
