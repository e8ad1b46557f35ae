#include "verbs/drill.hpp"

#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/restore_goal.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/drill/drill.hpp>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"drill-path", ValueKind::path, kCluster, "DIR", "", "", 0, 0,
     "restore below DIR, which must be empty, absent, or left by an earlier drill"},
    {"type", ValueKind::choice, kShell, "TYPE", "default", "default|immediate|time|xid|lsn|name", 0,
     0, "where recovery ends"},
    {"keep", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "keep the restored cluster; the next drill fetches only what differs"},
    {"amcheck", ValueKind::flag, kTuning, "", "true", "", 0, 0,
     "check all tables and indexes with pg_amcheck (the default)"},
    {"foreign-keys", ValueKind::flag, kTuning, "", "false", "", 0, 0,
     "look for rows that violate a foreign key"},
    {"drill-sql", ValueKind::list, on_command_line | in_stanza, "QUERY", "", "", 0, 0,
     "also run this query: \"DATABASE: STATEMENT => ANSWER\"; repeatable"},
    {"drill-timeout", ValueKind::duration, kTuning, "TIME", "24h", "", 0, 0,
     "time limit of the drill"},
    {"drill-sandbox", ValueKind::choice, kTuning, "HOW", "auto", "auto|required|off", 0, 0,
     "isolate the server from the host in namespaces: where possible, always, or never"},
};

/// The restored server fetches WAL as the cluster that it is.
std::string fetch_command(const Settings& settings, const DrillSettings& own) {
  Settings copy = settings;
  copy.pg_path = engine::data_directory_of(own.directory);
  copy.pg_path_overridden = true;
  return restore_command(own_path(), copy);
}

engine::SandboxUse sandbox_use(const std::string& text) {
  if (text == "required") return engine::SandboxUse::required;
  return text == "off" ? engine::SandboxUse::off : engine::SandboxUse::automatic;
}

engine::DrillOptions drill_options(const Settings& settings, const DrillSettings& own) {
  engine::DrillOptions options;
  options.directory = own.directory;
  options.restore = restore_goal(own.target, settings.process_max).options;
  options.restore.restore_command = fetch_command(settings, own);
  options.programs = own.pg_bin;
  options.user = settings.connection.user;
  options.timeout = own.timeout;
  options.sandbox = sandbox_use(own.sandbox);
  for (const std::string& query : own.queries)
    options.questions.push_back(engine::parse_drill_question(query));
  options.amcheck = own.amcheck;
  options.foreign_keys = own.foreign_keys;
  options.keep = own.keep;
  options.record = own.record;
  return options;
}

ExitCode run(const Session& session, const DrillSettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  ProgressLine progress(session.console);
  const engine::DrillResult result =
      engine::drill({settings.stanza, settings.pg_path, settings.connection, other_places(settings),
                     own_files(settings)},
                    repositories, drill_options(settings, own), progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? drill_json(result, settings.stanza)
                                      : drill_text(result, own.pg_bin));
  if (!result.findings.empty()) return ExitCode::damaged;
  return result.good() ? ExitCode::done : ExitCode::failed;
}

}  // namespace

DrillSettings load_drill(const OptionSources& options, const Settings& settings) {
  DrillSettings own;
  own.directory = options.path_of("drill-path");
  if (own.directory.empty()) {
    throw UsageError("drill needs a directory to restore into",
                     format("set drill-path in [stanza.{}], or add --drill-path=DIR; there must "
                            "be room for the whole cluster",
                            settings.stanza));
  }
  for (const Value& query : options.all("drill-sql")) own.queries.push_back(query.text);
  if (const auto timeout = options.find("drill-timeout"))
    own.timeout = *parse_duration(timeout->text);
  own.sandbox = options.text_of("drill-sandbox", "auto");
  own.pg_bin = options.path_of("pg-bin");
  own.amcheck = options.is_set("amcheck", true);
  own.foreign_keys = options.is_set("foreign-keys");
  own.keep = options.is_set("keep");
  own.record = options.is_set("record", true);
  own.target = load_target(options, settings.verb->name);
  return own;
}

constinit const Verb kDrill = {
    .name = "drill",
    .summary = "test a backup by restoring it into a separate cluster",
    .description = lines(R"(
Restores a backup into a separate directory, starts a private server on it, recovers, runs
pg_amcheck and the queries of drill-sql, then stops the server and removes everything again.
Records the result in the repository. Does not touch the live cluster, its directory, port or
archive.
)"),
    .examples = lines(R"(
pgcairn --stanza=main --drill-path=/srv/drill drill
pgcairn drill --type=time --target="1 hour ago" --foreign-keys
pgcairn drill --keep --drill-sql="shop: SELECT count(*) > 0 FROM orders"
)"),
    .exit_status = lines(R"(
    2  wrong usage or configuration; nothing was touched
    4  the backup could not be restored or recovered, or the restored cluster is not good
   10  no such backup, or nothing in the archive reaches the target
   11  another drill is running in the directory
   13  the programs of the backup's version of PostgreSQL were not found
)"),
    .options = kOptions,
    .takes =
        "stanza repo process-max limit-rate set pg-bin record accept-damage target "
        "target-exclusive target-timeline pg-path pg-user quiet output",
    .load = with_settings<load_drill, run>,
    .cluster = ClusterUse::configured,
};

}  // namespace pgcairn::command
