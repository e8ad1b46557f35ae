#include "restore/external_config.hpp"

#include "restore/paths.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

std::string settings_words(const RestorePlan& plan) {
  std::string text;
  for (const ExternalConfigFile& file : plan.outside)
    text += format("{}{} {}", text.empty() ? "" : ", ", file.setting, file.was);
  return text;
}

}  // namespace

namespace {

/// A cluster that comes back to its own place uses the configuration that this host has.
void note_host_config(RestorePlan& plan) {
  for (const ExternalConfigFile& file : plan.outside) {
    const auto& unreadable = plan.backup.outside.unreadable;
    const bool in_backup = std::none_of(unreadable.begin(), unreadable.end(),
                                        [&](const auto& one) { return one.path == file.was; });
    if (file.on_host || !in_backup) continue;  // what is not in the backup has its own note
    plan.note_first(
        format("this host has no {}, and the server does not start without it: \"pgcairn restore "
               "--only=config --config-to=/root/config\" gets the configuration of the backup",
               file.was));
    return;
  }
}

}  // namespace

void note_unreadable(RestorePlan& plan) {
  for (const repo::UnreadableFile& file : plan.backup.outside.unreadable) {
    plan.notes.push_back(format("not in the backup: {} ({})", file.path, file.cause));
  }
  for (const std::string& path : plan.backup.excluded) {
    plan.notes.push_back(format("not in the backup: {} (excluded{})", escape_bytes(path),
                                plan.compares ? "; what is there stays as it is" : ""));
  }
}

void plan_config(RestorePlan& plan) {
  const repo::ExternalConfigInfo& was = plan.backup.outside;
  const fs::path& to = plan.options.config_to;
  const auto add = [&](std::string setting, const std::string& path) {
    if (path.empty()) return;
    const bool missing = std::any_of(was.unreadable.begin(), was.unreadable.end(),
                                     [&](const auto& file) { return file.path == path; });
    const bool comes = !to.empty() && !missing;
    plan.outside.push_back({std::move(setting), path,
                            comes ? to / fs::path(path).relative_path() : fs::path(),
                            stat_if_exists(path).has_value()});
  };
  add("config_file", was.config_file);
  add("hba_file", was.hba_file);
  add("ident_file", was.ident_file);
  note_unreadable(plan);
  if (!to.empty() && !plan.uses_config_to) {
    plan.notes.push_back(
        format("backup {} has nothing from outside of the data directory: --config-to is not used",
               plan.backup.label));
  }
  if (to.empty() && was.files > 0) {
    plan.notes.push_back(
        format("{} files from outside of the data directory are in the backup and are not "
               "restored; --config-to=DIR restores them into a directory of their own",
               was.files));
  }
  if (plan.outside.empty()) return;
  if (!plan.options.copy && to.empty()) return note_host_config(plan);
  plan.notes.push_back(format(
      "the server was configured outside of its data directory ({}): started on the data directory "
      "alone it does not find {}",
      settings_words(plan),
      plan.outside.front().setting == "config_file" ? "postgresql.conf; config_file must name one"
                                                    : "what its configuration names"));
}

}  // namespace pgcairn::engine
