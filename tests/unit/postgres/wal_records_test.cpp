#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <cstring>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::postgres;

namespace {

constexpr std::size_t kPage = 8192;
constexpr std::size_t kSegment = 16 * kPage;  // small, but the reader does not care

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A record as insertion writes it: header, header of the main data, main data.
std::string record(int manager, int info, std::uint32_t xid, const std::string& data) {
  std::string body;
  if (data.size() < 256) {
    put<std::uint8_t>(body, 255);
    put(body, static_cast<std::uint8_t>(data.size()));
  } else {
    put<std::uint8_t>(body, 254);
    put(body, static_cast<std::uint32_t>(data.size()));
  }
  body += data;
  std::string all;
  put(all, static_cast<std::uint32_t>(24 + body.size()));
  put(all, xid);
  put<std::uint64_t>(all, 0);
  put(all, static_cast<std::uint8_t>(info));
  put(all, static_cast<std::uint8_t>(manager));
  all.append(6, '\0');
  return all + body;
}

std::string commit(std::uint32_t xid, std::int64_t time, int info = 0) {
  std::string data;
  put(data, time);
  return record(1, info, xid, data);
}

/// COMMIT PREPARED as XactLogCommitRecord writes it, with everything that can stand before the
/// number of the transaction.
std::string commit_prepared(std::uint32_t xid, std::int64_t time, int objects,
                            std::size_t stats_bytes) {
  std::string data;
  put(data, time);
  put<std::uint32_t>(
      data, 0x19F);  // of a database, subtransactions, relations, messages, GID, statistics
  data.append(8, 'd');
  for (const std::size_t bytes : {std::size_t{4}, std::size_t{12}, stats_bytes, std::size_t{16}}) {
    put(data, static_cast<std::uint32_t>(objects));
    data.append(bytes * static_cast<std::size_t>(objects), 'o');
  }
  put(data, xid);
  data += "its name";
  return record(1, 0x30 | 0x80, 0, data);
}

std::string restore_point(const std::string& name) {
  std::string data;
  put<std::int64_t>(data, 7);
  data += name;
  data.resize(8 + 64);
  return record(0, 0x70, 0, data);
}

std::string create_tablespace(std::uint32_t oid, const std::string& location) {
  std::string data;
  put(data, oid);
  data += location;
  data += '\0';
  return record(5, 0x00, 9, data);
}

std::string drop_tablespace(std::uint32_t oid) {
  std::string data;
  put(data, oid);
  return record(5, 0x10, 9, data);
}

std::string filler(std::size_t bytes) {
  return record(10, 0, 5, std::string(bytes, 'x'));
}

/// Lays records out in pages with headers, from `start` on; whole segments.
std::string wal(const std::vector<std::string>& records, std::uint64_t start,
                std::uint16_t magic = 0xD110) {
  std::string out;
  const auto header = [&](std::uint32_t left_over) {
    const bool long_header = out.size() % kSegment == 0;
    const std::uint64_t address = start + out.size();
    put(out, magic);
    put(out, static_cast<std::uint16_t>((long_header ? 2 : 0) | (left_over != 0 ? 1 : 0)));
    put<std::uint32_t>(out, 1);
    put(out, address);
    put(out, left_over);
    out.append(long_header ? 20 : 4, '\0');
  };
  for (const std::string& one : records) {
    for (std::size_t done = 0; done < one.size();) {
      if (out.size() % kPage == 0)
        header(static_cast<std::uint32_t>(done == 0 ? 0 : one.size() - done));
      const std::size_t count = std::min(one.size() - done, kPage - out.size() % kPage);
      out += one.substr(done, count);
      done += count;
    }
    out.resize((out.size() + 7) / 8 * 8);
  }
  out.resize((out.size() + kSegment - 1) / kSegment * kSegment);
  return out;
}

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
