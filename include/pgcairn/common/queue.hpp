#pragma once

#include <pgcairn/common/error.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

namespace pgcairn {

/// Hands values from threads to threads; holds at most `capacity`. A requested stop ends every wait
/// with Interrupted.
template <class Value>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  void push(Value value, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    if (!room_.wait(lock, stop, [&] { return values_.size() < capacity_; })) throw Interrupted();
    values_.push_back(std::move(value));
    lock.unlock();
    filled_.notify_one();
  }

  /// The next value; nothing when the queue is closed and empty.
  std::optional<Value> pop(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    if (!filled_.wait(lock, stop, [&] { return closed_ || !values_.empty(); })) throw Interrupted();
    if (values_.empty()) return std::nullopt;
    std::optional<Value> value(std::move(values_.front()));
    values_.pop_front();
    lock.unlock();
    room_.notify_one();
    return value;
  }

  /// No more values will come.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any room_;
  std::condition_variable_any filled_;
  std::deque<Value> values_;
  std::size_t capacity_;
  bool closed_ = false;
};

/// Threads that work for one purpose: the first error wins and stops the rest.
class Workers {
 public:
  /// `outer` stops the group from outside.
  explicit Workers(std::stop_token outer);
  /// Stops and joins; an error that nobody fetched with join() is dropped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::stop_token stop_token() const { return stop_.get_token(); }
  void start(std::function<void(std::stop_token)> work);
  /// Keeps the first error and stops the others; for work done on the calling thread.
  void fail(std::exception_ptr error);
  /// Waits for all; throws the first error, or Interrupted when stopped from outside.
  void join();

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> outer_;
  std::mutex mutex_;
  std::exception_ptr first_error_;
  std::vector<std::jthread> threads_;
};

}  // namespace pgcairn
