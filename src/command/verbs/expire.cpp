#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/retention.hpp"
#include "verbs.hpp"
#include "verbs/labels.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>

#include <algorithm>
#include <exception>

namespace pgcairn::command {

namespace {

constexpr std::int64_t kMostKept = 9'999'999;

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"set", ValueKind::text, kShell, "LABEL", "", "", 0, 0, "remove this backup, and no other"},
    {"allow-mass-removal", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "allow the rules to remove most of the backups"},
    {"retention-full", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last N full backups, or those of N days, and all backups made since the first of "
     "them"},
    {"retention-full-type", ValueKind::choice, kPerRepository, "UNIT", "count", "count|time", 0, 0,
     "what retention-full counts: backups, or days"},
    {"retention-diff", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep only the differential and incremental backups made since the Nth last full or "
     "differential one"},
    {"retention-archive", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep all WAL since the Nth last full backup that stays (default: since the oldest backup)"},
    {"retention-archive-type", ValueKind::choice, kPerRepository, "UNIT", "full",
     "full|diff|incr|time", 0, 0, "what retention-archive counts: backups of this type, or days"},
    {"keep-last", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last N backups"},
    {"keep-within", ValueKind::span, kPerRepository, "SPAN", "", "", 1, 0,
     "keep backups at most SPAN older than the newest, such as 14d, 2w, 6mo, 1y"},
    {"keep-hourly", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N hours that have one"},
    {"keep-daily", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N days that have one"},
    {"keep-weekly", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N weeks that have one; weeks begin on Monday"},
    {"keep-monthly", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N months that have one"},
    {"keep-quarterly", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N quarters of a year that have one"},
    {"keep-yearly", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N years that have one"},
    {"max-age", ValueKind::span, kPerRepository, "SPAN", "", "", 1, 0,
     "remove backups more than SPAN older than the newest, also if a rule above keeps them"},
    {"keep-min", ValueKind::number, kPerRepository, "N", "", "", 1, kMostKept,
     "keep at least N good backups, whatever the other rules say"},
    {"keep-min-age", ValueKind::span, kPerRepository, "SPAN", "", "", 0, 0,
     "never remove a backup less than SPAN older than the newest"},
    {"retention-timezone", ValueKind::text, kPerRepository, "ZONE", "UTC", "", 0, 0,
     "the time zone in which hours, days, weeks, months and so on begin, such as Europe/Berlin"},
};

struct ExpireSettings {
  std::string set;  // empty: what the rules do not keep
  bool dry_run = false;
  bool resume = true;
  bool allow_mass_removal = false;
};

ExpireSettings load(const OptionSources& options, const Settings&) {
  return {options.text_of("set"), options.is_set("dry-run"), options.is_set("resume", true),
          options.is_set("allow-mass-removal")};
}

/// Does a backup stay whose marker cannot be read? Then more stays than the rules keep.
bool in_doubt(const std::vector<ExpiredRepository>& expired) {
  return std::any_of(expired.begin(), expired.end(), [](const ExpiredRepository& one) {
    if (!one.result) return false;
    const auto& backups = one.result->plan.backups;
    return std::any_of(backups.begin(), backups.end(), [](const engine::ExpiredBackup& backup) {
      return backup.keep && !backup.type;
    });
  });
}

ExitCode run(const Session& session, const ExpireSettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::vector<engine::ExpireOptions> options;
  for (const RepositorySettings& repository : settings.repositories) {
    options.emplace_back();
    options.back().policy = retention_of(repository);
    options.back().set = own.set;
    options.back().dry_run = own.dry_run;
    options.back().keep_interrupted = own.resume;
    options.back().allow_mass_removal = own.allow_mass_removal;
  }
  if (own.set == kLatest) {
    throw UsageError("expire removes no backup that is not named by its label",
                     format("the newest is {0}; to remove it: \"pgcairn expire --set={0}\"",
                            newest_label(settings.stanza, repositories)));
  }
  ProgressLine progress(session.console);
  std::vector<ExpiredRepository> expired;
  FirstError failure;
  std::size_t without_it = 0;
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    ExpiredRepository one{repositories[i].name(), {}, {}};
    try {
      one.result =
          engine::expire(settings.stanza, repositories[i], options[i], progress, session.stop);
    } catch (const Error& error) {
      // A backup that was asked for is in the repository that it was made in, and in no other.
      const bool elsewhere =
          !own.set.empty() && dynamic_cast<const MissingError*>(&error) != nullptr;
      without_it += elsewhere ? 1 : 0;
      one.error = error.render();
      if (!elsewhere || without_it == repositories.size()) failure.keep();
    }
    expired.push_back(std::move(one));
  }
  session.console.progress("");
  const bool json = settings.output == Form::json;
  // With one repository the error alone tells a person all.
  if (json || !failure || repositories.size() > 1) {
    print(json ? expire_json(expired, settings.stanza, own.dry_run)
               : expire_text(expired, own.dry_run));
  }
  failure.throw_if_any();
  return in_doubt(expired) ? ExitCode::warnings : ExitCode::done;
}

}  // namespace

constinit const Verb kExpire = {
    .name = "expire",
    .summary = "remove backups and WAL that retention does not keep",
    .description = lines(R"(
Removes from every repository the backups that no retention setting keeps, the packs that no
remaining backup needs, and the WAL that none needs. Each backup is complete in itself and is
removed alone. The newest backup, the last good one and held backups stay. Without retention
settings, removes nothing. backup runs expire when it is done.
)"),
    .examples = lines(R"(
pgcairn expire --dry-run
pgcairn expire --keep-daily=7 --keep-weekly=4 --keep-monthly=12 --dry-run
pgcairn --stanza=main --set=20261121-010203F expire
)"),
    .exit_status = lines(R"(
    4  the record of a hold or of a verify run is damaged: nothing was removed
   11  a backup is running: the error says where and since when
)"),
    .options = kOptions,
    .takes = "stanza repo resume dry-run quiet output",
    .load = with_settings<load, run>,
    .cluster = ClusterUse::configured,
    .refused_when_stopped = true,
    .frees_space = true,
};

}  // namespace pgcairn::command
