#pragma once

// Command lines, environments and configuration files for tests, and what they are loaded as.

#include "command/settings/arguments.hpp"
#include "command/settings/settings.hpp"

#include <pgcairn/common/error.hpp>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::command {

using Words = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

inline constexpr const char* kConfig = R"([global]
process-max = 3
compress-type = "lz4"

[repo.local]
type = "posix"
path = "/var/lib/pgcairn"
[repo.away]
type = "posix"
path = "/mnt/away"

[stanza.main]
pg-path = "/pg/main"
process-max = 5
)";

/// What `load` makes of a command line: the shared settings, and those of its verb.
template <class Load>
auto loaded_by(Load load, const Words& words, const Environment& environment,
               const std::optional<std::string>& config) {
  SettingsSources sources;
  sources.environment = environment;
  sources.working_directory = "/here";
  sources.read_file = [&](const std::filesystem::path& path) -> std::optional<std::string> {
    if (path == "/etc/pgcairn/pgcairn.toml" || path == "/here/my.toml") return config;
    if (path == "/secret") throw SystemError("cannot open \"/secret\"", EACCES);
    return std::nullopt;
  };
  const Arguments arguments = parse_arguments(words);
  const LoadedSettings loaded = load_settings(arguments, sources);
  return load(loaded.options, loaded.settings);
}

inline Settings load(const Words& words, const Environment& environment = {},
                     const std::optional<std::string>& config = kConfig) {
  return loaded_by(
      [](const OptionSources& options, const Settings& settings) {
        settings.verb->load(options, settings);
        return settings;
      },
      words, environment, config);
}

/// What the UsageError says, with its hint; empty when there is none.
inline std::string refusal(const Words& words, const Environment& environment = {},
                           std::optional<std::string> config = kConfig) {
  try {
    load(words, environment, std::move(config));
  } catch (const UsageError& error) {
    return error.render();
  }
  return {};
}

inline std::string refused_config(const std::string& text) {
  return refusal({"info"}, {}, text);
}

inline void check_says(const std::string& text, const Words& parts) {
  INFO(text);
  for (const std::string& part : parts) CHECK(text.find(part) != std::string::npos);
}

}  // namespace pgcairn::command
