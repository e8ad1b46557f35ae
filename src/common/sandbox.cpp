#include <pgcairn/common/error.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/sandbox.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pgcairn {

namespace {

bool is_below(const fs::path& path, const fs::path& directory) {
  return std::mismatch(directory.begin(), directory.end(), path.begin(), path.end()).first ==
         directory.end();
}

bool write_text(const char* path, const std::string& text) noexcept {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  ::close(fd);
  errno = error;
  return written;
}

/// Some servers talk to themselves (the statistics collector of PostgreSQL 13 and 14).
bool bring_loopback_up() noexcept {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  struct ifreq request {};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP;
  const bool up = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return up;
}

/// The old root is where the new one is until it is let go.
bool change_root(const char* root) noexcept {
  return ::chdir(root) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
         ::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0;
}

/// Opens or makes the directory `name` in `parent`; never through a link.
Fd directory_in(const Fd& parent, const std::string& name) {
  constexpr mode_t mode = 0755;
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (::mkdirat(parent.get(), name.c_str(), mode) != 0 && errno != EEXIST) return Fd();
  return Fd(::openat(parent.get(), name.c_str(), flags));
}

}  // namespace

Sandbox::Sandbox(fs::path root) : root_(std::move(root)) {
  std::error_code error;
  fs::create_directory(root_, error);
  if (error) throw SystemError(format("cannot create \"{}\"", root_.native()), error.value());
  root_fd_ = open_file(root_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  using enum Step::Kind;
  const std::string user = format("{0} {0} 1\n", ::geteuid());
  const std::string group = format("{0} {0} 1\n", ::getegid());
  steps_.push_back({write, "deny", "/proc/self/setgroups", "mapping groups"});
  steps_.push_back({write, user, "/proc/self/uid_map", "mapping the user"});
  steps_.push_back({write, group, "/proc/self/gid_map", "mapping the group"});
  steps_.push_back({bind, root_, root_, "mounting the root"});
}

std::string Sandbox::inside(const fs::path& path) const {
  return root_.native() + path.native();
}

bool Sandbox::make_place(const fs::path& path, bool directory) const {
  Fd at(::openat(root_fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const fs::path below = path.relative_path();
  for (auto part = below.begin(); part != below.end() && at; ++part) {
    if (*part == "." || part->empty()) continue;
    if (*part == "..") return false;
    if (!directory && std::next(part) == below.end()) {
      at = Fd(::openat(at.get(), part->c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    } else {
      at = directory_in(at, *part);
    }
  }
  return static_cast<bool>(at);
}

bool Sandbox::is_shown(const fs::path& path) const {
  return std::any_of(shown_.begin(), shown_.end(),
                     [&](const fs::path& one) { return is_below(path, one); });
}

void Sandbox::show(const fs::path& path, Access access) {
  const auto status = stat_if_exists(path);
  if (!status || (access == Access::read && is_shown(path))) return;
  const bool link = S_ISLNK(status->st_mode) && access == Access::read;
  if (!make_place(link ? path.parent_path() : path, link || path_is_directory(path)))
    throw Error(format("cannot bind \"{}\" into \"{}\"", path.native(), root_.native()));
  if (link) {
    std::error_code ignored;  // it is there already
    fs::create_symlink(link_target(path), inside(path), ignored);
    return;
  }
  if (path_is_directory(path)) shown_.push_back(path);
  if (access == Access::write) {
    writable_.push_back(path);
    return;
  }
  steps_.push_back({Step::Kind::bind, path, inside(path), format("mounting {}", path.native())});
  if (!path_is_directory(path) && !path_is_file(path)) return;  // a device has to be written
  steps_.push_back(
      {Step::Kind::protect, {}, inside(path), format("making {} read-only", path.native())});
}

void Sandbox::hide(const fs::path& directory) {
  std::error_code error;
  const fs::path path = fs::canonical(directory, error);
  if (!error && fs::is_directory(path, error)) hidden_.push_back(path);
}

void Sandbox::seal() {
  using enum Step::Kind;
  for (const fs::path& path : hidden_) {
    if (is_shown(path))
      steps_.push_back({cover, {}, inside(path), format("covering {}", path.native())});
  }
  for (const char* const folder : {"/dev/shm", "/proc", "/tmp"}) make_place(folder, true);
  // Where a container covers parts of /proc, it cannot be had; PostgreSQL does not need it.
  steps_.push_back({file_system, "proc", inside("/proc"), "mounting /proc", false});
  // Memory, unless it would cover what is shown.
  if (std::none_of(writable_.begin(), writable_.end(),
                   [](const fs::path& path) { return is_below(path, "/dev/shm"); }))
    steps_.push_back({file_system, "tmpfs", inside("/dev/shm"), "mounting /dev/shm"});
  // The last, since they may be below what is shown.
  for (const fs::path& path : writable_)
    steps_.push_back({bind, path, inside(path), format("mounting {}", path.native())});
  steps_.push_back({loopback, {}, {}, "using the loopback device", false});
  steps_.push_back({Step::Kind::change_root, {}, root_, "changing the root"});
}

bool Sandbox::make_directory(const fs::path& path) const {
  return path.is_absolute() && !is_shown(path.lexically_normal()) &&
         make_place(path.lexically_normal(), true);
}

bool Sandbox::put_file(const fs::path& path, Bytes content) const {
  if (!make_directory(path.parent_path())) return false;
  const fs::path place = inside(path.lexically_normal());
  const Fd fd = open_file(place, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  write_all(fd, content, place);
  return true;
}

int Sandbox::clone_flags() {
  return CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
}

bool Sandbox::take(const Step& step) noexcept {
  constexpr unsigned long harmless = MS_NOSUID | MS_NODEV;
  switch (step.kind) {
    case Step::Kind::write:
      return write_text(step.target.c_str(), step.source);
    case Step::Kind::bind:
      return ::mount(step.source.c_str(), step.target.c_str(), nullptr, MS_BIND | MS_REC,
                     nullptr) == 0;
    case Step::Kind::protect: {
      struct mount_attr attributes {};
      attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
      if (::mount_setattr(AT_FDCWD, step.target.c_str(), AT_RECURSIVE, &attributes,
                          sizeof attributes) == 0)
        return true;
      // Before Linux 5.12: the mount itself, not those below it, which stay as they are.
      return errno == ENOSYS && ::mount(nullptr, step.target.c_str(), nullptr,
                                        MS_REMOUNT | MS_BIND | MS_RDONLY | harmless, nullptr) == 0;
    }
    case Step::Kind::cover:
      return ::mount("tmpfs", step.target.c_str(), "tmpfs", harmless | MS_RDONLY, "size=4k") == 0;
    case Step::Kind::file_system:
      return ::mount(step.source.c_str(), step.target.c_str(), step.source.c_str(), harmless,
                     nullptr) == 0;
    case Step::Kind::loopback:
      return bring_loopback_up();
    case Step::Kind::change_root:
      return change_root(step.target.c_str());
  }
  return false;
}

int Sandbox::enter() const noexcept {
  // A process that keeps its secrets out of core dumps does not own its files in /proc.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const bool taken = take(steps_[i]);
    if (steps_[i].kind != Step::Kind::write) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (!taken && steps_[i].needed) return static_cast<int>(i);
  }
  // Programs with rights of their own do not get them here.
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return -1;
}

std::string Sandbox::name_of_step(int step) const {
  return steps_.at(static_cast<std::size_t>(step)).name;
}

}  // namespace pgcairn
