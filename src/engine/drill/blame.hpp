#pragma once

#include <pgcairn/engine/drill/drill.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// What a failure of the drill's server, or of a question to it, is about.
enum class Blame {
  backup,   // what was restored
  machine,  // what this machine lacks: a locale, a library, memory; says nothing of the backup
  lock      // a prepared transaction, which nobody ends, has it locked
};

/// Decided by the server's words, in English: it runs with lc_messages = C. Pure.
Blame blame_of(std::string_view message);

/// Adds a failure to the findings, to what is not proved, or to the notes. `what` was looked at.
void add_failure(DrillResult& result, const std::string& what, const std::string& message);

/// What pg_amcheck printed, sorted out: a finding for each table or index with what was said of it,
/// and the warnings of sessions, which may be many, apart from them. Pure.
struct AmcheckOutput {
  struct About {
    std::string what;  // "btree index "db.public.i""; "pg_amcheck" for what is of none
    std::string said;
  };
  std::vector<About> failures;
  std::vector<std::string> warnings;  // one of each kind, with how many there are like it
};
AmcheckOutput parse_amcheck(std::string_view text);

}  // namespace pgcairn::engine
