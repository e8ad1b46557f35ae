#pragma once

#include <pgcairn/common/bytes.hpp>

#include <memory>
#include <string>

namespace pgcairn::crypto {

/// Bytes that must not get about: in memory of their own that is locked against swapping, left out
/// of core dumps and of child processes, and overwritten before it is given back. Of fixed size.
class SecretBytes {
 public:
  SecretBytes() = default;
  /// Zeros.
  explicit SecretBytes(std::size_t size);
  explicit SecretBytes(Bytes bytes);

  Bytes bytes() const { return {pages_.get(), size_}; }
  MutableBytes writable() { return {pages_.get(), size_}; }
  operator Bytes() const { return bytes(); }  // NOLINT: a secret is a run of bytes
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// The first `size` of them only; the rest is overwritten.
  void shrink(std::size_t size);

 private:
  struct Unmap {
    Unmap() : size(0) {}
    explicit Unmap(std::size_t mapped) : size(mapped) {}
    std::size_t size;
    void operator()(std::byte* pages) const;
  };
  std::unique_ptr<std::byte[], Unmap> pages_;
  std::size_t size_ = 0;
};

/// Overwrites what held a secret, in a way that no compiler leaves out.
void wipe(MutableBytes bytes);
/// The same, and the text is empty.
void wipe(std::string& text);

/// From now on this process leaves no core dump, and no other process of its user reads its memory.
void forbid_core_dumps();

}  // namespace pgcairn::crypto
