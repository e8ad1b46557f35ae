#include "http/client.hpp"

#include "http/answer.hpp"
#include "http/curl.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/library.hpp>
#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <vector>

#include <netdb.h>

// The checks of types that curl.h wraps around these two call the library by name.
#undef curl_easy_setopt
#undef curl_easy_getinfo

namespace pgcairn::storage {

namespace {

LibCurl load() {
  const Library library("libcurl.so.4", "the library for HTTP",
                        "install it (package libcurl4 on Debian, libcurl elsewhere)");
  LibCurl functions;
#define PGCAIRN_LOAD(name) library.find(#name, functions.name);
  PGCAIRN_CURL_FUNCTIONS(PGCAIRN_LOAD)
#undef PGCAIRN_LOAD
  functions.curl_global_init(CURL_GLOBAL_DEFAULT);
  return functions;
}

constexpr int kProxyWantsUser = 407;
constexpr const char* kProxyForm =
    "the proxy wants a user and a password: set proxy = \"http://USER:PASSWORD@HOST:PORT\" in the "
    "repository's section of the configuration";

// What OpenSSL calls ends that do not understand each other (openssl, ssl/ssl_err.c).
constexpr std::array<std::string_view, 7> kOtherLanguage = {
    "wrong version number", "http request",           "unsupported protocol",  "protocol version",
    "handshake failure",    "no protocols available", "packet length too long"};

struct Header {
  curl_slist* list = nullptr;
  ~Header() { curl().curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl().curl_slist_append(list, line.c_str()); }
};

/// An answer while it comes in.
struct Incoming {
  HttpResponse response;
  std::uint64_t most_body_bytes = 0;
  bool too_long = false;
};

/// The parts of a body that are still to be sent.
using Outgoing = std::array<Bytes, 3>;

std::size_t size_of(const Outgoing& parts) {
  std::size_t size = 0;
  for (const Bytes part : parts) size += part.size();
  return size;
}

/// Gives each byte once. libcurl sends a request again by itself when a connection that it kept
/// turns out dead, but it cannot without going back to the body's start: so the caller knows of
/// every request that may have been carried out.
std::size_t give_body(char* data, std::size_t size, std::size_t count, void* source) {
  std::size_t given = 0;
  for (Bytes& rest : *static_cast<Outgoing*>(source)) {
    const std::size_t now = std::min(size * count - given, rest.size());
    std::copy_n(rest.begin(), now, reinterpret_cast<std::byte*>(data) + given);
    rest = rest.subspan(now);
    given += now;
  }
  return given;
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* target) {
  auto& incoming = *static_cast<Incoming*>(target);
  if (incoming.response.body.size() + size * count > incoming.most_body_bytes) {
    incoming.too_long = true;
    return 0;
  }
  if (incoming.response.body.empty()) {
    const auto promised = parse_u64(incoming.response.header("content-length"));
    incoming.response.body.reserve(std::min(promised.value_or(0), incoming.most_body_bytes));
  }
  incoming.response.body.append(as_bytes({data, size * count}));
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* target) {
  auto& headers = static_cast<Incoming*>(target)->response.headers;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) headers.clear();  // those before were of a 100 or of a proxy
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    // A header that comes twice is a list (RFC 9110, 5.3).
    std::string& value = headers[lower_case(line.substr(0, colon))];
    value += format("{}{}", value.empty() ? "" : ", ", trim(line.substr(colon + 1)));
  }
  return size * count;
}

/// How a request ended that has no answer.
struct Ending {
  CURLcode code;
  std::string_view words;  // of libcurl
  int proxy_status = 0;    // of an HTTP proxy that made no tunnel; 0: none
  bool answered = false;   // was any request of this client, before?
  std::string_view host;   // that was asked
};

/// Do the name servers know that there is no such host, for now at least?
bool has_no_address(const std::string& host) {
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, nullptr, &found);
  if (code == 0) ::freeaddrinfo(found);
  return code == EAI_NONAME || code == EAI_NODATA;
}

/// Do the two ends not speak the same? OpenSSL tells it in words alone, apart from a connection
/// that was cut.
bool is_other_language(std::string_view words) {
  return std::any_of(kOtherLanguage.begin(), kOtherLanguage.end(), [&](std::string_view one) {
    return words.find(one) != std::string_view::npos;
  });
}

/// Whether the next try may go better.
bool may_pass(const Ending& ending) {
  if (ending.proxy_status != 0) return storage::may_pass(ending.proxy_status);
  switch (ending.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return ending.answered || !has_no_address(std::string(ending.host));
    case CURLE_SSL_CONNECT_ERROR:
      return ending.answered || !is_other_language(ending.words);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_AGAIN:
      return true;
    default:
      return false;
  }
}

std::string hint_of_certificate(std::string_view words) {
  const auto say = [&](std::string_view one) { return words.find(one) != std::string_view::npos; };
  if (say("has expired"))
    return "the store needs a new certificate; or is this machine's clock wrong?";
  if (say("not yet valid")) return "set this machine's clock";
  if (say("target host name"))
    return "check the endpoint: the certificate is of another host; if the bucket's name has a "
           "dot, set s3-uri-style = \"path\"";
  return "the store's certificate is not trusted: name the CA that signed it with ca-file";
}

std::string hint_of(const Ending& ending) {
  if (ending.proxy_status == kProxyWantsUser) return kProxyForm;
  if (ending.proxy_status != 0)
    return "the proxy lets nobody through to this store: ask who runs it";
  switch (ending.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "check the endpoint for typing errors, and this machine's name servers";
    case CURLE_COULDNT_RESOLVE_PROXY:
      return "check proxy, and https_proxy in the environment";
    case CURLE_SSL_CONNECT_ERROR:
      return is_other_language(ending.words)
                 ? "check the endpoint's port, and whether it speaks TLS: an address with http:// "
                   "is one that does not (allow-http)"
                 : "";
    case CURLE_PEER_FAILED_VERIFICATION:
      return hint_of_certificate(ending.words);
    case CURLE_SSL_CACERT_BADFILE:
      return "ca-file must name a readable file of PEM text";
    default:
      return {};
  }
}

}  // namespace

const LibCurl& curl() {
  static const LibCurl functions = load();
  return functions;
}

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

struct HttpClient::State {
  HttpSettings settings;
  std::mutex mutex;
  std::vector<CURL*> idle;  // each with its connections
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<bool> answered = false;  // was any of them?

  CURL* take() {
    {
      std::lock_guard lock(mutex);
      if (!idle.empty()) {
        CURL* const handle = idle.back();
        idle.pop_back();
        return handle;
      }
    }
    CURL* const handle = curl().curl_easy_init();
    if (handle == nullptr) throw Error("cannot make a request: libcurl has no memory");
    return handle;
  }
  void give_back(CURL* handle) {
    curl().curl_easy_reset(handle);  // keeps the connections
    std::lock_guard lock(mutex);
    idle.push_back(handle);
  }
};

namespace {

/// A handle for one request.
struct Borrowed {
  HttpClient::State& state;
  CURL* handle;
  explicit Borrowed(HttpClient::State& owner) : state(owner), handle(owner.take()) {}
  ~Borrowed() { state.give_back(handle); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl().curl_easy_setopt(handle, option, value);
    if (code != CURLE_OK)
      throw Error(format("cannot make a request: {}", curl().curl_easy_strerror(code)));
  }
  /// A status; 0: there was none.
  int number(CURLINFO info) const {
    long value = 0;
    curl().curl_easy_getinfo(handle, info, &value);
    return static_cast<int>(value);
  }
};

void set_limits(Borrowed& request, const HttpSettings& settings) {
  request.set(CURLOPT_NOSIGNAL, 1L);
  request.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.connect_timeout.count()));
  request.set(CURLOPT_TIMEOUT_MS, static_cast<long>(settings.whole_timeout.count()));
  request.set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  request.set(CURLOPT_LOW_SPEED_TIME,
              std::max(1L, static_cast<long>(settings.idle_timeout.count() / 1000)));
  request.set(CURLOPT_PROTOCOLS_STR, "http,https");
  request.set(CURLOPT_SSL_VERIFYPEER, settings.verify_tls ? 1L : 0L);
  request.set(CURLOPT_SSL_VERIFYHOST, settings.verify_tls ? 2L : 0L);
  if (!settings.ca_file.empty()) request.set(CURLOPT_CAINFO, settings.ca_file.c_str());
  if (settings.direct) request.set(CURLOPT_NOPROXY, "*");
  if (!settings.proxy.empty()) {
    request.set(CURLOPT_PROXY, settings.proxy.c_str());
    request.set(CURLOPT_NOPROXY, "");  // what is written down overrules the environment
  }
}

/// The query may hold what is nobody's business.
std::string_view without_query(std::string_view url) {
  return url.substr(0, url.find('?'));
}

/// Without its port; of "[::1]", nothing that name servers are asked for.
std::string_view host_of(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end != std::string_view::npos) url.remove_prefix(scheme_end + 3);
  return url.substr(0, url.find_first_of(":/?"));
}

}  // namespace

HttpSettings http_settings(const NetworkSettings& network) {
  HttpSettings http;
  http.ca_file = network.ca_file;
  http.verify_tls = network.verify_tls;
  http.connect_timeout = std::min(http.connect_timeout, network.io_timeout);
  http.idle_timeout = network.io_timeout;
  http.proxy = network.proxy;
  return http;
}

HttpClient::HttpClient(HttpSettings settings) : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
}

HttpClient::~HttpClient() {
  for (CURL* const handle : state_->idle) curl().curl_easy_cleanup(handle);
}

std::uint64_t HttpClient::requests() const {
  return state_->requests;
}

HttpResponse HttpClient::send(const HttpRequest& request) {
  return send(request, Buffer());
}

HttpResponse HttpClient::send(const HttpRequest& request, Buffer body) {
  Borrowed borrowed(*state_);
  set_limits(borrowed, state_->settings);
  borrowed.set(CURLOPT_URL, request.url.c_str());
  borrowed.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  Outgoing rest{request.before_body, request.body, request.after_body};
  Header headers;
  for (const auto& [name, value] : request.headers) headers.add(format("{}: {}", name, value));
  if (request.method == "HEAD") {
    borrowed.set(CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET" && request.method != "DELETE") {
    borrowed.set(CURLOPT_POST, 1L);
    borrowed.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(size_of(rest)));
    borrowed.set(CURLOPT_READFUNCTION, give_body);
    borrowed.set(CURLOPT_READDATA, static_cast<void*>(&rest));
    headers.add("expect:");  // no round trip to ask whether the body is welcome
    if (!request.headers.contains("content-type")) headers.add("content-type:");
  }
  borrowed.set(CURLOPT_HTTPHEADER, headers.list);
  Incoming incoming;
  incoming.most_body_bytes = request.most_body_bytes;
  incoming.response.body = std::move(body);
  incoming.response.body.clear();
  borrowed.set(CURLOPT_WRITEFUNCTION, take_body);
  borrowed.set(CURLOPT_WRITEDATA, static_cast<void*>(&incoming));
  borrowed.set(CURLOPT_HEADERFUNCTION, take_header);
  borrowed.set(CURLOPT_HEADERDATA, static_cast<void*>(&incoming));
  std::array<char, CURL_ERROR_SIZE> words{};
  borrowed.set(CURLOPT_ERRORBUFFER, words.data());

  ++state_->requests;
  const CURLcode code = curl().curl_easy_perform(borrowed.handle);
  if (incoming.too_long) {
    throw Error(format("the answer to {} {} is longer than {}", request.method,
                       without_query(request.url), format_size(request.most_body_bytes)));
  }
  if (code != CURLE_OK) {
    const char* const said = words[0] != '\0' ? words.data() : curl().curl_easy_strerror(code);
    const int tunnel = borrowed.number(CURLINFO_HTTP_CONNECTCODE);
    const Ending ending{code, said, tunnel / 100 == 2 ? 0 : tunnel, state_->answered,
                        host_of(request.url)};
    const std::string message =
        format("{} {} failed: {}", request.method, without_query(request.url), said);
    if (may_pass(ending)) throw TransientError(message, hint_of(ending));
    throw Error(message, hint_of(ending));
  }
  state_->answered = true;
  incoming.response.status = borrowed.number(CURLINFO_RESPONSE_CODE);
  if (incoming.response.status == kProxyWantsUser)
    throw Error(
        format("{} {} failed: the proxy answers 407", request.method, without_query(request.url)),
        kProxyForm);
  return std::move(incoming.response);
}

}  // namespace pgcairn::storage
