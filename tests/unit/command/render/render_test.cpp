#include "command/render/render.hpp"

#include "command/console.hpp"
#include "command/open_repositories.hpp"
#include "command/progress.hpp"
#include "command/verbs/stanzas.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <cstdlib>
#include <ctime>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

namespace {

/// Texts show local time.
struct InUtc {
  InUtc() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};

repo::BackupMarker made_up_backup() {
  repo::BackupMarker backup;
  backup.label = "20261121-010203F";
  backup.cluster = "15-7412345678901234567";
  backup.system_id = 7412345678901234567;
  backup.pg_version = 15;
  backup.data_checksums = true;
  backup.start_time = *parse_utc("2026-11-21T01:02:03Z");
  backup.stop_time = *parse_utc("2026-11-21T01:05:08.500000Z");
  backup.start_lsn = {0x3000028};
  backup.stop_lsn = {0x5000100};
  backup.timeline = 1;
  backup.wal_start = "000000010000000000000003";
  backup.wal_stop = "000000010000000000000005";
  backup.cluster_bytes = 2'400'000'000;
  backup.read_bytes = 2'400'000'000;
  backup.stored_bytes = 430'000'000;
  backup.files = 1234;
  backup.method = "all";
  return backup;
}

engine::RepositoryInfo made_up_repository() {
  engine::RepositoryInfo repository;
  repository.name = "local";
  repository.type = "posix";
  repository.clusters = {{7412345678901234567, 15}};
  repository.backups = {made_up_backup()};
  repository.wal_segments = 163;
  repository.wal_first = "000000010000000000000001";
  repository.wal_last = "0000000100000000000000A3";
  repository.wal_bytes = 1'000'000'000;
  repository.wal_time = parse_utc("2026-11-21T03:00:00Z");
  repository.sizes["20261121-010203F"] = {430'000'000, 30'000'000, 400'000'000, false};
  engine::RestorableWindow window;
  window.cluster = "15-7412345678901234567";
  window.timeline = 1;
  window.from = {0x5000100};
  window.from_time = *parse_utc("2026-11-21T01:05:08.500000Z");
  window.to = {0xA4000000};
  window.to_time = *parse_utc("2026-11-21T03:00:00Z");
  window.last = "0000000100000000000000A3";
  window.missing = "0000000100000000000000A4";
  window.backups = {"20261121-010203F"};
  repository.windows = {window};
  repository.record_state.emplace(std::vector<repo::Record>(), *parse_utc("2026-11-21T03:10:00Z"));
  return repository;
}

const Timestamp kWhen = *parse_utc("2026-11-21T03:10:00Z");

engine::RepositoryInfo unreadable_repository() {
  engine::RepositoryInfo repository;
  repository.name = "away";
  repository.type = "posix";
  repository.error = "cannot open \"/mnt/away\": Input/output error\n  while listing stanzas";
  return repository;
}

engine::RestorePlan made_up_plan() {
  engine::RestorePlan plan;
  plan.stanza = "main";
  plan.backup = made_up_backup();
  plan.reason = "the latest that ends before the target";
  plan.data_directory = "/pg/main";
  plan.options.target = engine::TimeTarget{*parse_utc("2026-11-21T02:41:07Z")};
  plan.tablespaces = {{16385, "fast", "/srv/fast"}};
  plan.space = {{{"/pg/main", "/srv/fast"}, 2'400'000'000, 9'000'000'000}};
  plan.fetch_bytes = 430'000'000;
  plan.write_bytes = 2'400'000'000;
  plan.files = 1234;
  plan.wal_needed = {"000000010000000000000003", "000000010000000000000005"};
  plan.path = {{1, {}, Lsn{0x5000060}}, {2, Lsn{0x5000060}, {}}};
  plan.wal.ranges = {
      {"000000010000000000000003", "0000000100000000000000A3", 161, {"local", "offsite"}}};
  plan.wal.last = "0000000100000000000000A3";
  plan.wal.last_commit = parse_utc("2026-11-21T03:00:00Z");
  plan.wal.after_gap = "0000000100000000000000B0";
  plan.wal.missing = "0000000100000000000000A4";
  plan.notes = {"read this"};
  return plan;
}

const std::string kBackupJson =
    R"({"label":"20261121-010203F","type":"full","prior":null,"start-time":"2026-11-21T01:02:03Z",)"
    R"("stop-time":"2026-11-21T01:05:08.500000Z","duration-seconds":185.5,"start-lsn":"0/3000028",)"
    R"("stop-lsn":"0/5000100","timeline":1,"wal-start":"000000010000000000000003",)"
    R"("wal-stop":"000000010000000000000005","wal-copied":false,"cluster-bytes":2400000000,"read-bytes":2400000000,)"
    R"("stored-bytes":430000000,"files":1234,"resumed":[],"method":"all","method-reason":null,"page-errors":[],"page-error-count":0,"data-checksums":true,)"
    R"("outside":{"config-file":null,"hba-file":null,"ident-file":null,"files":0,"unreadable":[]},"excluded":[],)"
    R"("pg-version":15,"system-id":"7412345678901234567"})";

}  // namespace

TEST_CASE("info as text") {
  const InUtc utc;
  engine::RepositoryInfo repository = made_up_repository();
  const engine::StanzaInfo stanza{"main", {repository}, kWhen};
  CHECK(info_text(std::vector{stanza}, 80) ==
        "stanza main: ok\n"
        "\n"
        "  repository local (posix): ok\n"
        "    cluster: PostgreSQL 15, system identifier 7412345678901234567\n"
        "    space: not known\n"
        "    wal: 000000010000000000000001 to 0000000100000000000000A3\n"
        "         163 segments, 954 MiB, the newest 10m00s ago\n"
        "    newest backup: 20261121-010203F, 2h04m ago\n"
        "    restorable: timeline 1 from 2026-11-21 01:05:08+00 (0/5000100)\n"
        "                to about 2026-11-21 03:00:00+00 (0/A4000000)\n"
        "\n"
        "                2026-11-21 01:05                                2026-11-21 03:00\n"
        "    timeline 1  F===============================================================\n"
        "                = restorable, . not, | gap, F D I backup, x backup that is not\n"
        "\n"
        "    label (UTC)          took   cluster    stored     frees\n"
        "    20261121-010203F    3m05s   2.2 GiB   410 MiB   381 MiB\n");
  CHECK(info_text({}, 80).find("no stanza") != std::string::npos);
}

TEST_CASE(
    "info fits into 80 columns, says how much space is left, and begins long lists with the "
    "newest") {
  const InUtc utc;
  engine::RepositoryInfo repository = made_up_repository();
  const repo::BackupMarker one = repository.backups.front();
  repository.space = engine::Space{100 * kGiB, 25 * kGiB};
  repository.growth = engine::Growth{30, -3'000'000, 400'000'000, 100'000'000};
  const auto shown = [&] {
    return info_text(std::vector{engine::StanzaInfo{"main", {repository}, kWhen}}, 80);
  };
  CHECK(shown().find("    space: 25 GiB of 100 GiB free\n") != std::string::npos);
  std::string labels;
  for (int day = 2; day < 25; ++day) {
    repo::BackupMarker next = one;
    next.label = format("20261121-010203F_202612{:02}-010203I", day);
    next.start_time += std::chrono::hours(24 * day);
    next.stop_time += std::chrono::hours(24 * day);
    repository.backups.push_back(next);
  }
  const std::string text = shown();
  CHECK(text.find(" free, full in about ") != std::string::npos);
  CHECK(text.find("    24 backups, newest first:\n") != std::string::npos);
  CHECK(text.rfind("20261121-010203F_20261224") < text.rfind("20261121-010203F_20261223"));
  CHECK(text.find("growth a day: cluster -2.9 MiB, backups 381 MiB") != std::string::npos);
  for (const std::string& line : split(text, '\n')) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("damaged pages are flagged in every text about a backup") {
  const InUtc utc;
  repo::BackupMarker backup = made_up_backup();
  const NamedRelation orders{"shop", "public", "orders", "table", "", ""};
  backup.page_errors = {{"base/5/1259", {7, 9}, 14, orders}, {"base/5/1260", {3}, 1}};
  const std::string flagged =
      "PAGES DAMAGED: base/5/1259 block 7, 9 and 12 more\n"
      "    in table public.orders in database shop\n"
      "  PAGES DAMAGED: base/5/1260 block 3\n";
  CHECK(backup_text({backup, {"local"}, {}}).find(flagged) != std::string::npos);
  engine::RestorePlan plan = made_up_plan();
  plan.backup = backup;
  CHECK(restore_plan_text(plan, {}).find(flagged) != std::string::npos);
  engine::RepositoryInfo repository = made_up_repository();
  repository.backups = {backup};
  const engine::StanzaInfo stanza{"main", {repository}, kWhen};
  CHECK(info_text(std::vector{stanza}, 80).find("PAGES DAMAGED: base/5/1259") != std::string::npos);
  CHECK(backup_json({backup, {"local"}, {}})
            .find(R"("page-errors":[{"path":"base/5/1259","blocks":[7,9],"count":14,"relation":)"
                  R"({"database":"shop","schema":"public","name":"orders","kind":"table",)"
                  R"("table-schema":null,"table":null}},)"
                  R"({"path":"base/5/1260","blocks":[3],"count":1,"relation":null}],)"
                  R"("page-error-count":15)") != std::string::npos);
}

TEST_CASE("info as JSON") {
  const engine::StanzaInfo stanza{"main", {made_up_repository(), unreadable_repository()}, kWhen};
  CHECK(
      info_json(std::vector{stanza}) ==
      R"({"stanzas":[{"name":"main","time":"2026-11-21T03:10:00Z","status":{"code":1,"message":)"
      R"("repository \"away\": cannot be read: cannot open \"/mnt/away\": Input/output error"},)"
      R"("verdict":{"level":"ok","message":""},"findings":[],)"
      R"("repositories":[{"name":"local","type":"posix","status":{"code":0,"message":"ok"},)"
      R"("notes":[],"clusters":[{"id":"15-7412345678901234567","system-id":"7412345678901234567",)"
      R"("pg-version":15}],"backups":[)" +
          kBackupJson.substr(0, kBackupJson.size() - 1) +
          R"(,"restorable":true,"sizes":{"packs-bytes":430000000,"shared-bytes":30000000,)"
          R"("freed-bytes":400000000,"exact":false},"holds":[],"annotations":[],"verify":null,)"
          R"("damage":null,"drill":null}],"unreadable-backups":[],"newest-backup-age-seconds":7491,"windows":[{)"
          R"("cluster":"15-7412345678901234567","timeline":1,"from-lsn":"0/5000100",)"
          R"("from-time":"2026-11-21T01:05:08.500000Z","from-clock":"server",)"
          R"("to-lsn":"0/A4000000","to-time":"2026-11-21T03:00:00Z",)"
          R"("last":"0000000100000000000000A3","missing":"0000000100000000000000A4",)"
          R"("after-gap":null,"gap":"none","partial":null,"backups":["20261121-010203F"]}],)"
          R"("branches":[],"wal":{"segments":163,"first":"000000010000000000000001",)"
          R"("last":"0000000100000000000000A3","stored-bytes":1000000000,)"
          R"("newest-time":"2026-11-21T03:00:00Z","newest-age-seconds":600},"growth":null,)"
          R"("space":null,"running":null,"left-behind":null,"stops":[]},)"
          R"({"name":"away","type":"posix","status":{"code":1,)"
          R"("message":"cannot be read: cannot open \"/mnt/away\": Input/output error"},)"
          R"("notes":[],"clusters":[],"backups":[],"unreadable-backups":[],)"
          R"("newest-backup-age-seconds":null,"windows":[],"branches":[],)"
          R"("wal":{"segments":0,"first":null,"last":null,"stored-bytes":0,"newest-time":null,)"
          R"("newest-age-seconds":null},"growth":null,"space":null,"running":null,)"
          R"("left-behind":null,"stops":null}]}]})"
          "\n");
  CHECK(info_json({}) == "{\"stanzas\":[]}\n");
}

TEST_CASE("info tells unreadable from missing from empty") {
  const auto status = [](const engine::RepositoryInfo& repository, const std::string& asked) {
    const engine::StanzaInfo stanza{"main", {repository}, kWhen};
    return status_of(asked, std::vector{stanza});
  };
  engine::RepositoryInfo empty;
  engine::RepositoryInfo absent;
  absent.missing = MissingError("there is no repository in directory \"/mnt\"", "is it mounted?");
  absent.error = absent.missing->render();
  CHECK(status(made_up_repository(), "main") == InfoStatus::ok);
  CHECK(status(empty, "main") == InfoStatus::missing);
  CHECK(status(absent, "main") == InfoStatus::absent);
  CHECK(status(absent, "") == InfoStatus::absent);
  const engine::StanzaInfo away{"main", {absent}, kWhen};
  CHECK(info_text(std::vector{away}, 80)
            .find("cannot be read: there is no repository in directory") != std::string::npos);
  // Another one that has the stanza does not make up for it, and one that fails says more.
  const engine::StanzaInfo half{"main", {made_up_repository(), absent}, kWhen};
  CHECK(status_of("main", std::vector{half}) == InfoStatus::absent);
  CHECK_THROWS_AS(throw_absent(std::vector{half}), MissingError);
  const engine::StanzaInfo worse{"main", {absent, unreadable_repository()}, kWhen};
  CHECK(status_of("main", std::vector{worse}) == InfoStatus::unreadable);
  CHECK(status(unreadable_repository(), "main") == InfoStatus::unreadable);
  CHECK(status(empty, "") == InfoStatus::ok);
  const engine::StanzaInfo both{"main", {made_up_repository(), unreadable_repository()}, kWhen};
  CHECK(status_of("main", std::vector{both}) == InfoStatus::unreadable);
  CHECK(info_text(std::vector{both}, 80).find("away (posix): cannot be read") != std::string::npos);
}

TEST_CASE("backup's result") {
  const InUtc utc;
  CHECK(
      backup_json({made_up_backup(), {"local"}, {}}) ==
      R"({"backup":)" + kBackupJson +
          R"(,"repository":"local","repositories":[{"name":"local","error":null}],"left-branch":null,"archiver-stuck":false})" +
          "\n");
  const engine::TakenBackup partly{made_up_backup(), {"local", "far"}, {{"away", "it is full"}}};
  CHECK(backup_json(partly) ==
        R"({"backup":)" + kBackupJson +
            R"(,"repository":"local","repositories":[{"name":"local","error":null},)"
            R"({"name":"far","error":null},{"name":"away","error":"it is full"}],)"
            R"("left-branch":null,"archiver-stuck":false})" +
            "\n");
  CHECK(
      backup_text(partly).starts_with("backup 20261121-010203F is in repositories local, far\n"
                                      "  NOT IN REPOSITORY away\n"));
  engine::TakenBackup stuck{made_up_backup(), {"local"}, {}};
  stuck.archiver_stuck = true;
  CHECK(backup_json(stuck).ends_with("\"archiver-stuck\":true}\n"));
  CHECK(backup_text(stuck).find("  ARCHIVER    stuck") != std::string::npos);
  CHECK(backup_text({made_up_backup(), {"local"}, {}}) ==
        "backup 20261121-010203F is in repository local\n"
        "  took        3m05s\n"
        "  cluster     2.2 GiB in 1234 files\n"
        "  read        2.2 GiB\n"
        "  stored      410 MiB\n"
        "  wal         000000010000000000000003 to 000000010000000000000005\n");
  repo::BackupMarker unchecked = made_up_backup();
  unchecked.data_checksums = false;
  CHECK(backup_text({unchecked, {"local"}, {}}).find("  pages       not checked: no data") !=
        std::string::npos);
}

TEST_CASE("a backup's result says what was resumed") {
  repo::BackupMarker backup = made_up_backup();
  backup.resumed = {{"20261121-000000F", 80, 1'288'490'189}, {"20261120-230000F", 1, 8192}};
  const std::string lines =
      "  resumed     1.2 GiB in 80 packs of interrupted backup 20261121-000000F used again\n"
      "  resumed     8.0 KiB in 1 pack of interrupted backup 20261120-230000F used again\n";
  CHECK(backup_text({backup, {"local"}, {}}).find(lines) != std::string::npos);
  CHECK(backup_json({backup, {"local"}, {}})
            .find(R"("resumed":[{"backup":"20261121-000000F","packs":80,"bytes":1288490189},)"
                  R"({"backup":"20261120-230000F","packs":1,"bytes":8192}],"method")") !=
        std::string::npos);
}

TEST_CASE("restore's plan shows all that will be done") {
  const InUtc utc;
  const TargetTime target{*parse_utc("2026-11-21T02:41:07Z"), "local time", true};
  const std::string text = restore_plan_text(made_up_plan(), target);
  for (const char* const part :
       {"stanza main to /pg/main", "20261121-010203F", "the latest that ends before",
        "2026-11-21T02:41:07Z (2026-11-21 02:41:07+00)", "local time is used",
        "000000010000000000000003 to 000000010000000000000005", "fast (16385) in /srv/fast",
        "2.2 GiB needed, 8.4 GiB free in the file system of /pg/main, /srv/fast", "1234 files",
        "1 to 0/5000060, then 2", "to 0000000100000000000000A3 (161 segments) in local, offsite",
        "reaches     2026-11-21T03:00:00Z (2026-11-21 03:00:00+00), the last transaction up to",
        "note        read this"}) {
    INFO(part << "\n" << text);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(restore_end_text(made_up_plan(), engine::RestoreResult{})
            .find("pg_ctl -D /pg/main -l /pg/main/start.log start") != std::string::npos);
  CHECK(restore_end_text(made_up_plan(), {}).find("nothing was touched") != std::string::npos);
  CHECK(
      restore_json(made_up_plan(), {})
          .find(
              R"("type":"time","target-time":"2026-11-21T02:41:07Z","target-lsn":null,)"
              R"("target-xid":null,"target-name":null,"target-exclusive":false,)"
              R"("target-action":null,)"
              R"("data-directory":"/pg/main","resumes":false,"delta":false,"tablespaces":[{"oid":16385,)"
              R"("name":"fast","location":"/srv/fast"}],"late-tablespaces":[],"isolation":{},)"
              R"("left-out-databases":[],"links":[],)"
              R"("config":{"to":null,"files":0,"settings":[]},)"
              R"("space":[{"directories":["/pg/main","/srv/fast"],)"
              R"("needed-bytes":2400000000,"free-bytes":9000000000}],"compare-bytes":0,"fetch-bytes":430000000)") !=
      std::string::npos);
  CHECK(restore_json(made_up_plan(), {}).find(R"("result":null)") != std::string::npos);
  engine::RestorePlan copy = made_up_plan();
  copy.isolation = {{"archive_mode", "off"}, {"listen_addresses", ""}, {"port", "5433"}};
  copy.options.recovery_options = {{"listen_addresses", "*"}};
  copy.late_tablespaces = {{16400, "/srv/late", Lsn{0x5000140}}};
  CHECK(restore_plan_text(copy, target).find("archive_mode=off, port=5433") != std::string::npos);
  CHECK(restore_plan_text(copy, target).find("16400 in /srv/late") != std::string::npos);
  CHECK(
      restore_end_text(copy, engine::RestoreResult{}, {"/usr/bin/pg_ctl", {}})
          .find("/usr/bin/pg_ctl -D /pg/main -l /pg/main/start.log start\nIt is an isolated copy; "
                "its port is 5433.\n") != std::string::npos);
  CHECK(restore_json(copy, {}).find(
            R"("late-tablespaces":[{"oid":16400,"location":"/srv/late","lsn":"0/5000140"}],)"
            R"("isolation":{"archive_mode":"off","port":"5433"})") != std::string::npos);
  CHECK(restore_json(made_up_plan(), engine::RestoreResult{5, 7, 9, 3, 4})
            .find(R"("result":{"compared-bytes":5,"fetched-bytes":7,"written-bytes":9,)"
                  R"("removed-files":3,"removed-bytes":4})") != std::string::npos);
}

TEST_CASE("what decides whether to go on stands first in a restore's plan") {
  engine::RestorePlan plan = made_up_plan();
  plan.note_first("THE ARCHIVE HAS A GAP");
  plan.note_first("it was never drilled");
  plan.notes.emplace_back("read this last");
  plan.backup.page_errors = {{"base/5/1259", {7}, 1}};
  const std::string text = restore_plan_text(plan, {});
  std::size_t at = 0;
  for (const char* const part :
       {"stanza main to", "THE ARCHIVE HAS A GAP", "it was never drilled", "PAGES DAMAGED",
        "backup ", "fetch ", "takes       not known", "read this\n", "read this last"}) {
    INFO(part << "\n" << text);
    const std::size_t found = text.find(part, at);
    REQUIRE(found != std::string::npos);
    at = found;
  }
}

TEST_CASE("a restore's plan says how long it takes, by the drill that measured it") {
  const InUtc utc;
  engine::RestoreEstimate estimate;
  estimate.restore = milliseconds(185'000);
  estimate.drill_time = *parse_utc("2026-11-20T04:00:00Z");
  CHECK(restore_plan_text(made_up_plan(), {}, estimate)
            .find("takes       about 3m05s to restore, by the drill of 2026-11-20 04:00:00+00\n") !=
        std::string::npos);
  estimate.recovery = milliseconds(60'000);
  estimate.wal_bytes = 160 * kMiB;
  engine::RestorePlan delta = made_up_plan();
  delta.compares = true;
  CHECK(restore_plan_text(delta, {}, estimate)
            .find("at most about 3m05s to restore, then at most about 1m00s to replay 160 MiB of "
                  "WAL, by the drill") != std::string::npos);
  // In JSON, too.
  estimate.drilled = "20261120-010203F";
  CHECK(
      restore_json(delta, {}, estimate)
          .find(R"("estimate":{"restore-seconds":185,"recovery-seconds":60,"wal-bytes":167772160,)"
                R"("drilled-backup":"20261120-010203F","drill-time":"2026-11-20T04:00:00Z"},)") !=
      std::string::npos);
  estimate.recovery.reset();
  CHECK(restore_json(delta, {}, estimate).find(R"("recovery-seconds":null)") != std::string::npos);
  CHECK(restore_json(delta, {}).find(R"("estimate":null)") != std::string::npos);
}

TEST_CASE("a dry run beside a running server ends with the command that stops it") {
  engine::RestorePlan plan = made_up_plan();
  plan.server_runs = true;
  CHECK(restore_end_text(plan, {}, {"/usr/bin/pg_ctl", {}}) ==
        "dry run: nothing was touched\nstop the server first: /usr/bin/pg_ctl -D /pg/main -m fast "
        "stop\n");
  const ServerWords service{
      "pg_ctl", postgres::ServerCommands{"systemctl start x", "systemctl stop x", true}};
  CHECK(
      restore_end_text(plan, {}, service).ends_with("\nstop the server first: systemctl stop x\n"));
  CHECK(restore_end_text(plan, engine::RestoreResult{}, service)
            .find("now start the server, as root, with\n  systemctl start x\n") !=
        std::string::npos);
  CHECK(restore_json(plan, {}).find(R"("server-runs":true,"result":null)") != std::string::npos);
}

TEST_CASE("a restore ends with what the host lacks, and what is off, each with a line to type") {
  const ServerWords server{
      "pg_ctl",
      postgres::ServerCommands{"systemctl start x", "systemctl stop x", true},
      {{"this host has no /etc/x; get it with", "pgcairn restore --only=config"},
       {"install it", ""}},
      {{"archiving is off", "psql -c x"}}};
  const std::string text = restore_end_text(made_up_plan(), engine::RestoreResult{}, server);
  CHECK(text.find("Before the server is started:\n"
                  "- this host has no /etc/x; get it with\n    pgcairn restore --only=config\n"
                  "- install it\n"
                  "restored; now start the server, as root, with\n  systemctl start x\n") !=
        std::string::npos);
  CHECK(text.ends_with("Then:\n- archiving is off\n    psql -c x\n"));
}

TEST_CASE("a restore of the configuration ends with the commands that put it in place") {
  engine::ConfigPlan plan;
  plan.restore = made_up_plan();
  plan.restore.options.config_to = "/root/my config";
  plan.restore.data_directory = "/root/my config/pg/main";
  plan.restore.files = 2;
  plan.entries = {{"/etc/pg", "/root/my config/etc/pg", true, false},
                  {"/etc/pg/a.conf", "/root/my config/etc/pg/a.conf", false, false},
                  {"/pg/main/b.conf", "/root/my config/pg/main/b.conf", false, true}};
  plan.absent = {"/etc/pg"};
  const engine::RestoreResult done;
  CHECK(config_end_text(plan, {}) == "dry run: nothing was touched\n");
  CHECK(config_end_text(plan, done) ==
        "restored 2 files to /root/my config\n"
        "Read it, and put it in its place, as root, with\n"
        "  cp -a '/root/my config/etc/pg' /etc\n"
        "What is in /root/my config/pg/main comes back with the data.\n"
        "Then restore the data, with\n  pgcairn restore\n");
  plan.absent.clear();
  plan.there = {"/etc/pg"};
  CHECK(config_end_text(plan, done) ==
        "restored 2 files to /root/my config\n"
        "This host has such files already, which stay as they are. Compare, with\n"
        "  diff -r /etc/pg '/root/my config/etc/pg'\n"
        "What is in /root/my config/pg/main comes back with the data.\n");
}

TEST_CASE("settings survive the two shells between a printed start command and the server") {
  CHECK(
      start_command("/opt/my pg/pg_ctl", "/pg/it's", {{"port", "5433"}, {"cluster_name", "a b"}}) ==
      "'/opt/my pg/pg_ctl' -D '/pg/it'\\''s' -o '-c port=5433 -c '\\''cluster_name=a b'\\''' -l "
      "'/pg/it'\\''s/start.log' start");
}

TEST_CASE("restore_command survives the shell and PostgreSQL's percent signs") {
  Settings settings;
  settings.config = "/etc/my conf/100%.toml";
  settings.stanza = "main";
  settings.pg_path = "/pg/it's";
  CHECK(restore_command("/usr/bin/pgcairn", settings) ==
        "/usr/bin/pgcairn '--config=/etc/my conf/100%%.toml' --stanza=main archive-get %f \"%p\"");
  settings.pg_path_overridden = true;
  settings.config.clear();
  CHECK(restore_command("/usr/bin/pgcairn", settings) ==
        "/usr/bin/pgcairn --stanza=main '--pg-path=/pg/it'\\''s' archive-get %f \"%p\"");
}

TEST_CASE("log lines and errors") {
  const InUtc utc;
  const Timestamp when = *parse_utc("2026-11-21T02:41:07.123456Z");
  CHECK(log_line(Form::text, false, when, LogLevel::info, "a line") ==
        "2026-11-21 02:41:07.123+00 INFO   a line");
  CHECK(log_line(Form::text, true, when, LogLevel::info, "a line") == "a line");
  CHECK(log_line(Form::text, true, when, LogLevel::warn, "a line") == "warning: a line");
  CHECK(log_line(Form::json, false, when, LogLevel::warn, "50% \"x\" \xff") ==
        R"({"time":"2026-11-21T02:41:07.123456Z","level":"warn","message":"50% \"x\" %FF"})");
  Error error("cannot write", "free some space");
  error.add_context("storing pack 3");
  CHECK(error_text(Form::text, when, error) ==
        "error: cannot write\n  while storing pack 3\n  hint: free some space");
  CHECK(error_text(Form::json, when, error) ==
        R"({"time":"2026-11-21T02:41:07.123456Z","level":"error","message":"cannot write",)"
        R"("context":["storing pack 3"],"hint":"free some space"})");
}

TEST_CASE("progress tells rate and time left once they mean something") {
  CHECK(progress_text("waiting for WAL", 0, 0, milliseconds(5000)) == "waiting for WAL");
  CHECK(progress_text("copying", 0, 4096, milliseconds(500)) == "copying  0%  0 B of 4.0 KiB");
  CHECK(progress_text("copying", 1 << 30, std::uint64_t{4} << 30, milliseconds(5000)) ==
        "copying  25%  1.0 GiB of 4.0 GiB  205 MiB/s  15.0s left");
  CHECK(progress_text("copying", 9000, 4096, milliseconds(10)).find("100%") != std::string::npos);
}
