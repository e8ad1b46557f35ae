#include <pgcairn/common/version.hpp>

namespace pgcairn {

std::string_view program_version() {
  return PROGRAM_VERSION;
}

}  // namespace pgcairn
