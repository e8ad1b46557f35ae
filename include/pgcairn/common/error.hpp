#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn {

/// What went wrong, in words for an operator. The message names operation, object and cause
/// ("cannot write "main/x": No space left on device"); context lines are added on the way up by
/// doing(); the hint is a sentence that tells what to do. Lower case, no full stop.
class Error : public std::exception {
 public:
  explicit Error(std::string message, std::string hint = {});

  const std::string& message() const { return message_; }
  const std::vector<std::string>& context() const { return context_; }
  const std::string& hint() const { return hint_; }
  void add_context(std::string line) { context_.push_back(std::move(line)); }
  void set_hint(std::string hint) { hint_ = std::move(hint); }

  /// Message, context and hint, a line each, as the terminal shows them (without "error: ").
  std::string render() const;
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
  std::string hint_;
  std::vector<std::string> context_;
};

/// A system call failed. `operation` reads like "cannot open "/x""; the text of errno is appended.
class SystemError : public Error {
 public:
  SystemError(std::string_view operation, int error_number, std::string hint = {});
  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

/// Something that may pass: a retry can help.
class TransientError : public Error {
  using Error::Error;
};

/// Bytes are not what they must be. `object` is a key or a path, `offset` is where in it (bytes).
class DamagedError : public Error {
 public:
  DamagedError(std::string object, std::uint64_t offset, std::string_view cause,
               std::string hint = {});
  const std::string& object() const { return object_; }
  std::uint64_t offset() const { return offset_; }
  const std::string& cause() const { return cause_; }

 private:
  std::string object_;
  std::uint64_t offset_;
  std::string cause_;
};

/// Wrong usage or configuration: nothing was touched (exit 2).
class UsageError : public Error {
  using Error::Error;
};

/// No such repository, stanza or backup (exit 10).
class MissingError : public Error {
  using Error::Error;
};

/// Another run holds what this one needs (exit 11).
class LockedError : public Error {
  using Error::Error;
};

/// PostgreSQL cannot be reached, is unsupported, or is not this stanza's cluster (exit 13).
class PostgresError : public Error {
  using Error::Error;
};

/// The key exists already, with other content; nothing was overwritten.
class ConflictError : public Error {
  using Error::Error;
};

/// The operator or the system asked us to stop. Not an Error: nothing is wrong.
class Interrupted {};

/// Runs `action`; an Error that leaves it carries the line that `describe` builds. Text is built
/// only on failure.
template <class Describe, class Action>
decltype(auto) doing(Describe&& describe, Action&& action) {
  try {
    return action();
  } catch (Error& error) {
    error.add_context(describe());
    throw;
  }
}

/// Programmer errors only; operating errors throw. Stays on in release builds.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
#define PGCAIRN_ASSERT(condition) \
  ((condition) ? void() : ::pgcairn::assertion_failed(#condition, __FILE__, __LINE__))

}  // namespace pgcairn
