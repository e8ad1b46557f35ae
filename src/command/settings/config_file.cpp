// The only file that includes toml++, which is slow to compile.
#include "settings/config_file.hpp"

#include "settings/toml_hint.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace pgcairn::command {

namespace {

struct Member {
  std::string key;
  toml::source_position at;
  const toml::node* value;
};

/// toml++ sorts by name; the order of the file says which repository comes first.
std::vector<Member> in_file_order(const toml::table& table) {
  std::vector<Member> members;
  for (const auto& [key, value] : table) {
    members.push_back({std::string(key.str()), key.source().begin, &value});
  }
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  return members;
}

std::string section_header(Place section, const std::string& name) {
  if (section == in_global) return "[global]";
  return format("[{}.{}]", section == in_repo ? "repo" : "stanza", name);
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known,
                         const std::string& otherwise) {
  const auto near = nearest(name, known);
  return near ? format("did you mean \"{}\"?", *near) : otherwise;
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const Bears& bears) : path_(path), bears_(bears) {}

  ConfigFile read(const toml::table& root) {
    for (const Member& member : in_file_order(root)) {
      if (member.key == "global") {
        read_section(in_global, "", table_of(member, "[global]"));
      } else if (member.key == "repo") {
        read_group(in_repo, table_of(member, "[repo.NAME]"), file_.repositories);
      } else if (member.key == "stanza") {
        read_group(in_stanza, table_of(member, "[stanza.NAME]"), file_.stanzas);
      } else {
        unknown_section(member);
      }
    }
    return std::move(file_);
  }

 private:
  std::string place(const toml::source_position& at) const {
    return format("{}:{}:{}", path_.string(), at.line, at.column);
  }

  const toml::table& table_of(const Member& member, std::string_view header) const {
    if (const toml::table* table = member.value->as_table()) return *table;
    throw UsageError(
        format("{}: \"{}\" is not a value but a section", place(member.at), member.key),
        format("write {} on a line of its own, and keys below it", header));
  }

  [[noreturn]] void unknown_section(const Member& member) const {
    if (!member.value->is_table()) {
      std::string hint = "keys belong below [global], [repo.NAME] or [stanza.NAME]";
      throw UsageError(format("{}: key \"{}\" is not in a section", place(member.at), member.key),
                       std::move(hint));
    }
    throw UsageError(format("{}: unknown section [{}]", place(member.at), member.key),
                     did_you_mean(member.key, {"global", "repo", "stanza"},
                                  "sections are [global], [repo.NAME] and [stanza.NAME]"));
  }

  void read_group(Place section, const toml::table& group, std::vector<std::string>& names) {
    const std::string_view kind = section == in_repo ? "repo" : "stanza";
    for (const Member& member : in_file_order(group)) {
      const toml::table* const table = member.value->as_table();
      if (table == nullptr) {
        throw UsageError(format("{}: key \"{}\" is not below a name", place(member.at), member.key),
                         format("write [{}.NAME] above it", kind));
      }
      const std::string origin = place(member.at) + ":";
      section == in_repo ? check_repository_name(member.key, origin)
                         : repo::check_stanza_name(member.key, origin);
      names.push_back(member.key);
      read_section(section, member.key, *table);
    }
  }

  void read_section(Place section, const std::string& name, const toml::table& table) {
    for (const Member& member : in_file_order(table)) {
      try {
        read_key(section, name, member);
      } catch (const UsageError& error) {
        if (!bears_(meant(section, member.key), section, name)) throw;
        file_.passed_over.push_back(error.message());
      }
    }
  }

  void read_key(Place section, const std::string& name, const Member& member) {
    const Option* const option = find_key(member.key, section);
    if (option == nullptr) unknown_key(section, name, member);
    const std::string origin = format("{}: key \"{}\"", place(member.at), member.key);
    for (std::string& value : values_of(*option, member))
      file_.entries.push_back({option, section, name, std::move(value), origin});
  }

  /// The option that a key is, or would be in another section or without a slip of the pen.
  static const Option* meant(Place section, const std::string& key) {
    for (const Place place : {section, in_global, in_stanza, in_repo}) {
      if (const Option* const option = find_key(key, place)) return option;
    }
    const auto near = nearest(key, option_names(section));
    return near ? find_key(*near, section) : nullptr;
  }

  [[noreturn]] void unknown_key(Place section, const std::string& name,
                                const Member& member) const {
    for (const Place other : {in_global, in_stanza, in_repo}) {
      if (find_key(member.key, other) == nullptr) continue;
      throw UsageError(format("{}: key \"{}\" does not belong in {}", place(member.at), member.key,
                              section_header(section, name)),
                       format("it belongs in {}", section_header(other, "NAME")));
    }
    throw UsageError(
        format("{}: unknown key \"{}\" in {}", place(member.at), member.key,
               section_header(section, name)),
        did_you_mean(member.key, option_names(section), "man pgcairn.toml explains every key"));
  }

  std::vector<std::string> values_of(const Option& option, const Member& member) const {
    const bool paths = option.kind == ValueKind::paths;
    if (!paths && option.kind != ValueKind::list) return {value_of(option, member)};
    std::vector<std::string> values;
    if (const toml::array* const array = member.value->as_array()) {
      for (const toml::node& value : *array) {
        if (value.is_string()) values.push_back(value.as_string()->get());
      }
      if (values.size() == array->size()) return values;
    }
    throw UsageError(format("{}: key \"{}\" must be an array of texts in quotes",
                            place(member.value->source().begin), member.key),
                     format("write it like {} = [{}]", member.key,
                            paths ? "\"/etc/one\", \"/etc/two\"" : "\"one\", \"two\""));
  }

  /// The value as text. Each kind takes one TOML type. Where a number lacks its unit, what checks
  /// the value says so.
  std::string value_of(const Option& option, const Member& member) const {
    const toml::node& value = *member.value;
    const bool number = option.kind == ValueKind::number;
    const bool measure = option.kind == ValueKind::duration || option.kind == ValueKind::span ||
                         option.kind == ValueKind::size;
    if ((number || measure) && value.is_integer()) {
      return std::to_string(value.as_integer()->get());
    }
    if (option.kind == ValueKind::flag && value.is_boolean()) {
      return value.as_boolean()->get() ? "true" : "false";
    }
    if (!number && option.kind != ValueKind::flag && value.is_string()) {
      return value.as_string()->get();
    }
    const std::string_view expected = number                           ? "a number without quotes"
                                      : option.kind == ValueKind::flag ? "true or false"
                                                                       : "text in quotes";
    throw UsageError(
        format("{}: key \"{}\" must be {}", place(value.source().begin), member.key, expected));
  }

  std::filesystem::path path_;
  const Bears& bears_;
  ConfigFile file_;
};

}  // namespace

const ConfigEntry* ConfigFile::find(Place section, std::string_view name,
                                    std::string_view key) const {
  for (const ConfigEntry& entry : entries) {
    if (entry.section == section && entry.name == name && entry.option->name == key) return &entry;
  }
  return nullptr;
}

ConfigFile parse_config(std::string_view text, const std::filesystem::path& path,
                        const Bears& bears) {
  try {
    const toml::table root = toml::parse(text, path.string());
    return Reader(path, bears).read(root);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    const std::vector<std::string> lines = split(text, '\n');
    const std::size_t line = std::clamp<std::size_t>(at.line, 1, lines.size());
    throw UsageError(format("{}:{}:{}: not valid TOML: {}", path.string(), at.line, at.column,
                            error.description()),
                     toml_hint(lines[line - 1]));
  }
}

void check_repository_name(const std::string& name, std::string_view origin) {
  static constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const bool valid =
      !name.empty() && name.size() <= 64 && letters.find(name.front()) != std::string_view::npos &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return letters.find(c) != std::string_view::npos || c == '.' || c == '_' || c == '-';
      });
  if (!valid) {
    throw UsageError(format("{} \"{}\" cannot be the name of a repository", origin, name),
                     "names have letters, digits, '.', '_' and '-', at most 64, and start with a "
                     "letter or digit");
  }
  if (name == kAllRepositories) {
    throw UsageError(format("{} \"{}\" cannot be the name of a repository", origin, name),
                     "--repo=all means all of them: choose another name");
  }
}

}  // namespace pgcairn::command
