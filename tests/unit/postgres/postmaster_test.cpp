#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/postmaster.hpp>

#include <functional>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <support/temp_dir.hpp>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

/// A process that works in a directory, and is called as a program is.
class Worker {
 public:
  Worker(const fs::path& directory, const char* name) {
    int ready[2];
    REQUIRE(::pipe(static_cast<int*>(ready)) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::prctl(PR_SET_NAME, name);
      if (::chdir(directory.c_str()) != 0 || ::write(ready[1], "!", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Worker() { end(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  void end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

/// The owner is another user than the one of process 1, which may not be looked at.
void give_to_nobody(const fs::path& data) {
  constexpr uid_t nobody = 65534;
  if (::geteuid() == 0) REQUIRE(::chown(data.c_str(), nobody, nobody) == 0);
}

bool sees_all() {
  std::error_code error;
  return fs::read_symlink("/proc/self/ns/pid", error) == "pid:[4026531836]" &&
         fs::read_symlink("/proc/self/ns/user", error) == "user:[4026531837]";
}

void write_pid_file(const fs::path& data, const std::string& process,
                    const std::string& more = "") {
  const std::string text =
      format("{}\n{}\n{}\n{}", process, data.native(), ::time(nullptr) - 10, more);
  write_file_atomically(data / "postmaster.pid", as_bytes(text));
}

/// The number of a process that was there a moment ago.
std::string dead_process(const fs::path& directory) {
  Worker worker(directory, "postgres");
  const std::string pid = std::to_string(worker.pid());
  worker.end();
  return pid;
}

ServerLife life_of(const fs::path& data) {
  const ServerSigns signs = look_for_server(data);
  INFO(signs.words);
  CHECK(signs.words.empty() == (signs.life == ServerLife::stopped));
  return signs.life;
}

/// What is found where nothing tells of a server: proof only where every process can be seen.
ServerLife unless_hidden() {
  return sees_all() ? ServerLife::stopped : ServerLife::unknown;
}

}  // namespace

TEST_CASE("a directory that no server can start from has none", "[postgres][postmaster]") {
  test::TempDir data;
  CHECK(life_of(data.path()) == ServerLife::stopped);
  CHECK(life_of(data / "absent") == ServerLife::stopped);
}

TEST_CASE("a server that works in the directory is seen, whatever postmaster.pid says",
          "[postgres][postmaster]") {
  test::TempDir data;
  give_to_nobody(data.path());
  Worker server(data.path(), "postgres");
  const std::string pid = GENERATE("own", "none", "1", "", "abc", "-own", "99999999999");
  if (pid != "none") {
    write_pid_file(data.path(), pid == "own"    ? std::to_string(server.pid())
                                : pid == "-own" ? format("-{}", server.pid())
                                                : pid);
  }
  CHECK(life_of(data.path()) == ServerLife::running);
  server.end();
  if (pid == "none")
    CHECK(life_of(data.path()) == ServerLife::stopped);
  else
    CHECK(life_of(data.path()) == unless_hidden());
}

TEST_CASE("a number that another program has now proves no life", "[postgres][postmaster]") {
  test::TempDir data;
  give_to_nobody(data.path());
  test::TempDir elsewhere;
  Worker other(elsewhere.path(), GENERATE("sleep", "postgres"));
  write_pid_file(data.path(), std::to_string(other.pid()));
  CHECK(life_of(data.path()) == unless_hidden());
  write_pid_file(data.path(), "1");  // root's
  CHECK(life_of(data.path()) == unless_hidden());
}

TEST_CASE("the number's program in the directory may be a server of another name",
          "[postgres][postmaster]") {
  test::TempDir data;
  Worker other(data.path(), "bash");
  write_pid_file(data.path(), std::to_string(other.pid()));
  CHECK(life_of(data.path()) == ServerLife::unknown);
  write_pid_file(data.path(), dead_process(data.path()));  // a shell in the directory is none
  CHECK(life_of(data.path()) == unless_hidden());
}

TEST_CASE("shared memory tells of a server and of its end", "[postgres][postmaster]") {
  test::TempDir data;
  struct stat status {};
  REQUIRE(::stat(data.path().c_str(), &status) == 0);
  const auto key = static_cast<key_t>(status.st_ino);
  int found[2];
  REQUIRE(::pipe(static_cast<int*>(found)) == 0);
  const pid_t server = ::fork();
  REQUIRE(server >= 0);
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int id = ::shmget(key, 64, IPC_CREAT | IPC_EXCL | 0600);
    void* const at = ::shmat(id, nullptr, 0);
    if (at == reinterpret_cast<void*>(-1) || ::write(found[1], &id, sizeof id) != sizeof id)
      ::_exit(1);
    for (;;) ::pause();
  }
  int id = -1;
  REQUIRE(::read(found[0], &id, sizeof id) == sizeof id);
  // The number of a process that nobody has: only the memory tells.
  const auto pid_file = [&](const std::string& pid, int noted) {
    write_pid_file(data.path(), pid,
                   format("5432\n/nonexistent\n\n{:9} {:9}\nready\n", key, noted));
  };
  pid_file(dead_process(data.path()), id);
  CHECK(life_of(data.path()) == ServerLife::running);
  pid_file(std::to_string(server), id);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  CHECK(life_of(data.path()) == ServerLife::stopped);
  pid_file(std::to_string(server), id + 1);
  CHECK(life_of(data.path()) == unless_hidden());
  // A segment from before the server's start is another container's.
  const std::string later = format("{}\n{}\n{}\n5432\n\n\n{:9} {:9}\n", server,
                                   data.path().native(), ::time(nullptr) + 100, key, id);
  write_file_atomically(data / "postmaster.pid", as_bytes(later));
  CHECK(life_of(data.path()) == unless_hidden());
  ::shmctl(id, IPC_RMID, nullptr);
}

TEST_CASE("a server is found at its socket, and no other one is taken for it",
          "[postgres][postmaster]") {
  test::TempDir data;
  const std::string pid = dead_process(data.path());
  write_pid_file(data.path(), pid, format("5432\n{}\n", data.path().native()));
  const std::string text(as_text(read_file(data / "postmaster.pid")));
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string path = (data / ".s.PGSQL.5432").native();
  std::copy(path.begin(), path.end(), static_cast<char*>(address.sun_path));
  const auto* const any = reinterpret_cast<const struct sockaddr*>(&address);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  REQUIRE(::bind(fd.get(), any, sizeof address) == 0);
  write_file_atomically(path + ".lock", as_bytes(text));
  CHECK(life_of(data.path()) == unless_hidden());  // nobody listens
  REQUIRE(::listen(fd.get(), 5) == 0);
  CHECK(life_of(data.path()) == ServerLife::running);
  write_file_atomically(path + ".lock", as_bytes("1" + text));
  CHECK(life_of(data.path()) == unless_hidden());
}

TEST_CASE("a file of the cluster that is open for writing tells of a server",
          "[postgres][postmaster]") {
  test::TempDir data;
  const char* const folder = GENERATE("pg_wal", "global");
  fs::create_directory(data / folder);
  const fs::path file = data / folder / "000000010000000000000001";
  write_file_atomically(file, as_bytes("x"));
  const Fd reader = open_file(file, O_RDONLY);
  CHECK(life_of(data.path()) == ServerLife::stopped);
  const Fd writer = open_file(file, O_RDWR);
  const Fd probe = open_file(file, O_RDONLY);
  if (::fcntl(probe.get(), F_SETLEASE, F_RDLCK) == 0 || errno != EAGAIN) {
    WARN("not looked at: the file system of $TMPDIR has no leases");
    return;
  }
  CHECK(life_of(data.path()) == ServerLife::running);
}

TEST_CASE("from a process space of one's own no number proves death", "[postgres][postmaster]") {
  test::TempDir data;
  write_pid_file(data.path(), GENERATE("1", "2", "4711"));
  const auto in_space = [&](const std::function<int()>& look) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      if (::unshare(CLONE_NEWPID) != 0) ::_exit(99);
      const pid_t first = ::fork();
      if (first == 0) ::_exit(look());
      int status = 0;
      ::waitpid(first, &status, 0);
      ::_exit(WEXITSTATUS(status));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  };
  const int life = in_space([&] { return static_cast<int>(look_for_server(data.path()).life); });
  if (life == 99) {
    WARN("not looked at: only root makes process spaces");
    return;
  }
  CHECK(life == static_cast<int>(ServerLife::unknown));
}

}  // namespace pgcairn::postgres
