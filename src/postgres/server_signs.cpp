#include "server_signs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

// The namespaces that the kernel itself begins with (include/linux/proc_ns.h).
constexpr std::string_view kFirstProcessSpace = "pid:[4026531836]";
constexpr std::string_view kFirstUserSpace = "user:[4026531837]";
constexpr unsigned kMayTrace = 19;  // CAP_SYS_PTRACE

bool has_content(const std::string& line) {
  return !trim(line).empty();
}

std::uint64_t number(std::string_view text) {
  return parse_u64(trim(text)).value_or(0);
}

/// A small file below /proc; empty when its process is gone.
std::string read_proc(const fs::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(16 * kKiB, '\0');
  const ssize_t count = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return text;
}

/// The words behind "Uid:" and the like in /proc/PID/status.
std::vector<std::string> words_of(const std::string& status, std::string_view name) {
  std::vector<std::string> words;
  for (const std::string& line : split(status, '\n')) {
    if (!line.starts_with(name)) continue;
    for (const std::string& word : split(line.substr(name.size()), '\t')) {
      if (has_content(word)) words.emplace_back(trim(word));
    }
  }
  return words;
}

std::string link_text(const char* path) {
  std::error_code ignored;
  return fs::read_symlink(path, ignored).native();
}

/// Does /proc show all processes of the kernel, and may we look at those of `owner`?
bool sees_all(uid_t owner) {
  if (link_text("/proc/self/ns/pid") != kFirstProcessSpace ||
      link_text("/proc/self/ns/user") != kFirstUserSpace ||
      link_text("/proc/self") != std::to_string(::getpid()))
    return false;
  if (::geteuid() == owner) return true;
  const auto rights = words_of(read_proc("/proc/self/status"), "CapEff:");
  const auto bits = rights.empty() ? std::nullopt : parse_u64(rights.front(), 16);
  return bits && (*bits >> kMayTrace & 1) != 0;
}

/// A file system that shows the directories of another one.
bool is_stacked(const fs::path& path) {
  constexpr std::uint32_t fuse = 0x65735546;
  constexpr std::uint32_t known[] = {OVERLAYFS_SUPER_MAGIC, fuse, ECRYPTFS_SUPER_MAGIC};
  struct statfs status {};
  return ::statfs(path.c_str(), &status) != 0 ||
         std::find(std::begin(known), std::end(known), static_cast<std::uint32_t>(status.f_type)) !=
             std::end(known);
}

bool is_server_name(const std::string& name) {
  return name.find("postgres") != std::string::npos || name.find("postmaster") != std::string::npos;
}

/// One look at one process.
void look_at(const std::string& pid, const struct stat& directory, int process,
             ProcessSigns& signs) {
  const fs::path proc = fs::path("/proc") / pid;
  const std::string status = read_proc(proc / "status");
  const auto names = words_of(status, "Name:");
  const auto states = words_of(status, "State:");
  if (names.empty() || states.empty() || states.front().starts_with('Z')) return;
  const std::string& name = names.front();
  const bool is_server = is_server_name(name);
  // One number for each process space that it is in, our own first.
  const auto numbers = words_of(status, "NSpid:");
  const bool is_elsewhere = numbers.size() > 1;
  const bool is_named =
      process != 0 && number(numbers.empty() ? pid : numbers.back()) == std::uint64_t(process);
  if (!is_server && !is_named) return;

  struct stat working {};
  if (::stat((proc / "cwd").c_str(), &working) != 0) {
    if (errno != EACCES && errno != EPERM) return;  // it has ended
    const auto users = words_of(status, "Uid:");
    const bool is_owners =
        std::find(users.begin(), users.end(), std::to_string(directory.st_uid)) != users.end();
    if (!is_owners && !is_elsewhere) return;  // a server runs as the owner of its directory
    signs.complete = false;
    signs.possible = format("process {} ({}) cannot be examined", pid, name);
  } else if (working.st_dev == directory.st_dev && working.st_ino == directory.st_ino) {
    std::string& sign = is_server ? signs.running : signs.possible;
    sign = format("process {} ({}) works in it", pid, name);
    signs.complete = false;
  } else if (is_server && is_named && is_elsewhere && is_stacked(proc / "cwd")) {
    // Through such a file system a directory shows itself as another one.
    signs.possible = format(
        "process {} ({}), in a container, has the number that postmaster.pid "
        "says",
        pid, name);
    signs.complete = false;
  }
}

}  // namespace

std::optional<PostmasterFile> read_postmaster_file(const fs::path& data_directory) {
  const fs::path path = data_directory / "postmaster.pid";
  const auto fd = open_if_exists(path, O_RDONLY);
  if (!fd) return std::nullopt;
  PostmasterFile file;
  file.status = stat_of(*fd, path);
  const Buffer content = read_file(path, 64 * kKiB);
  std::vector<std::string> lines = split(as_text(content), '\n');
  lines.resize(std::max<std::size_t>(lines.size(), 8));
  file.identity = lines[0] + '\n' + lines[1] + '\n' + lines[2];
  std::string_view process = trim(lines[0]);
  if (process.starts_with('-')) process.remove_prefix(1);  // a single-user server
  if (number(process) <= INT32_MAX) file.process = static_cast<int>(number(process));
  file.started = number(lines[2]);
  if (has_content(lines[4]) && has_content(lines[3])) {
    file.socket = data_directory / lines[4] / format(".s.PGSQL.{}", number(lines[3]));
  }
  const std::string_view memory = trim(lines[6]);
  const std::size_t space = memory.find(' ');
  if (space != std::string_view::npos) {
    file.memory = {static_cast<int>(number(memory.substr(0, space))),
                   static_cast<int>(number(memory.substr(space)))};
  }
  return file;
}

ProcessSigns look_at_processes(const struct stat& directory, int process) {
  ProcessSigns signs;
  signs.complete = sees_all(directory.st_uid);
  for (const std::string& name : list_directory("/proc")) {
    if (is_digits(name)) look_at(name, directory, process, signs);
  }
  return signs;
}

std::vector<SeenServer> seen_servers() {
  std::vector<SeenServer> servers;
  for (const std::string& pid : list_directory("/proc")) {
    if (!is_digits(pid)) continue;
    const fs::path proc = fs::path("/proc") / pid;
    const auto names = words_of(read_proc(proc / "status"), "Name:");
    if (names.empty() || !is_server_name(names.front())) continue;
    SeenServer server{proc / "cwd", proc / "root", {}, {}, {}};
    std::error_code hidden;
    if (::stat(server.directory.c_str(), &server.status) != 0 ||
        !fs::exists(server.directory / "global/pg_control", hidden))
      continue;
    // Its children work there, too.
    const bool known = std::any_of(servers.begin(), servers.end(), [&](const SeenServer& one) {
      return one.status.st_dev == server.status.st_dev && one.status.st_ino == server.status.st_ino;
    });
    if (known) continue;
    server.path = link_text(server.directory.c_str());
    server.process = format("process {}, {}", pid, names.front());
    servers.push_back(std::move(server));
  }
  return servers;
}

MemorySign look_at_memory(const PostmasterFile& file) {
  if (!file.memory) return MemorySign::none;
  struct shmid_ds segment {};
  if (::shmctl(file.memory->second, IPC_STAT, &segment) != 0) return MemorySign::none;
  // Another container's segments may have the same key and number: only what was made after the
  // server started and before it noted it is this server's.
  if (segment.shm_perm.__key != file.memory->first ||
      static_cast<std::uint64_t>(segment.shm_ctime) < file.started ||
      segment.shm_ctime > file.status.st_mtime)
    return MemorySign::none;
  if (segment.shm_nattch > 0) return MemorySign::attached;
  return file.process != 0 && segment.shm_cpid == file.process ? MemorySign::left
                                                               : MemorySign::none;
}

bool answers_at_socket(const PostmasterFile& file) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string& path = file.socket.native();
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size());
  const std::string lock = read_proc(path + ".lock");
  if (!lock.starts_with(file.identity + '\n')) return false;
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  const auto* const any = reinterpret_cast<const struct sockaddr*>(&address);
  return ::connect(fd.get(), any, sizeof address) == 0 || errno == EAGAIN;
}

std::string open_for_writing(const fs::path& data_directory) {
  for (const char* const folder : {"pg_wal", "global"}) {
    const std::string open = open_for_writing_in(data_directory / folder, SIZE_MAX);
    if (!open.empty()) return open;
  }
  return {};
}

std::string open_for_writing_in(const fs::path& folder, std::size_t most) {
  if (!is_on_local_disk(folder)) return {};  // NFS refuses leases for reasons of its own
  std::error_code gone;
  for (fs::directory_iterator file(folder, gone), end; !gone && file != end && most > 0;
       file.increment(gone), --most) {
    std::error_code ignored;
    if (!file->is_regular_file(ignored)) continue;
    const Fd fd(::open(file->path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd) continue;
    // Who opens the file within the instant that we have the lease sends us a signal: one that
    // does nothing.
    if (::fcntl(fd.get(), F_SETSIG, SIGURG) != 0) continue;
    if (::fcntl(fd.get(), F_SETLEASE, F_RDLCK) == 0) {
      ::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
    } else if (errno == EAGAIN) {
      return file->path().native();
    }
  }
  return {};
}

bool is_on_local_disk(const fs::path& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return false;
  constexpr std::uint32_t xfs = 0x58465342;
  constexpr std::uint32_t zfs = 0x2fc12fc1;
  constexpr std::uint32_t bcachefs = 0xca451a4e;
  constexpr std::uint32_t known[] = {EXT4_SUPER_MAGIC,      xfs,      BTRFS_SUPER_MAGIC,
                                     TMPFS_MAGIC,           zfs,      F2FS_SUPER_MAGIC,
                                     OVERLAYFS_SUPER_MAGIC, bcachefs, RAMFS_MAGIC};
  return std::find(std::begin(known), std::end(known), static_cast<std::uint32_t>(status.f_type)) !=
         std::end(known);
}

}  // namespace pgcairn::postgres
