#include "wrapper.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>
#include <pgcairn/storage/unreadable_error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pgcairn::storage {

namespace {

/// What a system call says of the whole store, or of this machine, and not of one object.
constexpr std::array kOfTheStore = {ENOTCONN, ESHUTDOWN, EHOSTDOWN, EHOSTUNREACH, ENODEV,
                                    ENXIO,    ENOMEM,    EMFILE,    ENFILE,       EINTR};

bool may_be_of_one_object(const Error& error) {
  if (dynamic_cast<const TransientError*>(&error) != nullptr ||
      dynamic_cast<const UsageError*>(&error) != nullptr)
    return false;
  const auto* const system = dynamic_cast<const SystemError*>(&error);
  return system == nullptr || std::find(kOfTheStore.begin(), kOfTheStore.end(),
                                        system->error_number()) == kOfTheStore.end();
}

class Unreadable final : public Wrapper {
 public:
  Unreadable(std::unique_ptr<Driver> inner, std::string always_there)
      : Wrapper(std::move(inner)), always_there_(std::move(always_there)) {}

  bool get(std::string_view key, Range range, Buffer& out) override {
    return read(key, range.offset_bytes, [&] { return inner_->get(key, range, out); });
  }
  std::optional<Object> stat(std::string_view key) override {
    return read(key, 0, [&] { return inner_->stat(key); });
  }

 private:
  template <class Action>
  auto read(std::string_view key, std::uint64_t offset_bytes, Action&& action)
      -> decltype(action()) {
    try {
      return action();
    } catch (const Error& error) {
      if (key == always_there_ || !may_be_of_one_object(error) || !store_answers()) throw;
    }
    try {
      return action();
    } catch (const Error& error) {
      if (!may_be_of_one_object(error)) throw;
      throw UnreadableError(
          std::string(key), offset_bytes,
          format("it cannot be read, while other objects can: {}", error.message()), error.hint());
    }
  }

  bool store_answers() {
    try {
      Buffer out;
      return inner_->get(always_there_, {}, out);
    } catch (const Error& error) {
      log_detail(format("\"{}\" cannot be read either: {}", always_there_, error.message()));
      return false;
    }
  }

  const std::string always_there_;
};

}  // namespace

std::unique_ptr<Driver> with_unreadable(std::unique_ptr<Driver> inner, std::string always_there) {
  return std::make_unique<Unreadable>(std::move(inner), std::move(always_there));
}

}  // namespace pgcairn::storage
