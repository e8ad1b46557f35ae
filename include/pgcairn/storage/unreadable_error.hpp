#pragma once

#include <pgcairn/common/error.hpp>

namespace pgcairn::storage {

/// The store answers, and does not give this one object: a bad sector, other rights than the
/// others', an archive from which it would have to be brought back first. It is damage of that
/// object; the others can be used.
class UnreadableError : public DamagedError {
  using DamagedError::DamagedError;
};

}  // namespace pgcairn::storage
