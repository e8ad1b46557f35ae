#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::storage {

/// How a store is reached. Every wait has an end.
struct HttpSettings {
  milliseconds connect_timeout{10'000};
  milliseconds idle_timeout{30'000};    // without a byte in either direction
  milliseconds whole_timeout{600'000};  // of one request
  std::filesystem::path ca_file;        // empty: the system's certificates
  bool verify_tls = true;
  std::string proxy;    // "http://host:port"; empty: the environment's
  bool direct = false;  // past every proxy
};
/// For a store: its own limits, and what every request has.
HttpSettings http_settings(const NetworkSettings& network);

struct HttpRequest {
  std::string method;
  std::string url;
  std::map<std::string, std::string> headers;  // names in lower case
  Bytes body;
  std::uint64_t most_body_bytes = 16 * kMiB;  // of the answer; a longer one is an error
  // What is sent right before and behind `body`, which is not copied for that.
  Bytes before_body{};
  Bytes after_body{};
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  Buffer body;
  std::string header(const std::string& name) const;  // empty: absent
};

/// Sends requests over connections that are kept and used again. Redirects are not followed: a
/// signature holds for one host. Safe to call from many threads.
class HttpClient {
 public:
  explicit HttpClient(HttpSettings settings);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// The whole answer, whatever its status. Throws TransientError when there is none, or not all
  /// of it; Error when trying again cannot help (a certificate that is not trusted). The body goes
  /// into `body`, whose memory is used again.
  HttpResponse send(const HttpRequest& request);
  HttpResponse send(const HttpRequest& request, Buffer body);

  /// How many requests were sent.
  std::uint64_t requests() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace pgcairn::storage
