#include "command/render/health.hpp"

#include "support/says.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;
using namespace pgcairn::test;
using engine::HealthLevel;

namespace {

StanzaHealth made_up() {
  StanzaHealth stanza;
  stanza.facts.stanza = "main";
  stanza.facts.when = *parse_utc("2026-11-21T12:00:00Z");
  stanza.facts.server.archived_count = 7;
  engine::RepositoryFacts one;
  one.name = "local";
  one.labels = {"20261121-010203F"};
  stanza.facts.repositories = {one};
  stanza.findings = {
      {"server", "", HealthLevel::ok, "PostgreSQL 15", {}, {}, {}},
      {"backup-age", "local", HealthLevel::warning, "old", 3600.5, "s", {3600, 7200}},
      {"free-space", "local", HealthLevel::ok, "enough", 55.0, "%", {20, 10}},
      {"lease", "local", HealthLevel::ok, "free", {}, {}, {}},
  };
  stanza.verdict = engine::verdict_of(stanza.findings);
  return stanza;
}

}  // namespace

TEST_CASE("health as text and as JSON") {
  const std::vector<StanzaHealth> stanzas = {made_up()};
  CHECK(health_text(stanzas) ==
        "stanza main: WARNING: old\n"
        "  ok        server: PostgreSQL 15\n"
        "  WARNING   backup-age in local: old\n"
        "  ok        free-space in local: enough\n"
        "  ok        lease in local: free\n");
  CHECK_THAT(health_json(stanzas),
             Says({R"({"level":"warning","stanzas":[{"name":"main","time":"2026-11-21T12:00:00Z")",
                   R"({"check":"server","repository":null,"level":"ok","message":"PostgreSQL 15",)"
                   R"("value":null,"unit":null,"warn":null,"critical":null})",
                   R"("check":"backup-age","repository":"local","level":"warning","message":"old",)"
                   R"("value":3600.5,"unit":"s","warn":3600,"critical":7200)"}));
}

TEST_CASE("health as one line for nagios") {
  std::vector<StanzaHealth> stanzas = {made_up()};
  CHECK(health_nagios(stanzas) ==
        "PGCAIRN WARNING - main: backup-age in local: old |"
        " 'main/local backup-age'=3600.500s;3600;7200 'main/local free-space'=55%;20:;10:\n");
  stanzas[0].findings[1] = {"server", "", HealthLevel::critical, "a|b\nc", {}, {}, {}};
  CHECK(health_nagios(stanzas) ==
        "PGCAIRN CRITICAL - main: server: a/b c | 'main/local free-space'=55%;20:;10:\n");
  stanzas[0].findings.resize(1);
  CHECK(health_nagios(stanzas) == "PGCAIRN OK - main is well\n");
  CHECK(nagios_unknown("x\ny|z") == "PGCAIRN UNKNOWN - x y/z\n");
}

TEST_CASE("metrics leave out what is not known") {
  std::vector<StanzaHealth> stanzas = {made_up()};
  stanzas[0].findings.push_back({"backup-age", "local", HealthLevel::unknown, "", {}, {}, {}});
  std::string text = health_metrics(stanzas);
  CHECK_THAT(
      text,
      Says({"# TYPE pgcairn_health_status gauge\n",
            "pgcairn_health_status{stanza=\"main\",repository=\"local\",check=\"backup-age\"} 3\n",
            "pgcairn_health_status{stanza=\"main\",repository=\"\",check=\"server\"} 0\n",
            "# TYPE pgcairn_archived_segments_total counter\n"
            "pgcairn_archived_segments_total{stanza=\"main\"} 7\n",
            "pgcairn_backups{stanza=\"main\",repository=\"local\"} 1\n"}));
  CHECK(text.find("pgcairn_backup_age_seconds") == std::string::npos);
  CHECK(text.find("pgcairn_wal_lag_bytes") == std::string::npos);

  stanzas[0].facts.repositories[0].error = "gone";
  stanzas[0].facts.server.error = "refused";
  text = health_metrics(stanzas);
  CHECK(text.find("pgcairn_backups") == std::string::npos);
  CHECK(text.find("pgcairn_archived_segments_total") == std::string::npos);
  CHECK_THAT(text, Says({"pgcairn_repository_readable{stanza=\"main\",repository=\"local\"} 0\n",
                         "pgcairn_server_reachable{stanza=\"main\"} 0\n"}));
}

TEST_CASE("HELP and TYPE of a metric stand once, before all of its values") {
  std::vector<StanzaHealth> stanzas = {made_up(), made_up()};
  stanzas[1].facts.stanza = "od\"d";
  const std::string text = health_metrics(stanzas);
  std::map<std::string, int> helps;
  std::string last;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("# HELP ")) ++helps[split(line, ' ')[2]];
  }
  CHECK(helps.size() > 4);
  for (const auto& [name, count] : helps) CHECK(count == 1);
  CHECK_THAT(text, Says({"stanza=\"od\\\"d\""}));
}
