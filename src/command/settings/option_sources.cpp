#include "settings/option_sources.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

std::optional<Value> OptionSources::find(std::string_view name) const {
  const Option* const option = find_option(name, arguments_.verb);
  if (option == nullptr) return std::nullopt;
  std::optional<Value> found = from_command_line(name);
  if (!found && (option->places & in_environment) != 0) found = from_environment(name);
  if (!found) found = from_file(*option);
  if (found) check_value(*option, *found);
  return found;
}

std::string OptionSources::text_of(std::string_view name, std::string_view otherwise) const {
  const auto value = find(name);
  return value ? value->text : std::string(otherwise);
}

bool OptionSources::is_set(std::string_view flag, bool otherwise) const {
  const auto value = find(flag);
  return value ? is_true(value->text) : otherwise;
}

std::filesystem::path OptionSources::path_of(const Value& value) const {
  return (working_directory_ / std::filesystem::path(value.text)).lexically_normal();
}

std::filesystem::path OptionSources::path_of(std::string_view name) const {
  const auto value = find(name);
  return value ? path_of(*value) : std::filesystem::path();
}

std::vector<Value> OptionSources::all(std::string_view name) const {
  const Option* const option = find_option(name, arguments_.verb);
  std::vector<Value> values;
  for (const auto& [given, text] : arguments_.options) {
    if (given == name) values.push_back({text, format("option --{}", name), Source::command_line});
  }
  for (const Place section : {in_stanza, in_global}) {
    if (!values.empty() || (option->places & section) == 0) continue;
    for (const ConfigEntry& entry : file.entries) {
      const bool ours = section == in_global || entry.name == stanza;
      if (entry.section == section && ours && entry.option->name == name)
        values.push_back({entry.value, entry.origin, Source::file});
    }
  }
  for (const Value& value : values) check_value(*option, value);
  return values;
}

std::vector<std::string> OptionSources::absolute_paths(std::string_view name) const {
  std::vector<std::string> paths;
  for (const Value& value : all(name)) {
    if (!value.text.starts_with('/')) {
      throw UsageError(format("{} must be an absolute path, not \"{}\"", value.origin, value.text),
                       "write it as the plan names it");
    }
    paths.push_back(value.text);
  }
  return paths;
}

std::vector<std::pair<std::string, std::string>> OptionSources::maps_of(
    std::string_view name) const {
  std::vector<std::pair<std::string, std::string>> maps;
  for (const Value& value : all(name)) {
    auto map = parse_map(value.text, value.origin);
    const bool twice = std::any_of(maps.begin(), maps.end(),
                                   [&](const auto& one) { return one.first == map.first; });
    if (twice) throw UsageError(format("{} names \"{}\" twice", value.origin, map.first));
    maps.push_back(std::move(map));
  }
  return maps;
}

std::optional<Value> OptionSources::of_repository(std::string_view name,
                                                  const std::string& repository) const {
  const Option& option = *find_key(name, in_repo);
  std::optional<Value> found = from_command_line(name);
  if (!found) found = from_environment(name);
  const ConfigEntry* const entry = file.find(in_repo, repository, name);
  if (!found && entry != nullptr) found = Value{entry->value, entry->origin, Source::file};
  if (!found) found = from_file(option);
  if (found) check_value(option, *found);
  return found;
}

std::optional<Value> OptionSources::from_command_line(std::string_view name) const {
  std::optional<Value> found;
  for (const auto& [given, text] : arguments_.options) {
    if (given == name) found = Value{text, format("option --{}", name), Source::command_line};
  }
  return found;
}

std::optional<Value> OptionSources::from_environment(std::string_view name) const {
  const std::string variable = environment_name(name);
  const auto at = environment_.find(variable);
  if (at == environment_.end() || at->second.empty()) return std::nullopt;
  return Value{at->second, format("environment variable {}", variable), Source::environment};
}

std::optional<Value> OptionSources::from_file(const Option& option) const {
  const ConfigEntry* entry = nullptr;
  if ((option.places & in_stanza) != 0 && !stanza.empty())
    entry = file.find(in_stanza, stanza, option.name);
  if (entry == nullptr && (option.places & in_global) != 0)
    entry = file.find(in_global, "", option.name);
  if (entry == nullptr) return std::nullopt;
  return Value{entry->value, entry->origin, Source::file};
}

}  // namespace pgcairn::command
