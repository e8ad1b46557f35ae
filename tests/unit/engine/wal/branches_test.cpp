#include "engine/wal/branches.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = kDefaultWalSegmentBytes;

/// "1:3-9" segments of a timeline, "2:4p" a partial one, "2<1@4" timeline 2 left 1 within segment
/// 4, "2<1@4=" at its start, "b1@5" a backup on 1 that ends in segment 5, "3?" an unreadable
/// history.
Branches made(const std::string& words) {
  BranchSources sources;
  std::map<Timeline, std::string> histories;
  for (const std::string& word : split(words, ' ')) {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    const auto lsn = [&](bool start) { return Lsn{c * kBytes + (start ? 0 : 0x800)}; };
    if (std::sscanf(word.c_str(), "%u<%u@%u", &a, &b, &c) == 3) {
      histories[a] = histories[b] + format("{}\t{}\tx\n", b, to_string(lsn(word.ends_with('='))));
    } else if (std::sscanf(word.c_str(), "b%u@%u", &a, &c) == 2) {
      sources.backups.push_back({a, lsn(false)});
    } else if (word.ends_with('?')) {
      sources.unread.insert(static_cast<Timeline>(std::stoul(word)));
    } else if (std::sscanf(word.c_str(), "%u:%u-%u", &a, &b, &c) == 3) {
      for (std::uint64_t n = b; n <= c; ++n)
        note_archived(sources.wal, wal_segment_name({a, n}, kBytes));
    } else if (std::sscanf(word.c_str(), "%u:%u", &a, &b) == 2) {
      note_archived(sources.wal, wal_segment_name({a, b}, kBytes) + ".partial");
    }
  }
  for (const auto& [timeline, text] : histories) {
    if (!text.empty()) sources.timelines.add(timeline, as_bytes(text), "history");
  }
  return Branches(std::move(sources));
}

std::string tips(const std::string& words) {
  const Branches branches = made(words);
  std::string text;
  for (const Timeline tip : branches.tips()) text += format("{}{}", text.empty() ? "" : " ", tip);
  return text;
}

}  // namespace

TEST_CASE("branches end where no other timeline took all") {
  struct Row {
    const char* there;
    const char* tips;  // the first is followed
  };
  const Row rows[] = {
      {"", ""},
      {"1:3-9", "1"},
      // A switchover, and a failover of which the old timeline's end is only a partial file.
      {"1:3-9 2:10-12 2<1@10", "2"},
      {"1:3-9 1:10 2:10-12 2<1@10", "2"},
      {"1:3-9 2:10-12 2<1@10=", "2"},
      // A target was reached, or an old primary went on: within the segment is enough.
      {"1:3-10 2:10-12 2<1@10", "2 1"},
      {"1:3-20 2:10-12 2<1@10", "2 1"},
      {"1:3-9 2:10-12 2<1@10 b1@11", "2 1"},
      {"1:3-9 2:10-12 2<1@10 b1@10", "2"},
      // Twice from one, and one from another.
      {"1:3-9 2:5-6 3:7-8 2<1@5 3<1@7", "3 2 1"},
      {"1:3-6 2:7-8 3:9-10 2<1@7 3<2@9", "3"},
      {"1:3-6 2:7-9 3:9-10 2<1@7 3<2@9", "3 2"},
      // The timeline between has nothing any more.
      {"1:3-6 3:9-10 2<1@7 3<2@9", "3"},
      {"1:3-8 3:9-10 2<1@7 3<2@9", "3 1"},
      // A history alone is no branch, whether it is strayed, fresh, or cannot be read.
      {"1:3-9 99<1@5", "1"},
      {"1:3-9 2:5-5 2<1@5 99<2@6", "2 1"},
      {"1:3-9 99?", "1"},
      // WAL without a history is one.
      {"1:3-9 2:5-6", "2 1"},
      {"1:3-9 2:5-6 2?", "2 1"},
      {"5:3-9", "5"},
      {"b4@4", "4"},
      {"1:3-9 2:10 2<1@10", "2"},
  };
  for (const Row& row : rows) {
    INFO(row.there);
    CHECK(tips(row.there) == row.tips);
  }
}

TEST_CASE("what leads where, and what nobody knows") {
  const Branches known = made("1:3-12 2:5-9 3:8-9 2<1@5 3<2@8");
  CHECK(known.newest() == 3U);
  CHECK(known.leads(1, {4 * kBytes}, 3) == Leads::yes);
  CHECK(known.leads(1, {6 * kBytes}, 3) == Leads::no);
  CHECK(known.leads(1, {6 * kBytes}, 1) == Leads::yes);
  CHECK(known.leads(2, {7 * kBytes}, 3) == Leads::yes);
  CHECK(known.leads(2, {9 * kBytes}, 3) == Leads::no);
  CHECK(known.leads(3, {9 * kBytes}, 2) == Leads::no);
  CHECK(known.leads(3, {9 * kBytes}, 3) == Leads::yes);
  const Branches lost = made("1:3-12 2:5-9 2?");
  CHECK(lost.leads(1, {5 * kBytes}, 2) == Leads::unknown);
  CHECK(lost.leads(1, {7 * kBytes}, 2) == Leads::no);  // it had begun by then
  CHECK(lost.leads(2, {9 * kBytes}, 2) == Leads::yes);
  CHECK(lost.unreachable_reason(1, {5 * kBytes}, 2).find("cannot be read") != std::string::npos);
  // The oldest of an archive has nothing that it could have left.
  CHECK(made("5:3-9 6:10-11 6<5@10").describe(5).history_known);
  CHECK_FALSE(lost.describe(2).history_known);
}

TEST_CASE("a tip is told with the timeline that it left, not one that it has nothing of") {
  // Recovery along timeline 2 that stops before 2 began: its child names 2, and an earlier place.
  const Branches branches = made("1:3-9 2:7-8 3:5-6 2<1@7 3<2@5 b1@4");
  const Branch tip = branches.describe(3);
  CHECK(tip.parent == 1);
  CHECK(to_string(tip.left_at) == "0/5000800");
  CHECK(tip.newest);
  CHECK(tip.has_way);
  CHECK(tip.last == wal_segment_name({3, 6}, kBytes));
  CHECK(branches.describe(2).left_at == Lsn{7 * kBytes + 0x800});
  CHECK(made("1:3-9 1:10").describe(1).last == wal_segment_name({1, 10}, kBytes) + ".partial");
  CHECK(made("1:3-9 99<1@5 7?").only_histories() == std::vector<Timeline>{7, 99});
}

TEST_CASE("numbers of timelines are shown as files have them, too") {
  CHECK(timeline_text(9) == "9");
  CHECK(timeline_text(10) == "10 (0xA)");
  CHECK(timeline_text(18) == "18 (0x12)");
}

TEST_CASE("archived files are noted in any order") {
  std::vector<std::string> files = {"000000020000000000000005", "000000020000000000000006",
                                    "00000002000000010000000A", "000000020000000000000006.partial",
                                    "00000002000000010000000B.partial"};
  do {
    std::map<Timeline, TimelineWal> wal;
    for (const std::string& file : files) note_archived(wal, file);
    note_archived(wal, "00000003.history");
    note_archived(wal, "000000030000000000000005.00000028.backup");
    REQUIRE(wal.size() == 1);
    CHECK(wal[2].first == "000000020000000000000005");
    CHECK(wal[2].last == "00000002000000010000000A");
    CHECK(wal[2].partial == "00000002000000010000000B.partial");
  } while (std::next_permutation(files.begin(), files.end()));
}
