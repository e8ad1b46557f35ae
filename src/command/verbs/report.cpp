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

namespace {

struct ReportSettings {
  fs::path file;  // empty: standard output
  StanzaLimits limits;
};

ReportSettings load(const OptionSources& options, const Settings&) {
  return {options.path_of("file"), load_limits(options)};
}

ExitCode run(const Session& session, const ReportSettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const std::vector<engine::StanzaInfo> stanzas =
      read_stanzas(settings, {}, own.limits, repositories, session.stop);
  const InfoStatus status = status_of(settings.stanza, stanzas);
  if (status == InfoStatus::missing) {
    throw MissingError(format("stanza \"{}\" is in no repository", settings.stanza),
                       "check the name, or make it with pgcairn stanza-create");
  }
  const std::string html = report_html(stanzas, now(), host_name());
  if (own.file.empty()) {
    print(html);
  } else {
    write_file_atomically(own.file, as_bytes(html));
  }
  // The page says that it is not there; the one that it replaces may have been green.
  if (status == InfoStatus::absent) throw_absent(stanzas);
  return status == InfoStatus::unreadable ? unreadable_code(stanzas) : ExitCode::done;
}

}  // namespace

constinit const Verb kReport = {
    .name = "report",
    .summary = "write info and its history as a web page",
    .description = lines(R"(
Writes one self-contained HTML page: what info shows, and the history of sizes, durations,
verify runs and drills.
)"),
    .examples = lines(R"(
pgcairn --file=/var/www/html/backups.html report
pgcairn --stanza=main report > main.html
)"),
    .exit_status = lines(R"(
    1  a repository could not be read: the page may be incomplete
)"),
    .takes = "stanza repo file",
    .load = with_settings<load, run>,
    .stanza = StanzaUse::all,
    .only_reads = true,
    .stays_root = true,
};

}  // namespace pgcairn::command
