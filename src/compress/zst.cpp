#include "codecs.hpp"

#include <zstd.h>

namespace pgcairn::compress {

namespace {

class Zst final : public Codec {
 public:
  explicit Zst(int level) : level_(level) {}

  CodecId id() const override { return CodecId::zst; }
  std::size_t bound(std::size_t raw_size) const override { return ZSTD_compressBound(raw_size); }

  void compress(Bytes raw, Buffer& out) override {
    if (!compressor_) open_compressor();
    append_at_most(out, bound(raw.size()), [&](MutableBytes room) {
      // One call with the whole input: the size of the content goes into the frame, and zstd sizes
      // its tables for it.
      const std::size_t size =
          ZSTD_compress2(compressor_.get(), room.data(), room.size(), raw.data(), raw.size());
      if (ZSTD_isError(size) != 0) compression_failed(id(), ZSTD_getErrorName(size));
      return size;
    });
  }

  void decompress(Bytes block, MutableBytes out) override {
    if (!decompressor_) decompressor_.reset(ZSTD_createDCtx());
    if (!decompressor_) throw std::bad_alloc();
    const std::size_t size = ZSTD_decompressDCtx(decompressor_.get(), out.data(), out.size(),
                                                 block.data(), block.size());
    if (ZSTD_isError(size) != 0) damaged_block(id(), ZSTD_getErrorName(size));
    if (size != out.size()) {
      damaged_block(id(), format("it holds {} bytes instead of {}", size, out.size()));
    }
    // Zero bytes are not a frame, but zstd reads them as no frames.
    if (block.empty()) damaged_block(id(), "it is empty");
  }

 private:
  void open_compressor() {
    std::unique_ptr<ZSTD_CCtx, Free> made(ZSTD_createCCtx());
    if (!made) throw std::bad_alloc();
    // No checksum of zstd's own: what keeps the frame has a better one.
    for (const auto& [parameter, value] :
         {std::pair{ZSTD_c_compressionLevel, level_}, std::pair{ZSTD_c_contentSizeFlag, 1},
          std::pair{ZSTD_c_checksumFlag, 0}}) {
      const std::size_t result = ZSTD_CCtx_setParameter(made.get(), parameter, value);
      if (ZSTD_isError(result) != 0) compression_failed(id(), ZSTD_getErrorName(result));
    }
    compressor_ = std::move(made);
  }

  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  int level_;
  std::unique_ptr<ZSTD_CCtx, Free> compressor_;
  std::unique_ptr<ZSTD_DCtx, Free> decompressor_;
};

}  // namespace

std::unique_ptr<Codec> make_zst(int level) {
  return std::make_unique<Zst>(level);
}

}  // namespace pgcairn::compress
