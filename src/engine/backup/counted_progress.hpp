#pragma once

#include <pgcairn/engine/progress.hpp>
#include <pgcairn/repo/lease.hpp>

#include <atomic>

namespace pgcairn::engine {

/// Passes progress on, and remembers it for the lease: others see there how far a run is.
class CountedProgress final : public Progress {
 public:
  explicit CountedProgress(Progress& outer) : outer_(outer) {}

  void phase(std::string_view name, std::uint64_t total_bytes) override {
    // A phase without bytes (waiting for WAL) leaves what was copied standing.
    if (total_bytes > 0) {
      total_bytes_ = total_bytes;
      done_bytes_ = 0;
    }
    outer_.phase(name, total_bytes);
  }
  void advance(std::uint64_t bytes) override {
    done_bytes_ += bytes;
    outer_.advance(bytes);
  }
  void total(std::uint64_t total_bytes) override {
    total_bytes_ = total_bytes;
    outer_.total(total_bytes);
  }
  repo::LeaseProgress so_far() const { return {done_bytes_, total_bytes_}; }

 private:
  Progress& outer_;
  std::atomic<std::uint64_t> done_bytes_ = 0;
  std::atomic<std::uint64_t> total_bytes_ = 0;
};

}  // namespace pgcairn::engine
