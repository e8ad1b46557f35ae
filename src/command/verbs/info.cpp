#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"
#include "verbs/labels.hpp"
#include "verbs/stanzas.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"set", ValueKind::text, kShell, "LABEL", "", "", 0, 0,
     "show this backup, or the latest, in full"},
};

struct InfoSettings {
  std::string set;  // empty: all backups
  StanzaLimits limits;
};

InfoSettings load(const OptionSources& options, const Settings&) {
  return {options.text_of("set"), load_limits(options)};
}

/// Of the terminal; 80 where there is none, so that what is piped is always the same.
std::size_t columns_of_output() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

bool has_backup(std::span<const engine::StanzaInfo> stanzas) {
  return std::any_of(stanzas.begin(), stanzas.end(), [](const engine::StanzaInfo& stanza) {
    return std::any_of(stanza.repositories.begin(), stanza.repositories.end(),
                       [](const auto& repository) { return !repository.backups.empty(); });
  });
}

std::string meant_stanza(std::span<const engine::StanzaInfo> stanzas) {
  for (const engine::StanzaInfo& stanza : stanzas) {
    for (const engine::RepositoryInfo& repository : stanza.repositories)
      if (!repository.meant_stanza.empty()) return repository.meant_stanza;
  }
  return {};
}

ExitCode run(const Session& session, InfoSettings own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  if (own.set == kLatest) own.set = newest_label(settings.stanza, repositories);
  const std::vector<engine::StanzaInfo> stanzas =
      read_stanzas(settings, own.set, own.limits, repositories, session.stop);
  const InfoStatus status = status_of(settings.stanza, stanzas);
  const bool no_such_backup = !own.set.empty() && !has_backup(stanzas);
  if (settings.output == Form::json) {
    // A program that reads JSON gets its object whatever happened.
    print(info_json(stanzas));
  } else if (!own.set.empty()) {
    print(info_set_text(stanzas, own.set));
  } else if (status != InfoStatus::missing) {
    // A person reads the error alone.
    print(info_text(stanzas, columns_of_output()));
  }
  if (status == InfoStatus::unreadable) return unreadable_code(stanzas);
  if (status == InfoStatus::absent) throw_absent(stanzas);
  if (status == InfoStatus::missing) {
    const std::string meant = meant_stanza(stanzas);
    throw MissingError(format("stanza \"{}\" is in no repository", settings.stanza),
                       meant.empty() ? "check the name, or make it with pgcairn stanza-create"
                                     : format("did you mean \"{}\"?", meant));
  }
  if (no_such_backup) {
    throw MissingError(format("backup \"{}\" is in no repository", own.set),
                       "\"pgcairn info\" lists the backups");
  }
  return ExitCode::done;
}

}  // namespace

constinit const Verb kInfo = {
    .name = "info",
    .summary = "show backups and the times that they can be restored to",
    .description = lines(R"(
Shows, for each stanza and repository, the backups, the times that they can be restored to,
known damage, and the archived WAL. The members of --output=json are stable: later versions
only add to them; see pgcairn-info(1).
)"),
    .examples = lines(R"(
pgcairn info
pgcairn --stanza=main --set=20261121-010203F info
pgcairn --stanza=main --output=json info
)"),
    .exit_status = lines(R"(
    1  a repository could not be read: the output may be incomplete
)"),
    .options = kOptions,
    .takes = "stanza repo output",
    .load = with_settings<load, run>,
    .stanza = StanzaUse::all,
    .only_reads = true,
};

}  // namespace pgcairn::command
