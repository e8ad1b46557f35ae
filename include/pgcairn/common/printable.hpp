#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pgcairn {

/// Length of the valid UTF-8 sequence at the front of `text`; 0 when there is none (Unicode 15,
/// table 3-7).
std::size_t utf8_length(std::string_view text);

/// Is there one of the control characters U+0080 to U+009F at the front? Terminals obey them, too.
bool is_c1_control(std::string_view text);

/// Text for a terminal: names are bytes that somebody chose, and control characters in them could
/// move the cursor, or worse. These, and what is not UTF-8, are shown as "\x1b"; tabs and line
/// breaks stay, since messages have them of right.
std::string printable(std::string_view text);

/// The same for a name or a note within a line: tabs and line breaks are shown as \t and \n.
std::string printable_in_line(std::string_view text);

}  // namespace pgcairn
