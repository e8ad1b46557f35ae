#pragma once

// Debian 13 has Catch2 3 only. The tests are written for version 2, which Debian 12 has: its header
// and its names.

#include <string>
#include <utility>

#include <catch2/catch_all.hpp>

namespace Catch {

template <class Value>
using MatcherBase = Matchers::MatcherBase<Value>;

inline auto Contains(std::string part) {
  return Matchers::ContainsSubstring(std::move(part));
}

inline auto StartsWith(std::string part) {
  return Matchers::StartsWith(std::move(part));
}

}  // namespace Catch

using Catch::Approx;
