#include "console.hpp"
#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

constexpr std::size_t kMostNamed = 100;  // a directory of include-path may have thousands

std::string quoted(const std::filesystem::path& path) {
  return shell_quote(path.string());
}

std::filesystem::path copy_of(const engine::ConfigPlan& plan, const std::filesystem::path& was) {
  return plan.restore.options.config_to / was.relative_path();
}

/// What is missing on this host, as lines for root: files of several users.
std::string copy_text(const engine::ConfigPlan& plan) {
  if (plan.absent.empty()) return {};
  std::string text = "Read it, and put it in its place, as root, with\n";
  for (const std::filesystem::path& path : plan.absent) {
    text += format("  cp -a {} {}\n", quoted(copy_of(plan, path)), quoted(path.parent_path()));
  }
  return text;
}

/// What is there may be this host's own: nobody but the operator knows which to keep.
std::string compare_text(const engine::ConfigPlan& plan) {
  if (plan.there.empty()) return {};
  std::string text = "This host has such files already, which stay as they are. Compare, with\n";
  for (const std::filesystem::path& path : plan.there)
    text += format("  diff -r {} {}\n", quoted(path), quoted(copy_of(plan, path)));
  return text;
}

bool has_any(const engine::ConfigPlan& plan, bool in_data_directory) {
  return std::any_of(plan.entries.begin(), plan.entries.end(),
                     [&](const auto& one) { return one.in_data_directory == in_data_directory; });
}

}  // namespace

std::string config_plan_text(const engine::ConfigPlan& plan) {
  const engine::RestorePlan& restore = plan.restore;
  std::string text = format("restore of the configuration of stanza {} to {}\n", restore.stanza,
                            restore.options.config_to.string());
  text +=
      row("backup", format("{}, begun {}, from repository {}", restore.backup.label,
                           format_local(restore.backup.start_time), restore.repository->name()));
  std::size_t named = 0;
  for (const engine::ConfigEntry& entry : plan.entries) {
    if (entry.is_directory || ++named > kMostNamed) continue;
    text += row("file", entry.was.string());
  }
  if (named > kMostNamed) text += row("file", format("and {} more", named - kMostNamed));
  if (named == 0) text += row("note", "the backup has no configuration");
  for (const std::string& note : restore.notes) text += row("note", note);
  return text;
}

std::string config_end_text(const engine::ConfigPlan& plan,
                            const std::optional<engine::RestoreResult>& result) {
  if (!result) return "dry run: nothing was touched\n";
  std::string text = format("restored {} to {}\n", counted(plan.restore.files, "file"),
                            plan.restore.options.config_to.string());
  text += copy_text(plan) + compare_text(plan);
  if (has_any(plan, true)) {
    text +=
        format("What is in {} comes back with the data.\n", plan.restore.data_directory.string());
  }
  if (plan.there.empty()) text += "Then restore the data, with\n  pgcairn restore\n";
  return text;
}

std::string config_json(const engine::ConfigPlan& plan,
                        const std::optional<engine::RestoreResult>& result) {
  const engine::RestorePlan& restore = plan.restore;
  JsonWriter json;
  json.begin_object().key("restore-config").begin_object();
  json.member("stanza", restore.stanza).member("dry-run", !result.has_value());
  json.member("repository", restore.repository->name()).key("backup");
  write_backup(json, restore.backup);
  json.member("to", escape_bytes(restore.options.config_to.string())).key("files").begin_array();
  for (const engine::ConfigEntry& entry : plan.entries) {
    if (entry.is_directory) continue;
    json.begin_object().member("was", escape_bytes(entry.was.string()));
    json.member("location", escape_bytes(entry.location.string()));
    json.member("in-data-directory", entry.in_data_directory).end_object();
  }
  json.end_array().key("absent").begin_array();
  for (const auto& path : plan.absent) json.value(escape_bytes(path.string()));
  json.end_array().key("notes").begin_array();
  for (const std::string& note : restore.notes) json.value(as_utf8(note));
  json.end_array().end_object().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
