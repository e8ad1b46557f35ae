#include "settings/settings.hpp"
#include "verbs.hpp"

#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/version.hpp>

namespace pgcairn::command {

namespace {

ExitCode run(const Session& session) {
  if (session.settings.output == Form::json) {
    JsonWriter json;
    json.begin_object().member("name", "pgcairn").member("version", program_version()).end_object();
    print(json.take() + "\n");
  } else {
    print(format("pgcairn {}\n", program_version()));
  }
  return ExitCode::done;
}

}  // namespace

constinit const Verb kVersion = {
    .name = "version",
    .summary = "show the version",
    .description = lines(R"(
Shows the version.
)"),
    .examples = lines(R"(
pgcairn version
pgcairn --output=json version
)"),
    .takes = "output",
    .load = without_settings<run>,
    .needs_configuration = false,
    .stanza = StanzaUse::none,
    .stays_root = true,
};

}  // namespace pgcairn::command
