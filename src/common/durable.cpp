#include <pgcairn/common/durable.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>
#include <mutex>
#include <set>

#include <unistd.h>

namespace pgcairn {

namespace {

bool is_unsupported(int error_number) {
  return error_number == EINVAL || error_number == EOPNOTSUPP || error_number == ENOSYS;
}

/// The first time for this file system?
bool is_news(const Fd& directory, const fs::path& path) {
  static std::mutex mutex;
  static std::set<dev_t> known;
  std::lock_guard lock(mutex);
  return known.insert(stat_of(directory, path).st_dev).second;
}

}  // namespace

void sync_directory(const Fd& directory, const fs::path& path) {
  if (::fsync(directory.get()) == 0) return;
  const int error_number = errno;
  if (!is_unsupported(error_number))
    throw SystemError(format("cannot make durable \"{}\"", path.native()), error_number);
  if (is_news(directory, path)) {
    log_warn(
        format("the file system of \"{}\" does not make file names durable ({}): the last writes "
               "may be lost when the machine or its server crashes",
               path.native(), std::generic_category().message(error_number)));
  }
}

}  // namespace pgcairn
