#include "open_repositories.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/wal/archive.hpp>

namespace pgcairn::command {

ExitCode archive_push(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_archives(settings, session.stop);
  engine::archive_push(cluster_of(settings), repositories, settings.operands[0],
                       settings.compress_type, settings.compress_level);
  return ExitCode::done;
}

ExitCode archive_get(const Session& session) {
  const Settings& settings = session.settings;
  const engine::WalRequest request =
      engine::wal_request(settings.operands[0], settings.operands[1]);
  // What is answered like "not there" is asked for again, or holds up a promotion.
  const Patience patience = engine::taken_for_absent(request) ? Patience::brief : Patience::usual;
  std::vector<repo::Repository> repositories = make_archives(settings, session.stop, patience);
  engine::WalConditions conditions;
  if (settings.guard_from)
    conditions.guard = {*settings.guard_from, settings.guard_until, settings.allow_tablespaces};
  conditions.accepted_gap = settings.accept_gap;
  engine::StanzaSettings stanza = cluster_of(settings);
  // The cluster that recovers may be another one than the configured.
  if (!request.directory.empty()) stanza.data_directory = request.directory;
  const engine::Fetched fetched = engine::archive_get(stanza, repositories, request, conditions);
  if (fetched == engine::Fetched::yes) return ExitCode::done;
  // Recovery asks for files that do not exist yet as a matter of course: no warning.
  log_info(format("\"{}\" is in no repository", settings.operands[0]));
  return kAbsent;
}

}  // namespace pgcairn::command
