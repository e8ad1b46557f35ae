#pragma once

#include <pgcairn/common/bytes.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

namespace pgcairn::test {

/// The seed of this run: $PGCAIRN_TEST_SEED, or another one each time. Printed, so that a failure
/// can be repeated.
inline std::uint64_t seed() {
  static const std::uint64_t chosen = [] {
    const char* const given = std::getenv("PGCAIRN_TEST_SEED");
    const std::uint64_t value =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::fprintf(stderr, "seed: PGCAIRN_TEST_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }();
  return chosen;
}

using Random = std::mt19937_64;

/// A number in [0, limit).
inline std::uint64_t below(Random& random, std::uint64_t limit) {
  return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
}

/// Bytes that no codec makes smaller.
inline std::string random_bytes(Random& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return bytes;
}

/// Bytes that look like rows: they become a third of their size or less.
inline std::string row_bytes(Random& random, std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) {
    bytes += "account " + std::to_string(below(random, 100'000)) + " branch " +
             std::to_string(below(random, 50)) + " filler          ";
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace pgcairn::test
