#include "codecs.hpp"

#include <limits>
#include <new>

// Debian's header; without it zlib's next_in is not const.
#define ZLIB_CONST
#include <zlib.h>

namespace pgcairn::compress {

namespace {

constexpr int kGzipWindowBits = 15 + 16;  // the largest window; 16 asks for a gzip member
constexpr int kMemoryLevel = 8;           // zlib's own choice

/// Starts or restarts one direction of zlib; ends it with the object.
template <int (*End)(z_stream*)>
class Stream {
 public:
  Stream() = default;
  ~Stream() {
    if (open_) End(&stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  template <class Open, class Reset>
  z_stream& start(Open open, Reset reset) {
    const int result = open_ ? reset(&stream_) : open(&stream_);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    PGCAIRN_ASSERT(result == Z_OK);
    open_ = true;
    return stream_;
  }

 private:
  z_stream stream_{};
  bool open_ = false;
};

void connect(z_stream& stream, Bytes from, MutableBytes to) {
  static std::byte nothing{};  // zlib refuses null even where it writes nothing
  PGCAIRN_ASSERT(from.size() <= std::numeric_limits<uInt>::max());
  PGCAIRN_ASSERT(to.size() <= std::numeric_limits<uInt>::max());
  stream.next_in = reinterpret_cast<const Bytef*>(from.empty() ? &nothing : from.data());
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(to.empty() ? &nothing : to.data());
  stream.avail_out = static_cast<uInt>(to.size());
}

class Gz final : public Codec {
 public:
  explicit Gz(int level) : level_(level) {}

  CodecId id() const override { return CodecId::gz; }

  std::size_t bound(std::size_t raw_size) const override {
    // deflateBound() for the default window and memory level, and the 18 bytes of a gzip member.
    return raw_size + (raw_size >> 12) + (raw_size >> 14) + (raw_size >> 25) + 13 + 18;
  }

  void compress(Bytes raw, Buffer& out) override {
    z_stream& stream = deflate_.start(
        [&](z_stream* made) {
          return deflateInit2(made, level_, Z_DEFLATED, kGzipWindowBits, kMemoryLevel,
                              Z_DEFAULT_STRATEGY);
        },
        deflateReset);
    append_at_most(out, bound(raw.size()), [&](MutableBytes room) {
      connect(stream, raw, room);
      if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        compression_failed(id(), stream.msg != nullptr ? stream.msg : "it does not end");
      }
      return room.size() - stream.avail_out;
    });
  }

  void decompress(Bytes block, MutableBytes out) override {
    z_stream& stream = inflate_.start(
        [](z_stream* made) { return inflateInit2(made, kGzipWindowBits); }, inflateReset);
    connect(stream, block, out);
    const int result = inflate(&stream, Z_FINISH);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result != Z_STREAM_END) {
      damaged_block(id(), stream.msg != nullptr  ? stream.msg
                          : stream.avail_in == 0 ? "it ends early"
                                                 : "it holds more than it should");
    }
    if (stream.avail_out != 0) {
      damaged_block(id(), format("it holds {} bytes too few", stream.avail_out));
    }
    if (stream.avail_in != 0) {
      damaged_block(id(), format("{} bytes follow its end", stream.avail_in));
    }
  }

 private:
  int level_;
  Stream<deflateEnd> deflate_;
  Stream<inflateEnd> inflate_;
};

}  // namespace

std::unique_ptr<Codec> make_gz(int level) {
  return std::make_unique<Gz>(level);
}

}  // namespace pgcairn::compress
