#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

namespace pgcairn::command {

ExitCode verify(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  engine::VerifyOptions options;
  options.set = settings.set;
  if (settings.level == "full") options.level = engine::VerifyLevel::full;
  options.sample_percent = settings.sample_percent;
  options.max_duration = settings.max_duration;
  options.record = settings.record;
  options.process_max = settings.process_max;
  ProgressLine progress(session.console);
  const engine::VerifyResult result =
      engine::verify(settings.stanza, repositories, options, progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? verify_json(result, options, settings.stanza)
                                      : verify_text(result, options));
  if (result.damaged()) return ExitCode::damaged;
  if (result.unread()) return ExitCode::failed;
  return result.doubtful() ? ExitCode::warnings : ExitCode::done;
}

}  // namespace pgcairn::command
