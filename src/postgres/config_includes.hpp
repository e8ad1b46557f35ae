#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::postgres {

/// Files that the server reads its configuration from, by their syntax.
enum class ConfigSyntax {
  settings,  // postgresql.conf (guc-file.l)
  rules,     // pg_hba.conf, pg_ident.conf (hba.c)
};

/// Other files that one of them names.
struct Inclusion {
  std::string path;  // as it is written: relative to the directory of the file that names it
  enum class Form {
    required,   // include
    if_exists,  // include_if_exists
    directory,  // include_dir: what is in it and ends with ".conf"
    names,      // @file in a rule: its words stand for the word
  } form = Form::required;
  bool operator==(const Inclusion&) const = default;
};

/// What `text` includes, in order. Pure. Words that the server would refuse are skipped.
std::vector<Inclusion> inclusions(ConfigSyntax syntax, std::string_view text);

/// The value that a postgresql.conf itself gives to a setting: the last one counts. Pure.
std::optional<std::string> setting_in(std::string_view text, std::string_view name);

}  // namespace pgcairn::postgres
