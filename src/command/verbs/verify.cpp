#include "verbs/verify.hpp"

#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/values.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"set", ValueKind::text, kShell, "LABEL", "", "", 0, 0, "verify only this backup"},
    {"level", ValueKind::choice, kShell, "LEVEL", "quick", "quick|full", 0, 0,
     "quick checks that every object exists with its size; full also opens every frame"},
    {"sample", ValueKind::percent, kShell, "PERCENT", "100%", "", 1, 100,
     "level full: open only this share of the packs and WAL segments, chosen at random"},
    {"max-duration", ValueKind::duration, kShell, "TIME", "", "", 0, 0,
     "level full: stop opening objects after TIME; the next run continues there"},
};

ExitCode run(const Session& session, const VerifySettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  engine::VerifyOptions options;
  options.set = own.set;
  if (own.full) options.level = engine::VerifyLevel::full;
  options.sample_percent = own.sample_percent;
  options.max_duration = own.max_duration;
  options.record = own.record;
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

}  // namespace

VerifySettings load_verify(const OptionSources& options, const Settings&) {
  VerifySettings own;
  own.set = options.text_of("set");
  own.full = options.text_of("level", "quick") == "full";
  own.record = options.is_set("record", true);
  const auto sample = options.find("sample");
  const auto limit = options.find("max-duration");
  for (const std::string_view name : {"sample", "max-duration"}) {
    if (!options.find(name) || own.full) continue;
    throw UsageError(format("verify --level=quick takes no --{}", name),
                     "it opens nothing; add --level=full");
  }
  if (limit && (sample || !own.set.empty())) {
    throw UsageError(format("verify --max-duration takes no --{}", sample ? "sample" : "set"),
                     "it goes through all that is stored, a part in each run");
  }
  if (sample) own.sample_percent = static_cast<unsigned>(*parse_percent(sample->text));
  if (limit) own.max_duration = *parse_duration(limit->text);
  return own;
}

constinit const Verb kVerify = {
    .name = "verify",
    .summary = "compare the repositories with what they should hold",
    .description = lines(R"(
Reads the markers and manifests of the repositories and compares what they name with what is
stored: packs, and WAL from the oldest backup on. Level full also opens every frame. Names
every damaged object, with the backups and files that need it. Records the result in the
repository: restore and the next incremental backup skip damaged backups.
)"),
    .examples = lines(R"(
pgcairn verify
pgcairn --stanza=main --level=full --process-max=4 verify
pgcairn verify --level=full --sample=5%
pgcairn verify --level=full --max-duration=1h
)"),
    .exit_status = lines(R"(
    1  a repository could not be read: the result may be incomplete
    4  something is damaged or missing; it is named
)"),
    .options = kOptions,
    .takes = "stanza repo process-max limit-rate record quiet output",
    .load = with_settings<load_verify, run>,
    .cluster = ClusterUse::configured,
};

}  // namespace pgcairn::command
