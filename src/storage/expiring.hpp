#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace pgcairn::storage {

/// Credentials, and how long they hold: for ever when that is not said.
template <class Keys>
struct Expiring {
  Keys keys;
  std::optional<Timestamp> until{};
};

/// Credentials that are fetched when they are first needed, and again before they run out: a
/// request that is signed now may be on its way for a while. Safe to call from many threads.
template <class Keys>
class Renewed {
 public:
  /// `what` names them in messages ("credentials for S3").
  Renewed(std::string what, std::function<Expiring<Keys>()> find, Clock& clock = system_clock())
      : what_(std::move(what)), find_(std::move(find)), clock_(clock) {}

  Keys get() {
    constexpr std::chrono::minutes early{5};
    std::lock_guard lock(mutex_);
    if (!found_) found_ = find_();
    if (!found_->until || clock_.now() + early < *found_->until) return found_->keys;
    try {
      found_ = find_();
    } catch (const Error& error) {
      if (clock_.now() >= *found_->until) throw;
      log_warn(format("{} could not be renewed, trying again: {}", what_, error.message()));
    }
    return found_->keys;
  }

 private:
  std::string what_;
  std::function<Expiring<Keys>()> find_;
  Clock& clock_;
  std::mutex mutex_;
  std::optional<Expiring<Keys>> found_;
};

}  // namespace pgcairn::storage
