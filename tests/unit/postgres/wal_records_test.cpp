#include "support/made_wal.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <array>
#include <cstring>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

namespace {

std::string read_all(const std::string& bytes, std::uint64_t start, std::size_t skip = 0) {
  std::string text;
  WalRecordReader reader([&](const WalRecord& found) {
    if (found.kind == WalRecord::Kind::other) return;
    text += format("{}{} {} ", found.kind == WalRecord::Kind::abort ? "abort" : "", found.xid,
                   found.name);
    if (found.time)
      text += format("{}; ", (*found.time - *parse_utc("2000-01-01T00:00:00Z")).count());
  });
  for (std::size_t at = skip; at < bytes.size(); at += kSegment)
    reader.read(as_bytes(bytes).subspan(at, kSegment), Lsn{start + at});
  return text;
}

}  // namespace

TEST_CASE("commits, aborts and restore points are found among other records") {
  const std::string bytes = wal({filler(100), commit(3, 11), filler(300), commit(4, 12, 0x20),
                                 restore_point("here"), commit(5, 13, 0x80), commit(6, 14, 0x30)},
                                0x3000000);
  CHECK(read_all(bytes, 0x3000000) == "3  11; abort4  12; 0 here 7; 5  13; 0  14; ");
}

TEST_CASE("the transaction that was prepared is told") {
  for (const int objects : {0, 1, 40, 2000}) {
    const auto one = [&](std::size_t stats_bytes) {
      return commit_prepared(77, 11, objects, stats_bytes);
    };
    CHECK(read_all(wal({one(12), commit(8, 12)}, 0x3000000), 0x3000000) == "77  11; 8  12; ");
    CHECK(read_all(wal({one(16), commit(8, 12)}, 0x3000000, 0xD118), 0x3000000) ==
          "77  11; 8  12; ");
  }
  // Of a size that cannot be, nothing is told.
  std::string cut = commit_prepared(77, 11, 1, 12);
  cut.replace(24 + 2 + 8 + 4 + 8, 4, "\xff\xff\xff\xff");
  CHECK(read_all(wal({cut, commit(8, 12)}, 0x3000000), 0x3000000) == "0  11; 8  12; ");
}

TEST_CASE("records run over pages and segments") {
  // Each length shifts what follows by eight bytes, so that headers are cut everywhere.
  for (std::size_t shift = 0; shift < 600; shift += 8) {
    const std::string bytes =
        wal({filler(kPage - 400 + shift), commit(3, 11), filler(3 * kSegment),
             filler(kSegment - 5 * kPage / 4 + shift), commit(4, 12), restore_point("end")},
            0x3000000);
    CHECK(read_all(bytes, 0x3000000) == "3  11; 4  12; 0 end 7; ");
    // Begun in the middle of a record, its rest is passed over.
    CHECK(read_all(bytes, 0x3000000, kSegment) == "4  12; 0 end 7; ");
  }
}

TEST_CASE("stale bytes after the end are not read") {
  std::string bytes = wal({commit(3, 11), record(0, 0x40, 0, "")}, 0x3000000);
  const std::string stale = wal({filler(9000), commit(9, 99)}, 0x1000000);
  bytes.replace(kPage, kPage, stale, kPage, kPage);
  CHECK(read_all(bytes, 0x3000000) == "3  11; ");
  CHECK(read_all(stale, 0x5000000).empty());
  CHECK(read_all(std::string(kSegment, '\0'), 0x3000000).empty());
  CHECK(read_all(std::string(kSegment, '\xff'), 0x3000000).empty());
}

namespace {

/// "oid location at LSN" for each that leads outside.
std::vector<std::string> created(const std::string& bytes, std::uint64_t start,
                                 std::size_t from = 0, std::size_t to = std::string::npos) {
  std::vector<std::string> found;
  WalRecordReader reader([&](const WalRecord& one) {
    if (one.end.value <= start + from) return;  // is of the segment before
    if (const auto space = created_tablespace(one))
      found.push_back(format("{} {} at {}", space->oid, space->location, to_string(space->start)));
  });
  // Before a segment that is read alone comes the last page of the one before it.
  for (std::size_t at = from; at < std::min(to, bytes.size()); at += kSegment) {
    const Bytes segment = as_bytes(bytes).subspan(at, kSegment);
    if (at == from && at != 0 && may_continue_tablespace(segment.first(kPage)))
      reader.read(as_bytes(bytes).subspan(at - kPage, kPage), Lsn{start + at - kPage});
    reader.read(segment, Lsn{start + at});
  }
  return found;
}

}  // namespace

TEST_CASE("tablespaces that lead outside are found, those in place are not") {
  const std::string longest = "/" + std::string(1022, 'p');
  const std::string bytes = wal({filler(100), create_tablespace(16400, "/srv/late"), commit(9, 1),
                                 create_tablespace(16401, ""), create_tablespace(16402, longest),
                                 drop_tablespace(16400), record(5, 0x00, 9, "ab")},
                                0x3000000);
  const auto found = created(bytes, 0x3000000);
  REQUIRE(found.size() == 3);
  CHECK(found[0] == "16400 /srv/late at 0/30000A8");
  CHECK(found[1].starts_with("16402 " + longest + " at "));
  CHECK(found[2].starts_with("0 /? at "));  // what cannot be read is allowed by nobody
  std::uint32_t dropped = 0;
  WalRecordReader reader([&](const WalRecord& one) {
    if (one.kind == WalRecord::Kind::tablespace_drop) dropped = one.oid;
  });
  reader.read(as_bytes(bytes), Lsn{0x3000000});
  CHECK(dropped == 16400);
}

TEST_CASE("a tablespace is found wherever its record is cut, each segment read alone") {
  const std::string location = "/srv/" + std::string(900, 'd') + "/late";
  // The record begins at each place from well before the segment's end to just after it.
  for (std::size_t before = 0; before <= 1200; before += 8) {
    const std::size_t pages = kSegment / kPage;
    const std::size_t room = kSegment - 40 - (pages - 1) * 24 - before - 31;
    const std::string bytes =
        wal({filler(room), create_tablespace(16400, location), filler(50)}, 0x3000000);
    std::size_t alone = 0;
    for (std::size_t at = 0; at < bytes.size(); at += kSegment)
      alone += created(bytes, 0x3000000, at, at + kSegment).size();
    CAPTURE(before);
    CHECK(alone == 1);
    CHECK(created(bytes, 0x3000000).size() == 1);
  }
}

namespace {

std::string database_record(int info, const std::vector<std::uint32_t>& values) {
  std::string data;
  for (const std::uint32_t value : values) put(data, value);
  return record(4, info, 9, data);
}

/// "kind database/space ..." for each.
std::string databases_in(const std::vector<std::string>& records, std::uint16_t magic) {
  std::string text;
  WalRecordReader reader([&](const WalRecord& one) {
    if (one.kind == WalRecord::Kind::database_copy)
      text += format("copy of {}/{}", one.copied_from.database, one.copied_from.space);
    if (one.kind == WalRecord::Kind::database_drop) text += "drop";
    for (const auto& database : one.databases)
      text += format(" {}/{}", database.database, database.space);
    if (one.kind != WalRecord::Kind::other) text += "; ";
  });
  const std::string bytes = wal(records, 0x3000000, magic);
  for (std::size_t at = 0; at < bytes.size(); at += kSegment)
    reader.read(as_bytes(bytes).subspan(at, kSegment), Lsn{0x3000000 + at});
  return text;
}

}  // namespace

TEST_CASE("databases that are copied and dropped are told, by the numbers of each version") {
  const std::string copied = database_record(0x00, {7, 1663, 1, 1664});
  // 0x10 drops up to 14, and is CREATE DATABASE STRATEGY=wal_log from 15 on.
  const std::string old_drop = database_record(0x10, {7, 2, 1663, 16400});
  const std::string new_drop = database_record(0x20, {7, 1, 1663});
  for (const auto& magic : std::array<std::uint16_t, 2>{0xD106, 0xD10D})
    CHECK(databases_in({copied, old_drop}, magic) ==
          "copy of 1/1664 7/1663; drop 7/1663 7/16400; ");
  for (const auto& magic : std::array<std::uint16_t, 5>{0xD110, 0xD113, 0xD116, 0xD118, 0xD122})
    CHECK(databases_in({copied, old_drop, new_drop}, magic) ==
          "copy of 1/1664 7/1663; drop 7/1663; ");
  // A count that its record cannot hold, and records that are cut off.
  CHECK(databases_in({database_record(0x20, {7, 99, 1663})}, 0xD110) == "drop 7/1663; ");
  CHECK(
      databases_in({database_record(0x20, {7}), database_record(0x00, {7, 1, 2})}, 0xD110).empty());
  std::vector<std::uint32_t> many = {7, 3000};
  for (std::uint32_t i = 0; i < 3000; ++i) many.push_back(16400 + i);
  const std::string all = databases_in({filler(4000), database_record(0x20, many)}, 0xD118);
  CHECK(all.ends_with(" 7/19399; "));
}

TEST_CASE("a note of limits is found wherever it begins, and hardly anything is taken for one") {
  int taken = 0;
  for (std::size_t before = 7800; before < 8300; before += 8) {
    INFO("after " << before << " bytes");
    const std::string with = wal({filler(before), limits(300, 9, 0), filler(100)}, 0x3000000);
    CHECK(may_note_limits(as_bytes(with)));
    taken += may_note_limits(as_bytes(wal({filler(before), commit(740, 1)}, 0x3000000)));
  }
  CHECK(taken <= 2);  // at the end of a page little of a header is to be seen
}

TEST_CASE("what is cut before its header ends may be a note of limits") {
  // Of a record that is none: as much as is there does not tell.
  const std::string bytes = wal({filler(200), record(10, 0, 0, "none"), filler(200)}, 0x3000000);
  const std::size_t at = 40 + 232;  // after the page's header and the filler
  CHECK_FALSE(may_note_limits(as_bytes(bytes)));
  CHECK_FALSE(may_note_limits(as_bytes(bytes).first(at + 24)));
  CHECK(may_note_limits(as_bytes(bytes).first(at + 16)));
  CHECK(may_note_limits(as_bytes(bytes).first(at + 8)));
  CHECK_FALSE(may_note_limits(as_bytes(bytes).first(at)));
}

TEST_CASE("a page begins with what may be the rest of a record, by its flag and the rest's size") {
  struct Row {
    const char* what;
    int info;
    std::uint32_t rest_bytes;
    std::size_t page_bytes;
    bool limits;
    bool tablespace;
  };
  const std::vector<Row> rows = {
      {"a rest", 1, 40, kPage, true, true},
      {"a rest after a long header", 3, 40, kPage, true, true},
      {"no rest", 0, 40, kPage, false, false},
      {"no rest after a long header", 2, 0, kPage, false, false},
      {"the longest of limits", 1, 512, kPage, true, true},
      {"longer than of limits", 1, 513, kPage, false, true},
      {"the longest of a tablespace", 1, 1200, kPage, false, true},
      {"longer than of a tablespace", 1, 1201, kPage, false, false},
      {"a header and nothing else", 1, 40, 24, true, true},
      {"cut in its header", 1, 40, 23, false, false},
      {"nothing", 1, 40, 0, false, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    std::string page;
    put<std::uint16_t>(page, 0xD110);
    put(page, static_cast<std::uint16_t>(row.info));
    put<std::uint32_t>(page, 1);
    put<std::uint64_t>(page, 0x3000000);
    put(page, row.rest_bytes);
    page.resize(row.page_bytes);
    CHECK(may_continue_limits(as_bytes(page)) == row.limits);
    CHECK(may_continue_tablespace(as_bytes(page)) == row.tablespace);
  }
}

TEST_CASE("limits, init forks and running transactions are told") {
  std::string text;
  WalRecordReader reader([&](const WalRecord& one) {
    if (one.kind == WalRecord::Kind::limits)
      text += format("limits {} {} {}; ", one.limits.values[0], one.limits.values[4],
                     one.limits.wal_level);
    if (one.kind == WalRecord::Kind::init_fork)
      text += format("init {}/{}/{}; ", one.relation.space, one.relation.database,
                     one.relation.relfilenode);
    if (one.kind == WalRecord::Kind::running) text += format("running {}; ", one.oldest_running);
  });
  const std::string bytes =
      wal({limits(300, 9, 0), init_fork(1663, 5, 16399, 0), init_fork(1663, 5, 16399), running(740),
           record(0, 0x60, 0, "ab"), record(8, 0x10, 0, "ab"), record(2, 0x10, 0, "ab")},
          0x3000000);
  reader.read(as_bytes(bytes), Lsn{0x3000000});
  CHECK(text == "limits 300 9 0; init 1663/5/16399; running 740; ");
  CHECK(is_older_transaction(3, 4));
  CHECK_FALSE(is_older_transaction(4, 4));
  CHECK(is_older_transaction(0xFFFFFFF0, 5));  // numbers wrap
  CHECK_FALSE(is_older_transaction(5, 0xFFFFFFF0));
}
