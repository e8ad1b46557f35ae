#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/repo/object_seal.hpp>
#include <pgcairn/repo/seal_context.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::repo {

// Frames: pgcairn-repository(5), FRAMES.

enum class FrameKind : std::uint8_t {
  data = 1,
  pack_index = 2,
  manifest = 3,
  wal = 4,
  document = 5
};

inline constexpr std::size_t kFrameHeaderBytes = 64;
inline constexpr std::uint32_t kSkippableFrame = 0x184D2A5C;
inline constexpr std::uint32_t kSkippableFooter = 0x184D2A5D;

/// A frame found in an object's bytes: views into them.
struct Frame {
  FrameKind kind = FrameKind::data;
  compress::CodecId codec = compress::CodecId::none;
  std::uint32_t number = 0;
  std::uint32_t raw_bytes = 0;
  std::size_t whole_bytes = 0;  // header, about and payload
  Bytes about;
  Bytes payload;
};

/// Appends frames of one object. One for each object; not for several threads at once.
class FrameWriter {
 public:
  /// `key` is the object's. `seal`: the binding of a sealed one, when it has to be the same as in
  /// another repository, where its content is the same; otherwise it is random.
  FrameWriter(FrameKind kind, const SealContext& seal_context, std::string_view key,
              compress::Codec& codec, std::optional<Binding> seal = {});

  /// Compresses `raw` and appends the frame to `out`; its whole size in bytes.
  std::size_t append(Bytes raw, Bytes about, Buffer& out);
  /// Appends what `frame` holds as it is stored there, its payload still compressed, with its kind
  /// and its number; the next frame gets the number after that.
  std::size_t append_stored(const Frame& frame, Buffer& out);
  /// A frame without payload (a pack's index).
  std::size_t append_about(FrameKind kind, Bytes about, Buffer& out);
  /// What all frames of a sealed object have; nothing when it is not sealed.
  std::optional<Binding> seal() const;
  /// Frames of this object so far; the next one gets this number.
  std::uint32_t count() const { return number_; }
  /// Where the numbers start: parts of a manifest go on from the part before.
  void number_from(std::uint32_t first) { number_ = first; }

 private:
  void finish(FrameKind kind, compress::CodecId codec, std::size_t start, std::size_t about_bytes,
              std::size_t raw_bytes, Buffer& out);

  FrameKind kind_;
  Binding binding_;
  std::optional<ObjectSeal> seal_;
  compress::Codec& codec_;
  std::uint32_t number_ = 0;
};

/// Reads frames of one object and holds them to what it expects of them. Throws DamagedError naming
/// the object and the offset in it.
class FrameReader {
 public:
  /// `binding`: which object it has to be, where something tells. Of a sealed object all frames
  /// have to have the binding of the first that is read.
  FrameReader(const SealContext& seal_context, std::string key,
              std::optional<Binding> binding = {});

  /// The frame that begins at the front of `bytes`, which stand at `offset` in the object. Checks
  /// header, sizes, binding, kind, number and check. Views in it are valid until the next read().
  Frame read(Bytes bytes, std::uint64_t offset, FrameKind kind, std::uint32_t number);
  /// How many bytes the frame at the front of `bytes` (at least kFrameHeaderBytes) takes, from its
  /// header alone.
  std::size_t whole_bytes(Bytes bytes, std::uint64_t offset) const;
  /// The number that the frame at the front of `bytes` says it has: where a reader has to begin
  /// that does not know what went before (a part of a manifest).
  std::uint32_t number_of(Bytes bytes, std::uint64_t offset) const;
  /// The binding that it says it has.
  Binding binding_of(Bytes bytes, std::uint64_t offset) const;
  /// Decompresses the payload into `raw`.
  void open(const Frame& frame, std::uint64_t offset, Buffer& raw);
  /// The same into a place that has frame.raw_bytes.
  void open_into(const Frame& frame, std::uint64_t offset, MutableBytes raw);
  const std::string& key() const { return key_; }
  /// The binding of a sealed object, when a frame of it was read.
  std::optional<Binding> seal() const { return seal_ ? binding_ : std::nullopt; }

 private:
  [[noreturn]] void damaged(std::uint64_t offset, std::string_view cause) const;
  void check(Bytes frame, std::uint64_t offset) const;
  Bytes unseal(Bytes frame, std::uint64_t offset);

  std::string key_;
  SealContext seal_context_;
  std::optional<Binding> binding_;  // nothing: of a sealed object of which no frame was read yet
  std::optional<ObjectSeal> seal_;
  Buffer opened_;
  std::unique_ptr<compress::Codec> codecs_[4];
};

}  // namespace pgcairn::repo
