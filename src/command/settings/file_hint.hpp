#pragma once

#include <pgcairn/common/error.hpp>

#include <filesystem>
#include <string>

namespace pgcairn::command {

/// What to do about a file that the settings name and that could not be read. `what` is what it is:
/// "key", "configuration". After root has given itself up, such files are often root's.
std::string file_hint(const SystemError& error, const std::filesystem::path& path,
                      const std::string& what);

}  // namespace pgcairn::command
