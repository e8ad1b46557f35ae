#include "codecs.hpp"

namespace pgcairn::compress {

namespace {

class None final : public Codec {
 public:
  CodecId id() const override { return CodecId::none; }
  std::size_t bound(std::size_t raw_size) const override { return raw_size; }
  void compress(Bytes raw, Buffer& out) override { out.append(raw); }

  void decompress(Bytes block, MutableBytes out) override {
    if (block.size() != out.size()) {
      damaged_block(id(), format("it has {} bytes instead of {}", block.size(), out.size()));
    }
    if (!block.empty()) std::memcpy(out.data(), block.data(), block.size());
  }
};

}  // namespace

std::unique_ptr<Codec> make_none() {
  return std::make_unique<None>();
}

}  // namespace pgcairn::compress
