#include "codecs.hpp"

#include <lz4frame.h>

namespace pgcairn::compress {

namespace {

/// The smallest block that holds everything: most frames are one block then.
LZ4F_blockSizeID_t block_size_for(std::size_t raw_size) {
  if (raw_size <= 64 * kKiB) return LZ4F_max64KB;
  if (raw_size <= 256 * kKiB) return LZ4F_max256KB;
  if (raw_size <= kMiB) return LZ4F_max1MB;
  return LZ4F_max4MB;
}

LZ4F_preferences_t preferences_for(std::size_t raw_size, int level) {
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  preferences.frameInfo.blockSizeID = block_size_for(raw_size);
  preferences.frameInfo.blockMode = raw_size <= 4 * kMiB ? LZ4F_blockIndependent : LZ4F_blockLinked;
  preferences.frameInfo.contentSize = raw_size;
  preferences.compressionLevel = level;
  preferences.autoFlush = 1;  // everything comes in one call: nothing to collect
  return preferences;
}

class Lz4 final : public Codec {
 public:
  explicit Lz4(int level) : level_(level) {}

  CodecId id() const override { return CodecId::lz4; }
  std::size_t bound(std::size_t raw_size) const override {
    const LZ4F_preferences_t preferences = preferences_for(raw_size, level_);
    return LZ4F_compressFrameBound(raw_size, &preferences);
  }

  void compress(Bytes raw, Buffer& out) override {
    if (!compressor_) open_compressor();
    const LZ4F_preferences_t preferences = preferences_for(raw.size(), level_);
    LZ4F_compressOptions_t options{};
    options.stableSrc = 1;
    append_at_most(out, bound(raw.size()), [&](MutableBytes room) {
      std::size_t used = 0;
      const auto keep = [&](std::size_t result) {
        if (LZ4F_isError(result) != 0) compression_failed(id(), LZ4F_getErrorName(result));
        used += result;
      };
      keep(LZ4F_compressBegin(compressor_.get(), room.data(), room.size(), &preferences));
      if (!raw.empty()) {
        keep(LZ4F_compressUpdate(compressor_.get(), room.data() + used, room.size() - used,
                                 raw.data(), raw.size(), &options));
      }
      keep(LZ4F_compressEnd(compressor_.get(), room.data() + used, room.size() - used, &options));
      return used;
    });
  }

  void decompress(Bytes block, MutableBytes out) override {
    if (!decompressor_) open_decompressor();
    LZ4F_resetDecompressionContext(decompressor_.get());
    LZ4F_decompressOptions_t options{};
    options.stableDst = 1;
    for (;;) {
      std::size_t written = out.size();
      std::size_t consumed = block.size();
      const std::size_t missing = LZ4F_decompress(decompressor_.get(), out.data(), &written,
                                                  block.data(), &consumed, &options);
      if (LZ4F_isError(missing) != 0) damaged_block(id(), LZ4F_getErrorName(missing));
      out = out.subspan(written);
      block = block.subspan(consumed);
      if (missing == 0) break;
      if (written == 0 && consumed == 0) {
        damaged_block(id(), block.empty() ? "it ends early" : "it holds more than it should");
      }
    }
    if (!out.empty()) damaged_block(id(), format("it holds {} bytes too few", out.size()));
    if (!block.empty()) damaged_block(id(), format("{} bytes follow its end", block.size()));
  }

 private:
  void open_compressor() {
    LZ4F_cctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createCompressionContext(&made, LZ4F_VERSION)) != 0) {
      throw std::bad_alloc();
    }
    compressor_.reset(made);
  }
  void open_decompressor() {
    LZ4F_dctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
      throw std::bad_alloc();
    }
    decompressor_.reset(made);
  }

  struct Free {
    void operator()(LZ4F_cctx* context) const { LZ4F_freeCompressionContext(context); }
    void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
  };
  int level_;
  std::unique_ptr<LZ4F_cctx, Free> compressor_;
  std::unique_ptr<LZ4F_dctx, Free> decompressor_;
};

}  // namespace

std::unique_ptr<Codec> make_lz4(int level) {
  return std::make_unique<Lz4>(level);
}

}  // namespace pgcairn::compress
