#include "http/client.hpp"

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

/// Whether the next try may go better.
bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_AGAIN:
      return true;
    default:
      return false;
  }
}

std::string hint_of(CURLcode code) {
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    return "the store's certificate is not trusted: name the CA that signed it with ca-file";
  if (code == CURLE_SSL_CACERT_BADFILE) return "ca-file must name a readable file of PEM text";
  return {};
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
    const std::string message =
        format("{} {} failed: {}", request.method, without_query(request.url),
               words[0] != '\0' ? words.data() : curl().curl_easy_strerror(code));
    if (may_pass(code)) throw TransientError(message, hint_of(code));
    throw Error(message, hint_of(code));
  }
  long status = 0;
  curl().curl_easy_getinfo(borrowed.handle, CURLINFO_RESPONSE_CODE, &status);
  incoming.response.status = static_cast<int>(status);
  return std::move(incoming.response);
}

}  // namespace pgcairn::storage
