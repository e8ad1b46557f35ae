#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::postgres {

/// name = 'value' lines for postgresql.auto.conf.
using Settings = std::vector<std::pair<std::string, std::string>>;

/// `existing` with every setting of recovery (restore_command, recovery_target*, ...) taken out and
/// `settings` added at the end under a comment that says who wrote them and when. Values are quoted
/// as the server reads them (guc-file.l).
std::string recovery_auto_conf(std::string_view existing, const Settings& settings,
                               std::string_view comment);

/// `existing` as it is, with `settings` added at the end under the comment: the last one counts.
std::string added_to_auto_conf(std::string_view existing, const Settings& settings,
                               std::string_view comment);

/// Is a postmaster running in this data directory? Tells its process id from postmaster.pid when
/// the process lives and, where that can be told, has this directory as its working directory.
/// Throws PostgresError when postmaster.pid is there but holds no process id.
std::optional<int> running_postmaster(const std::filesystem::path& data_directory);

/// One word of restore_command, in which the server replaces what follows a %.
std::string restore_command_word(std::string_view text);

}  // namespace pgcairn::postgres
