#pragma once

#include "settings/options.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::command {

/// One key of the configuration file, checked against the table of options for where it may stand
/// and for its TOML type, not for its value. A key with an array is one entry for each value.
struct ConfigEntry {
  const Option* option = nullptr;
  Place section = in_global;
  std::string name;    // of the repository or stanza; empty in [global]
  std::string value;   // as it would be written on the command line
  std::string origin;  // "key "process-max" at /etc/pgcairn/pgcairn.toml:3:15"
};

struct ConfigFile {
  std::vector<ConfigEntry> entries;
  std::vector<std::string> repositories;  // in the order of the file
  std::vector<std::string> stanzas;
  std::vector<std::string> passed_over;  // what is wrong in it and was borne, as errors say it

  const ConfigEntry* find(Place section, std::string_view name, std::string_view key) const;
};

/// Whether a mistake in a key is borne: `option` is what the key is or resembles; null: nothing.
using Bears = std::function<bool(const Option* option, Place section, const std::string& name)>;
inline const Bears kBearsNothing = [](const Option*, Place, const std::string&) { return false; };

/// Parses TOML. Throws UsageError with file, line and column, and the nearest known name, for a
/// syntax error, an unknown section or key, a key in the wrong section, a value of the wrong type
/// and a name that cannot be a part of a repository's keys. A key that is wrong and that `bears`
/// lets pass is left out.
ConfigFile parse_config(std::string_view text, const std::filesystem::path& path,
                        const Bears& bears = kBearsNothing);

inline constexpr std::string_view kAllRepositories = "all";  // for --repo; no repository's name
/// Throws UsageError, starting with `origin`, unless `name` can be a repository's:
/// [A-Za-z0-9][A-Za-z0-9._-]*, at most 64 bytes, and not kAllRepositories.
void check_repository_name(const std::string& name, std::string_view origin);

}  // namespace pgcairn::command
