#pragma once

#include "settings/arguments.hpp"
#include "settings/config_file.hpp"
#include "settings/options.hpp"
#include "settings/values.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::command {

/// What was said about options, and where: the command line comes before the environment, that
/// before the file, and there [stanza.NAME] before [global]. What it gives has been checked:
/// UsageError names the origin of what is no value of the option. Holds references.
class OptionSources {
 public:
  OptionSources(const Arguments& arguments, const std::map<std::string, std::string>& environment,
                std::filesystem::path working_directory)
      : arguments_(arguments),
        environment_(environment),
        working_directory_(std::move(working_directory)) {}

  ConfigFile file;     // empty until it was read
  std::string stanza;  // whose section counts; empty: none

  /// The strongest that was said; nothing when the verb does not take the option.
  std::optional<Value> find(std::string_view name) const;
  std::string text_of(std::string_view name, std::string_view otherwise = {}) const;
  bool is_set(std::string_view flag, bool otherwise = false) const;
  /// Relative to the working directory, but for the file, where paths are absolute; empty: nothing
  /// was said.
  std::filesystem::path path_of(std::string_view name) const;
  std::filesystem::path path_of(const Value& value) const;
  /// What was said about a repeatable option, where it was said first: on the command line, in the
  /// stanza's section, in [global].
  std::vector<Value> all(std::string_view name) const;
  /// The same of directories that WAL and plans name: never relative to where the operator is.
  std::vector<std::string> absolute_paths(std::string_view name) const;
  /// A and B of all A=B, in order; each A once.
  std::vector<std::pair<std::string, std::string>> maps_of(std::string_view name) const;
  /// Of what may be another in each repository: [repo.NAME] comes before the other sections.
  std::optional<Value> of_repository(std::string_view name, const std::string& repository) const;

  // One source alone; not checked.
  std::optional<Value> from_environment(std::string_view name) const;
  std::optional<Value> from_file(const Option& option) const;

 private:
  /// The last one: --start-fast and --no-start-fast may both be there.
  std::optional<Value> from_command_line(std::string_view name) const;

  const Arguments& arguments_;
  const std::map<std::string, std::string>& environment_;
  std::filesystem::path working_directory_;
};

}  // namespace pgcairn::command
