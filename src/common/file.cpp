#include <pgcairn/common/durable.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn {

namespace {

[[noreturn]] void failed(std::string_view verb, const fs::path& path, int error_number) {
  std::string hint;
  if (error_number == ENOSPC)
    hint = format("free space on the file system of \"{}\"", path.parent_path().native());
  throw SystemError(format("cannot {} \"{}\"", verb, path.native()), error_number, std::move(hint));
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

void Fd::close(const fs::path& path) {
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) failed("close", path, errno);
}

Fd open_file(const fs::path& path, int flags, mode_t mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) failed((flags & O_CREAT) != 0 ? "create" : "open", path, errno);
  return fd;
}

std::optional<Fd> open_if_exists(const fs::path& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) failed("open", path, errno);
  return fd;
}

std::size_t read_at(const Fd& fd, MutableBytes out, std::uint64_t offset, const fs::path& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count =
        ::pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failed("read", path, errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void write_at(const Fd& fd, Bytes bytes, std::uint64_t offset, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failed("write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void write_all(const Fd& fd, Bytes bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failed("write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

struct stat stat_of(const Fd& fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) failed("examine", path, errno);
  return status;
}

std::optional<struct stat> stat_if_exists(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  failed("examine", path, errno);
}

void fsync_file(const Fd& fd, const fs::path& path) {
  if (::fsync(fd.get()) != 0) failed("make durable", path, errno);
}

void fsync_directory(const fs::path& path) {
  sync_directory(open_file(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY), path);
}

namespace {

Buffer read_whole(const Fd& fd, const fs::path& path, std::uint64_t limit) {
  const auto size = static_cast<std::uint64_t>(stat_of(fd, path).st_size);
  if (size > limit) {
    throw Error(format("cannot read \"{}\": {} bytes are more than the limit of {}", path.native(),
                       size, limit));
  }
  // Files below /proc say 0 and files may grow while they are read: go on until the end shows.
  Buffer content(std::max<std::size_t>(size + 1, 4096));
  std::size_t done = 0;
  for (;;) {
    const std::size_t count = read_at(fd, content.writable().subspan(done), done, path);
    done += count;
    if (done < content.size()) break;
    if (done > limit)
      throw Error(
          format("cannot read \"{}\": more than the limit of {} bytes", path.native(), limit));
    content.resize(content.size() * 2);
  }
  content.resize(done);
  return content;
}

}  // namespace

Buffer read_file(const fs::path& path, std::uint64_t limit) {
  return read_whole(open_file(path, O_RDONLY), path, limit);
}

std::optional<Buffer> read_file_if_exists(const fs::path& path, std::uint64_t limit) {
  const auto fd = open_if_exists(path, O_RDONLY);
  if (!fd) return std::nullopt;
  return read_whole(*fd, path, limit);
}

std::vector<std::string> list_directory(const fs::path& path) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entries(path, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    names.push_back(entries->path().filename().native());
  }
  if (error) failed("list", path, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

AtomicFile::AtomicFile(fs::path path, mode_t mode)
    : path_(std::move(path)),
      temporary_(path_.native() + "." + random_id().substr(0, 12) + std::string(kTemporarySuffix)),
      fd_(open_file(temporary_, O_WRONLY | O_CREAT | O_EXCL, mode)) {}

AtomicFile::~AtomicFile() {
  if (!done_) ::unlink(temporary_.c_str());
}

void AtomicFile::sync() {
  fsync_file(fd_, temporary_);
  fd_.close(temporary_);
}

void AtomicFile::publish() {
  if (fd_) fd_.close(temporary_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) failed("rename to", path_, errno);
  done_ = true;
}

void AtomicFile::commit() {
  sync();
  publish();
  fsync_directory(path_.parent_path());
}

bool AtomicFile::commit_if_absent() {
  sync();
  // renameat2(RENAME_NOREPLACE) publishes in one step; file systems without it (NFS) still have
  // link().
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return false;
    if (errno != EINVAL && errno != ENOSYS) failed("rename to", path_, errno);
    if (::link(temporary_.c_str(), path_.c_str()) != 0) {
      if (errno == EEXIST) return false;
      failed("link to", path_, errno);
    }
    ::unlink(temporary_.c_str());
  }
  done_ = true;
  fsync_directory(path_.parent_path());
  return true;
}

void write_file_atomically(const fs::path& path, Bytes bytes, mode_t mode) {
  AtomicFile file(path, mode);
  file.write(bytes);
  file.commit();
}

}  // namespace pgcairn
