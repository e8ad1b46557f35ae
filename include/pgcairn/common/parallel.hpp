#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace pgcairn {

/// Requests for small objects that are under way at the same time: the delay of a store is then
/// waited for once for this number of them.
inline constexpr std::size_t kRequestsAtOnce = 16;

/// Calls work(0) to work(count - 1), each once, on at most `threads` threads. The first error ends
/// it and is thrown; a requested `stop` ends it with Interrupted.
void for_each_index(std::size_t count, std::size_t threads, std::stop_token stop,
                    const std::function<void(std::size_t)>& work);

}  // namespace pgcairn
