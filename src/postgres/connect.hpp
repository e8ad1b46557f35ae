#pragma once

#include "libpq.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/time.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::postgres {

struct FreeConnection {
  void operator()(PGconn* connection) const { pq().PQfinish(connection); }
};
struct FreeOptions {
  void operator()(PQconninfoOption* options) const { pq().PQconninfoFree(options); }
};
using OpenConnection = std::unique_ptr<PGconn, FreeConnection>;

/// Keywords and values as libpq takes them: of two of one keyword the later one counts.
using ConnectParameters = std::vector<std::pair<std::string, std::string>>;

/// Wakes a poll() when a stop is requested.
class StopSignal {
 public:
  explicit StopSignal(std::stop_token stop);
  int fd() const { return event_.get(); }

 private:
  Fd event_;
  std::stop_callback<std::function<void()>> callback_;
};

/// libpq's messages have several lines and end with one.
std::string one_line(const char* message);

/// Connects as libpq does by itself (PQconnectdbParams), to the first of the hosts that takes us,
/// but asks for what it says to be logged before the server can say anything, which else goes to
/// standard error, and can be stopped: Interrupted. `timeout` is for each host and address. Throws
/// PostgresError with libpq's own words and a hint.
OpenConnection connect(const ConnectParameters& parameters, milliseconds timeout,
                       const std::stop_token& stop);

/// One of several hosts, as libpq's lists have it; empty parts are libpq's to fill.
struct ConnectHost {
  std::string host;  // a name, or the directory of a socket
  std::string address;
  std::string port;
  bool operator==(const ConnectHost&) const = default;
};
/// Of the values that libpq takes as lists, divided by commas; empty when they do not fit together.
std::vector<ConnectHost> hosts_of(const std::string& hosts, const std::string& addresses,
                                  const std::string& ports);
/// What is left to try when `silent` does not answer: the others, and of itself its `other`
/// addresses. Pure.
std::vector<ConnectHost> without(std::vector<ConnectHost> hosts, const ConnectHost& silent,
                                 const std::vector<std::string>& other);

}  // namespace pgcairn::postgres
