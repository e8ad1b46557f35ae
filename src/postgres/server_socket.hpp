#pragma once

#include <pgcairn/common/beneath.hpp>

#include <cstdint>

#include <sys/types.h>

namespace pgcairn::postgres {

/// The socket of a server that may put another one, or a link to one, in its place: opened when the
/// server listens, proved to be that server's, and reached by the open file from then on.
class ServerSocket {
 public:
  /// `server` is its postmaster. Throws PostgresError when another process listens.
  ServerSocket(const Beneath& directory, std::uint16_t port, pid_t server);
  ~ServerSocket();
  ServerSocket(const ServerSocket&) = delete;
  ServerSocket& operator=(const ServerSocket&) = delete;

  /// A directory of ours for clients that hold fd(): the socket's name there leads to it.
  const fs::path& directory() const { return directory_; }
  int fd() const { return socket_.get(); }

 private:
  std::string name_;
  Fd socket_;
  fs::path directory_;
};

}  // namespace pgcairn::postgres
