#pragma once

#include <filesystem>
#include <optional>

namespace pgcairn::command {

/// Does anything of cron or systemd on this host name pgcairn? Nothing: not all of it can be read.
/// `root` is another root directory, for tests.
std::optional<bool> is_scheduled(const std::filesystem::path& root = "/");

}  // namespace pgcairn::command
