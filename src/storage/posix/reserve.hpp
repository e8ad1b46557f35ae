#pragma once

#include "posix/directory_io.hpp"

#include <atomic>
#include <mutex>

namespace pgcairn::storage {

/// Room on a repository's file system that is given up, piece by piece, for what must be written
/// even when it is full: the lease, without which nothing may be removed. Files with no content of
/// use in ".reserve", which is not a part of any key. A piece frees blocks, an inode, and quota.
class Reserve {
 public:
  explicit Reserve(const Root& root) : root_(root) {}

  /// Makes what is missing of it, as far as there is room; the first call of a process alone does.
  void fill();
  /// Removes one piece; false: there is none left.
  bool give_up_some();

 private:
  bool make_piece(int number);

  const Root& root_;
  std::mutex mutex_;
  std::atomic<bool> done_ = false;  // filled, or used: not to be filled by this process
};

}  // namespace pgcairn::storage
