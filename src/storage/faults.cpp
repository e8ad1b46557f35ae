#include "wrapper.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <exception>

namespace pgcairn::storage {

namespace {

class Faults final : public Wrapper {
 public:
  Faults(std::unique_ptr<Driver> inner, Fault fault)
      : Wrapper(std::move(inner)), fault_(std::move(fault)) {}

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    fault_("put", key);
    return inner_->put(key, body, if_exists);
  }
  bool get(std::string_view key, Range range, Buffer& out) override {
    fault_("get", key);
    return inner_->get(key, range, out);
  }
  std::optional<Object> stat(std::string_view key) override {
    fault_("stat", key);
    return inner_->stat(key);
  }
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    fault_("list", prefix);
    inner_->list(prefix, visit);
  }
  std::vector<std::string> folders(std::string_view prefix) override {
    fault_("list", prefix);
    return inner_->folders(prefix);
  }

  void remove(std::span<const std::string> keys) override {
    for (const std::string& key : keys) check_key(key);
    FirstError failure;
    for (const std::string& key : keys) {
      // As a store does it: some go, some fail. What is not an Error (a feigned crash) ends it at
      // once.
      failure.attempt([&] {
        fault_("remove", key);
        inner_->remove({&key, 1});
      });
    }
    failure.throw_if_any();
  }

 private:
  Fault fault_;
};

}  // namespace

std::unique_ptr<Driver> with_faults(std::unique_ptr<Driver> inner, Fault fault) {
  return std::make_unique<Faults>(std::move(inner), std::move(fault));
}

}  // namespace pgcairn::storage
