#include "gcs/json.hpp"

#include "http/answer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

constexpr std::size_t kMostWordsOfText = 200;

/// What `read` makes of `text`. An answer that is none is an error of the store or of the way to
/// it, and may be better the next time.
template <class Read>
auto parsed(std::string_view text, const std::string& where, std::string_view what, Read read) {
  JsonDocument document(where);
  try {
    return read(document.parse(text));
  } catch (const DamagedError&) {
    const StoreError error = parse_gcs_error(text);
    throw TransientError(format("the answer of {} is not {}{}{}", where, what,
                                error.message.empty() ? "" : ": ", error.message));
  }
}

Timestamp time_of(const JsonValue& value, const std::string& where) {
  const auto time = parse_rfc3339(value.string());
  if (!time) throw DamagedError(where, 0, "a time has an unknown format");
  return *time;
}

Object read_object(const JsonValue& resource, const std::string& where) {
  // Numbers of 64 bits are strings in Google's JSON.
  const auto size = parse_u64(resource["size"].string());
  if (!size) throw DamagedError(where, 0, "a size is not a number");
  return {std::string(resource["name"].string()), *size, time_of(resource["timeCreated"], where)};
}

}  // namespace

StoreError parse_gcs_error(std::string_view text) {
  JsonDocument document("");
  try {
    const JsonValue error = document.parse(text)["error"];
    StoreError found;
    found.message = error["message"].string();
    if (const auto errors = error.find("errors")) {
      for (const JsonValue& one : errors->array()) {
        if (found.code.empty()) found.code = one["reason"].string();
      }
    }
    return found;
  } catch (const DamagedError&) {
    std::string words(trim(text).substr(0, kMostWordsOfText));
    std::replace_if(
        words.begin(), words.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, ' ');
    return {"", words};
  }
}

bool is_gcs_absent(const StoreError& error) {
  return error.code == "notFound" || error.message.starts_with("No such object");
}

bool is_gcs_kept(const StoreError& error) {
  return error.code == "retentionPolicyNotMet" || error.code == "objectUnderActiveHold";
}

Object parse_gcs_object(std::string_view text, const std::string& where) {
  return parsed(text, where, "an object",
                [&](const JsonValue& root) { return read_object(root, where); });
}

std::string parse_gcs_crc32c(std::string_view text, const std::string& where) {
  return parsed(text, where, "an object",
                [](const JsonValue& root) { return std::string(root["crc32c"].string()); });
}

std::optional<Timestamp> parse_gcs_kept(std::string_view text, const std::string& where) {
  return parsed(text, where, "an object", [&](const JsonValue& root) -> std::optional<Timestamp> {
    for (const char* const hold : {"temporaryHold", "eventBasedHold"}) {
      const auto held = root.find(hold);
      if (held && held->boolean()) return std::nullopt;
    }
    const auto until = root.find("retentionExpirationTime");
    if (!until) return std::nullopt;
    return time_of(*until, where);
  });
}

ListedPage parse_gcs_page(std::string_view text, const std::string& where) {
  return parsed(text, where, "a page of a listing", [&](const JsonValue& root) {
    if (root["kind"].string() != "storage#objects") throw DamagedError(where, 0, "another kind");
    ListedPage page;
    if (const auto items = root.find("items")) {
      for (const JsonValue& item : items->array()) page.objects.push_back(read_object(item, where));
    }
    if (const auto prefixes = root.find("prefixes")) {
      for (const JsonValue& prefix : prefixes->array()) page.folders.emplace_back(prefix.string());
    }
    if (const auto token = root.find("nextPageToken")) page.next_token = token->string();
    return page;
  });
}

namespace {

/// Is a condition of the rule one for some names that begin with `prefix`?
bool selects(const JsonValue& condition, std::string_view prefix) {
  // These are about versions that are not the object's present one.
  for (const char* const of_old :
       {"numNewerVersions", "daysSinceNoncurrentTime", "noncurrentTimeBefore"}) {
    if (condition.find(of_old)) return false;
  }
  const auto live = condition.find("isLive");
  if (live && !live->boolean()) return false;
  const auto prefixes = condition.find("matchesPrefix");
  if (!prefixes) return true;
  const std::vector<JsonValue> names = prefixes->array();
  return std::any_of(names.begin(), names.end(), [&](const JsonValue& name) {
    return name.string().starts_with(prefix) || prefix.starts_with(name.string());
  });
}

std::string when_of(const JsonValue& condition) {
  if (const auto age = condition.find("age"))
    return format("{} days after they were created", age->u64());
  if (const auto before = condition.find("createdBefore"))
    return format("that were created before {}", before->string());
  return "by its conditions";
}

}  // namespace

std::vector<StoreRule> parse_gcs_rules(std::string_view text, std::string_view prefix,
                                       const std::string& where) {
  return parsed(text, where, "a bucket", [&](const JsonValue& root) {
    std::vector<StoreRule> harmful;
    const auto lifecycle = root.find("lifecycle");
    const auto rules = lifecycle ? lifecycle->find("rule") : std::nullopt;
    if (!rules) return harmful;
    std::size_t number = 0;
    for (const JsonValue& rule : rules->array()) {
      ++number;
      const JsonValue condition = rule["condition"];
      if (rule["action"]["type"].string() == "Delete" && selects(condition, prefix))
        harmful.push_back({format("{}", number), "deletes objects " + when_of(condition)});
    }
    return harmful;
  });
}

}  // namespace pgcairn::storage
