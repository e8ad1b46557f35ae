#include "render/health.hpp"

#include "open_repositories.hpp"
#include "settings/health_settings.hpp"
#include "stop_file.hpp"
#include "verbs.hpp"
#include "verbs/health.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"output", ValueKind::choice, kShell, "FORMAT", "text", "text|json|nagios|prometheus", 0, 0,
     "format of the result on standard output"},
};

std::vector<StanzaHealth> look(const Session& session, const Watched& all) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::vector<fs::path> directories;
  for (const RepositorySettings& repository : settings.repositories)
    directories.push_back(repository.path);
  std::vector<StanzaHealth> stanzas;
  for (const WatchedStanza& watched : all) {
    StanzaHealth one;
    one.facts = engine::read_health(watched.stanza, repositories, directories, session.stop);
    one.facts.stopped_here = stopped_here(settings.state_path, watched.stanza.name);
    one.findings = engine::evaluate_health(one.facts, watched.limits);
    one.verdict = engine::verdict_of(engine::judge_all(one.facts, watched.limits));
    stanzas.push_back(std::move(one));
  }
  return stanzas;
}

std::string rendered(Form form, std::span<const StanzaHealth> stanzas) {
  switch (form) {
    case Form::json:
      return health_json(stanzas);
    case Form::nagios:
      return health_nagios(stanzas);
    case Form::prometheus:
      return health_metrics(stanzas);
    case Form::text:
      break;
  }
  return health_text(stanzas);
}

ExitCode run_health(const Session& session, const Watched& watched) {
  const Form form = session.settings.output;
  const std::vector<StanzaHealth> stanzas = look(session, watched);
  print(rendered(form, stanzas));
  // A collector of metrics asks whether there are any; the state is one of them.
  if (form == Form::prometheus) return ExitCode::done;
  switch (worst_of(stanzas)) {
    case engine::HealthLevel::ok:
      return ExitCode::done;
    case engine::HealthLevel::warning:
      return ExitCode::warnings;
    case engine::HealthLevel::unknown:
      return ExitCode::failed;
    case engine::HealthLevel::critical:
      break;
  }
  return ExitCode::damaged;
}

struct MetricsSettings {
  Watched watched;
  fs::path file;  // empty: standard output
};

MetricsSettings load_metrics(const OptionSources& options, const Settings& settings) {
  return {load_watched(options, settings), options.path_of("file")};
}

ExitCode run_metrics(const Session& session, const MetricsSettings& own) {
  const std::string text = health_metrics(look(session, own.watched));
  const fs::path& file = own.file;
  if (file.empty()) {
    print(text);
  } else {
    AtomicFile whole(file);
    // The collector runs as another user, and our umask is meant for repositories.
    if (::fchmod(whole.fd().get(), 0644) != 0)
      throw SystemError(format("cannot open \"{}\" to all readers", file.native()), errno);
    whole.write(as_bytes(text));
    whole.publish();
  }
  return ExitCode::done;
}

}  // namespace

Watched load_watched(OptionSources options, const Settings& settings) {
  std::vector<std::string> names = settings.configured_stanzas;
  if (!settings.stanza.empty()) names = {settings.stanza};
  if (names.empty()) {
    throw UsageError(format("{} configures no stanza", settings.config.string()),
                     "add a section [stanza.NAME] with the key pg-path");
  }
  Watched watched;
  const std::vector<std::string>& known = settings.configured_stanzas;
  for (const std::string& name : names) {
    options.stanza = name;
    const fs::path directory = options.path_of("pg-path");
    if (directory.empty()) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        throw stanza_not_configured(name, known, settings.config);
      throw UsageError(
          format("{} needs the data directory of stanza \"{}\"", settings.verb->name, name),
          format("set pg-path in [stanza.{}]", name));
    }
    watched.push_back({{name, directory, load_connection(options)}, health_limits(options)});
  }
  return watched;
}

constinit const Verb kHealth = {
    .name = "health",
    .summary = "check backups and archiving for monitoring; changes nothing",
    .description = lines(R"(
Compares the age, number and size of backups, the archiver, free space, the last verify and
drill, stops and leases with the health keys of the configuration. Changes nothing, and is
cheap enough to run every minute. Without --stanza, covers all stanzas of the configuration.
A check that cannot be made is unknown, never ok.
)"),
    .examples = lines(R"(
pgcairn health
pgcairn --stanza=main --output=nagios health
)"),
    .exit_status = lines(R"(
    1  something is unknown: a repository or the server could not be read
    3  warnings
    4  critical; with --output=nagios: 0 ok, 1 warning, 2 critical, 3 unknown
)"),
    .options = kOptions,
    .takes = "stanza repo pg-path pg-host pg-socket-path pg-port pg-user pg-database",
    .load = with_settings<load_watched, run_health>,
    .stanza = StanzaUse::all,
    .monitors = true,
    .only_reads = true,
};

constinit const Verb kMetrics = {
    .name = "metrics",
    .summary = "write what health measures for Prometheus",
    .description = lines(R"(
Writes what health measures in Prometheus' text format, for node_exporter's textfile
collector. With --file, writes the file completely or not at all, readable by all users.
)"),
    .examples = lines(R"(
pgcairn --file=/var/lib/prometheus/node-exporter/pgcairn.prom metrics
pgcairn --stanza=main metrics
)"),
    .takes = "stanza repo pg-path pg-host pg-socket-path pg-port pg-user pg-database file",
    .load = with_settings<load_metrics, run_metrics>,
    .stanza = StanzaUse::all,
    .monitors = true,
    .only_reads = true,
    .stays_root = true,
};

}  // namespace pgcairn::command
