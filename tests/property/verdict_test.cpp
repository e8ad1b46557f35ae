#include "support/made_stanza.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/status/health.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/repo/layout.hpp>

#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

HealthLimits limits() {
  HealthLimits limits;
  limits.backup_age_seconds = {100 * 86400.0, 200 * 86400.0};
  limits.backup_count = {2, 1};
  limits.verify_age_seconds = {3 * 86400.0, 6 * 86400.0};
  limits.drill_age_seconds = {3 * 86400.0, 6 * 86400.0};
  return limits;
}

/// Backups, WAL with holes, damage and proofs, all at random. The timeline may switch once.
struct RandomStanza {
  test::MemoryRepository memory;
  test::MadeStanza stanza{memory.repository};
  std::vector<repo::BackupMarker> backups;
  std::set<std::string> damaged;
  std::set<std::string> archived;  // names
  std::uint64_t switched = 0;      // segment in which timeline 2 begins; 0: none
  std::uint64_t newest = 0;
  Lsn minimal_at;  // the server ran with wal_level=minimal from there on

  explicit RandomStanza(test::Random& random) {
    newest = 6 + test::below(random, 12);
    if (test::below(random, 2) == 0) switched = 4 + test::below(random, newest - 3);
    for (std::uint64_t number = 3; number <= newest; ++number) {
      if (test::below(random, 8) == 0 && number != newest) continue;
      put(timeline_of(number), number);
      if (number == switched) put(1, number);
    }
    if (switched != 0) stanza.put_history(2, {{1, switched}});
    for (std::uint64_t number = 3; number <= newest; number += 1 + test::below(random, 4))
      if (number != switched) add_backup(random, number);
    memory.repository.add_cluster("main", test::MadeStanza::kCluster);
    add_records(random);
  }

  Timeline timeline_of(std::uint64_t number) const {
    return switched != 0 && number >= switched ? 2 : 1;
  }

  /// By hand: every segment from the backup's first to the newest is there.
  bool leads_to_newest(const repo::BackupMarker& backup) const {
    for (std::uint64_t n = parse_wal_segment_name(backup.wal_start, stanza.kSegmentBytes)->number;
         n <= newest; ++n)
      if (!archived.contains(stanza.wal_name(timeline_of(n), n))) return false;
    return minimal_at < backup.start_lsn;
  }
  bool is_whole(const repo::BackupMarker& backup) const {
    return !damaged.contains(backup.label) && backup.page_errors.empty();
  }

 private:
  void add_minimal(test::Random& random) {
    const std::uint64_t number = 3 + test::below(random, newest - 2);
    if (number == switched) return;
    minimal_at = {number * stanza.kSegmentBytes + 120};  // after the end of a backup in it
    repo::LimitsRecord record;
    record.cluster = repo::cluster_id(test::MadeStanza::kCluster);
    record.timeline = timeline_of(number);
    record.lsn = minimal_at;
    record.limits.wal_level = kWalLevelMinimal;
    repo::add_record(memory.repository, "main", record);
  }

  void put(Timeline timeline, std::uint64_t number) {
    stanza.put_wal(timeline, number);
    archived.insert(stanza.wal_name(timeline, number));
  }

  void add_backup(test::Random& random, std::uint64_t number) {
    const Timestamp stop = now() - std::chrono::hours(24 * (30 - static_cast<int>(number)));
    repo::BackupMarker info = stanza.backup(repo::BackupType::full, "", stop);
    stanza.set_wal(info, timeline_of(number), number, number);
    stanza.put_data(info, 1);
    if (test::below(random, 4) == 0) info.page_errors = {{"base/5/1", {7}, 1}};
    stanza.list(info);
    backups.push_back(info);
  }

  void add_records(test::Random& random) {
    repo::VerifyRecord verify;
    verify.level = "full";
    for (const repo::BackupMarker& backup : backups) {
      verify.backups.push_back(backup.label);
      if (test::below(random, 4) == 0) damaged.insert(backup.label);
    }
    verify.damaged.assign(damaged.begin(), damaged.end());
    verify.damage_count = damaged.size();
    repo::add_record(memory.repository, "main", verify);
    if (test::below(random, 3) == 0) add_minimal(random);
    if (test::below(random, 2) == 0) return;
    repo::DrillRecord drill;
    drill.backup = backups.front().label;
    drill.good = test::below(random, 2) == 0;
    repo::add_record(memory.repository, "main", drill);
  }
};

std::string brief(std::span<const HealthFinding> findings) {
  std::string text;
  for (const HealthFinding& finding : findings) {
    if (finding.unit == "s") continue;  // an age: the two looked at different moments
    text += format("{} {} {}\n", name_of(finding.level), finding.check, finding.message);
  }
  return text;
}

}  // namespace

TEST_CASE("info and health say the same, and good only where a restore leads to the newest moment",
          "[property]") {
  test::Random random(test::seed());
  for (int run = 0; run < 200; ++run) {
    RandomStanza made(random);
    if (made.backups.empty()) continue;
    INFO("run " << run << ", switched in " << made.switched << ", newest " << made.newest);
    InfoOptions options;
    options.stanzas = {"main"};
    options.default_limits = limits();
    const auto infos = read_info(options, std::span(&made.memory.repository, 1), {});
    const RepositoryInfo& info = infos.front().repositories.front();
    StanzaSettings settings;
    settings.name = "main";
    settings.connection.host = "/nowhere";
    const std::vector<std::filesystem::path> directories(1);
    const HealthFacts facts =
        read_health(settings, std::span(&made.memory.repository, 1), directories, {});
    REQUIRE(facts.repositories.front().error.empty());
    CHECK(brief(info.findings) == brief(judge_all(facts, limits())));

    REQUIRE(info.outlook);
    const bool good =
        !info.outlook->backup.empty() && !info.outlook->ends_at && !info.outlook->minimal_at;
    bool whole_leads = false;
    bool any_leads = false;  // with damaged pages at worst
    for (const repo::BackupMarker& backup : made.backups) {
      const bool leads = made.leads_to_newest(backup) && !made.damaged.contains(backup.label);
      any_leads = any_leads || leads;
      whole_leads = whole_leads || (leads && made.is_whole(backup));
      if (good && backup.label == info.outlook->backup) CHECK(leads);
    }
    // What the newest backup itself needs is a matter of its own: a restore insists on it.
    if (made.leads_to_newest(made.backups.back())) CHECK(good == any_leads);
    if (good) CHECK((info.outlook->damaged_pages > 0) == !whole_leads);
    const Verdict verdict = verdict_of(info.findings);
    if (!good || !whole_leads || !made.damaged.empty())
      CHECK(verdict.level == HealthLevel::critical);
    if (verdict.level == HealthLevel::ok) {
      CHECK(good);
      CHECK(made.is_whole(made.backups.back()));
    }
  }
}
