#pragma once

#include <cstdint>
#include <string_view>

namespace pgcairn::engine {

/// Where the engine says how far it is. Called from any thread.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A phase begins ("copying", "waiting for WAL"); `total_bytes` is 0 when the phase has no bytes
  /// to count.
  virtual void phase(std::string_view name, std::uint64_t total_bytes) = 0;
  virtual void advance(std::uint64_t bytes) = 0;
  /// The phase's total became known while it runs.
  virtual void total(std::uint64_t) {}
};

class NoProgress : public Progress {
 public:
  void phase(std::string_view, std::uint64_t) override {}
  void advance(std::uint64_t) override {}
};

}  // namespace pgcairn::engine
