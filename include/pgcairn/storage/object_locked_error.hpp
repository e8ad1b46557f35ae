#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>

#include <optional>
#include <string>

namespace pgcairn::storage {

/// What remove() throws when the store itself keeps an object: it is under a retention period or a
/// legal hold (object lock). Not a failure of the store, and no retry helps before `until`.
class ObjectLockedError : public Error {
 public:
  ObjectLockedError(std::string message, std::optional<Timestamp> until)
      : Error(std::move(message)), until_(until) {}
  /// Nothing: until somebody lifts it.
  std::optional<Timestamp> until() const { return until_; }

 private:
  std::optional<Timestamp> until_;
};

}  // namespace pgcairn::storage
