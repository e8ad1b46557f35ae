#include "key.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/driver.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

/// Why `part` cannot be a part of a key; empty when it can.
std::string_view fault_of_part(std::string_view part) {
  static constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (part.empty()) return "a part is empty";
  if (part.front() == '.') return "a part starts with a dot";
  if (part.size() > kMostKeyPartBytes) return "a part is too long";
  if (part.find_first_not_of(allowed) != std::string_view::npos)
    return "a character other than a letter, a digit, '.', '_', '-' and '/'";
  return {};
}

/// Why `key` cannot be a key; empty when it can.
std::string_view fault_of_key(std::string_view key) {
  if (key.size() > kMostKeyBytes) return "it is too long";
  for (std::string_view rest = key;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view fault = fault_of_part(rest.substr(0, slash));
    if (!fault.empty() || slash == std::string_view::npos) return fault;
    rest.remove_prefix(slash + 1);
  }
}

[[noreturn]] void refuse(std::string_view what, std::string_view text, std::string_view fault) {
  throw Error(format("cannot use \"{}\" as {}: {}", escape_bytes(text), what, fault));
}

}  // namespace

void check_key(std::string_view key) {
  const std::string_view fault = fault_of_key(key);
  if (!fault.empty()) refuse("a key", key, fault);
}

bool is_key(std::string_view text) {
  return fault_of_key(text).empty();
}

void check_prefix(std::string_view prefix) {
  if (prefix.size() > kMostKeyBytes) refuse("a prefix of keys", prefix, "it is too long");
  for (std::string_view rest = prefix;;) {
    if (rest.empty()) return;
    const std::size_t slash = rest.find('/');
    const std::string_view fault = fault_of_part(rest.substr(0, slash));
    if (!fault.empty()) refuse("a prefix of keys", prefix, fault);
    if (slash == std::string_view::npos) return;
    rest.remove_prefix(slash + 1);
  }
}

void check_folder(std::string_view prefix) {
  check_prefix(prefix);
  if (!prefix.empty() && !prefix.ends_with('/'))
    refuse("a folder", prefix, "it has no '/' at its end");
}

}  // namespace pgcairn::storage
