#pragma once

#include <pgcairn/common/error.hpp>

#include <exception>
#include <utility>

namespace pgcairn {

/// The first error of several attempts, where one that fails does not keep the others from their
/// turn: each repository, each object. What is not an Error ends them all.
class FirstError {
 public:
  /// Runs `action`; an Error that leaves it is kept, unless there was one before.
  template <class Action>
  void attempt(Action&& action) {
    try {
      std::forward<Action>(action)();
    } catch (const Error&) {
      keep();
    }
  }
  /// In a handler: keeps what is being handled, unless there was an error before.
  void keep() {
    if (!first_) first_ = std::current_exception();
  }

  explicit operator bool() const { return first_ != nullptr; }
  void throw_if_any() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

}  // namespace pgcairn
