#include <pgcairn/common/beneath.hpp>
#include <pgcairn/common/durable.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <set>

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace pgcairn {

namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY;
constexpr std::uint64_t kMostReadBytes = 64 * kMiB;

int openat2(int directory, const char* path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  if ((flags & O_CREAT) != 0) how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

/// Older kernels do not have it (5.6 on), and some sandboxes refuse it.
bool kernel_resolves() {
  static const bool does = [] {
    const Fd fd(openat2(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0));
    return static_cast<bool>(fd) || (errno != ENOSYS && errno != EPERM && errno != EINVAL);
  }();
  return does;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string name_of(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

/// An absent directory on the way is an absent file.
bool is_absent(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR;
}

std::optional<std::vector<std::string>> names_in(const Fd& directory) {
  const int again = ::openat(directory.get(), ".", kDirectory | O_CLOEXEC);
  if (again < 0) return std::nullopt;
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::fdopendir(again), ::closedir);
  if (!handle) {
    ::close(again);
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(handle.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

/// Is something mounted at `name`? A file system inside another one with the same device number
/// (a bind mount) is reported by the kernel (5.8 on); else by the number.
bool is_mount_point(const Fd& directory, const std::string& name, const struct stat& status) {
  struct statx extended {};
  if (::statx(directory.get(), name.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE,
              &extended) == 0 &&
      (extended.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
    return (extended.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  struct stat above {};
  return ::fstat(directory.get(), &above) != 0 || above.st_dev != status.st_dev;
}

/// Counts a tree, and removes it when asked to.
class TreeWalk {
 public:
  explicit TreeWalk(bool removes) : removes_(removes) {}

  /// False when something of it is left: a mount point.
  bool visit(const Fd& directory, const std::string& name, const fs::path& path) {
    struct stat status {};
    if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return true;
      throw SystemError(format("cannot examine \"{}\"", path.native()), errno);
    }
    if (is_mount_point(directory, name, status)) return false;
    const bool is_directory = S_ISDIR(status.st_mode);
    if (is_directory && !visit_all(directory, name, path)) return false;
    if (removes_ &&
        ::unlinkat(directory.get(), name.c_str(), is_directory ? AT_REMOVEDIR : 0) != 0 &&
        errno != ENOENT)
      throw SystemError(format("cannot remove \"{}\"", path.native()), errno);
    count(status);
    return true;
  }

  const TreeSize& size() const { return size_; }

 private:
  bool visit_all(const Fd& directory, const std::string& name, const fs::path& path) {
    const Fd below(::openat(directory.get(), name.c_str(), kDirectory | O_NOFOLLOW | O_CLOEXEC));
    if (!below) throw SystemError(format("cannot open directory \"{}\"", path.native()), errno);
    const auto names = names_in(below);
    if (!names) throw SystemError(format("cannot list \"{}\"", path.native()), errno);
    bool all = true;
    for (const std::string& one : *names) all = visit(below, one, path / one) && all;
    return all;
  }

  void count(const struct stat& status) {
    constexpr std::uint64_t block_bytes = 512;  // of st_blocks
    ++size_.files;
    if (S_ISREG(status.st_mode)) size_.bytes += static_cast<std::uint64_t>(status.st_size);
    if (!S_ISDIR(status.st_mode) && status.st_nlink == 1)
      size_.disk_bytes += static_cast<std::uint64_t>(status.st_blocks) * block_bytes;
  }

  bool removes_;
  TreeSize size_;
};

}  // namespace

Beneath::Beneath(Fd fd, fs::path path, Way way)
    : path_(std::move(path)), fd_(std::move(fd)), way_(way) {
  if (way_ == Way::automatic) way_ = kernel_resolves() ? Way::kernel : Way::parts;
}

Beneath::Beneath(const fs::path& directory, Way way)
    : Beneath(open_file(directory, kDirectory), directory, way) {}

std::optional<Beneath> Beneath::open_real(const fs::path& directory) {
  const Beneath top(open_file("/", O_PATH | O_DIRECTORY), "/", Way::automatic);
  auto fd = top.open_if_exists(directory.relative_path().native(), O_PATH | O_DIRECTORY);
  if (!fd) return std::nullopt;
  return Beneath(std::move(*fd), directory, top.way_);
}

Beneath Beneath::make_real(const fs::path& directory, mode_t mode) {
  const Beneath top(open_file("/", O_PATH | O_DIRECTORY), "/", Way::automatic);
  const std::string path = directory.relative_path().native();
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string_view above = std::string_view(path).substr(0, end);
    if (top.status(above)) continue;
    top.make_directory(above, 0755);
    if (::geteuid() != 0) continue;
    const Fd made = top.open(above, kDirectory);
    if (::fchmod(made.get(), 0755) != 0) top.failed("change the mode of", above, errno);
  }
  if (!path.empty() && !top.status(path)) top.make_directory(path, mode);
  return {top.open(path, O_PATH | O_DIRECTORY), directory, top.way_};
}

fs::path Beneath::whole(std::string_view path) const {
  return path.empty() ? path_ : path_ / path;
}

void Beneath::failed(std::string_view verb, std::string_view path, int error_number) const {
  const fs::path name = whole(path);
  std::string hint;
  if (error_number == ENOSPC)
    hint = format("free space on the file system of \"{}\"", name.parent_path().native());
  if (error_number == ELOOP || error_number == EXDEV)
    hint = "a symbolic link is in the way, and links are not followed here; remove it";
  throw SystemError(format("cannot {} \"{}\"", verb, name.native()), error_number, std::move(hint));
}

namespace {

/// One part of a path, which must not be a link. O_DIRECTORY and O_NOFOLLOW together say of a link
/// that it is not a directory, which would pass for absent.
int open_part(int directory, const std::string& part, int flags, mode_t mode) {
  if (part == "..") {
    errno = EXDEV;
    return -1;
  }
  const char* const name = part.empty() ? "." : part.c_str();
  const int fd = ::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd >= 0 || errno != ENOTDIR) return fd;
  struct stat status {};
  const bool is_link =
      ::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
  errno = is_link ? ELOOP : ENOTDIR;
  return -1;
}

}  // namespace

/// Each part below the one before: where the kernel does not resolve the path as a whole.
int Beneath::open_by_parts(std::string_view path, int flags, mode_t mode) const {
  Fd at;
  int above = fd_.get();
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string part(path.substr(0, slash));
    if (slash == std::string_view::npos) return open_part(above, part, flags, mode);
    Fd next(open_part(above, part, O_PATH | O_DIRECTORY, 0));
    if (!next) return -1;
    at = std::move(next);
    above = at.get();
    path.remove_prefix(slash + 1);
  }
}

int Beneath::open_raw(std::string_view path, int flags, mode_t mode) const {
  if (way_ == Way::parts) return open_by_parts(path, flags, mode);
  return openat2(fd_.get(), path.empty() ? "." : std::string(path).c_str(), flags, mode);
}

Fd Beneath::open(std::string_view path, int flags) const {
  Fd fd(open_raw(path, flags, 0));
  if (!fd) failed("open", path, errno);
  return fd;
}

std::optional<Fd> Beneath::open_if_exists(std::string_view path, int flags) const {
  Fd fd(open_raw(path, flags, 0));
  if (fd) return fd;
  if (is_absent(errno)) return std::nullopt;
  failed("open", path, errno);
}

Fd Beneath::open_to_write(std::string_view path, int flags, mode_t mode) const {
  Fd fd(open_raw(path, flags | O_NONBLOCK, mode));  // a pipe must not keep us waiting
  if (!fd) failed((flags & O_CREAT) != 0 ? "create" : "open", path, errno);
  const struct stat status = stat_of(fd, whole(path));
  if (!S_ISREG(status.st_mode) || status.st_nlink > 1) {
    throw Error(format("cannot write \"{}\": it is not a regular file with one hard link",
                       whole(path).native()),
                "nothing else may change the directory meanwhile");
  }
  return fd;
}

std::optional<Fd> Beneath::parent_if_exists(std::string_view path) const {
  return open_if_exists(parent_of(path), O_PATH | O_DIRECTORY);
}

Fd Beneath::parent(std::string_view path, std::string_view verb) const {
  Fd fd(open_raw(parent_of(path), O_PATH | O_DIRECTORY, 0));
  if (!fd) failed(verb, path, errno);
  return fd;
}

std::optional<struct stat> Beneath::status(std::string_view path) const {
  struct stat found {};
  if (path.empty()) {
    if (::fstat(fd_.get(), &found) == 0) return found;
    failed("examine", path, errno);
  }
  const auto above = parent_if_exists(path);
  if (!above) return std::nullopt;
  if (::fstatat(above->get(), name_of(path).c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0)
    return found;
  if (is_absent(errno)) return std::nullopt;
  failed("examine", path, errno);
}

std::vector<std::string> Beneath::list(std::string_view path) const {
  const Fd directory(open_raw(path, kDirectory, 0));
  if (!directory) failed("list", path, errno);
  auto names = names_in(directory);
  if (!names) failed("list", path, errno);
  return std::move(*names);
}

std::optional<std::string> Beneath::link_target(std::string_view path) const {
  const auto above = path.empty() ? std::nullopt : parent_if_exists(path);
  if (!above) return std::nullopt;
  std::string target(PATH_MAX, '\0');
  const ssize_t length =
      ::readlinkat(above->get(), name_of(path).c_str(), target.data(), target.size());
  if (length < 0) {
    if (is_absent(errno) || errno == EINVAL) return std::nullopt;  // EINVAL: no link
    failed("read link", path, errno);
  }
  target.resize(static_cast<std::size_t>(length));
  return target;
}

std::optional<Buffer> Beneath::read_if_exists(std::string_view path) const {
  const auto fd = open_if_exists(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::nullopt;
  const struct stat status = stat_of(*fd, whole(path));
  if (!S_ISREG(status.st_mode)) failed("read", path, EINVAL);
  if (static_cast<std::uint64_t>(status.st_size) > kMostReadBytes) failed("read", path, EFBIG);
  Buffer content(static_cast<std::size_t>(status.st_size));
  content.resize(read_at(*fd, content.writable(), 0, whole(path)));
  return content;
}

bool Beneath::make_directory(std::string_view path, mode_t mode) const {
  const Fd above = parent(path, "create directory");
  if (::mkdirat(above.get(), name_of(path).c_str(), mode) == 0) return true;
  if (errno == EEXIST) return false;
  failed("create directory", path, errno);
}

bool Beneath::make_link(std::string_view path, const std::string& target) const {
  const Fd above = parent(path, "create link");
  if (::symlinkat(target.c_str(), above.get(), name_of(path).c_str()) == 0) return true;
  if (errno == EEXIST) return false;
  failed("create link", path, errno);
}

bool Beneath::remove(std::string_view path) const {
  const auto above = parent_if_exists(path);
  if (!above) return false;
  if (::unlinkat(above->get(), name_of(path).c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  failed("remove", path, errno);
}

void Beneath::rename(std::string_view from, std::string_view to) const {
  const Fd old_parent = parent(from, "rename");
  const Fd new_parent = parent(to, "rename to");
  if (::renameat(old_parent.get(), name_of(from).c_str(), new_parent.get(), name_of(to).c_str()) !=
      0)
    failed("rename to", to, errno);
}

void Beneath::replace(std::string_view path, Bytes content, mode_t mode,
                      const std::function<void(const Fd&)>& finish) const {
  const std::string temporary =
      format("{}.{}{}", path, random_id().substr(0, 12), kTemporarySuffix);
  try {
    Fd fd = open_to_write(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(fd, content, whole(temporary));
    if (finish) finish(fd);
    fsync_file(fd, whole(temporary));
    fd.close(whole(temporary));
    rename(temporary, path);
  } catch (...) {
    try {
      remove(temporary);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the first error is the one to tell
    }
    throw;
  }
  sync(parent_of(path));
}

void Beneath::sync(std::string_view path) const {
  sync_directory(open(path, kDirectory), whole(path));
}

TreeSize Beneath::size_of_tree(std::string_view path) const {
  TreeWalk walk(false);
  if (const auto above = parent_if_exists(path)) walk.visit(*above, name_of(path), whole(path));
  return walk.size();
}

TreeSize Beneath::remove_tree(std::string_view path) const {
  TreeWalk walk(true);
  if (const auto above = parent_if_exists(path)) walk.visit(*above, name_of(path), whole(path));
  return walk.size();
}

std::vector<std::string> parse_mount_points(std::string_view mountinfo) {
  std::set<std::string> points;
  for (const std::string& line : split(mountinfo, '\n')) {
    const std::vector<std::string> fields = split(line, ' ');
    if (fields.size() < 5) continue;
    std::string point;
    const std::string& field = fields[4];
    for (std::size_t i = 0; i < field.size(); ++i) {
      // Blanks, tabs, line ends and backslashes are "\" and three octal digits.
      const auto code =
          field[i] == '\\' ? parse_u64(std::string_view(field).substr(i + 1, 3), 8) : std::nullopt;
      point += code ? static_cast<char>(*code) : field[i];
      if (code) i += 3;
    }
    points.insert(std::move(point));
  }
  return {points.begin(), points.end()};
}

std::vector<std::string> mount_points() {
  return parse_mount_points(as_text(read_file("/proc/self/mountinfo")));
}

}  // namespace pgcairn
