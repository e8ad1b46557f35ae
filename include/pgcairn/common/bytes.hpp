#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace pgcairn {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// An owned run of bytes, aligned to 4 KiB. New bytes are not initialised: packs and pages are
/// written over at once.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) { resize(size); }
  // A moved-from Buffer is empty and can be filled again.
  Buffer(Buffer&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  Bytes bytes() const { return {data_.get(), size_}; }
  MutableBytes writable() { return {data_.get(), size_}; }
  operator Bytes() const { return bytes(); }  // NOLINT: a Buffer is a run of bytes

  void clear() { size_ = 0; }
  void reserve(std::size_t capacity);
  void resize(std::size_t size);
  /// `more` must not be a part of this Buffer.
  void append(Bytes more);

 private:
  struct Free {
    void operator()(std::byte* data) const { ::operator delete[](data, std::align_val_t{4096}); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Integers on disk are little-endian.
template <class Integer>
Integer load_le(const std::byte* at) {
  static_assert(std::endian::native == std::endian::little, "add byte swaps for this machine");
  Integer value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <class Integer>
void store_le(std::byte* at, Integer value) {
  static_assert(std::endian::native == std::endian::little, "add byte swaps for this machine");
  std::memcpy(at, &value, sizeof value);
}

/// Appends `value` as a LEB128 varint (7 bits a byte, least first).
void append_varint(std::string& out, std::uint64_t value);

/// Reads a byte string from the front; every read past the end throws DamagedError naming `object`.
class ByteReader {
 public:
  ByteReader(Bytes bytes, std::string object, std::uint64_t offset = 0)
      : bytes_(bytes), object_(std::move(object)), base_(offset) {}

  bool at_end() const { return position_ == bytes_.size(); }
  std::size_t position() const { return position_; }
  Bytes take(std::size_t count);
  std::uint64_t varint();
  template <class Integer>
  Integer fixed() {
    return load_le<Integer>(take(sizeof(Integer)).data());
  }

 private:
  Bytes bytes_;
  std::string object_;
  std::uint64_t base_;
  std::size_t position_ = 0;
};

/// CRC-32C (Castagnoli), as PostgreSQL keeps it in pg_control. Start with 0; pass the result to go
/// on.
std::uint32_t crc32c(Bytes bytes, std::uint32_t seed = 0);

/// `count` bytes from the system's random source.
void fill_random(MutableBytes out);
/// 32 lower-case hex digits.
std::string random_id();

}  // namespace pgcairn
