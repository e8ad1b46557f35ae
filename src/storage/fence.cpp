#include "wrapper.hpp"

#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <mutex>

#include <time.h>

namespace pgcairn::storage {

BootTime time_since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void Fence::set(Check check) {
  std::lock_guard lock(mutex_);
  check_ = std::move(check);
}

void Fence::clear() {
  std::lock_guard lock(mutex_);
  check_ = nullptr;
}

void Fence::pass() {
  std::shared_lock lock(mutex_);
  if (check_) check_();
}

namespace {

class Fenced final : public Wrapper {
 public:
  using IsFenced = std::function<bool(std::string_view, std::string_view)>;
  Fenced(std::unique_ptr<Driver> inner, std::shared_ptr<Fence> fence, IsFenced is_fenced)
      : Wrapper(std::move(inner)), fence_(std::move(fence)), is_fenced_(std::move(is_fenced)) {}

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    if (is_fenced_("put", key)) fence_->pass();
    return inner_->put(key, body, if_exists);
  }
  void remove(std::span<const std::string> keys) override {
    const bool fenced = std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
      return is_fenced_("remove", key);
    });
    if (fenced) fence_->pass();
    inner_->remove(keys);
  }

 private:
  std::shared_ptr<Fence> fence_;
  IsFenced is_fenced_;
};

}  // namespace

std::unique_ptr<Driver> with_fence(
    std::unique_ptr<Driver> inner, std::shared_ptr<Fence> fence,
    std::function<bool(std::string_view operation, std::string_view key)> is_fenced) {
  return std::make_unique<Fenced>(std::move(inner), std::move(fence), std::move(is_fenced));
}

}  // namespace pgcairn::storage
