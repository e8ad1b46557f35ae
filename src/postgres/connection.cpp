#include "connect.hpp"
#include "libpq.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/connection.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <poll.h>

namespace pgcairn::postgres {

namespace {

struct FreeResult {
  void operator()(PGresult* result) const { pq().PQclear(result); }
};
struct FreeCancel {
  void operator()(PGcancel* cancel) const { pq().PQfreeCancel(cancel); }
};
using Result = std::unique_ptr<PGresult, FreeResult>;

constexpr milliseconds kCancelTimeout{10'000};

// A statement as messages show it.
std::string shorten(const std::string& statement) {
  constexpr std::size_t limit = 80;
  return statement.size() <= limit ? statement : statement.substr(0, limit) + "...";
}

// Parameters of connect(). What the environment or the service file sets is left alone
// where the settings are silent.
class Parameters {
 public:
  Parameters() : defaults_(pq().PQconndefaults()) {}
  void set(const char* keyword, std::string value) {
    if (!value.empty()) values_.emplace_back(keyword, std::move(value));
  }
  void set_default(const char* keyword, std::string value) {
    for (const PQconninfoOption* option = defaults_.get();
         option != nullptr && option->keyword != nullptr; ++option) {
      if (std::string_view(option->keyword) == keyword && option->val != nullptr &&
          option->val[0] != '\0')
        return;
    }
    set(keyword, std::move(value));
  }
  const ConnectParameters& all() const { return values_; }

 private:
  std::unique_ptr<PQconninfoOption, FreeOptions> defaults_;
  ConnectParameters values_;
};

std::string hint_for(std::string_view sqlstate) {
  if (sqlstate == "42501") {
    return "connect as a superuser, or grant the user pg_monitor and EXECUTE on the functions that "
           "start and stop a backup";
  }
  return {};
}

}  // namespace

struct Connection::State {
  OpenConnection connection;

  [[noreturn]] void lost(const std::string& statement) {
    const std::string cause = one_line(pq().PQerrorMessage(connection.get()));
    connection.reset();
    throw PostgresError(format("cannot run \"{}\": {}", shorten(statement), cause),
                        "the session with PostgreSQL was lost: see the server's log, then run the "
                        "command again");
  }

  // Waits until the socket can be read (or written, while something is to be sent), `wake` is
  // readable, or the time is over (never, when negative); false when it is over.
  bool wait(int wake, bool sending, milliseconds timeout) {
    pollfd fds[] = {{pq().PQsocket(connection.get()),
                     static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN), 0},
                    {wake, POLLIN, 0}};
    const int ready = ::poll(fds, wake < 0 ? 1 : 2, static_cast<int>(timeout.count()));
    if (ready < 0 && errno != EINTR) throw SystemError("cannot wait for PostgreSQL", errno);
    return ready != 0;
  }

  // Tells the server to give up the running statement; the session stays usable when the server
  // answers, and is closed otherwise.
  void cancel() {
    char reason[256] = "";
    const std::unique_ptr<PGcancel, FreeCancel> request(pq().PQgetCancel(connection.get()));
    bool answered = request && pq().PQcancel(request.get(), reason, sizeof reason) != 0;
    const auto deadline = std::chrono::steady_clock::now() + kCancelTimeout;
    while (answered) {
      if (pq().PQisBusy(connection.get()) == 0) {
        if (!Result(pq().PQgetResult(connection.get()))) return;
        continue;
      }
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
      answered =
          left.count() > 0 && wait(-1, false, left) && pq().PQconsumeInput(connection.get()) != 0;
    }
    connection.reset();
  }

  // The next result of the running statement; null when there are no more.
  Result next_result(const std::string& statement, const StopSignal& signal,
                     const std::stop_token& stop) {
    for (;;) {
      if (stop.stop_requested()) {
        cancel();
        throw Interrupted();
      }
      const int sending = pq().PQflush(connection.get());
      if (sending < 0) lost(statement);
      if (sending == 0 && pq().PQisBusy(connection.get()) == 0)
        return Result(pq().PQgetResult(connection.get()));
      wait(signal.fd(), sending > 0, milliseconds(-1));
      if (pq().PQconsumeInput(connection.get()) == 0) lost(statement);
    }
  }

  [[noreturn]] void refused(const std::string& statement, const PGresult* result) {
    const auto part = [&](int field) {
      const char* const text = pq().PQresultErrorField(result, field);
      return std::string(text == nullptr ? "" : text);
    };
    const std::string state = part(PG_DIAG_SQLSTATE);
    if (state.empty() || pq().PQstatus(connection.get()) != CONNECTION_OK) lost(statement);
    std::string cause = one_line(part(PG_DIAG_MESSAGE_PRIMARY).c_str());
    const std::string detail = part(PG_DIAG_MESSAGE_DETAIL);
    if (!detail.empty()) cause += format(" ({})", one_line(detail.c_str()));
    std::string hint = part(PG_DIAG_MESSAGE_HINT);
    hint = hint.empty() ? hint_for(state) : one_line(hint.c_str());
    throw StatementError(
        format("cannot run \"{}\": {} (SQLSTATE {})", shorten(statement), cause, state),
        std::move(hint), state);
  }
};

Connection::Connection(const ConnectionSettings& settings, std::stop_token stop)
    : state_(std::make_unique<State>()) {
  Parameters parameters;
  parameters.set("host", settings.host);
  if (settings.port != 0) parameters.set("port", format("{}", settings.port));
  parameters.set("user", settings.user);
  parameters.set("dbname", settings.database);
  if (settings.database.empty()) parameters.set_default("dbname", "postgres");
  parameters.set("application_name", "pgcairn");
  parameters.set("client_encoding", "SQL_ASCII");
  // A backup's session is idle for hours: notice a lost peer, and keep firewalls from forgetting
  // it.
  parameters.set_default("keepalives_idle", "60");
  parameters.set_default("keepalives_interval", "10");
  parameters.set_default("keepalives_count", "6");
  parameters.set_default("tcp_user_timeout", "120000");

  auto& connection = state_->connection;
  connection = connect(parameters.all(), settings.connect_timeout, stop);
  if (pq().PQsetnonblocking(connection.get(), 1) != 0) state_->lost("connect");

  std::string set =
      "SELECT set_config('search_path', 'pg_catalog', false),"
      " set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),"
      " set_config('idle_in_transaction_session_timeout', '0', false)";
  const int version = pq().PQserverVersion(connection.get());
  if (version >= 140000) set += ", set_config('idle_session_timeout', '0', false)";
  if (version >= 170000) set += ", set_config('transaction_timeout', '0', false)";
  query(set, {}, std::move(stop));
}

Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

std::vector<Row> Connection::query(const std::string& statement,
                                   const std::vector<std::string>& parameters,
                                   std::stop_token stop) {
  PGconn* const connection = state_->connection.get();
  if (connection == nullptr) {
    throw PostgresError(
        format("cannot run \"{}\": the session with PostgreSQL is closed", shorten(statement)),
        "run the command again");
  }
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  const StopSignal signal(stop);
  if (pq().PQsendQueryParams(connection, statement.c_str(), static_cast<int>(values.size()),
                             nullptr, values.data(), nullptr, nullptr, 0) == 0)
    state_->lost(statement);

  Result last;
  while (Result result = state_->next_result(statement, signal, stop)) last = std::move(result);
  const auto status = pq().PQresultStatus(last.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    state_->refused(statement, last.get());

  std::vector<Row> rows(static_cast<std::size_t>(pq().PQntuples(last.get())));
  for (int i = 0; i < pq().PQntuples(last.get()); ++i) {
    Row& row = rows[static_cast<std::size_t>(i)];
    for (int j = 0; j < pq().PQnfields(last.get()); ++j) {
      if (pq().PQgetisnull(last.get(), i, j) != 0) {
        row.emplace_back();
      } else {
        row.emplace_back(std::in_place, pq().PQgetvalue(last.get(), i, j),
                         static_cast<std::size_t>(pq().PQgetlength(last.get(), i, j)));
      }
    }
  }
  return rows;
}

bool Connection::alive() {
  PGconn* const connection = state_->connection.get();
  if (connection == nullptr) return false;
  // A server that ends the session says so first and closes the socket then: read on to the end.
  for (;;) {
    if (pq().PQstatus(connection) != CONNECTION_OK) return false;
    pollfd fd{pq().PQsocket(connection), POLLIN, 0};
    const int ready = ::poll(&fd, 1, 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return true;
    if (ready < 0 || pq().PQconsumeInput(connection) == 0) return false;
    (void)pq().PQisBusy(connection);  // has libpq read what came
  }
}

void Connection::close() noexcept {
  state_->connection.reset();
}

}  // namespace pgcairn::postgres
