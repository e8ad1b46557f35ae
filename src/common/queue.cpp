#include <pgcairn/common/queue.hpp>

#include <utility>

namespace pgcairn {

Workers::Workers(std::stop_token outer)
    : outer_(std::move(outer), [this] { stop_.request_stop(); }) {}

Workers::~Workers() {
  stop_.request_stop();
  threads_.clear();
}

void Workers::start(std::function<void(std::stop_token)> work) {
  threads_.emplace_back([this, work = std::move(work)] {
    try {
      work(stop_.get_token());
    } catch (...) {
      fail(std::current_exception());
    }
  });
}

void Workers::fail(std::exception_ptr error) {
  {
    std::lock_guard lock(mutex_);
    // What stops because another failed ends with Interrupted after it: the first one says why.
    if (!first_error_) first_error_ = std::move(error);
  }
  stop_.request_stop();
}

void Workers::join() {
  threads_.clear();
  std::lock_guard lock(mutex_);
  if (first_error_) std::rethrow_exception(std::exchange(first_error_, nullptr));
  if (stop_.stop_requested()) throw Interrupted();
}

}  // namespace pgcairn
