#include "postgres/connect.hpp"

#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/connection.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

namespace {

constexpr milliseconds kShort{300};
constexpr milliseconds kEnough{2000};  // for an answer, on a busy machine

void put32(std::string& out, std::size_t number) {
  const std::uint32_t big = htonl(static_cast<std::uint32_t>(number));
  out.append(reinterpret_cast<const char*>(&big), sizeof big);
}

/// A message of the protocol (protocol.sgml, "Message Formats").
std::string message(char type, const std::string& body) {
  std::string out(1, type);
  put32(out, body.size() + 4);
  return out + body;
}

std::string fields(std::initializer_list<const char*> all) {
  std::string out;
  for (const char* const one : all) (out += one) += '\0';
  return out + '\0';
}

/// A server on 127.0.0.1 that speaks as much of the protocol as a login and one statement need.
class FakeServer {
 public:
  enum class Kind { silent, greets };

  explicit FakeServer(Kind kind) : kind_(kind), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener_.get(), raw, size) == 0);
    REQUIRE(::listen(listener_.get(), 8) == 0);
    REQUIRE(::getsockname(listener_.get(), raw, &size) == 0);
    port_ = ntohs(address.sin_port);
    // Connections to a silent one are taken by the kernel, and nobody answers.
    if (kind_ == Kind::greets)
      thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  }
  std::string port() const { return format("{}", port_); }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client) talk(client, stop);
    }
  }

  static void say(const Fd& client, const std::string& text) {
    (void)!::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }

  static void talk(const Fd& client, const std::stop_token& stop) {
    std::array<char, 8192> buffer{};
    while (!stop.stop_requested()) {
      pollfd waiting{client.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const ssize_t count = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      const bool asks_for_encryption = count == 8;
      if (asks_for_encryption) {
        say(client, "N");
      } else if (buffer[0] == '\0') {
        say(client, message('R', std::string(4, '\0')) +
                        message('N', fields({"SWARNING", "VWARNING", "C01000",
                                             "Mthe collation of the database has changed"})) +
                        message('S', std::string("server_version\0"
                                                 "17.2",
                                                 19) +
                                         '\0') +
                        message('Z', "I"));
      } else if (buffer[0] == 'P') {
        say(client, message('1', "") + message('2', "") + message('n', "") +
                        message('C', std::string("SELECT 0") + '\0') + message('Z', "I"));
      }
    }
  }

  Kind kind_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

/// What is written to file descriptor 2 meanwhile.
class StandardError {
 public:
  StandardError() : file_(std::tmpfile()), before_(::dup(2)) { ::dup2(::fileno(file_), 2); }
  ~StandardError() {
    ::dup2(before_, 2);
    ::close(before_);
    std::fclose(file_);
  }
  std::string text() const {
    std::string all(4096, '\0');
    const ssize_t count = ::pread(::fileno(file_), all.data(), all.size(), 0);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return all;
  }

 private:
  std::FILE* file_;
  int before_;
};

/// The log's lines while it lives.
class Logged {
 public:
  Logged() {
    set_log(LogLevel::debug, [this](LogLevel, std::string_view line) { (text_ += line) += '\n'; });
  }
  ~Logged() {
    set_log(LogLevel::error, [](LogLevel, std::string_view) {});
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

ConnectParameters parameters(const std::string& hosts, const std::string& ports) {
  return {{"host", hosts},
          {"port", ports},
          {"user", "u"},
          {"dbname", "d"},
          {"sslmode", "prefer"},
          {"gssencmode", "disable"},
          {"passfile", "/nonexistent"}};
}

}  // namespace

TEST_CASE("what a server says while it lets us in is logged, not printed") {
  const FakeServer server(FakeServer::Kind::greets);
  const Logged logged;
  std::string printed;
  {
    const StandardError standard_error;
    ConnectionSettings settings;
    settings.host = "127.0.0.1";
    settings.port = static_cast<std::uint16_t>(*parse_u64(server.port()));
    settings.user = "u";
    Connection connection(settings);
    CHECK(connection.alive());
    printed = standard_error.text();
  }
  CHECK(printed.empty());
  CHECK_THAT(logged.text(), Says({"the collation of the database has changed"}));
}

TEST_CASE("a host that does not answer is passed by, each in its own time") {
  const FakeServer silent(FakeServer::Kind::silent);
  const FakeServer also_silent(FakeServer::Kind::silent);
  const FakeServer server(FakeServer::Kind::greets);
  const std::string three = "127.0.0.1,127.0.0.1,127.0.0.1";
  SECTION("and one that refuses, before it") {
    const auto connection =
        connect(parameters(three, "1," + silent.port() + "," + server.port()), kEnough, {});
    CHECK(pq().PQport(connection.get()) == server.port());
  }
  SECTION("by name, with several addresses") {
    const auto connection = connect(
        parameters("localhost,127.0.0.1", silent.port() + "," + server.port()), kEnough, {});
    CHECK(pq().PQport(connection.get()) == server.port());
  }
  SECTION("and when there is no other one, all are named") {
    const std::string said = error_of<PostgresError>([&] {
      connect(parameters(three, "1," + silent.port() + "," + also_silent.port()), kShort, {});
    });
    CHECK_THAT(said, Says({"port " + silent.port() + ", did not answer within",
                           "port " + also_silent.port() + ", did not answer within",
                           "Connection refused", "hint: check that PostgreSQL runs"}));
  }
}

TEST_CASE("a user that nobody named is named in the hint") {
  ConnectParameters unnamed = parameters("127.0.0.1", "1");
  std::erase_if(unnamed, [](const auto& one) { return one.first == "user"; });
  const auto hint = [](const ConnectParameters& all) -> std::string {
    try {
      connect(all, milliseconds(10'000), {});
      return "connected";
    } catch (const PostgresError& error) {
      return error.hint();
    }
  };
  const std::string self = account_of(::geteuid(), ::getegid()).name;
  const bool said = hint(unnamed).find("or set pg-user") != std::string::npos;
  CHECK(said == (self != "postgres"));
  CHECK(hint(parameters("127.0.0.1", "1")).find("or set pg-user") == std::string::npos);
}

TEST_CASE("waiting for a server can be stopped") {
  const FakeServer silent(FakeServer::Kind::silent);
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(50));
    source.request_stop();
  });
  CHECK_THROWS_AS(
      connect(parameters("127.0.0.1", silent.port()), std::chrono::minutes(10), source.get_token()),
      Interrupted);
}

TEST_CASE("hosts are what libpq's lists say, and fewer when one is silent") {
  using Hosts = std::vector<ConnectHost>;
  CHECK(hosts_of("", "", "") == Hosts{{"", "", ""}});
  CHECK(hosts_of("a,b", "", "5") == Hosts{{"a", "", "5"}, {"b", "", "5"}});
  CHECK(hosts_of("a,b", "1,", "5,6") == Hosts{{"a", "1", "5"}, {"b", "", "6"}});
  CHECK(hosts_of("", "1,2", "") == Hosts{{"", "1", ""}, {"", "2", ""}});
  CHECK(hosts_of("a,b", "1", "").empty());
  CHECK(hosts_of("a", "", "5,6").empty());

  const Hosts both = {{"a", "", "5"}, {"b", "", "5"}};
  CHECK(without(both, {"b", "9", "5"}, {}) == Hosts{{"a", "", "5"}});
  CHECK(without(both, {"a", "9", "5"}, {"8"}) == Hosts{{"a", "8", "5"}, {"b", "", "5"}});
  CHECK(without({{"a", "8", "5"}, {"b", "", "5"}}, {"a", "8", "5"}, {"9"}) ==
        Hosts{{"b", "", "5"}});
  CHECK(without({{"", "1", ""}, {"", "2", ""}}, {"1", "1", "5432"}, {}) == Hosts{{"", "2", ""}});
  CHECK(without({{"", "", ""}}, {"/run", "", "5432"}, {}).empty());
  CHECK(without(both, {"c", "", "5"}, {}).empty());
}
