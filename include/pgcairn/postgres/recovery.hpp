#pragma once

#include <span>
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

/// The settings of a recovery target, of which only one may be set. The server reads them in the
/// order of the file, and any of the others after the one that is set ends it, even '' ("multiple
/// recovery targets specified", xlogrecovery.c).
std::span<const std::string_view> target_settings();
bool is_target_setting(std::string_view name);

/// One word of restore_command, in which the server replaces what follows a %.
std::string restore_command_word(std::string_view text);

}  // namespace pgcairn::postgres
