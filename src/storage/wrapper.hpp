#pragma once

#include <pgcairn/storage/driver.hpp>

#include <memory>
#include <utility>

namespace pgcairn::storage {

/// A driver that hands everything on to another one: the wrappers override what they change.
class Wrapper : public Driver {
 public:
  std::string describe() const override { return inner_->describe(); }
  Features features() const override { return inner_->features(); }

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    return inner_->put(key, body, if_exists);
  }
  bool get(std::string_view key, Range range, Buffer& out) override {
    return inner_->get(key, range, out);
  }
  std::optional<Object> stat(std::string_view key) override { return inner_->stat(key); }
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    inner_->list(prefix, visit);
  }
  std::vector<std::string> folders(std::string_view prefix) override {
    return inner_->folders(prefix);
  }
  void remove(std::span<const std::string> keys) override { inner_->remove(keys); }
  std::optional<std::vector<StoreRule>> harmful_rules() override { return inner_->harmful_rules(); }

 protected:
  explicit Wrapper(std::unique_ptr<Driver> inner) : inner_(std::move(inner)) {}

  std::unique_ptr<Driver> inner_;
};

}  // namespace pgcairn::storage
