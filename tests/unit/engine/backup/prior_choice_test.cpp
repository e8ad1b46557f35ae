#include "engine/backup/prior_choice.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

/// "F1@5 I1@7 F2@9": full and incremental ones, the timeline and where they end, oldest first; "!"
/// after it: of another cluster. They are called by their place in the list.
std::vector<repo::BackupMarker> made(const std::string& words) {
  std::vector<repo::BackupMarker> backups;
  for (const std::string& word : split(words, ' ')) {
    if (word.empty()) continue;
    unsigned timeline = 0;
    unsigned lsn = 0;
    REQUIRE(std::sscanf(word.c_str() + 1, "%u@%u", &timeline, &lsn) == 2);
    repo::BackupMarker backup;
    backup.label = format("{}", backups.size() + 1);
    backup.type = word[0] == 'F' ? repo::BackupType::full : repo::BackupType::incremental;
    backup.timeline = timeline;
    backup.stop_lsn = Lsn{lsn};
    backup.cluster = word.back() == '!' ? "other" : "own";
    backups.push_back(std::move(backup));
  }
  return backups;
}

/// "1@6 2@9": timelines and where each was left, then the one that the server is on.
std::optional<postgres::TimelineHistory> way(const std::string& words, Timeline now) {
  if (words == "?") return std::nullopt;
  postgres::TimelineHistory history;
  for (const std::string& word : split(words, ' ')) {
    unsigned timeline = 0;
    unsigned lsn = 0;
    if (std::sscanf(word.c_str(), "%u@%u", &timeline, &lsn) == 2)
      history.entries.push_back({timeline, Lsn{lsn}, ""});
  }
  history.entries.push_back({now, postgres::kEndOfLog, ""});
  return history;
}

}  // namespace

TEST_CASE("an incremental builds on the newest backup of the server's own branch") {
  struct Row {
    const char* backups;
    const char* way;
    Timeline now;
    repo::BackupType type;
    const char* order;  // "x" after those on a branch that was left
  };
  constexpr auto incr = repo::BackupType::incremental;
  constexpr auto diff = repo::BackupType::differential;
  const Row rows[] = {
      {"", "", 1, incr, ""},
      {"F1@5 I1@7 I1@9", "", 1, incr, "3 2 1"},
      {"F1@5 I1@7 F1@8 I1@9", "", 1, diff, "3 1"},
      {"F1@5! F1@7", "", 1, incr, "2"},
      // After a promotion at 6 the old primary went on, and took backups.
      {"F1@5 I1@7 F1@9", "1@6", 2, incr, "1 3x 2x"},
      {"F1@5 I1@7 F1@9", "1@6", 2, diff, "1 3x"},
      {"F1@5 I1@6 F1@9", "1@6", 2, incr, "2 1 3x"},  // all up to the switch is common
      {"F1@5 F1@9 I2@8", "1@6", 2, incr, "3 1 2x"},
      // Another twin has the higher number; a timeline between was left as well.
      {"F1@5 I2@8 F3@20 I4@22", "1@6 2@10", 4, incr, "4 2 1 3x"},
      {"F1@5 I2@11 I4@22", "1@6 2@10", 4, incr, "3 1 2x"},
      // Left earlier than it was begun: nothing of timeline 2 is on the way.
      {"F1@5 I2@8", "1@6 2@4", 3, incr, "2x 1x"},
      // None on the own branch: one that was left is still better than none.
      {"F1@7 F1@9", "1@6", 2, incr, "2x 1x"},
      // Without a history nothing is left.
      {"F1@5 F1@9", "?", 2, incr, "2 1"},
  };
  for (const Row& row : rows) {
    const auto backups = made(row.backups);
    std::string order;
    for (const PriorCandidate& one :
         prior_candidates(backups, "own", row.type, way(row.way, row.now)))
      order += format("{}{}{}", order.empty() ? "" : " ", one.backup->label, one.left ? "x" : "");
    INFO(row.backups << " / " << row.way << " " << row.now);
    CHECK(order == row.order);
  }
}

TEST_CASE("a server whose history is not in pg_wal leaves no branch") {
  CHECK(way_to_now("/nonexistent", 1)->timeline() == 1);
  CHECK_FALSE(way_to_now("/nonexistent", 2));
}
