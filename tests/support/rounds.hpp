#pragma once

#include <algorithm>

namespace pgcairn::test {

/// Whether a sanitizer looks at each access to memory, and takes all address space for that.
constexpr bool is_sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

/// How many rounds of random input a long test has, or should at least have counted: a tenth under
/// a sanitizer, where each round takes ten times as long.
constexpr int rounds(int usual) {
  return is_sanitized() ? std::max(1, usual / 10) : usual;
}

}  // namespace pgcairn::test
