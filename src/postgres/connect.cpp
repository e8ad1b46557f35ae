#include "connect.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

void pass_notice(void*, const char* message) {
  log_debug("postgres: " + one_line(message));
}

std::string text_of(const char* text) {
  return text == nullptr ? "" : text;
}

/// Without a user's name, libpq takes that of the operating system, of which PostgreSQL often knows
/// nothing. Empty: that is not what happened.
std::string default_user_hint(PGconn* connection, const ConnectParameters& parameters) {
  const bool is_named = std::any_of(parameters.begin(), parameters.end(), [](const auto& one) {
    return one.first == "user" && !one.second.empty();
  });
  if (is_named) return {};
  const Account self = account_of(::geteuid(), ::getegid());
  if (self.name.empty()) return format("{} has no name: set pg-user; ", self.describe());
  if (text_of(pq().PQuser(connection)) != self.name || self.name == "postgres") return {};
  return format(
      "pgcairn runs as {} and connects as {}: run it as the owner of the data directory, "
      "or set pg-user; ",
      self.name, self.name);
}

std::string connect_hint(PGconn* connection, const ConnectParameters& parameters) {
  if (pq().PQconnectionNeedsPassword(connection) != 0)
    return "give the password in ~/.pgpass, a service file or PGPASSWORD";
  if (pq().PQconnectionUsedPassword(connection) != 0)
    return "check pg-user, the password (~/.pgpass, service file, PGPASSWORD) and pg_hba.conf";
  return default_user_hint(connection, parameters) +
         "check that PostgreSQL runs and that pg-host, pg-port, pg-socket-path, pg-user and "
         "pg-database (or PGHOST, PGPORT, ...) name it";
}

/// What libpq is at now.
ConnectHost current_host(PGconn* connection) {
  return {text_of(pq().PQhost(connection)), text_of(pq().PQhostaddr(connection)),
          text_of(pq().PQport(connection))};
}

OpenConnection start(const ConnectParameters& parameters) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  OpenConnection connection(
      pq().PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0));
  if (!connection) throw PostgresError("cannot connect to PostgreSQL: out of memory");
  pq().PQsetNoticeProcessor(connection.get(), pass_notice, nullptr);
  return connection;
}

/// False when the host that it is at did not answer in time; else libpq knows how it ended.
bool finish(PGconn* connection, milliseconds timeout, const StopSignal& signal,
            const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  ConnectHost host = current_host(connection);
  auto deadline = Clock::now() + timeout;
  auto next = PGRES_POLLING_WRITING;
  while (pq().PQstatus(connection) != CONNECTION_BAD && next != PGRES_POLLING_OK &&
         next != PGRES_POLLING_FAILED) {
    if (ConnectHost now = current_host(connection); now != host) {
      host = std::move(now);
      deadline = Clock::now() + timeout;
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    pollfd fds[] = {{pq().PQsocket(connection),
                     static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0},
                    {signal.fd(), POLLIN, 0}};
    const int ready =
        left.count() > 0
            ? ::poll(fds, 2, static_cast<int>(std::min<std::int64_t>(left.count(), INT32_MAX)))
            : 0;
    if (stop.stop_requested()) throw Interrupted();
    if (ready == 0) return false;
    if (ready < 0 && errno != EINTR) throw SystemError("cannot wait for PostgreSQL", errno);
    if (ready > 0 && fds[0].revents != 0) next = pq().PQconnectPoll(connection);
  }
  return true;
}

/// As the settings, the environment and the service file have it.
std::vector<ConnectHost> all_hosts(PGconn* connection) {
  std::string hosts;
  std::string addresses;
  std::string ports;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(pq().PQconninfo(connection));
  for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    const std::string_view keyword = option->keyword;
    if (keyword == "host") hosts = text_of(option->val);
    if (keyword == "hostaddr") addresses = text_of(option->val);
    if (keyword == "port") ports = text_of(option->val);
  }
  return hosts_of(hosts, addresses, ports);
}

/// The numeric addresses of a host by name, but for `silent`.
std::vector<std::string> other_addresses(const std::string& host, const std::string& silent) {
  std::vector<std::string> others;
  if (host.empty() || host.front() == '/' || host.front() == '@') return others;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return others;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST] = "";
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0 &&
        text != silent)
      others.emplace_back(text);
  }
  return others;
}

std::string joined(const std::vector<ConnectHost>& hosts, std::string ConnectHost::*part) {
  std::string text;
  bool any = false;
  for (const ConnectHost& host : hosts) {
    if (&host != &hosts.front()) text += ',';
    text += host.*part;
    any = any || !(host.*part).empty();
  }
  return any ? text : "";
}

}  // namespace

std::string one_line(const char* message) {
  std::string joined;
  for (const std::string& line : split(message == nullptr ? "" : message, '\n')) {
    const std::string_view text = trim(line);
    if (text.empty()) continue;
    if (!joined.empty()) joined += "; ";
    joined += text;
  }
  return joined.empty() ? "no reason given" : joined;
}

StopSignal::StopSignal(std::stop_token stop)
    : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(std::move(stop), [this] {
        const std::uint64_t one = 1;
        (void)!::write(event_.get(), &one, sizeof one);
      }) {
  if (!event_) throw SystemError("cannot create an event descriptor", errno);
}

std::vector<ConnectHost> hosts_of(const std::string& hosts, const std::string& addresses,
                                  const std::string& ports) {
  const auto list = [](const std::string& text) {
    return text.empty() ? std::vector<std::string>() : split(text, ',');
  };
  const std::vector<std::string> names = list(hosts);
  const std::vector<std::string> numbers = list(addresses);
  const std::vector<std::string> doors = list(ports);
  const std::size_t count = std::max<std::size_t>({names.size(), numbers.size(), 1});
  const auto fits = [&](const auto& one) { return one.empty() || one.size() == count; };
  if (!fits(names) || !fits(numbers) || !(fits(doors) || doors.size() == 1)) return {};
  std::vector<ConnectHost> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!names.empty()) all[i].host = names[i];
    if (!numbers.empty()) all[i].address = numbers[i];
    if (!doors.empty()) all[i].port = doors[doors.size() == 1 ? 0 : i];
  }
  return all;
}

std::vector<ConnectHost> without(std::vector<ConnectHost> hosts, const ConnectHost& silent,
                                 const std::vector<std::string>& other) {
  const auto fits = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || wanted == is;
  };
  const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const ConnectHost& one) {
    // libpq calls a host that has only an address by that.
    const bool named = fits(one.host, silent.host);
    return named && fits(one.address, silent.address) && fits(one.port, silent.port);
  });
  if (found == hosts.end()) return {};  // not to be tried without end
  std::vector<ConnectHost> rest(hosts.begin(), found);
  if (found->address.empty() && !found->host.empty()) {
    for (const std::string& address : other) rest.push_back({found->host, address, found->port});
  }
  rest.insert(rest.end(), found + 1, hosts.end());
  return rest;
}

OpenConnection connect(const ConnectParameters& parameters, milliseconds timeout,
                       const std::stop_token& stop) {
  const StopSignal signal(stop);
  ConnectParameters all = parameters;
  std::string silent;  // those that were given up
  for (;;) {
    OpenConnection connection = start(all);
    if (finish(connection.get(), timeout, signal, stop)) {
      if (pq().PQstatus(connection.get()) == CONNECTION_OK) return connection;
      throw PostgresError(format("cannot connect to PostgreSQL: {}{}", silent,
                                 one_line(pq().PQerrorMessage(connection.get()))),
                          connect_hint(connection.get(), parameters));
    }
    const ConnectHost host = current_host(connection.get());
    silent += format("{}{}, port {}, did not answer within {}", silent.empty() ? "" : "; ",
                     host.address.empty() || host.address == host.host
                         ? format("\"{}\"", host.host)
                         : format("\"{}\" ({})", host.host, host.address),
                     host.port, format_duration(timeout));
    const auto rest =
        without(all_hosts(connection.get()), host, other_addresses(host.host, host.address));
    if (rest.empty()) {
      throw PostgresError("cannot connect to PostgreSQL: " + silent,
                          connect_hint(connection.get(), parameters));
    }
    all = parameters;
    all.emplace_back("host", joined(rest, &ConnectHost::host));
    all.emplace_back("hostaddr", joined(rest, &ConnectHost::address));
    all.emplace_back("port", joined(rest, &ConnectHost::port));
  }
}

}  // namespace pgcairn::postgres
