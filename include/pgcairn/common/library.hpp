#pragma once

#include <string>

namespace pgcairn {

/// A shared library that is loaded when it is first needed. archive-push and archive-get start for
/// every WAL segment: what they do not use they should not pay for, and loading a large library
/// with all that it needs takes longer than the rest of a start.
class Library {
 public:
  /// `name` is a file's ("libpq.so.5"), `what` is for people ("the library of PostgreSQL's
  /// clients"). Throws Error with `hint` when it cannot be loaded.
  Library(const char* name, std::string what, std::string hint);

  /// Fills `function` with the address of `symbol`. Throws Error when the library has none.
  template <class Function>
  void find(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol) const;
  void* loaded(void* found) const;

  std::string what_;
  std::string hint_;
  void* library_ = nullptr;  // never unloaded
};

}  // namespace pgcairn
