#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::postgres {

/// Empty members are left to libpq: PG* environment, service file, its defaults.
struct ConnectionSettings {
  std::string host;  // a name, or the directory of a socket
  std::uint16_t port = 0;
  std::string user;
  std::string database;  // "postgres" when neither this nor PGDATABASE nor a service names one
  milliseconds connect_timeout{10'000};  // for each host and address
};

using Row = std::vector<std::optional<std::string>>;

/// The server refuses a statement; the session goes on.
class StatementError : public PostgresError {
 public:
  StatementError(std::string message, std::string hint, std::string sqlstate)
      : PostgresError(std::move(message), std::move(hint)), sqlstate_(std::move(sqlstate)) {}
  const std::string& sqlstate() const { return sqlstate_; }  // "58P01": errcodes.txt

 private:
  std::string sqlstate_;
};

/// One session, in autocommit, with search_path=pg_catalog and no time-outs of its own. Text comes
/// and goes in the bytes that the server keeps it in (client_encoding SQL_ASCII): paths and
/// backup_label must not be converted. Not for several threads at once.
class Connection {
 public:
  /// Throws PostgresError with libpq's own words and a hint; Interrupted when `stop` is requested
  /// meanwhile. What the server says while it lets us in is logged.
  explicit Connection(const ConnectionSettings& settings, std::stop_token stop = {});
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  /// Runs one statement with text parameters $1, $2, ... Throws StatementError when the
  /// server refuses it, another PostgresError when the connection is lost; Interrupted when `stop`
  /// is requested while it runs (the statement is cancelled in the server).
  std::vector<Row> query(const std::string& statement,
                         const std::vector<std::string>& parameters = {},
                         std::stop_token stop = {});
  /// False when the session is known to be lost (the server ended it or the socket is closed).
  bool alive();
  /// Ends the session; every later query() throws PostgresError.
  void close() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgcairn::postgres
