#include "server_socket.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

/// What any path that leads to the open file is, for the process that has it open.
std::string way_to(const Fd& socket) {
  return format("/proc/self/fd/{}", socket.get());
}

/// Who listens, by the kernel's word.
pid_t listener_of(const Fd& socket, const fs::path& path) {
  const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client) throw SystemError("cannot make a socket", errno);
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string way = way_to(socket);
  std::memcpy(address.sun_path, way.c_str(), way.size() + 1);
  struct ucred peer {};
  socklen_t size = sizeof peer;
  if (::connect(client.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0 ||
      ::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    throw PostgresError(
        format("cannot connect to \"{}\": {}", path.native(), std::strerror(errno)));
  return peer.pid;
}

fs::path make_private_directory() {
  std::error_code unknown;
  std::string path = (fs::temp_directory_path(unknown) / "pgcairn.XXXXXX").native();
  if (::mkdtemp(path.data()) == nullptr)
    throw SystemError(format("cannot create \"{}\"", path), errno);
  return path;
}

/// Not through a link: the server could lead us anywhere.
Fd open_socket(const Beneath& directory, const std::string& name) {
  try {
    return directory.open(name, O_PATH);
  } catch (const SystemError& error) {
    throw PostgresError(format("the server's socket cannot be used: {}", error.message()));
  }
}

}  // namespace

ServerSocket::ServerSocket(const Beneath& directory, std::uint16_t port, pid_t server)
    : name_(format(".s.PGSQL.{}", port)), socket_(open_socket(directory, name_)) {
  const fs::path path = directory.path() / name_;
  if (!S_ISSOCK(stat_of(socket_, path).st_mode))
    throw PostgresError(format("\"{}\" is not a socket", path.native()));
  if (const pid_t listener = listener_of(socket_, path); listener != server) {
    throw PostgresError(format("process {} listens at \"{}\", and not the server that was started",
                               listener, path.native()));
  }
  directory_ = make_private_directory();
  if (::symlink(way_to(socket_).c_str(), (directory_ / name_).c_str()) != 0)
    throw SystemError(format("cannot create \"{}\"", (directory_ / name_).native()), errno);
}

ServerSocket::~ServerSocket() {
  ::unlink((directory_ / name_).c_str());
  ::rmdir(directory_.c_str());
}

}  // namespace pgcairn::postgres
