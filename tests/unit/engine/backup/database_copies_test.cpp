#include "engine/backup/database_copies.hpp"

#include "support/random.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using postgres::DatabaseDirectory;
using postgres::WalRecord;

namespace {

WalRecord copy(std::uint64_t at, DatabaseDirectory made, DatabaseDirectory from) {
  WalRecord record;
  record.start = Lsn{at};
  record.kind = WalRecord::Kind::database_copy;
  record.databases = {made};
  record.copied_from = from;
  return record;
}

WalRecord drop(std::uint64_t at, std::vector<DatabaseDirectory> gone) {
  WalRecord record;
  record.start = Lsn{at};
  record.kind = WalRecord::Kind::database_drop;
  record.databases = std::move(gone);
  return record;
}

std::vector<DatabaseDirectory> lost_after(const std::vector<WalRecord>& records,
                                          std::uint64_t read_until = 1000) {
  DatabaseCopies copies(Lsn{read_until});
  for (const WalRecord& record : records) copies.look_at(record);
  return copies.lost();
}

using Directories = std::vector<DatabaseDirectory>;

}  // namespace

TEST_CASE("a copy is lost when its source was dropped before all was read") {
  const DatabaseDirectory a{1, 9};
  const DatabaseDirectory b{2, 9};
  const DatabaseDirectory c{3, 9};
  const DatabaseDirectory moved{1, 10};
  CHECK(lost_after({copy(1, b, a)}).empty());
  CHECK(lost_after({copy(1, b, a), drop(2, {a})}) == Directories{b});
  CHECK(lost_after({copy(1, b, a), drop(2, {a})}, 2).empty());  // it was read by then
  CHECK(lost_after({drop(1, {a}), copy(2, b, c)}).empty());
  CHECK(lost_after({copy(1, b, a), drop(2, {a}), drop(3, {b})}).empty());
  // What replay makes itself may go: it was there to be copied.
  CHECK(lost_after({copy(1, b, a), copy(2, c, b), drop(3, {b})}).empty());
  CHECK(lost_after({copy(1, b, a), copy(2, c, b), drop(3, {b}), drop(4, {a})}) == Directories{c});
  CHECK(lost_after({copy(1, b, a), drop(2, {a}), copy(3, c, b), drop(4, {b})}) == Directories{c});
  // Away and back again.
  CHECK(lost_after({copy(1, moved, a), drop(2, {a})}) == Directories{moved});
  CHECK(lost_after({copy(1, moved, a), drop(2, {a}), copy(3, a, moved), drop(4, {moved})}) ==
        Directories{a});
  CHECK(lost_after({copy(1, b, a), drop(2, {c, a})}) == Directories{b});
}

TEST_CASE("no directory that replay makes empty is missed, whatever happened") {
  // A model of replay: a backup that read each directory at some time has it as whole or not.
  test::Random random(test::seed());
  const auto below = [&](std::uint64_t limit) {
    return static_cast<std::uint32_t>(test::below(random, limit));
  };
  for (int round = 0; round < 3000; ++round) {
    std::map<DatabaseDirectory, bool> live;      // true: dropped by now, for those of the backup
    std::map<DatabaseDirectory, bool> replayed;  // has it its files?
    for (std::uint32_t i = 1; i <= 3; ++i) live[{i, 9}] = true;
    std::vector<WalRecord> records;
    const std::uint64_t read_until = 1 + below(12);
    std::set<DatabaseDirectory> gone;  // of those the backup began with, when it had read all
    for (std::uint64_t at = 1; at <= 12; ++at) {
      if (live.empty()) break;
      auto one = std::next(live.begin(), below(live.size()));
      if (below(2) == 0) {
        const DatabaseDirectory made{below(6) + 1, 9 + below(2)};
        if (live.contains(made)) continue;
        records.push_back(copy(at, made, one->first));
        live[made] = false;
      } else {
        records.push_back(drop(at, {one->first}));
        if (one->second && at < read_until) gone.insert(one->first);
        live.erase(one);
      }
    }
    for (std::uint32_t i = 1; i <= 3; ++i) replayed[{i, 9}] = !gone.contains({i, 9});
    for (const WalRecord& record : records) {
      if (record.kind == WalRecord::Kind::database_copy) {
        const auto source = replayed.find(record.copied_from);
        replayed[record.databases[0]] = source != replayed.end() && source->second;
      } else {
        replayed.erase(record.databases[0]);
      }
    }
    const auto lost = lost_after(records, read_until);
    for (const auto& [directory, of_backup] : live) {
      const bool told = std::find(lost.begin(), lost.end(), directory) != lost.end();
      if (of_backup) continue;  // it is as the backup has it
      CHECK(told == !replayed.at(directory));
    }
  }
}
