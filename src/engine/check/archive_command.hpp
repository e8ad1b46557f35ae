#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::engine {

/// What an archive_command does, as far as its text says.
struct ArchiveCommand {
  std::string program;  // without directories: "pgcairn"; empty: the command is empty
  bool pushes = false;  // it is pgcairn's archive-push
  std::optional<std::string> stanza = {};  // that it names
  std::optional<std::string> config = {};
  bool passes_path = false;  // %p
  bool passes_name = false;  // %f
};

/// Reads an archive_command. Of several commands in it ("other %p && pgcairn ..."), and of one that
/// a shell runs ("sh -c '...'"), the one that runs archive-push counts, else
/// the one that passes %p, else the first. Pure.
ArchiveCommand read_archive_command(std::string_view text);

}  // namespace pgcairn::engine
