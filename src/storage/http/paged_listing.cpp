#include "http/paged_listing.hpp"

#include "key.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <exception>

namespace pgcairn::storage {

namespace {

void each_page(const FetchPage& fetch, const std::string& where,
               const std::function<void(ListedPage&)>& visit) {
  for (std::string token;;) {
    ListedPage page = fetch(token);
    visit(page);
    if (page.next_token.empty()) return;
    if (page.next_token == token) throw Error(format("the listing of {} repeats a page", where));
    token = std::move(page.next_token);
  }
}

}  // namespace

void visit_pages(const FetchPage& fetch, std::string_view store_prefix, const std::string& where,
                 const std::function<void(const Object&)>& visit) {
  std::string last;
  each_page(fetch, where, [&](ListedPage& page) {
    for (Object& object : page.objects) {
      if (!object.key.starts_with(store_prefix) || object.key <= last)
        throw Error(format("the listing of {} is out of order at \"{}\"", where, object.key));
      last = object.key;
      object.key.erase(0, store_prefix.size());
      // What cannot be a key was put there by somebody else.
      if (is_key(object.key)) visit(object);
    }
  });
}

std::vector<std::string> folders_of_pages(const FetchPage& fetch, std::string_view store_prefix,
                                          const std::string& where) {
  std::vector<std::string> names;
  each_page(fetch, where, [&](const ListedPage& page) {
    for (const std::string& folder : page.folders) {
      std::string name = folder.substr(std::min(store_prefix.size(), folder.size()));
      if (name.ends_with('/')) name.pop_back();
      if (is_key(name)) names.push_back(std::move(name));
    }
  });
  return names;
}

void remove_in_batches(std::span<const std::string> keys, std::size_t most,
                       const std::function<void(std::span<const std::string>)>& remove) {
  FirstError failure;
  for (std::size_t at = 0; at < keys.size(); at += most)
    failure.attempt([&] { remove(keys.subspan(at, std::min(most, keys.size() - at))); });
  failure.throw_if_any();
}

}  // namespace pgcairn::storage
