#include "backup/manifest_header.hpp"

#include "stanza/owner_names.hpp"

#include <pgcairn/common/file.hpp>

#include <fcntl.h>

namespace pgcairn::engine {

repo::ManifestHeader new_manifest_header(const std::string& label,
                                         std::vector<repo::ManifestRef> refs,
                                         const fs::path& data_directory) {
  const struct stat status =
      stat_of(open_file(data_directory, O_RDONLY | O_DIRECTORY), data_directory);
  OwnerNames owners;
  repo::ManifestHeader header;
  header.label = label;
  header.refs = std::move(refs);
  header.user = owners.user(status.st_uid);
  header.group = owners.group(status.st_gid);
  header.directory_mode = status.st_mode & 07777;
  header.file_mode = header.directory_mode & 0666;  // 0600, or 0640 with group access (initdb -g)
  return header;
}

}  // namespace pgcairn::engine
