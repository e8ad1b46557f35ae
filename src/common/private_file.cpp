#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/private_file.hpp>
#include <pgcairn/common/text.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn {

namespace {

/// Nobody but us could have written or can read it.
bool ours_alone(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
}

}  // namespace

std::optional<Buffer> read_private_file(const fs::path& path, std::size_t most_bytes) try {
  const auto directory = stat_if_exists(path.parent_path());
  const auto file = open_if_exists(path, O_RDONLY | O_NOFOLLOW);
  if (!directory || !file) return std::nullopt;
  const struct stat status = stat_of(*file, path);
  if (!ours_alone(*directory) || !ours_alone(status)) {
    log_detail(format("\"{}\" is not used: other users can read it, or it belongs to another user",
                      path.native()));
    return std::nullopt;
  }
  Buffer content(most_bytes + 1);
  content.resize(read_at(*file, content.writable(), 0, path));
  if (content.size() > most_bytes) return std::nullopt;
  return content;
} catch (const SystemError& error) {
  log_detail(format("\"{}\" is not used: {}", path.native(), error.message()));
  return std::nullopt;
}

void write_private_file(const fs::path& path, Bytes content) try {
  const fs::path directory = path.parent_path();
  if (is_root_elsewhere(directory.parent_path())) return;
  std::error_code ignored;
  fs::create_directories(directory.parent_path(), ignored);
  ::mkdir(directory.c_str(), 0700);
  const auto status = stat_if_exists(directory);
  if (!status || !ours_alone(*status)) return;
  AtomicFile file(path, 0600);
  file.write(content);
  file.publish();
} catch (const SystemError& error) {
  log_detail(format("\"{}\" is not kept: {}", path.native(), error.message()));
}

}  // namespace pgcairn
