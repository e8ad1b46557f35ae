#include "verbs.hpp"

#include <pgcairn/common/json.hpp>

namespace pgcairn::command {

ExitCode version(const Session& session) {
  if (session.settings.output == Form::json) {
    JsonWriter json;
    json.begin_object().member("name", "pgcairn").member("version", PGCAIRN_VERSION).end_object();
    print(json.take() + "\n");
  } else {
    print("pgcairn " PGCAIRN_VERSION "\n");
  }
  return ExitCode::done;
}

}  // namespace pgcairn::command
