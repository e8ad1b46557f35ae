#include "render/report.hpp"

#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"
#include "verbs/stanzas.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/process.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

ExitCode report(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const std::vector<engine::StanzaInfo> stanzas =
      read_stanzas(settings, repositories, session.stop);
  const InfoStatus status = status_of(settings.stanza, stanzas);
  if (status == InfoStatus::missing) {
    throw MissingError(format("stanza \"{}\" is in no repository", settings.stanza),
                       "check the name, or make it with pgcairn stanza-create");
  }
  const std::string html = report_html(stanzas, now(), host_name());
  if (settings.file.empty()) {
    print(html);
  } else {
    write_file_atomically(settings.file, as_bytes(html));
  }
  // The page says that it is not there; the one that it replaces may have been green.
  if (status == InfoStatus::absent) throw_absent(stanzas);
  return status == InfoStatus::unreadable ? unreadable_code(stanzas) : ExitCode::done;
}

}  // namespace pgcairn::command
