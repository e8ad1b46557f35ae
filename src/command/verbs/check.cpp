#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/check/check.hpp>

namespace pgcairn::command {

namespace {

std::string check_text(const engine::CheckResult& result, std::string_view stanza) {
  std::string text = format("stanza {}: PostgreSQL {}.{}{}, system identifier {}\n", stanza,
                            result.pg_version / 10000, result.pg_version % 10000,
                            result.standby ? ", a standby" : "", result.system_id);
  for (const engine::CheckedRepository& one : result.repositories) {
    text += one.error.empty() ? format("repository {}: {} arrived after {}\n", one.name,
                                       result.segment, format_duration(one.waited))
                              : format("repository {}: FAILED: {}\n", one.name, one.error);
  }
  for (const std::string& warning : result.warnings) text += format("note: {}\n", warning);
  for (const std::string& note : result.notes) text += format("note: {}\n", note);
  return text;
}

std::string check_json(const engine::CheckResult& result, std::string_view stanza) {
  JsonWriter json;
  json.begin_object().key("check").begin_object();
  json.member("stanza", stanza).member("ok", result.ok());
  json.member("pg-version", result.pg_version / 10000);
  json.member("system-id", std::to_string(result.system_id));
  json.member("standby", result.standby).member("segment", result.segment);
  json.key("repositories").begin_array();
  for (const engine::CheckedRepository& one : result.repositories) {
    json.begin_object().member("name", one.name).member("ok", one.error.empty());
    json.member("waited-seconds", static_cast<double>(one.waited.count()) / 1000).key("error");
    one.error.empty() ? json.null() : json.value(one.error);
    json.end_object();
  }
  json.end_array().key("warnings").begin_array();
  for (const std::string& warning : result.warnings) json.value(escape_bytes(warning));
  json.end_array().key("notes").begin_array();
  for (const std::string& note : result.notes) json.value(escape_bytes(note));
  json.end_array().end_object().end_object();
  return json.take() + "\n";
}

ExitCode run(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  ProgressLine progress(session.console);
  const engine::CheckResult result = engine::check_stanza(
      cluster_of(settings), repositories,
      {settings.archive_timeout, {settings.state_path, kDefaultStatePath}}, progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? check_json(result, settings.stanza)
                                      : check_text(result, settings.stanza));
  if (!result.ok()) return ExitCode::failed;
  return result.warnings.empty() ? ExitCode::done : ExitCode::warnings;
}

}  // namespace

constinit const Verb kCheck = {
    .name = "check",
    .summary = "prove that the server's WAL arrives in every repository",
    .description = lines(R"(
Tries whether each store keeps what it has (an object that exists may not be overwritten), then
connects to the server, compares its identity with pg-path and the stanza, reads its archive
settings, writes a restore point, switches WAL, and waits until the segment is in every
repository. On a standby, looks for the last segment before its restartpoint instead.
)"),
    .examples = lines(R"(
pgcairn check
pgcairn --stanza=main --archive-timeout=10s --output=json check
)"),
    .exit_status = lines(R"(
    1  the segment did not arrive in every repository in time, or a store overwrites
   13  PostgreSQL cannot be reached, does not archive, or is not the stanza's cluster
)"),
    .takes =
        "stanza repo archive-timeout pg-path pg-host pg-socket-path pg-port pg-user pg-database "
        "quiet output",
    .load = without_settings<run>,
    .cluster = ClusterUse::directory,
    .refused_when_stopped = true,
};

}  // namespace pgcairn::command
