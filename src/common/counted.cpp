#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn {

std::string counted(std::uint64_t count, std::string_view noun) {
  return format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace pgcairn
