#pragma once

#include "http/answer.hpp"
#include "http/paged_listing.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

// What S3 answers. Pure.

/// Empty members when `text` is not an error of S3's.
StoreError parse_s3_error(std::string_view text);

/// Throws Error when `text` is not a page of ListObjectsV2, or does not say whether it is the last:
/// a listing is complete or an error. `where` is for the message.
ListedPage parse_s3_page(std::string_view text, const std::string& where);

struct S3NotRemoved {
  std::string name;
  StoreError error;
};
/// The objects that DeleteObjects did not remove. Throws Error when `text` is not its answer: a 200
/// that carries an error is an error.
std::vector<S3NotRemoved> parse_s3_delete(std::string_view text, const std::string& where);

/// The rules in a LifecycleConfiguration that make objects unreadable whose names begin with
/// `prefix` and which have these tags. None: there is no configuration in the text.
std::vector<StoreRule> parse_s3_rules(std::string_view text, std::string_view prefix,
                                      const std::vector<std::pair<std::string, std::string>>& tags);

}  // namespace pgcairn::storage
