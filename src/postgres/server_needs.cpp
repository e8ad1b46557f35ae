#include "config_includes.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/server_needs.hpp>

#include <algorithm>
#include <utility>

#include <locale.h>

namespace pgcairn::postgres {

namespace {

bool is_there(const std::filesystem::path& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown);
}

/// The names in a list as shared_preload_libraries has it: separated by commas, perhaps quoted.
std::vector<std::string> names_in(std::string_view list) {
  std::vector<std::string> names;
  std::string name;
  for (const char c : list) {
    if (c == ',') {
      names.push_back(std::exchange(name, {}));
    } else if (c != ' ' && c != '\t' && c != '"') {
      name += c;
    }
  }
  names.push_back(std::move(name));
  std::erase(names, "");
  return names;
}

bool has_locale(const std::string& name) {
  const locale_t found = ::newlocale(LC_ALL_MASK, name.c_str(), locale_t{});
  if (found == locale_t{}) return false;
  ::freelocale(found);
  return true;
}

}  // namespace

MissingNeeds missing_needs(std::string_view config, const std::filesystem::path& libraries) {
  MissingNeeds missing;
  const auto preloaded = setting_in(config, "shared_preload_libraries");
  const bool elsewhere = setting_in(config, "dynamic_library_path").has_value();
  if (preloaded && !elsewhere && is_there(libraries / "plpgsql.so")) {
    for (std::string name : names_in(*preloaded)) {
      if (name.starts_with("$libdir/")) name.erase(0, std::string_view("$libdir/").size());
      if (!name.ends_with(".so")) name += ".so";
      if (!is_there(libraries / name)) missing.libraries.push_back(libraries / name);
    }
  }
  for (const char* const setting : {"lc_messages", "lc_monetary", "lc_numeric", "lc_time"}) {
    const auto name = setting_in(config, setting);
    if (!name || name->empty() || has_locale(*name)) continue;
    if (std::find(missing.locales.begin(), missing.locales.end(), *name) == missing.locales.end())
      missing.locales.push_back(*name);
  }
  return missing;
}

}  // namespace pgcairn::postgres
