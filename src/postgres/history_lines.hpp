#pragma once

#include <pgcairn/postgres/timeline.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace pgcairn::postgres {

struct HistoryFault {
  std::size_t line = 0;      // counted from 1
  std::uint64_t offset = 0;  // where the line begins, in bytes
  std::string_view cause;
};

/// Appends the ancestors that the text of a history names to `entries`; tells the first line that
/// is wrong.
std::optional<HistoryFault> read_history_lines(std::string_view text, Timeline own,
                                               std::vector<TimelineEntry>& entries);

}  // namespace pgcairn::postgres
