#pragma once

#include <pgcairn/common/bytes.hpp>

#include <memory>
#include <optional>
#include <string_view>

namespace pgcairn::compress {

/// The values stand in the repository (pgcairn-repository(5)).
enum class CodecId : std::uint8_t { none = 0, zst = 1, lz4 = 2, gz = 3 };

std::string_view name_of(CodecId id);
std::optional<CodecId> parse_codec(std::string_view name);
/// The level used when the operator names none, and the range that is taken.
struct LevelRange {
  int least;
  int most;
  int usual;
};
LevelRange levels_of(CodecId id);

/// Compresses and decompresses whole blocks with contexts that it keeps: one Codec a thread. Each
/// block is a complete stream of its format (RFC 8878 frame, LZ4 frame, RFC 1952 member), so that
/// standard tools read it.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual CodecId id() const = 0;
  /// An upper bound of what compress() appends for `raw_size` bytes.
  virtual std::size_t bound(std::size_t raw_size) const = 0;
  /// Appends the compressed block to `out`.
  virtual void compress(Bytes raw, Buffer& out) = 0;
  /// Fills `out` exactly; throws Error when the block is damaged or has another size.
  virtual void decompress(Bytes block, MutableBytes out) = 0;
};

/// `level` outside levels_of(id) is a programmer error.
std::unique_ptr<Codec> make_codec(CodecId id, int level);
/// For reading only.
std::unique_ptr<Codec> make_codec(CodecId id);

}  // namespace pgcairn::compress
