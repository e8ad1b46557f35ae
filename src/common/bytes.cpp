#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/random.h>

namespace pgcairn {

void Buffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  const std::size_t wanted = std::max(capacity, capacity_ + capacity_ / 2);
  std::unique_ptr<std::byte[], Free> grown(
      static_cast<std::byte*>(::operator new[](wanted, std::align_val_t{4096})));
  if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
  data_ = std::move(grown);
  capacity_ = wanted;
}

void Buffer::resize(std::size_t size) {
  reserve(size);
  size_ = size;
}

void Buffer::append(Bytes more) {
  if (more.empty()) return;
  const std::size_t before = size_;
  resize(before + more.size());
  std::memcpy(data_.get() + before, more.data(), more.size());
}

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

Bytes ByteReader::take(std::size_t count) {
  if (count > bytes_.size() - position_) {
    throw DamagedError(object_, base_ + position_,
                       format("ends {} bytes early", count - (bytes_.size() - position_)));
  }
  const Bytes taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(take(1)[0]);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  throw DamagedError(object_, base_ + position_, "a number is longer than 64 bits");
}

void fill_random(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t count = getrandom(out.data(), out.size(), 0);
    if (count < 0 && errno != EINTR) throw SystemError("cannot read random bytes", errno);
    if (count > 0) out = out.subspan(static_cast<std::size_t>(count));
  }
}

std::string random_id() {
  std::array<std::byte, 16> id{};
  fill_random(id);
  return hex(id);
}

}  // namespace pgcairn
