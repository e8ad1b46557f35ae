#pragma once

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/common/child.hpp>
#include <pgcairn/common/server_limits.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::postgres {

/// What recovery gets when it asks for a file of the archive: the statuses of restore_command.
enum class WalAnswer : int { given = 0, absent = 1, unknown = 200 };
/// Puts the file of this name to `place`, below the data directory. Called on a thread of its own,
/// one at a time.
using GiveWal = std::function<WalAnswer(const std::string& name, const std::string& place)>;

class ServerSocket;
class WalRequests;

/// A server that nobody but this process uses: without network, archiving, replication and jobs,
/// its socket, log and access rules in a directory of its own.
struct PrivateServerSettings {
  std::filesystem::path data_directory;
  std::filesystem::path config_file;    // empty: the data directory's
  std::filesystem::path own_directory;  // exists, closed to others
  std::filesystem::path programs;       // where postgres is
  int major = 0;
  std::string user;  // a role to connect as; empty: the usual ones are tried
  GiveWal give_wal;
  const Sandbox* sandbox = nullptr;  // what it lives in; none: with all that its user may touch
  int kept_fd = -1;                  // held by all of its processes
  milliseconds lock_timeout{3'000};  // nobody else works there: a longer wait would not end
};

/// The programs of a major version: in `given`, or where packages put them, or in a directory of
/// $PATH. `scratch` is a directory for what they say. Throws PostgresError telling where it looked.
std::filesystem::path find_programs(int major, const std::filesystem::path& given,
                                    const std::filesystem::path& scratch, std::stop_token stop);

/// Runs a program of PostgreSQL in the sandbox: throws SandboxError when the kernel forbids it, and
/// PostgresError when the program lacks something in there.
void try_sandbox(const Sandbox& sandbox, int major, const std::filesystem::path& programs,
                 const std::filesystem::path& scratch, std::stop_token stop);

/// What a private server's configuration is overruled with, whatever a live one's says. Pure.
Settings private_settings(int major);

/// The environment for PostgreSQL's programs: what says who and where we are, in which language and
/// zone, and what loads libraries. Nothing that libpq or the server read, and no secrets.
std::vector<std::string> program_environment();

/// What runs in the server was restored, and may do with its directories what it likes: all that is
/// made and read there meanwhile is reached through open directories and files.
class PrivateServer {
 public:
  explicit PrivateServer(PrivateServerSettings settings);
  /// Ends the server at once when it still runs.
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  /// Starts it and waits until recovery is over and it can be written to. `restored` gets the
  /// WAL file that recovery fetched last. Throws PostgresError with the end of the log when the
  /// server ends instead, or pauses.
  void start(const std::function<void(const std::string&)>& restored, std::stop_token stop);
  /// A session as the superuser that the cluster was made with. Throws PostgresError when it is not
  /// this server that answers.
  Connection connect(const std::string& database = "postgres");
  /// Names of the databases that can be connected to.
  std::vector<std::string> databases();
  /// Runs one of PostgreSQL's clients on it; its exit status, and at most `most_bytes` of what it
  /// says.
  std::pair<int, std::string> run_client(const std::string& program, std::vector<std::string> words,
                                         std::uint64_t most_bytes, std::stop_token stop);
  /// Shuts it down, orderly if that works.
  void stop() noexcept;

  int major() const { return settings_.major; }
  /// Libraries that the configuration preloads and that are not on this machine.
  const std::vector<std::string>& missing_libraries() const { return missing_libraries_; }
  /// What the restored configuration says of the limits of recovery, where this server runs
  /// without: with libraries that may have jobs it gets no processes for them, and does not compare
  /// its limits with those of the server that wrote the WAL. None: it does as the restored one.
  const std::optional<ServerLimits>& limits_not_tried() const { return limits_not_tried_; }
  /// The last lines of the log.
  std::string log_end() const;

 private:
  std::vector<std::string> words() const;
  std::string configured(const std::string& name, const std::stop_token& stop) const;
  void leave_out_missing_libraries(const std::stop_token& stop);
  void keep_jobs_out(const std::stop_token& stop);
  void wait_until_ready(const std::function<void(const std::string&)>& restored,
                        const std::stop_token& stop);
  bool is_ready() const;
  bool is_paused() const;
  std::string last_restored() const;
  void find_superuser();
  ConnectionSettings connection(const std::string& user, const std::string& database) const;

  PrivateServerSettings settings_;
  Beneath own_;
  Beneath data_;
  Fd log_;
  Settings overrides_;
  std::vector<std::string> missing_libraries_;
  std::optional<ServerLimits> limits_not_tried_;
  std::string superuser_;
  std::unique_ptr<Child> process_;
  std::unique_ptr<ServerSocket> socket_;  // once it listens
};

}  // namespace pgcairn::postgres
