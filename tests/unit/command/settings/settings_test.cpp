#include "command/settings/early_options.hpp"
#include "command/settings/options.hpp"
#include "command/settings/values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

#include <catch2/catch.hpp>
#include <support/loaded_settings.hpp>
#include <support/says.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

TEST_CASE("command line wins over environment, over stanza, over global, over default") {
  const Environment environment = {{"PGCAIRN_PROCESS_MAX", "7"}};
  CHECK(load({"backup", "--process-max=9"}, environment).process_max == 9);
  CHECK(load({"backup"}, environment).process_max == 7);
  CHECK(load({"backup"}).process_max == 5);
  CHECK(load({"backup", "--stanza=other", "--pg-path=/pg/other"}).process_max == 3);
  CHECK(load({"backup"}).archive_timeout == milliseconds(60'000));
  CHECK(load({"backup"}).compress_type == compress::CodecId::lz4);
  CHECK(load({"backup"}).compress_level == compress::levels_of(compress::CodecId::lz4).usual);
}

TEST_CASE("options stand before or after the verb, with = or a space") {
  for (const Words& words : {Words{"--process-max=9", "backup"}, Words{"backup", "--process-max=9"},
                             Words{"--process-max", "9", "backup"}}) {
    CHECK(load(words).process_max == 9);
  }
  const Settings get =
      load({"archive-get", "--", "000000010000000000000001", "pg_wal/RECOVERYXLOG"});
  CHECK(get.operands == Words{"000000010000000000000001", "pg_wal/RECOVERYXLOG"});
}

TEST_CASE("paths of command line and environment are relative to where one stands") {
  CHECK(load({"backup", "--pg-path=data"}).pg_path == "/here/data");
  CHECK(load({"backup", "--pg-path=data"}).pg_path_overridden);
  CHECK(load({"backup"}).pg_path == "/pg/main");
  CHECK_FALSE(load({"backup"}).pg_path_overridden);
  CHECK(load({"--config=my.toml", "backup"}).config == "/here/my.toml");
  CHECK(load({"backup"}, {{"PGCAIRN_CONFIG", "my.toml"}}).config == "/here/my.toml");
}

TEST_CASE("the stanza is the only one configured, or must be named") {
  const std::string two = std::string(kConfig) + "[stanza.other]\npg-path = \"/pg/other\"\n";
  CHECK(load({"backup"}).stanza == "main");
  CHECK(load({"backup", "--stanza=other"}, {}, two).pg_path == "/pg/other");
  check_says(refusal({"backup"}, {}, two), {"several stanzas", "\"main\", \"other\""});
  check_says(refusal({"backup", "--stanza=mian"}), {"\"mian\"", "did you mean \"main\"?"});
  check_says(refusal({"backup", "--stanza=../x"}), {"option --stanza", "../x"});
  // info shows what is there, configured or not.
  CHECK(load({"info"}, {}, two).stanza.empty());
  CHECK(load({"info", "--stanza=gone"}, {}, two).stanza == "gone");
}

TEST_CASE("repositories come in the order of the file, or one is named") {
  const Settings both = load({"info"});
  REQUIRE(both.repositories.size() == 2);
  CHECK(both.repositories[0].name == "local");
  CHECK(both.repositories[1].path == "/mnt/away");
  CHECK(load({"info", "--repo=away"}).repositories.front().name == "away");
  check_says(refusal({"info", "--repo=lcoal"}), {"\"lcoal\"", "did you mean \"local\"?"});
  check_says(refusal({"archive-push", "x", "--repo=local"}),
             {"archive-push takes no option --repo"});
  check_says(refused_config("[stanza.main]\npg-path = \"/pg\"\n"),
             {"no repository", "[repo.NAME]"});
  check_says(refused_config("[repo.a]\ntype = \"posix\"\n"), {"[repo.a]", "\"path\""});
}

TEST_CASE("unknown words are refused with the nearest known one") {
  check_says(refusal({"bakcup"}), {"unknown command \"bakcup\"", "\"backup\""});
  check_says(refusal({"backup", "--process-mxa=3"}), {"\"--process-mxa\"", "--process-max"});
  check_says(refusal({"backup", "--no-start-fats"}), {"--no-start-fast"});
  check_says(refusal({}), {"no command"});
  check_says(refusal({"backup", "--set=x"}),
             {"backup takes no option --set",
              "belongs to info, restore, verify, drill, expire and repo-copy"});
  check_says(refusal({"backup", "surplus"}), {"\"surplus\""});
  check_says(refusal({"archive-get", "one"}), {"NAME DEST"});
  check_says(refusal({"backup", "--stanza"}), {"--stanza needs a value"});
  check_says(refusal({"backup", "--stanza=a", "--stanza=b"}), {"--stanza is given more than once"});
  for (const char* const value : {"3", "false", "maybe"}) {
    check_says(refusal({"backup", std::string("--start-fast=") + value}),
               {"option --start-fast takes no value"});
  }
  check_says(refusal({"backup", "--no-start-fast=1"}), {"option --no-start-fast takes no value"});
  check_says(refusal({"info", "--version=1"}), {"option --version takes no value"});
  check_says(refusal({"info", "--help=1"}), {"option --help takes no value"});
  check_says(refusal({"backup", "--stanza", "a", "--stanza", "b"}),
             {"--stanza is given more than once"});
  check_says(refusal({"backup", "--start-fast", "--repo"}), {"option --repo needs a value"});
  // What might be a secret is not repeated.
  CHECK(refusal({"info", "--pg-password=hunter2"}).find("hunter2") == std::string::npos);
}

TEST_CASE("unknown keys and sections are refused with file, line and column") {
  check_says(refused_config("[global]\nproces-max = 2\n"),
             {"/etc/pgcairn/pgcairn.toml:2:1", "\"proces-max\"", "\"process-max\""});
  check_says(refused_config("[globl]\n"), {"pgcairn.toml:1:2", "[globl]", "\"global\""});
  check_says(refused_config("process-max = 2\n"), {":1:1", "is not in a section"});
  check_says(refused_config("[global]\npg-path = \"/x\"\n"),
             {":2:1", "does not belong in [global]", "[stanza.NAME]"});
  check_says(refused_config("[stanza.main]\npath = \"/x\"\n"), {"[repo.NAME]"});
  check_says(refused_config("[repo]\npath = \"/x\"\n"), {"[repo.NAME]"});
  check_says(refused_config("[global\n"), {"pgcairn.toml:1:", "not valid TOML"});
  check_says(refused_config("[stanza.\"a/b\"]\n"), {"\"a/b\"", "name of a stanza"});
  check_says(refused_config("[stanza.lease]\n"), {"reserves this name"});
}

TEST_CASE("what is not TOML is explained by its line, of which the value is not shown") {
  struct Row {
    const char* text;
    const char* hint;
  };
  const Row rows[] = {
      {"[global]\nprocess-max =\n", "in the line \"process-max = ...\": its value is missing"},
      {"[global]\nprocess-max = # 2\n", "its value is missing"},
      {"[stanza.main]\npg-path = /var/lib\n", "text is in quotes: pg-path = \"TEXT\""},
      {"[global]\narchive-timeout = 10s\n",
       "a value with a unit is in quotes, like archive-timeout"},
      {"[global\nprocess-max = 2\n", "[global], [repo.NAME] or [stanza.NAME]"},
      {"[stanza.main]\npg-path = \"/x\n", "the text is not closed: put \" at its end"},
      {"[stanza.main]\npg-path = '/x\n", "the text is not closed: put ' at its end"},
      {"[stanza.main]\npg-path = \"C:\\x\"\n", "a backslash is written twice"},
      {"[stanza.main]\npg-path = \"/x\" y\n", "nothing but a comment may follow"},
      {"[stanza.main]\npg-path \"/x\"\n", "write pg-path = VALUE"},
      {"[stanza.main]\npg-path: \"/x\"\n", "write pg-path = VALUE"},
      {"[global]\nstart-fast = yes\n", "true or false"},
      {"[global]\nstart-fast = True\n", "true or false"},
      {"[stanza.main]\n[stanza.main]\n", "each section is once in the file"},
      {"[global]\nprocess-max = 1\nprocess-max = 2\n", "each key is once in its section"},
      {"[stanza.main]\npg-path = \"/x\"\npg-path = \"/y\"\n", "each key is once in its section"},
      {"[global]\nstart-fast", "write start-fast = VALUE"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    check_says(refused_config(row.text), {"not valid TOML", row.hint});
  }
  CHECK(refused_config("[repo.a]\nkey-passphrase = hunter2\n").find("hunter2") ==
        std::string::npos);
}

TEST_CASE("wrong values say what would be right and where they came from") {
  check_says(refused_config("[global]\nprocess-max = 0\n"),
             {"pgcairn.toml:2:1: key \"process-max\"", "from 1 to 999", "\"0\""});
  check_says(refused_config("[global]\nprocess-max = \"2\"\n"), {":2:15", "number without quotes"});
  check_says(refused_config("[global]\nstart-fast = \"yes\"\n"), {"true or false"});
  check_says(refused_config("[global]\ncompress-type = \"zstd\"\n"), {"did you mean \"zst\"?"});
  check_says(refused_config("[repo.a]\npath = \"relative\"\n"), {"an absolute path"});
  check_says(refusal({"backup", "--process-max=many"}), {"option --process-max", "\"many\""});
  check_says(refusal({"info"}, {{"PGCAIRN_PROCESS_MAX", "0"}}), {"variable PGCAIRN_PROCESS_MAX"});
  check_says(refusal({"backup", "--archive-timeout=soon"}), {"--archive-timeout", "90s"});
  check_says(refusal({"backup", "--pg-port=65536"}), {"from 1 to 65535"});
  check_says(refusal({"backup", "--compress-level=19"}), {"from 0 to 12", "lz4"});
  check_says(refusal({"backup", "--pg-path="}), {"--pg-path needs a value"});
  check_says(refusal({"restore", "--set=", "--delta"}), {"--set needs a value"});
  check_says(refusal({"backup", "--pg-path=a\nb"}), {"control character"});
}

TEST_CASE("a number without its unit is no duration, no size and no span of retention") {
  const auto global = [](std::string_view key, std::string_view value) {
    return refused_config(format("[global]\n{} = {}\n", key, value));
  };
  for (const Option& option : all_options()) {
    if ((option.places & in_global) == 0) continue;
    INFO(option.name);
    const bool duration = option.kind == ValueKind::duration;
    const bool span = option.kind == ValueKind::span;
    if (!duration && !span && option.kind != ValueKind::size) continue;
    for (const char* const bare : {"14", "\"14\""}) {
      const char* const hint = duration ? "14m" : span ? "14d, 14w or 14mo" : "14MiB";
      check_says(global(option.name, bare), {":2:1", std::string(option.name), "its unit", hint});
    }
    if (!span) continue;
    check_says(global(option.name, "\"6m\""), {"6mo"});
    check_says(global(option.name, "\"90s\""), {"shortest unit is h"});
    check_says(global(option.name, "\"6 min\""), {"a span such as"});
  }
  check_says(refusal({"expire", "--keep-within=0"}), {"--keep-within", "newest backup only"});
  check_says(refusal({"expire", "--max-age=0"}), {"--max-age", "newest backup only"});
  check_says(refusal({"expire", "--keep-within=6m"}), {"--keep-within", "6mo"});
  check_says(refusal({"backup", "--limit-rate=100"}), {"--limit-rate", "100KiB"});
  check_says(refusal({"backup"}, {{"PGCAIRN_ARCHIVE_TIMEOUT", "90"}}), {"90s, 90m or 90h"});
  check_says(refusal({"check", "--archive-timeout=0"}), {"--archive-timeout", "not wait at all"});
  // Nothing is nothing in any unit.
  CHECK(load({"backup", "--limit-rate=0"}).repositories[0].bytes_per_second == 0);
  CHECK(load({"expire", "--keep-min-age=0"}).repositories[0].retention.keep_min_age->is_zero());
  CHECK(load({"expire", "--keep-within=6 months"}).repositories[0].retention.keep_within->months ==
        6);
}

TEST_CASE("levels follow the type of compression") {
  CHECK(load({"backup", "--compress-type=zst", "--compress-level=-7"}).compress_level == -7);
  CHECK(load({"backup", "--compress-type=none", "--compress-level=9"}).compress_level == 0);
  CHECK(load({"archive-push", "x", "--compress-type=gz"}).compress_type == compress::CodecId::gz);
}

TEST_CASE("a missing or unreadable configuration is wrong usage") {
  check_says(refusal({"info"}, {}, std::nullopt), {"/etc/pgcairn/pgcairn.toml", "--config"});
  check_says(refusal({"info", "--config=/no"}), {"\"/no\"", "option --config"});
  check_says(refusal({"info"}, {{"PGCAIRN_CONFIG", "/secret"}}), {"/secret", "Permission denied"});
  CHECK(load({"version"}, {}, std::nullopt).config.empty());
  CHECK(load({"help", "backup"}, {}, "[broken").operands == Words{"backup"});
}

TEST_CASE("host and socket of one source exclude each other, between sources the stronger wins") {
  const std::string config =
      std::string(kConfig) + "pg-socket-path = \"/run/pg\"\npg-port = 5433\n";
  CHECK(load({"backup"}, {}, config).connection.host == "/run/pg");
  CHECK(load({"backup"}, {}, config).connection.port == 5433);
  CHECK(load({"backup", "--pg-host=db1"}, {}, config).connection.host == "db1");
  CHECK(load({"backup", "--pg-socket-path=s"}, {{"PGCAIRN_PG_HOST", "db1"}}).connection.host ==
        "/here/s");
  check_says(refusal({"backup", "--pg-host=a", "--pg-socket-path=/b"}), {"both given"});
  CHECK(load({"backup"}).connection.host.empty());
}

TEST_CASE("archive verbs log less and may go without a data directory") {
  const std::string config = "[repo.a]\ntype = \"posix\"\npath = \"/r\"\n[stanza.main]\n";
  const Settings push = load({"archive-push", "pg_wal/x"}, {}, config);
  CHECK(push.pg_path.empty());
  CHECK(push.log_level == LogLevel::warn);
  CHECK(load({"info"}).log_level == LogLevel::info);
  check_says(refusal({"backup"}, {}, config), {"data directory", "pg-path"});
}

TEST_CASE("a misspelt variable is warned of, one that only looks like ours is not") {
  CHECK(load({"info"}, {{"PGCAIRN_PROCES_MAX", "3"}}).warnings.size() == 1);
  CHECK(load({"info"}, {{"PGCAIRN_SERVICE_HOST_OF_KUBERNETES", "10.0.0.1"}}).warnings.empty());
}

TEST_CASE("the form of errors is known before the settings are") {
  CHECK(early_log_format(Words{"--log-format=json", "--bogus"}, {}) == Form::json);
  CHECK(early_log_format(Words{"--log-format", "json"}, {}) == Form::json);
  CHECK(early_log_format(Words{"x"}, {{"PGCAIRN_LOG_FORMAT", "json"}}) == Form::json);
  CHECK(early_log_format(Words{"--log-format=text"}, {{"PGCAIRN_LOG_FORMAT", "json"}}) ==
        Form::text);
  CHECK(early_log_format(Words{"info"}, {}) == Form::text);
  CHECK(early_text(Words{"--state-path=/a", "info"}, {{"PGCAIRN_STATE_PATH", "/b"}},
                   "state-path") == "/a");
  CHECK(early_text(Words{"info"}, {{"PGCAIRN_STATE_PATH", "/b"}}, "state-path") == "/b");
  CHECK(early_text(Words{"info", "--state-path"}, {}, "state-path").empty());
}

TEST_CASE("retention is each repository's own, then the stanza's, then the global one") {
  const std::string config = R"([global]
retention-full = 2
keep-daily = 7
keep-within = "14d"
keep-quarterly = 8
max-age = "13mo"
[repo.local]
type = "posix"
path = "/var/lib/pgcairn"
retention-full = 9
retention-full-type = "time"
retention-timezone = "Europe/Berlin"
[repo.away]
type = "posix"
path = "/mnt/away"
retention-archive-type = "diff"
retention-archive = 3
[stanza.main]
pg-path = "/pg/main"
keep-daily = 5
keep-min-age = "36h"
expire-auto = false
)";
  const Settings both = load({"expire", "--dry-run"}, {}, config);
  const repo::RetentionPolicy& local = both.repositories[0].retention;
  CHECK(local.full == 9U);
  CHECK(local.full_in_days);
  CHECK(local.keep_daily == 5U);
  CHECK(local.keep_within == std::chrono::hours(14 * 24));
  CHECK(local.keep_min_age == std::chrono::hours(36));
  CHECK(local.keep_quarterly == 8U);
  CHECK(local.max_age == parse_calendar_span("13mo"));
  CHECK_FALSE(local.archive);
  CHECK(both.repositories[0].retention_timezone == "Europe/Berlin");
  const repo::RetentionPolicy& away = both.repositories[1].retention;
  CHECK(away.full == 2U);
  CHECK_FALSE(away.full_in_days);
  CHECK(away.archive == 3U);
  CHECK(away.archive_unit == repo::ArchiveUnit::diff);
  CHECK(both.repositories[1].retention_timezone == "UTC");
  // What is said aloud holds for all.
  const Settings said =
      load({"expire", "--retention-full=4"}, {{"PGCAIRN_KEEP_DAILY", "1"}}, config);
  for (const RepositorySettings& one : said.repositories) {
    CHECK(one.retention.full == 4U);
    CHECK(one.retention.keep_daily == 1U);
  }
  // A backup has them too, to expire when it is done.
  CHECK(load({"backup"}, {}, config).repositories[0].retention.full == 9U);
  CHECK(load({"backup"}).repositories[0].retention.empty());
  check_says(refusal({"expire", "--keep-last=0"}), {"--keep-last", "from 1 to"});
  check_says(refusal({"expire", "--keep-within=long"}), {"--keep-within", "a span"});
  check_says(refused_config("[repo.a]\nretention-full = \"2\"\n"), {"number without quotes"});
  check_says(refusal({"hold", "20261121-010203F"}), {"--reason"});
  check_says(refusal({"annotate", "20261121-010203F"}), {"LABEL KEY=TEXT"});
}

TEST_CASE("a variable whose values depend on the verb is not held against other verbs") {
  CHECK(load({"health"}, {{"PGCAIRN_OUTPUT", "prometheus"}}).output == Form::prometheus);
  CHECK_NOTHROW(load({"archive-push", "x"}, {{"PGCAIRN_OUTPUT", "nagios"}}));
  CHECK_THROWS_AS(load({"info"}, {{"PGCAIRN_OUTPUT", "nagios"}}), UsageError);
}

TEST_CASE("a timeline's number is read as PostgreSQL and its file names write it") {
  CHECK(parse_timeline("12") == 12U);
  CHECK(parse_timeline("00000012") == 18U);
  CHECK(parse_timeline("0000000a") == 10U);
  CHECK(parse_timeline("FFFFFFFF") == 4294967295U);
  CHECK(parse_timeline("0x12") == 18U);
  CHECK(parse_timeline("0X1f") == 31U);
  CHECK(parse_timeline("4294967295") == 4294967295U);
  for (const char* const text : {"", "0", "012", "0000012", "000000012", "00000000", "0x", "0x0",
                                 "4294967296", "1F", "-1", "+1", " 1", "1 "})
    CHECK_FALSE(parse_timeline(text));
}

namespace {

/// A configuration with one line more in a section, in place of what is there of the same key.
std::string config_with(Place place, std::string_view key, const std::string& line) {
  const auto unless = [&](Place section, std::string_view own, const char* text) {
    return section == place && own == key ? std::string() : std::string(text);
  };
  const auto more = [&](Place section) { return section == place ? line + "\n" : std::string(); };
  return "[global]\n" + more(in_global) + "[repo.local]\n" +
         unless(in_repo, "type", "type = \"posix\"\n") +
         unless(in_repo, "path", "path = \"/var/lib/pgcairn\"\n") + more(in_repo) +
         "[stanza.main]\n" + unless(in_stanza, "pg-path", "pg-path = \"/pg/main\"\n") +
         more(in_stanza);
}

const std::vector<Words> kArchiveVerbs = {{"archive-push", "f"}, {"archive-get", "f", "p"}};

bool any_takes(std::string_view name, const std::string& verb) {
  const auto options = all_options();
  return std::any_of(options.begin(), options.end(), [&](const Option& option) {
    return option.name == name && takes(option, verb);
  });
}

void check_archiving(const Words& words, const Environment& environment, const std::string& config,
                     bool needed, std::string_view key) {
  const std::string said = refusal(words, environment, config);
  INFO(words[0] << ": " << said);
  CHECK(said.empty() != needed);
  if (!said.empty() || needed) return;
  const Words warnings = load(words, environment, config).warnings;
  REQUIRE(warnings.size() == 1);
  check_says(warnings[0], {std::string(key), "other verbs do not"});
}

}  // namespace

TEST_CASE("what archive verbs do not read does not stop them, be it wrong or misspelt") {
  for (const Option& option : all_options()) {
    for (const Place place : {in_global, in_repo, in_stanza}) {
      if ((option.places & place) == 0) continue;
      const std::string wrong = config_with(place, option.name, format("{} = {{}}", option.name));
      const std::string misspelt = config_with(place, "", format("{}x = 1", option.name));
      for (const Words& words : kArchiveVerbs) {
        INFO(option.name << " in section kind " << place);
        const bool of_stores = place == in_repo && option.verbs.empty();
        const bool needed = of_stores || any_takes(option.name, words[0]);
        check_archiving(words, {}, wrong, needed, option.name);
        check_archiving(words, {}, misspelt, needed, option.name);
      }
      CHECK_FALSE(refusal({"backup"}, {}, wrong).empty());
      CHECK_FALSE(refusal({"backup"}, {}, misspelt).empty());
    }
    if ((option.places & in_environment) == 0 || depends_on_verb(option.name)) continue;
    const Value value{"wrong!", "", Source::environment};
    if (test::error_of<UsageError>([&] { check_value(option, value); }).empty()) continue;
    const Environment environment = {{environment_name(option.name), value.text}};
    for (const Words& words : kArchiveVerbs) {
      INFO(option.name << " in the environment");
      check_archiving(words, environment, kConfig, any_takes(option.name, words[0]),
                      environment_name(option.name));
    }
  }
}

TEST_CASE("another stanza's settings do not stop the archiving of this one") {
  const std::string config = std::string(kConfig) + "[stanza.other]\npg-path = \"relative\"\n";
  for (Words words : kArchiveVerbs) {
    words.insert(words.begin(), "--stanza=main");
    CHECK(load(words, {}, config).warnings.size() == 1);
    words[0] = "--stanza=other";
    check_says(refusal(words, {}, config), {"pg-path"});
  }
  check_says(refusal({"--stanza=main", "backup"}, {}, config), {"pg-path"});
}

TEST_CASE("files that repositories name are known, whichever repository is used") {
  const std::string config = std::string(kConfig) +
                             "[repo.sealed]\ntype = \"s3\"\ns3-bucket = \"b\"\n"
                             "ca-file = \"/a/ca\"\nkey-command = \"/a/key --of /a/b\"\n";
  Words names;
  for (const ReadFile& file : load({"restore", "--repo=local"}, {}, config).read_files)
    names.push_back(file.name + " " + file.path.native());
  CHECK(names == Words{"ca-file of [repo.sealed] /a/ca", "key-command of [repo.sealed] /a/key",
                       "key-command of [repo.sealed] /a/b"});
  // The kinds of file that there are; a new one is found by its kind.
  for (const Option& option : all_options()) {
    if ((option.places & in_repo) == 0 || option.kind != ValueKind::path) continue;
    INFO(option.name);
    CHECK((option.name == "path" || option.name.ends_with("-file")));
  }
}

TEST_CASE("other verbs than drill know where drills are") {
  const std::string config = std::string(kConfig) + "drill-path = \"/srv/drill\"\n";
  for (const char* const verb : {"restore", "backup", "check", "stanza-create"})
    CHECK(load({verb}, {}, config).drill_path == "/srv/drill");
  CHECK(load({"backup"}, {{"PGCAIRN_DRILL_PATH", "/srv/e"}}, config).drill_path == "/srv/e");
}
