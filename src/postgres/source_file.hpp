#pragma once

#include <pgcairn/postgres/files.hpp>

#include <sys/stat.h>

namespace pgcairn::postgres {

/// A file of that type with what the manifest keeps of its status; paths are still to be set.
inline SourceFile source_file(FileType type, const struct stat& status) {
  SourceFile file;
  file.type = type;
  if (type == FileType::regular) file.size_bytes = static_cast<std::uint64_t>(status.st_size);
  file.mode = status.st_mode & 07777;
  file.uid = status.st_uid;
  file.gid = status.st_gid;
  file.modified_us =
      std::int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1000;
  return file;
}

}  // namespace pgcairn::postgres
