#pragma once

#include "http/answer.hpp"
#include "http/client.hpp"
#include "http/paged_listing.hpp"
#include "http/store_request.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/storage/driver.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

/// What is fixed for a store.
struct RemoteStore {
  std::string prefix;  // of all names in the store: a name is the prefix and the key
  std::string where;   // for messages
  std::string request_id_header;
  std::size_t most_removed_at_once = 0;
};

/// The request itself, with its address; the store has signed it.
HttpRequest addressed(const StoreRequest& request, std::string url);

/// A driver whose store is reached by HTTP. It decides in which order things are asked and what
/// becomes an error; what a store says differently is below, for the store to override.
class RemoteDriver : public Driver {
 public:
  std::string describe() const final { return store_.where; }
  Features features() const final;
  bool put(std::string_view key, Bytes body, IfExists if_exists) final;
  bool get(std::string_view key, Range range, Buffer& out) final;
  std::optional<Object> stat(std::string_view key) final;
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) final;
  std::vector<std::string> folders(std::string_view prefix) final;
  void remove(std::span<const std::string> keys) final;
  std::optional<std::vector<StoreRule>> harmful_rules() final;

 protected:
  explicit RemoteDriver(RemoteStore store) : store_(std::move(store)) {}

  // Requests.

  /// The answer's body goes into `body`, whose memory is used again.
  virtual HttpResponse sign_and_send(const StoreRequest& request, Buffer body) = 0;
  virtual StoreRequest get_request(std::string_view key) = 0;
  virtual StoreRequest stat_request(std::string_view key) = 0;
  /// For the page of names behind `token`, which is empty for the first.
  virtual StoreRequest list_request(const std::string& name_prefix, const std::string& token) = 0;
  /// False: the key is taken.
  virtual bool create(std::string_view key, Bytes body) = 0;
  /// At most `most_removed_at_once` keys; throws when any of them is left.
  virtual void remove_batch(std::span<const std::string> keys) = 0;
  /// For the bucket's rules; nothing: they cannot be asked for here.
  virtual std::optional<StoreRequest> rules_request() { return std::nullopt; }

  // Answers.

  virtual StoreError error_of(const HttpResponse& response) const = 0;
  /// Whether the store says that there is no such object; it may have to be asked once more.
  virtual bool is_absent(const StoreRequest& request, const HttpResponse& response) = 0;
  /// Whether an error that HTTP's status does not tell to be temporary is so.
  virtual bool is_temporary(int status, const StoreError& error) const = 0;
  /// What the operator can do; may be empty.
  virtual std::string hint_of(const HttpResponse& response, const StoreError& error) = 0;
  /// What shows that `content`, which came with `response`, is not the object's; empty: nothing.
  virtual std::string flaw_of(const HttpResponse& response, Bytes content) const;
  /// The answer to stat_request(); the default reads the headers.
  virtual Object object_of(std::string_view key, const HttpResponse& response) const;
  virtual ListedPage page_of(std::string_view text) const = 0;
  /// Those of the bucket's rules that harm names that begin with `prefix`.
  virtual std::vector<StoreRule> rules_of(const HttpResponse& /*response*/,
                                          std::string_view /*prefix*/) const {
    return {};
  }
  /// The end of what keeps the object from being removed, for require_removed().
  virtual std::optional<Timestamp> kept_until(std::string_view key);

  // For use in the store's own functions.

  HttpResponse send(const StoreRequest& request) { return sign_and_send(request, {}); }
  /// Sends what has one answer of success; any other fails as `what`.
  HttpResponse send_for(int success, const StoreRequest& request, const std::string& what);
  const std::string& where() const { return store_.where; }
  std::string name_of(std::string_view key) const { return store_.prefix + std::string(key); }
  /// Throws what the store said, as the error that it is.
  [[noreturn]] void fail(const std::string& what, const HttpResponse& response);
  /// An answer of 404 may mean that there is no bucket: then a listing fails.
  void require_bucket() { list_page("", "", true); }

  struct NotRemoved {
    std::string key;
    int status = 0;  // 0: it was not answered
    StoreError error{};
    bool kept = false;  // by the store, for a time
  };
  /// Throws unless `left` is empty, about the first that is not merely kept if there is one.
  void require_removed(std::span<const NotRemoved> left, std::size_t asked);

 private:
  ListedPage list_page(std::string_view prefix, const std::string& token, bool by_folder);

  RemoteStore store_;
};

}  // namespace pgcairn::storage
