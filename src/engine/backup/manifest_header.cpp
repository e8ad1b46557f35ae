#include "backup/manifest_header.hpp"

#include "stanza/owner_names.hpp"

#include <pgcairn/common/file.hpp>

#include <algorithm>
#include <tuple>

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

void sort_by_place(std::vector<repo::ManifestPack>& packs) {
  std::sort(packs.begin(), packs.end(),
            [](const repo::ManifestPack& a, const repo::ManifestPack& b) {
              return std::tie(a.ref, a.pack) < std::tie(b.ref, b.pack);
            });
}

std::vector<repo::PackRange> ranges_of(std::span<const repo::ManifestPack> packs,
                                       std::span<const repo::ManifestRef> refs) {
  std::vector<repo::PackRange> ranges;
  for (const repo::ManifestPack& pack : packs) {
    const std::string& label = refs[pack.ref].backup;
    if (!ranges.empty() && ranges.back().backup == label && ranges.back().last + 1 == pack.pack)
      ranges.back().last = pack.pack;
    else
      ranges.push_back({label, pack.pack, pack.pack});
  }
  return ranges;
}

}  // namespace pgcairn::engine
