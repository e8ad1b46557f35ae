#include "verbs/restore_advice.hpp"

#include "schedule.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/host_clusters.hpp>
#include <pgcairn/postgres/server_needs.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

using engine::RestoreType;

bool is_there(const std::filesystem::path& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown) || unknown;
}

/// The server's own file, from outside of the data directory, that neither the restore nor this
/// host has; null: none is missing.
const engine::ExternalConfigFile* missing_config(const engine::RestorePlan& plan) {
  const auto found = std::find_if(plan.outside.begin(), plan.outside.end(), [](const auto& file) {
    return file.location.empty() && !is_there(file.was);
  });
  return found == plan.outside.end() ? nullptr : &*found;
}

/// A copy is nobody's service, and neither is a cluster whose configuration is elsewhere now.
std::optional<postgres::ServerCommands> service(const engine::RestorePlan& plan) {
  const bool moved = std::any_of(plan.outside.begin(), plan.outside.end(), [](const auto& file) {
    return !file.location.empty() && file.location != file.was;
  });
  if (plan.options.isolated || moved) return std::nullopt;
  const int major = plan.backup.pg_version;
  if (const auto known = postgres::service_of(plan.data_directory, major)) return known;
  // It will be, once its configuration is back.
  if (plan.options.copy || plan.outside.empty()) return std::nullopt;
  return postgres::service_by_config(plan.outside.front().was, major);
}

std::string text_of(const std::filesystem::path& path) {
  try {
    const auto content = read_file_if_exists(path, kMiB);
    return content ? std::string(as_text(*content)) : std::string();
  } catch (const Error&) {
    return {};
  }
}

/// As the restored server will read it, but for what it includes.
std::string config_of(const engine::RestorePlan& plan) {
  std::filesystem::path main = plan.data_directory / "postgresql.conf";
  for (const engine::ExternalConfigFile& file : plan.outside) {
    if (file.setting == "config_file")
      main = file.location.empty() ? std::filesystem::path(file.was) : file.location;
  }
  return text_of(main) + "\n" + text_of(plan.data_directory / "postgresql.auto.conf");
}

void add_needs(const engine::RestorePlan& plan, ServerWords& words) {
  const auto* const file = missing_config(plan);
  const auto& unreadable = plan.backup.outside.unreadable;
  if (file != nullptr && std::any_of(unreadable.begin(), unreadable.end(),
                                     [&](const auto& one) { return one.path == file->was; })) {
    words.before.push_back(
        {format("neither this host nor the backup has {}: write it again", file->was), ""});
  } else if (file != nullptr) {
    words.before.push_back(
        {format("this host has no {}; get the server's configuration with", file->was),
         "pgcairn restore --only=config --config-to=/root/config"});
  }
  const auto libraries = std::filesystem::path(words.pg_ctl).parent_path().parent_path() / "lib";
  const postgres::MissingNeeds missing = postgres::missing_needs(config_of(plan), libraries);
  for (const auto& library : missing.libraries) {
    words.before.push_back({format("shared_preload_libraries names {}, which is not there: install "
                                   "the package that has it",
                                   library.string()),
                            ""});
  }
  for (const std::string& name : missing.locales) {
    const auto dot = name.find('.');
    const std::string charset = dot == std::string::npos ? "UTF-8" : name.substr(dot + 1);
    words.before.push_back(
        {format("the configuration names the locale {}, which this host does not have", name),
         format("localedef -i {} -f {} {}", shell_quote(name.substr(0, dot)), shell_quote(charset),
                shell_quote(name))});
  }
}

void add_what_is_off(const engine::RestorePlan& plan, ServerWords& words) {
  if (plan.options.isolated) return;
  if (plan.options.replaces) {
    words.after.push_back({format("the configuration of pgcairn still names {}: set pg-path to {}",
                                  plan.options.original.string(), plan.data_directory.string()),
                           ""});
  }
  const RestoreType type = plan.options.target.type();
  const bool goes_on = type != RestoreType::standby && type != RestoreType::preserve;
  if (plan.options.archive_off) {
    words.after.push_back(
        {"archiving is off, by --archive-mode=off; to archive again, type this and restart",
         "psql -c 'ALTER SYSTEM RESET archive_mode'"});
  } else if (goes_on) {
    words.after.push_back(
        {"when it can be written to, prove that its WAL arrives, and take a backup",
         "pgcairn check && pgcairn backup"});
  }
  if (goes_on && is_scheduled() == false) {
    words.after.push_back(
        {"nothing runs backups here: no file of cron or systemd names pgcairn; "
         "the README (6. Schedule) has such files",
         ""});
  }
}

}  // namespace

ServerWords server_words(const engine::RestorePlan& plan, const std::filesystem::path& programs) {
  ServerWords words{postgres::pg_ctl_path(programs, plan.backup.pg_version), service(plan), {}, {}};
  add_needs(plan, words);
  add_what_is_off(plan, words);
  return words;
}

}  // namespace pgcairn::command
