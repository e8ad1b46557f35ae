#pragma once

#include <pgcairn/storage/driver.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

/// What stores across a network answer to a request for a listing, a page at a time.
struct ListedPage {
  std::vector<Object> objects;       // with the store's whole names, in the order of the answer
  std::vector<std::string> folders;  // whole names that end with '/'
  std::string next_token;            // empty: the listing is complete
};

/// The page behind `token`, which is empty for the first.
using FetchPage = std::function<ListedPage(const std::string& token)>;

/// Driver::list() over pages. `store_prefix` is what the store's names have before the keys,
/// `where` is for messages. A listing that is out of order or does not go on throws Error.
void visit_pages(const FetchPage& fetch, std::string_view store_prefix, const std::string& where,
                 const std::function<void(const Object&)>& visit);

/// Driver::folders() over pages. `store_prefix` includes the folder that is asked about.
std::vector<std::string> folders_of_pages(const FetchPage& fetch, std::string_view store_prefix,
                                          const std::string& where);

/// Gives `remove` all keys, at most `most` at once; throws what was thrown first after all of them.
void remove_in_batches(std::span<const std::string> keys, std::size_t most,
                       const std::function<void(std::span<const std::string>)>& remove);

}  // namespace pgcairn::storage
