#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/storage/driver.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

namespace pgcairn::storage {

/// What a host remembers of a store from one run of the program to the next.
struct AnswerCacheSettings {
  std::filesystem::path file;                       // a private file (common/private_file.hpp)
  milliseconds longest{60'000};                     // how long an answer is believed
  std::function<bool(std::string_view key)> takes;  // which objects and prefixes it is about
};

/// Answers from memory what was asked a moment ago: whole gets, stats and listings of small
/// objects. For programs that run for a moment and ask the same each time, as archive-push does for
/// every WAL segment. Since objects are never overwritten, what is remembered can only miss what is
/// new, or hold what was removed, and both for `longest` at most. Absence is never remembered: as
/// soon as anything is not there, all is forgotten and asked again.
///
/// A file that cannot be read or written, or that others could have read or written, is as good as
/// none.
std::unique_ptr<Driver> with_answer_cache(std::unique_ptr<Driver> inner,
                                          AnswerCacheSettings settings,
                                          Clock& clock = system_clock());

}  // namespace pgcairn::storage
