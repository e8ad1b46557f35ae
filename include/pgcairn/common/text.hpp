#pragma once

#include <pgcairn/common/bytes.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace pgcairn {

/// fmt::format. An object and not a function, so that no argument from std brings std::format in.
inline constexpr struct Formatter {
  template <class... Arguments>
  std::string operator()(fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    return fmt::format(text, std::forward<Arguments>(arguments)...);
  }
} format;

/// Whole text as a decimal or (base 16) hexadecimal number; nothing when it is anything else or too
/// large.
std::optional<std::uint64_t> parse_u64(std::string_view text, int base = 10);

/// "64MiB", "64M", "1G", "4096B", "0": bytes. K, M, G, T are powers of 1024 with or without iB.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// "90s", "5m", "2h", "7d", "2w", "250ms", "0".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "1.4 GiB", "0 B": for people.
std::string format_size(std::uint64_t size_bytes);
/// "1h02m", "3m05s", "4.2s": for people.
std::string format_duration(std::chrono::milliseconds duration);

std::string hex(Bytes bytes);
std::optional<std::vector<std::byte>> parse_hex(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
bool is_digits(std::string_view text);

/// The candidate that `name` was most likely meant to be; nothing when none is near.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

/// `text` as one word for a POSIX shell.
std::string shell_quote(std::string_view text);

}  // namespace pgcairn
