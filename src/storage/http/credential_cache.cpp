#include "http/credential_cache.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/private_file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <algorithm>

#include <unistd.h>

namespace pgcairn::storage {

namespace {

constexpr std::size_t kMostFileBytes = 64 * kKiB;

}  // namespace

CredentialCache::CredentialCache(std::filesystem::path file, std::string_view found_by)
    : file_(std::move(file)) {
  if (!file_.empty()) found_by_ = hex(crypto::sha256(as_bytes(found_by)));
}

std::optional<CredentialCache::Lent> CredentialCache::find() const {
  const auto content = file_.empty() ? std::nullopt : read_private_file(file_, kMostFileBytes);
  if (!content) return std::nullopt;
  try {
    JsonDocument document(file_.native());
    const JsonValue root = document.parse(as_text(*content));
    const auto until = parse_utc(root["until"].string());
    if (root["found-by"].string() != found_by_ || !until) return std::nullopt;
    Lent lent{{}, *until};
    for (const JsonValue& word : root["words"].array()) lent.words.emplace_back(word.string());
    return lent;
  } catch (const DamagedError&) {
    log_detail(
        format("\"{}\" has an unknown format", file_.native()));  // not a word of what it holds
    return std::nullopt;
  }
}

void CredentialCache::keep(const Lent& lent) const {
  if (file_.empty()) return;
  JsonWriter json;
  json.begin_object().member("found-by", found_by_).member("until", format_utc(lent.until));
  json.key("words").begin_array();
  for (const std::string& word : lent.words) json.value(word);
  json.end_array().end_object();
  write_private_file(file_, as_bytes(json.text()));
}

void CredentialCache::forget() const {
  if (!file_.empty()) ::unlink(file_.c_str());
}

std::string variables_beginning(std::initializer_list<std::string_view> prefixes) {
  std::vector<std::string_view> found;
  for (const char* const* variable = environ; *variable != nullptr; ++variable) {
    const std::string_view one = *variable;
    const auto begins = [&](std::string_view prefix) { return one.starts_with(prefix); };
    if (std::any_of(prefixes.begin(), prefixes.end(), begins)) found.push_back(one);
  }
  std::sort(found.begin(), found.end());
  std::string all;
  for (const std::string_view one : found) all.append(one).push_back('\n');
  return all;
}

}  // namespace pgcairn::storage
