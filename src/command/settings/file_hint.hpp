#pragma once

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace pgcairn::command {

/// What to do about a file that the settings name and that could not be read. `what` is what it is:
/// "key", "configuration". After root has given itself up, such files are often root's. `verb`:
/// of this run, where the hint may be to start it as another user.
std::string file_hint(const SystemError& error, const std::filesystem::path& path,
                      const std::string& what, std::string_view verb = {});

/// Is it the user that packages run PostgreSQL as? Only such a one is ever to be given files.
bool is_of_server(const Account& account);

}  // namespace pgcairn::command
