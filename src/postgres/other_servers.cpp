#include "server_signs.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/other_servers.hpp>

#include <algorithm>

namespace pgcairn::postgres {

namespace {

constexpr std::size_t kMostFiles = 1024;  // of one database
constexpr std::size_t kMostVersionBytes = 16;

std::string version_of(const fs::path& data_directory) {
  std::error_code ignored;
  const fs::path file = data_directory / "PG_VERSION";
  if (!fs::is_regular_file(file, ignored)) return {};
  return std::string(trim(as_text(read_file(file, kMostVersionBytes))));
}

/// Where a link of the server's leads, in the server's own view of the file systems.
fs::path seen_by(const SeenServer& server, const fs::path& link) {
  std::error_code gone;
  const fs::path target = fs::read_symlink(link, gone);
  if (gone) return {};
  if (target.is_absolute()) return server.root / target.relative_path();
  return link.parent_path() / target;
}

void add_links(std::vector<UsedPlace>& places, const SeenServer& server, const fs::path& folder,
               bool are_tablespaces) {
  std::error_code gone;
  for (fs::directory_iterator entry(server.directory / folder, gone), end; !gone && entry != end;
       entry.increment(gone)) {
    const fs::path target = seen_by(server, entry->path());
    struct stat status {};
    if (target.empty() || ::stat(target.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
      continue;
    const std::string name = entry->path().filename().native();
    places.push_back({status.st_dev, status.st_ino,
                      are_tablespaces ? version_of(server.directory) : std::string{},
                      format("{} of the server in \"{}\" ({})",
                             are_tablespaces ? format("tablespace {}", name) : name,
                             server.path.native(), server.process)});
  }
}

}  // namespace

std::vector<UsedPlace> places_of_other_servers(const fs::path& own) {
  struct stat owner {};
  const bool is_there = ::stat(own.c_str(), &owner) == 0;
  std::vector<UsedPlace> places;
  for (const SeenServer& server : seen_servers()) {
    if (is_there && server.status.st_dev == owner.st_dev && server.status.st_ino == owner.st_ino)
      continue;
    add_links(places, server, {}, false);
    add_links(places, server, "pg_tblspc", true);
  }
  return places;
}

std::string open_in_tablespace(const fs::path& directory) {
  std::error_code gone;
  for (fs::directory_iterator folder(directory, gone), end; !gone && folder != end;
       folder.increment(gone)) {
    const std::string open = open_for_writing_in(folder->path(), kMostFiles);
    if (!open.empty()) return open;
  }
  return {};
}

}  // namespace pgcairn::postgres
