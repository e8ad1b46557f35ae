#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/frame.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::repo {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::array<char, 4> kMagic = {'P', 'G', 'C', 'N'};

enum class Seal : std::uint8_t { none = 0, aes_256_gcm = 1 };

// Where the parts of a header stand.
constexpr std::size_t kAtSkippableSize = 4;
constexpr std::size_t kAtMagic = 8;
constexpr std::size_t kAtVersion = 12;
constexpr std::size_t kAtKind = 13;
constexpr std::size_t kAtCodec = 14;
constexpr std::size_t kAtSeal = 15;
constexpr std::size_t kAtNumber = 16;
constexpr std::size_t kAtAboutBytes = 20;
constexpr std::size_t kAtPayloadBytes = 24;
constexpr std::size_t kAtRawBytes = 28;
constexpr std::size_t kAtBinding = 32;
constexpr std::size_t kAtCheck = 48;

struct Limits {
  std::uint32_t raw_bytes;
  std::uint32_t about_bytes;
};

Limits limits_of(FrameKind kind) {
  switch (kind) {
    case FrameKind::data:
      return {256 * kKiB, 64 * kKiB};
    case FrameKind::pack_index:
      return {0, 8 * kMiB};
    case FrameKind::manifest:
      return {8 * kMiB, 0};
    case FrameKind::wal:
      return {4 * kMiB, 64 * kKiB};
    case FrameKind::document:
      return {64 * kMiB, 0};
  }
  return {0, 0};
}

}  // namespace

FrameWriter::FrameWriter(FrameKind kind, const SealContext& seal_context, std::string_view key,
                         compress::Codec& codec, std::optional<Binding> seal)
    : kind_(kind), codec_(codec) {
  std::string place = seal_context.place_of(key);
  if (seal_context.sealed()) {
    if (seal) {
      binding_ = *seal;
    } else {
      fill_random(binding_);
    }
    seal_.emplace(*seal_context.data_key(), binding_, std::move(place));
  } else {
    binding_ = crypto::hash128(as_bytes(place));
  }
}

std::optional<Binding> FrameWriter::seal() const {
  return seal_ ? std::optional(binding_) : std::nullopt;
}

std::size_t FrameWriter::append(Bytes raw, Bytes about, Buffer& out) {
  const Limits limits = limits_of(kind_);
  PGCAIRN_ASSERT(raw.size() <= limits.raw_bytes && about.size() <= limits.about_bytes);
  const std::size_t start = out.size();
  out.resize(start + kFrameHeaderBytes);
  out.append(about);
  codec_.compress(raw, out);
  finish(kind_, codec_.id(), start, about.size(), raw.size(), out);
  return out.size() - start;
}

std::size_t FrameWriter::append_stored(const Frame& frame, Buffer& out) {
  const std::size_t start = out.size();
  out.resize(start + kFrameHeaderBytes);
  out.append(frame.about);
  out.append(frame.payload);
  number_ = frame.number;
  finish(frame.kind, frame.codec, start, frame.about.size(), frame.raw_bytes, out);
  return out.size() - start;
}

std::size_t FrameWriter::append_about(FrameKind kind, Bytes about, Buffer& out) {
  PGCAIRN_ASSERT(about.size() <= limits_of(kind).about_bytes);
  const std::size_t start = out.size();
  out.resize(start + kFrameHeaderBytes);
  out.append(about);
  finish(kind, compress::CodecId::none, start, about.size(), 0, out);
  return out.size() - start;
}

void FrameWriter::finish(FrameKind kind, compress::CodecId codec, std::size_t start,
                         std::size_t about_bytes, std::size_t raw_bytes, Buffer& out) {
  std::byte* const header = out.data() + start;
  const std::size_t payload_bytes = out.size() - start - kFrameHeaderBytes - about_bytes;
  std::memset(header, 0, kFrameHeaderBytes);
  store_le(header, kSkippableFrame);
  store_le(header + kAtSkippableSize,
           static_cast<std::uint32_t>(kFrameHeaderBytes - kAtMagic + about_bytes));
  std::memcpy(header + kAtMagic, kMagic.data(), kMagic.size());
  store_le(header + kAtVersion, kVersion);
  store_le(header + kAtKind, static_cast<std::uint8_t>(kind));
  store_le(header + kAtCodec, static_cast<std::uint8_t>(codec));
  store_le(header + kAtSeal, static_cast<std::uint8_t>(seal_ ? Seal::aes_256_gcm : Seal::none));
  store_le(header + kAtNumber, number_);
  store_le(header + kAtAboutBytes, static_cast<std::uint32_t>(about_bytes));
  store_le(header + kAtPayloadBytes, static_cast<std::uint32_t>(payload_bytes));
  store_le(header + kAtRawBytes, static_cast<std::uint32_t>(raw_bytes));
  std::memcpy(header + kAtBinding, binding_.data(), binding_.size());
  const MutableBytes content = out.writable().subspan(start + kFrameHeaderBytes);
  const auto check = seal_ ? seal_->seal({header, kAtCheck}, number_, content)
                           : crypto::hash128(out.bytes().subspan(start));
  std::memcpy(header + kAtCheck, check.data(), check.size());
  ++number_;
}

FrameReader::FrameReader(const SealContext& seal_context, std::string key,
                         std::optional<Binding> binding)
    : key_(std::move(key)),
      seal_context_(seal_context),
      binding_(seal_context.sealed() ? binding
                                     : crypto::hash128(as_bytes(seal_context.place_of(key_)))) {}

void FrameReader::damaged(std::uint64_t offset, std::string_view cause) const {
  throw DamagedError(key_, offset, cause);
}

std::size_t FrameReader::whole_bytes(Bytes bytes, std::uint64_t offset) const {
  if (bytes.size() < kFrameHeaderBytes) damaged(offset, "the object ends inside a frame's header");
  const std::byte* const header = bytes.data();
  if (load_le<std::uint32_t>(header) != kSkippableFrame ||
      std::memcmp(header + kAtMagic, kMagic.data(), kMagic.size()) != 0) {
    damaged(offset, "no frame begins here");
  }
  const auto version = load_le<std::uint8_t>(header + kAtVersion);
  if (version != kVersion)
    damaged(offset, format("a frame of format version {}, this program reads version {}", version,
                           kVersion));
  const auto kind = static_cast<FrameKind>(load_le<std::uint8_t>(header + kAtKind));
  const Limits limits = limits_of(kind);
  const auto about = load_le<std::uint32_t>(header + kAtAboutBytes);
  const auto payload = load_le<std::uint32_t>(header + kAtPayloadBytes);
  const auto raw = load_le<std::uint32_t>(header + kAtRawBytes);
  // A codec may make incompressible content a little longer, never twice as long.
  if (about > limits.about_bytes || raw > limits.raw_bytes ||
      payload > 2 * limits.raw_bytes + 1024 ||
      load_le<std::uint32_t>(header + kAtSkippableSize) != kFrameHeaderBytes - kAtMagic + about) {
    damaged(offset, "a frame's sizes are beyond their limits");
  }
  return kFrameHeaderBytes + std::size_t{about} + payload;
}

std::uint32_t FrameReader::number_of(Bytes bytes, std::uint64_t offset) const {
  whole_bytes(bytes, offset);  // is this a header?
  return load_le<std::uint32_t>(bytes.data() + kAtNumber);
}

Binding FrameReader::binding_of(Bytes bytes, std::uint64_t offset) const {
  whole_bytes(bytes, offset);  // is this a header?
  Binding binding;
  std::memcpy(binding.data(), bytes.data() + kAtBinding, binding.size());
  return binding;
}

Frame FrameReader::read(Bytes bytes, std::uint64_t offset, FrameKind kind, std::uint32_t number) {
  const std::size_t whole = whole_bytes(bytes, offset);
  if (whole > bytes.size())
    damaged(offset, format("the object ends {} bytes before its frame does", whole - bytes.size()));
  bytes = bytes.first(whole);
  const std::byte* const header = bytes.data();
  if (binding_ && std::memcmp(header + kAtBinding, binding_->data(), binding_->size()) != 0) {
    damaged(offset,
            seal_context_.sealed()
                ? "the frame belongs to another object, or to an earlier object of this name"
                : "the frame belongs to another object or another repository");
  }
  const auto seal = load_le<Seal>(header + kAtSeal);
  if (seal != (seal_context_.sealed() ? Seal::aes_256_gcm : Seal::none)) {
    damaged(offset, seal_context_.sealed() ? "the frame is not encrypted, but the repository is"
                                           : "the frame is encrypted, but the repository is not");
  }
  if (!seal_context_.sealed()) check(bytes, offset);
  const Bytes content =
      seal_context_.sealed() ? unseal(bytes, offset) : bytes.subspan(kFrameHeaderBytes);

  Frame frame;
  frame.kind = static_cast<FrameKind>(load_le<std::uint8_t>(header + kAtKind));
  frame.number = load_le<std::uint32_t>(header + kAtNumber);
  const auto codec = load_le<std::uint8_t>(header + kAtCodec);
  if (frame.kind != kind) damaged(offset, "this is a frame of another kind");
  if (frame.number != number)
    damaged(offset, format("found frame {} in the place of frame {}", frame.number, number));
  if (codec >= std::size(codecs_))
    damaged(offset, format("a frame of an unknown codec, {}", codec));
  frame.codec = static_cast<compress::CodecId>(codec);
  frame.raw_bytes = load_le<std::uint32_t>(header + kAtRawBytes);
  frame.whole_bytes = whole;
  const auto about_bytes = load_le<std::uint32_t>(header + kAtAboutBytes);
  frame.about = content.first(about_bytes);
  frame.payload = content.subspan(about_bytes);
  return frame;
}

/// The check covers the header with the check's own bytes zero.
void FrameReader::check(Bytes frame, std::uint64_t offset) const {
  crypto::Hasher128 hasher;
  const crypto::Hash128 zeros{};
  hasher.add(frame.first(kAtCheck));
  hasher.add(zeros);
  hasher.add(frame.subspan(kFrameHeaderBytes));
  const crypto::Hash128 check = hasher.finish();
  if (std::memcmp(frame.data() + kAtCheck, check.data(), check.size()) != 0)
    damaged(offset, "a frame's bytes have changed: its checksum does not match");
}

/// About and payload. A binding is believed when the first frame with it has been opened.
Bytes FrameReader::unseal(Bytes frame, std::uint64_t offset) {
  Binding binding;
  std::memcpy(binding.data(), frame.data() + kAtBinding, binding.size());
  std::optional<ObjectSeal> first;
  if (!seal_) first.emplace(*seal_context_.data_key(), binding, seal_context_.place_of(key_));
  ObjectSeal& seal = seal_ ? *seal_ : *first;
  crypto::Tag tag;
  std::memcpy(tag.data(), frame.data() + kAtCheck, tag.size());
  const Bytes sealed = frame.subspan(kFrameHeaderBytes);
  opened_.resize(sealed.size());
  if (!seal.open(frame.first(kAtCheck), load_le<std::uint32_t>(frame.data() + kAtNumber), sealed,
                 tag, opened_.writable())) {
    damaged(offset,
            "a frame's bytes have changed, or it belongs elsewhere: its authentication fails");
  }
  if (first) {
    binding_ = binding;
    seal_ = std::move(first);
  }
  return opened_;
}

void FrameReader::open(const Frame& frame, std::uint64_t offset, Buffer& raw) {
  raw.resize(frame.raw_bytes);
  open_into(frame, offset, raw.writable());
}

void FrameReader::open_into(const Frame& frame, std::uint64_t offset, MutableBytes raw) {
  auto& codec = codecs_[static_cast<std::size_t>(frame.codec)];
  if (!codec) codec = compress::make_codec(frame.codec);
  try {
    codec->decompress(frame.payload, raw);
  } catch (const Error& error) {
    damaged(offset, error.message());
  }
}

}  // namespace pgcairn::repo
