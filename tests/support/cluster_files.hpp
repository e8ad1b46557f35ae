#pragma once

#include <filesystem>
#include <string_view>

namespace pgcairn::test {

/// Writes a file, and the directories above it.
void put_file(const std::filesystem::path& path, std::string_view content);

/// Writes global/pg_control of a real server (15) with another state: a number of DBState.
/// `never_started`: as a restore leaves it.
void put_control(const std::filesystem::path& data_directory, int state,
                 bool never_started = false);

}  // namespace pgcairn::test
