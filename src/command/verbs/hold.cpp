#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"
#include "verbs/labels.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/hold.hpp>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"reason", ValueKind::text, on_command_line, "TEXT", "", "", 0, 0,
     "why the backup is held; required"},
    {"until", ValueKind::text, on_command_line, "TIME", "", "", 0, 0,
     "when the hold ends: a time to come, or a span from now such as 12h, 90d, 6mo (default: when "
     "it is released)"},
};

struct HoldSettings {
  std::string reason;
  std::string until;  // as it was written; empty: until released
};

HoldSettings load(const OptionSources& options, const Settings&) {
  HoldSettings own{options.text_of("reason"), options.text_of("until")};
  if (own.reason.empty())
    throw UsageError("hold needs a reason",
                     "add --reason=TEXT: \"pgcairn info\" shows it to those who find the hold");
  return own;
}

std::optional<Timestamp> read_until(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return doing([] { return "reading --until"; },
               [&] { return parse_end_time(text, now(), local_zone).when; });
}

ExitCode run_hold(const Session& session, const HoldSettings& own) {
  const Settings& settings = session.settings;
  const bool newest = settings.operands.front() == kLatest;
  repo::HoldRecord hold{newest ? "" : label_of(session), own.reason, read_until(own.until)};
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  if (newest) hold.backup = newest_label(settings.stanza, repositories);
  const auto names = engine::hold_backup(settings.stanza, repositories, hold);
  if (settings.output == Form::text) {
    print(format("backup {} is held in {}{}: {}\n", hold.backup, joined(names),
                 hold.until ? " until " + format_local(*hold.until) : "", hold.reason));
    return ExitCode::done;
  }
  JsonWriter json;
  json.begin_object().key("hold").begin_object().member("stanza", settings.stanza);
  json.member("backup", hold.backup).member("reason", escape_bytes(hold.reason)).key("until");
  hold.until ? json.value(format_utc(*hold.until)) : json.null();
  write_names(json, names);
  json.end_object().end_object();
  print(json.take() + "\n");
  return ExitCode::done;
}

ExitCode run_unhold(const Session& session) {
  const Settings& settings = session.settings;
  const std::string label = label_of(session);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto released = engine::release_holds(settings.stanza, repositories, label);
  if (settings.output == Form::text) {
    for (const engine::ReleasedHold& one : released) {
      print(format("backup {} is no longer held in {}: {}\n", label, one.repository,
                   one.hold.reason));
    }
    return ExitCode::done;
  }
  JsonWriter json;
  json.begin_object().key("unhold").begin_object().member("stanza", settings.stanza);
  json.member("backup", label).key("released").begin_array();
  for (const engine::ReleasedHold& one : released) {
    json.begin_object().member("repository", one.repository);
    json.member("reason", escape_bytes(one.hold.reason)).end_object();
  }
  json.end_array().end_object().end_object();
  print(json.take() + "\n");
  return ExitCode::done;
}

}  // namespace

constinit const Verb kHold = {
    .name = "hold",
    .operands = "LABEL",
    .least_operands = 1,
    .most_operands = 1,
    .summary = "protect a backup from expire",
    .description = lines(R"(
Protects a backup from expire and stanza-delete, in every repository that has it, until unhold
releases it or the time of --until has come.
)"),
    .examples = lines(R"(
pgcairn hold 20261121-010203F --reason="audit 2026"
pgcairn hold latest --reason="before the migration" --until=90d
)"),
    .exit_status = lines(R"(
   10  no repository has this backup
   11  an expire is running that may not see the hold
)"),
    .options = kOptions,
    .takes = "stanza repo output",
    .load = with_settings<load, run_hold>,
    .cluster = ClusterUse::configured,
};

constinit const Verb kUnhold = {
    .name = "unhold",
    .operands = "LABEL",
    .least_operands = 1,
    .most_operands = 1,
    .summary = "release the holds of a backup",
    .description = lines(R"(
Releases all holds of a backup, in every repository.
)"),
    .examples = lines(R"(
pgcairn unhold 20261121-010203F
)"),
    .exit_status = lines(R"(
   10  the backup is not held
)"),
    .takes = "stanza repo output",
    .load = without_settings<run_unhold>,
    .cluster = ClusterUse::configured,
};

}  // namespace pgcairn::command
