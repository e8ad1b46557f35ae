#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"force", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "add the cluster although its version is not later: it replaces the other one"},
};

struct UpgradeSettings {
  bool force = false;
};

UpgradeSettings load(const OptionSources& options, const Settings&) {
  return {options.is_set("force")};
}

ExitCode run(const Session& session, const UpgradeSettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto upgraded = engine::upgrade_stanza(cluster_of(settings), repositories, own.force);
  forget_repositories(settings);
  print(settings.output == Form::json ? stanza_upgraded_json(settings.stanza, upgraded)
                                      : stanza_upgraded_text(settings.stanza, upgraded));
  return ExitCode::done;
}

}  // namespace

constinit const Verb kStanzaUpgrade = {
    .name = "stanza-upgrade",
    .summary = "add the cluster to its stanza after pg_upgrade",
    .description = lines(R"(
Adds the cluster in the data directory to the stanza, after pg_upgrade. Backups and WAL of the
earlier version stay. A cluster of the same or an earlier version is refused without --force.
)"),
    .examples = lines(R"(
pgcairn --stanza=main stanza-upgrade
)"),
    .exit_status = lines(R"(
   11  the stanza is stopped
   13  the cluster is not an upgrade of the stanza's
)"),
    .options = kOptions,
    .takes = "stanza repo pg-path output",
    .load = with_settings<load, run>,
    .cluster = ClusterUse::directory,
    .refused_when_stopped = true,
};

}  // namespace pgcairn::command
