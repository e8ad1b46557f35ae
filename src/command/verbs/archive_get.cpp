#include "open_repositories.hpp"
#include "settings/recovery_target.hpp"
#include "settings/values.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/wal/archive.hpp>

#include <unistd.h>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"guard", ValueKind::text, on_command_line, "LSN[,LSN]", "", "", 0, 0,
     "refuse WAL that creates a tablespace elsewhere; restore writes this for a copy"},
};

struct GetSettings {
  std::optional<Lsn> guard_from;  // none: no record is refused
  std::optional<Lsn> guard_until;
  std::vector<std::string> allow_tablespaces;
  std::string accept_gap;  // a segment
};

/// An LSN, or two with a comma.
void read_guard(const Value& guard, GetSettings& own) {
  const std::size_t comma = guard.text.find(',');
  own.guard_from = parse_lsn(guard.text.substr(0, comma));
  if (comma != std::string::npos) own.guard_until = parse_lsn(guard.text.substr(comma + 1));
  if (own.guard_from && (comma == std::string::npos || own.guard_until)) return;
  throw UsageError(
      format("{} must be an LSN, or two with a comma, not \"{}\"", guard.origin, guard.text),
      "write it as restore does, like --guard=0/3000028,0/5000060");
}

GetSettings load(const OptionSources& options, const Settings&) {
  GetSettings own;
  own.allow_tablespaces = options.absolute_paths("allow-tablespace");
  if (const auto guard = options.find("guard")) read_guard(*guard, own);
  if (const auto gap = options.find("accept-gap")) own.accept_gap = segment_of(*gap);
  return own;
}

ExitCode run(const Session& session, const GetSettings& own) {
  const Settings& settings = session.settings;
  const engine::WalRequest request =
      engine::wal_request(settings.operands[0], settings.operands[1]);
  // What is answered like "not there" is asked for again, or holds up a promotion.
  const Patience patience = engine::taken_for_absent(request) ? Patience::brief : Patience::usual;
  std::vector<repo::Repository> repositories = make_archives(settings, session.stop, patience);
  engine::WalConditions conditions;
  if (own.guard_from) conditions.guard = {*own.guard_from, own.guard_until, own.allow_tablespaces};
  conditions.accepted_gap = own.accept_gap;
  engine::StanzaSettings stanza = cluster_of(settings);
  // The cluster that recovers may be another one than the configured.
  if (!request.directory.empty()) stanza.data_directory = request.directory;
  const engine::Fetched fetched = engine::archive_get(stanza, repositories, request, conditions);
  if (fetched == engine::Fetched::yes) return ExitCode::done;
  // Recovery asks for files that do not exist yet as a matter of course: no warning. A person who
  // types this at a terminal would see nothing.
  const bool by_hand = session.console.terminal() && ::isatty(STDIN_FILENO) == 1;
  log(by_hand ? LogLevel::warn : LogLevel::info,
      format("\"{}\" is in no repository: to a server that recovers, the archived WAL ends before "
             "it (exit status 1); \"pgcairn info\" shows what is archived",
             settings.operands[0]));
  return kAbsent;
}

}  // namespace

constinit const Verb kArchiveGet = {
    .name = "archive-get",
    .operands = "NAME DEST",
    .least_operands = 2,
    .most_operands = 2,
    .summary = "fetch a WAL file (restore_command)",
    .description = lines(R"(
A recovering PostgreSQL runs this command; NAME is %f, DEST is %p. It tries the repositories
in order and writes DEST completely or not at all. restore writes this command into
restore_command.
)"),
    .examples = lines(R"(
restore_command = 'pgcairn --stanza=main archive-get %f "%p"'
pgcairn --stanza=main archive-get 000000010000000000000003 /tmp/segment
)"),
    .exit_status = lines(R"(
    0  fetched
    1  certainly in no repository; on a standby (standby.signal) also: ask again later
  200  could not find out, or a gap in the archive: recovery must stop, not end early
  143  ended by SIGTERM (128 + the signal's number)
)"),
    .options = kOptions,
    .takes = "stanza repo allow-tablespace accept-gap pg-path",
    .load = with_settings<load, run>,
    .cluster = ClusterUse::configured,
    .run_by_postgres = true,
    .runs_often = true,
    .only_reads = true,
    .keeps_state = true,
};

}  // namespace pgcairn::command
