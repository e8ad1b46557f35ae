#pragma once

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/postgres/private_server.hpp>

#include <stop_token>
#include <string>
#include <thread>

namespace pgcairn::postgres {

/// Answers restore_command of a private server: the server's side is a shell's line, which asks
/// through a pipe in a directory that both see and waits at another one. So neither a repository
/// nor a secret has to be where the server lives.
class WalRequests {
 public:
  /// Answers from here to its end, on a thread of its own. The pipes are made before the server
  /// lives, which may do with their names what it likes.
  WalRequests(const Beneath& directory, GiveWal give);
  ~WalRequests();
  WalRequests(const WalRequests&) = delete;
  WalRequests& operator=(const WalRequests&) = delete;

  static std::string restore_command(const fs::path& directory);

 private:
  void answer(const std::stop_token& stop);
  void answer_one(const std::string& line);

  GiveWal give_;
  Fd questions_;
  Fd answers_;
  fs::path answers_path_;
  std::jthread thread_;  // the last: it uses all others
};

}  // namespace pgcairn::postgres
