#include "cluster.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/archive.hpp>

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
  std::vector<repo::Repository> repositories = make_archives(settings, session.stop);
  std::optional<engine::WalGuard> guard;
  if (settings.guard_from)
    guard = {*settings.guard_from, settings.guard_until, settings.allow_tablespaces};
  const engine::Fetched fetched = engine::archive_get(
      cluster_of(settings), repositories, settings.operands[0], settings.operands[1], guard);
  if (fetched == engine::Fetched::yes) return ExitCode::done;
  // Recovery asks for files that do not exist yet as a matter of course: no warning.
  log_info(format("\"{}\" is in no repository", settings.operands[0]));
  return kAbsent;
}

}  // namespace pgcairn::command
