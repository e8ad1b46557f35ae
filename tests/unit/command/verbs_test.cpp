// The settings that one verb alone has.
#include "command/verbs/backup.hpp"
#include "command/verbs/drill.hpp"
#include "command/verbs/health.hpp"
#include "command/verbs/restore.hpp"
#include "command/verbs/verify.hpp"

#include <pgcairn/common/text.hpp>

#include <support/loaded_settings.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

namespace {

BackupSettings backup(Words words = {}, const Environment& environment = {},
                      const std::optional<std::string>& config = kConfig) {
  words.insert(words.begin(), "backup");
  return loaded_by(load_backup, words, environment, config);
}

RestoreSettings restore(Words words = {}) {
  words.insert(words.begin(), "restore");
  return loaded_by(load_restore, words, {}, kConfig);
}

VerifySettings verify(Words words = {}) {
  words.insert(words.begin(), "verify");
  return loaded_by(load_verify, words, {}, kConfig);
}

DrillSettings drill(Words words, const std::string& config) {
  words.insert(words.begin(), "drill");
  return loaded_by(load_drill, words, {}, config);
}

Watched watched(const Words& words, const std::string& config) {
  return loaded_by(load_watched, words, {}, config);
}

}  // namespace

TEST_CASE("flags can be taken back, and the last one counts") {
  const std::string config = std::string(kConfig) + "start-fast = true\n";
  CHECK_FALSE(backup().start_fast);
  CHECK(backup({}, {}, config).start_fast);
  CHECK_FALSE(backup({"--no-start-fast"}, {}, config).start_fast);
  CHECK(backup({"--start-fast"}).start_fast);
  CHECK(backup({}, {{"PGCAIRN_START_FAST", "yes"}}).start_fast);
  CHECK(backup().resume);
  CHECK_FALSE(backup({"--no-resume"}).resume);
  CHECK_FALSE(backup({}, {}, std::string(kConfig) + "resume = false\n").resume);
  check_says(refusal({"backup"}, {{"PGCAIRN_START_FAST", "maybe"}}),
             {"PGCAIRN_START_FAST", "true or false", "maybe"});
}

TEST_CASE("restore's targets are read and checked") {
  const auto target = [](const Words& words) { return restore(words).target.recovery_target; };
  CHECK(target({}) == engine::RecoveryTarget());
  CHECK(target({"--type=standby"}) == engine::RecoveryTarget(engine::RestoreType::standby));
  CHECK(target({"--type=lsn", "--target=1/A0"}) ==
        engine::RecoveryTarget(engine::LsnTarget{Lsn{0x1000000A0}}));
  CHECK(target({"--type=lsn", "--target=1/A0", "--target-exclusive"}) ==
        engine::RecoveryTarget(engine::LsnTarget{Lsn{0x1000000A0}, true}));
  for (const char* const number : {"777", "4294968073"})
    CHECK(target({"--type=xid", format("--target={}", number)}) ==
          engine::RecoveryTarget(engine::XidTarget{777}));
  CHECK(target({"--type=name", "--target=a"}) == engine::RecoveryTarget(engine::NameTarget{"a"}));
  CHECK_FALSE(target({"--type=time", "--target=1 hour ago"}));  // read when the restore begins
  CHECK(restore({"--target-timeline=current"}).target.timeline == "current");
  CHECK(restore({"--archive-mode=off"}).archive_off);
  CHECK(restore({"--set=20261121-010203F"}).target.set == "20261121-010203F");
  CHECK(restore({"--set=latest"}).target.set.empty());
  CHECK(restore({"--recovery-option=primary_conninfo=host=a port=1"}).recovery_options ==
        std::vector<std::pair<std::string, std::string>>{{"primary_conninfo", "host=a port=1"}});
  struct Row {
    std::vector<std::string> words;
    const char* says;
  };
  const Row rows[] = {
      {{"restore", "--type=lsn", "--target=5000060"}, "not an LSN"},
      {{"restore", "--type=xid", "--target=2"}, "not a transaction's number"},
      {{"restore", "--type=xid", "--target=x"}, "not a transaction's number"},
      {{"restore", "--type=name"}, "pg_create_restore_point"},
      {{"restore", "--type=name", "--target=a", "--target-exclusive"}, "--target-exclusive"},
      {{"restore", "--target-exclusive"}, "takes no --target-exclusive"},
      {{"restore", "--type=standby", "--target-action=pause"}, "takes no --target-action"},
      {{"restore", "--type=immediate", "--target-timeline=2"}, "takes no --target-timeline"},
      {{"restore", "--target-timeline=0"}, "a number, current or latest"},
      {{"restore", "--target-timeline=012"}, "18, 0x12, or 00000012"},
      {{"restore", "--target-timeline=000000012"}, "a number, current or latest"},
      {{"restore", "--target-timeline=00000000"}, "a number, current or latest"},
      {{"restore", "--target-timeline=0x"}, "a number, current or latest"},
      {{"restore", "--target-timeline=0x100000000"}, "a number, current or latest"},
      {{"restore", "--target-timeline=1F"}, "a number, current or latest"},
      {{"restore", "--target-timeline=newest"}, "a number, current or latest"},
      {{"restore", "--recovery-option=Primary Conninfo=x"}, "not the name of a setting"},
      {{"restore", "--type=immediate", "--recovery-option=recovery_target_lsn=0/1"},
       "second target"},
      {{"restore", "--accept-gap=0/5000000"}, "the name of a WAL segment"},
      {{"restore", "--recovery-option=a=x", "--recovery-option=a=y"}, "twice"},
  };
  for (const Row& row : rows) check_says(refusal(row.words), {row.says});
}

TEST_CASE("restore's options are checked together") {
  CHECK(restore().target.type == "default");
  check_says(refusal({"restore", "--type=time"}), {"needs a target"});
  check_says(refusal({"restore", "--target=now"}), {"--type=time"});
  check_says(refusal({"restore", "--target-action=pause"}), {"takes no --target-action"});
  check_says(refusal({"restore", "--type=tiem", "--target=now"}), {"did you mean \"time\"?"});
  const RestoreSettings mapped =
      restore({"--tablespace-map=a=/x", "--tablespace-map=16385=y", "--dry-run"});
  CHECK(mapped.tablespace_map ==
        std::map<std::string, std::string>{{"a", "/x"}, {"16385", "/here/y"}});
  CHECK(mapped.dry_run);
  check_says(refusal({"restore", "--tablespace-map=a"}), {"A=B"});
  check_says(refusal({"restore", "--tablespace-map=a=/x", "--tablespace-map=a=/y"}), {"twice"});
}

TEST_CASE("a backup is incremental unless another type is named") {
  CHECK(backup().type == repo::BackupType::incremental);
  CHECK(backup({"--type=full"}).type == repo::BackupType::full);
  CHECK(backup({"--type=diff"}).type == repo::BackupType::differential);
  check_says(refusal({"backup", "--type=ful"}), {"full", "incr", "diff"});
  const std::string config = std::string(kConfig) + "expire-auto = false\n";
  CHECK(backup().expire_auto);
  CHECK_FALSE(backup({}, {}, config).expire_auto);
  CHECK(backup({"--expire-auto"}, {}, config).expire_auto);
}

TEST_CASE("what verify and drill take is checked") {
  CHECK(verify().record);
  CHECK_FALSE(verify({"--no-record"}).record);
  CHECK_FALSE(verify().max_duration.has_value());
  CHECK(verify({"--level=full", "--max-duration=2h"}).max_duration == milliseconds(7'200'000));
  check_says(refusal({"verify", "--max-duration=2h"}), {"--max-duration", "--level=full"});
  check_says(refusal({"verify", "--level=full", "--max-duration=2h", "--sample=3%"}),
             {"--max-duration takes no --sample"});
  check_says(refusal({"restore", "--accept-damage"}), {"restore --accept-damage", "--set"});
  check_says(refusal({"restore", "--accept-damage", "--set=latest"}), {"name the backup"});

  check_says(refusal({"drill"}), {"drill-path", "[stanza.main]"});
  const std::string config = std::string(kConfig) +
                             "drill-path = \"/srv/drill\"\n"
                             "drill-sql = [\"SELECT 1\", \"shop: SELECT 2 => 2\"]\n"
                             "pg-bin = \"/opt/pg/bin\"\n";
  const DrillSettings whole = drill({}, config);
  CHECK(whole.directory == "/srv/drill");
  CHECK(whole.queries == Words{"SELECT 1", "shop: SELECT 2 => 2"});
  CHECK(whole.pg_bin == "/opt/pg/bin");
  CHECK(whole.timeout == std::chrono::hours(24));
  CHECK_FALSE(whole.keep);
  CHECK(drill({"--drill-sql=SELECT 3"}, config).queries == Words{"SELECT 3"});
  CHECK(drill({"--type=lsn", "--target=0/5000060"}, config).target.recovery_target ==
        engine::RecoveryTarget(engine::LsnTarget{Lsn{0x5000060}}));
  check_says(refusal({"drill", "--type=lsn"}, {}, config), {"drill --type=lsn needs a target"});
  check_says(refusal({"drill"}, {}, std::string(kConfig) + "drill-sql = \"SELECT 1\"\n"),
             {"drill-sql", "an array of texts"});
}

TEST_CASE("include-path is an array of the stanza, and the command line wins") {
  const std::string config =
      std::string(kConfig) + "include-path = [\"/etc/ssl/pg\", \"/srv/x\"]\n";
  using Paths = std::vector<std::filesystem::path>;
  CHECK(backup({"--stanza=main"}, {}, config).include_paths == Paths{"/etc/ssl/pg", "/srv/x"});
  CHECK(backup({"--stanza=main", "--include-path=a", "--include-path=/b"}, {}, config)
            .include_paths == Paths{"/here/a", "/b"});
  for (const char* const wrong : {"\"/etc\"", "7", "[7]", "[\"relative\"]", "[\"/a\", \"\"]"}) {
    INFO(wrong);
    CHECK_THROWS_AS(load({"backup"}, {}, std::string(kConfig) + "include-path = " + wrong + "\n"),
                    UsageError);
  }
}

TEST_CASE(
    "health watches the stanza that is named, or all of the configuration, each with its limits") {
  const std::string config = std::string(kConfig) + R"(health-wal-lag-warn = "1MiB"
health-backup-count-warn = 7
[stanza.other]
pg-path = "/pg/other"
pg-port = 5433
)";
  const Watched all = watched({"health"}, config);
  REQUIRE(all.size() == 2);
  CHECK(all[0].stanza.name == "main");
  CHECK(all[0].stanza.data_directory == "/pg/main");
  CHECK(all[0].limits.wal_lag_bytes.warn == 1024 * 1024);
  CHECK(all[0].limits.wal_lag_bytes.critical == 1024 * 1024 * 1024);
  CHECK(all[0].limits.backup_count.warn == 7);
  CHECK(all[1].stanza.connection.port == 5433);
  CHECK(all[1].limits.backup_count.warn == 1);
  CHECK(all[1].limits.backup_age_seconds.warn == 26 * 3600);
  CHECK(all[1].limits.free_space_percent.critical == 10);
  CHECK(watched({"metrics", "--stanza=other"}, config).size() == 1);
  CHECK_THAT(refusal({"health", "--stanza=none"}, {}, config), Catch::Contains("none"));
  CHECK_THAT(refusal({"health"}, {}, std::string(kConfig) + "health-wal-lag-warn = \"much\"\n"),
             Catch::Contains("a size such as"));
  CHECK(load({"health", "--output=nagios"}).output == Form::nagios);
  CHECK_THAT(refusal({"info", "--output=nagios"}), Catch::Contains("text or json"));
}
