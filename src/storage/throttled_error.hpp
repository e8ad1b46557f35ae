#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>

#include <string>

namespace pgcairn::storage {

/// The store answered that it is busy, and when it is to be asked again.
class ThrottledError : public TransientError {
 public:
  ThrottledError(std::string message, milliseconds retry_after)
      : TransientError(std::move(message)), retry_after_(retry_after) {}
  milliseconds retry_after() const { return retry_after_; }

 private:
  milliseconds retry_after_;
};

}  // namespace pgcairn::storage
