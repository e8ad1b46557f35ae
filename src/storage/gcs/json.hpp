#pragma once

#include "http/answer.hpp"
#include "http/paged_listing.hpp"

#include <pgcairn/storage/driver.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::storage {

// What Google Cloud Storage's JSON API answers (cloud.google.com/storage/docs/json_api/v1). Pure.

/// From the body of an answer that is not 2xx. An answer that is not JSON (of a balancer, or of a
/// download) gives the beginning of its text as message.
StoreError parse_gcs_error(std::string_view text);
/// Whether a 404 means that the store has no such object, or no such bucket; others come from
/// something on the way to it. To a download the store answers in words alone.
bool is_gcs_absent(const StoreError& error);
/// Whether the store keeps the object for a time, or until a hold is taken off it.
bool is_gcs_kept(const StoreError& error);

/// Which fields of an object parse_gcs_object() needs, for the parameter `fields`.
inline constexpr std::string_view kGcsObjectFields = "name,size,timeCreated";
/// Throws TransientError when `text` is not an object: a 200 that carries an error is an error.
/// `where` is for messages.
Object parse_gcs_object(std::string_view text, const std::string& where);
/// The checksum in the answer to an upload, in base64. Throws TransientError when there is none.
std::string parse_gcs_crc32c(std::string_view text, const std::string& where);

/// Until when an object is kept by a retention period; nothing when it is not, or when it is held
/// as well.
inline constexpr std::string_view kGcsKeptFields =
    "retentionExpirationTime,temporaryHold,eventBasedHold";
std::optional<Timestamp> parse_gcs_kept(std::string_view text, const std::string& where);

inline constexpr std::string_view kGcsPageFields =
    "kind,nextPageToken,prefixes,items(name,size,timeCreated)";
/// Throws TransientError when `text` is not a page of a listing: a listing is complete or an error.
ListedPage parse_gcs_page(std::string_view text, const std::string& where);

/// The rules in the lifecycle of a bucket that delete objects whose names begin with `prefix`. All
/// storage classes answer at once.
std::vector<StoreRule> parse_gcs_rules(std::string_view text, std::string_view prefix,
                                       const std::string& where);

}  // namespace pgcairn::storage
