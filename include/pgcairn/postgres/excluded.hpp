#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pgcairn::postgres {

/// Why a backup may not leave this path out, in words that go on after "cannot be excluded: ";
/// nothing: it may. The path has the form that excluded_path() gives.
std::optional<std::string> why_needed(std::string_view path);

/// A path below the data directory as the manifest names it: without "." parts and a slash at its
/// end. Nothing when it is absolute, empty, or leads out with "..".
std::optional<std::string> excluded_path(std::string_view text);

/// What an operator can do about a path of the data directory that this user may not read.
std::string unreadable_hint(const std::filesystem::path& data_directory, std::string_view path);

}  // namespace pgcairn::postgres
