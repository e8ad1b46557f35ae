#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace pgcairn {

Error::Error(std::string message, std::string hint)
    : message_(std::move(message)), hint_(std::move(hint)) {}

std::string Error::render() const {
  std::string text = message_;
  for (const std::string& line : context_) text += "\n  while " + line;
  if (!hint_.empty()) text += "\n  hint: " + hint_;
  return text;
}

SystemError::SystemError(std::string_view operation, int error_number, std::string hint)
    : Error(format("{}: {}", operation, std::generic_category().message(error_number)),
            std::move(hint)),
      error_number_(error_number) {}

DamagedError::DamagedError(std::string object, std::uint64_t offset, std::string_view cause,
                           std::string hint)
    : Error(format("damaged \"{}\" at offset {}: {}", object, offset, cause), std::move(hint)),
      object_(std::move(object)),
      offset_(offset),
      cause_(cause) {}

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "pgcairn: internal error: %s does not hold at %s:%d; please report it\n",
               condition, file, line);
  std::abort();
}

}  // namespace pgcairn
