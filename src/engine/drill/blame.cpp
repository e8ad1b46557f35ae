#include "drill/blame.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <map>

namespace pgcairn::engine {

namespace {

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view one) {
    return text.find(one) != std::string_view::npos;
  });
}

/// A warning without the name in it: those of each database are alike.
std::string kind_of(const std::string& warning) {
  std::string kind;
  bool quoted = false;
  for (const char c : warning) {
    if (c == '"') quoted = !quoted;
    if (!quoted) kind += c;
  }
  return kind;
}

bool is_warning(std::string_view line) {
  return line.starts_with("WARNING:") || line.starts_with("NOTICE:") ||
         line.starts_with("pg_amcheck: warning:");
}

/// Says more of the line before.
bool goes_on(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('\t') || line.starts_with("DETAIL:") ||
         line.starts_with("HINT:") || line.starts_with("pg_amcheck: detail:") ||
         line.starts_with("pg_amcheck: hint:") || line.starts_with("query was:") ||
         line.starts_with("pg_amcheck: error: query was:");
}

}  // namespace

Blame blame_of(std::string_view message) {
  if (has_any(message, {"due to lock timeout"})) return Blame::lock;
  // Of locales (pg_locale.c, postinit.c), libraries (dfmgr.c, extension.c), memory and the like.
  // A file that is missing in the data directory is not the machine's.
  if (has_any(message,
              {"is incompatible with operating system", "not recognized by setlocale",
               "could not create locale", "could not open collator",
               "invalid value for parameter \"lc_", "ICU is not supported in this build",
               "could not load library", "could not open extension control file",
               "extension control file", "could not map anonymous shared memory",
               "could not create shared memory segment", "could not resize shared memory segment",
               "could not create semaphores", "could not fork", "No space left on device",
               "Cannot allocate memory", "due to statement timeout"}))
    return Blame::machine;
  if (has_any(message, {"could not access file \"$libdir", "could not access file \"/usr"}))
    return Blame::machine;
  return Blame::backup;
}

void add_failure(DrillResult& result, const std::string& what, const std::string& message) {
  switch (blame_of(message)) {
    case Blame::backup:
      result.findings.push_back(format("{}: {}", what, message));
      break;
    case Blame::machine:
      result.unproved.push_back(format("{}: {}", what, message));
      break;
    case Blame::lock:
      result.notes.push_back(
          format("{} was not checked: a prepared transaction has it locked", what));
      break;
  }
}

AmcheckOutput parse_amcheck(std::string_view text) {
  AmcheckOutput output;
  std::vector<std::string> warnings;
  std::string* last = nullptr;
  for (const std::string& line : split(trim(text), '\n')) {
    if (trim(line).empty()) continue;
    if (goes_on(line) && last != nullptr) {
      *last += format("{}{}", last->empty() ? "" : " ", trim(line));
    } else if (is_warning(line)) {
      warnings.emplace_back(trim(line));
      last = &warnings.back();
    } else if (line.ends_with(':') &&
               (line.starts_with("heap table ") || line.starts_with("btree index "))) {
      output.failures.push_back({line.substr(0, line.size() - 1), {}});
      last = &output.failures.back().said;
    } else {
      output.failures.push_back({"pg_amcheck", std::string(trim(line))});
      last = &output.failures.back().said;
    }
  }
  std::map<std::string, std::size_t> counts;
  for (const std::string& warning : warnings) ++counts[kind_of(warning)];
  for (const std::string& warning : warnings) {
    auto& count = counts[kind_of(warning)];
    if (count == 0) continue;  // counted with the first
    output.warnings.push_back(count == 1 ? warning
                                         : format("{} ({} more like it)", warning, count - 1));
    count = 0;
  }
  return output;
}

}  // namespace pgcairn::engine
