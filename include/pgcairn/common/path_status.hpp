#pragma once

#include <filesystem>

namespace pgcairn {

// What std::filesystem would throw of these names neither operation nor hint. A path that does not
// exist is an answer; one that cannot be examined (rights, a loop of links, a name that is too
// long) is a SystemError.

/// Does it lead anywhere? Links are followed.
bool path_exists(const std::filesystem::path& path);
bool path_is_directory(const std::filesystem::path& path);
bool path_is_file(const std::filesystem::path& path);
/// Is it a symbolic link itself?
bool path_is_link(const std::filesystem::path& path);
/// Where a symbolic link leads, as it is written.
std::filesystem::path link_target(const std::filesystem::path& link);
std::filesystem::path working_directory();

}  // namespace pgcairn
