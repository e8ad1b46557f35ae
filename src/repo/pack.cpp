#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::repo {

namespace {

constexpr std::array<char, 4> kFooterMagic = {'P', 'G', 'C', 'E'};

std::size_t hash_count(std::size_t raw_bytes) {
  return (raw_bytes + kHashedBytes - 1) / kHashedBytes;
}

std::uint64_t hash_at(Bytes raw, std::size_t at) {
  return crypto::hash64(raw.subspan(at, std::min(kHashedBytes, raw.size() - at)));
}

template <class Integer>
void append_le(std::string& out, Integer value) {
  std::array<std::byte, sizeof(Integer)> bytes{};
  store_le(bytes.data(), value);
  out += as_text(bytes);
}

}  // namespace

std::string write_pieces(std::span<const Piece> pieces) {
  std::string about;
  for (const Piece& piece : pieces) {
    append_varint(about, piece.path.size());
    about += piece.path;
    append_varint(about, piece.runs.size());
    for (const Run& run : piece.runs) {
      append_varint(about, run.offset_bytes);
      append_varint(about, run.length_bytes);
    }
  }
  return about;
}

std::vector<Piece> read_pieces(Bytes about, const std::string& object, std::uint64_t offset) {
  std::vector<Piece> pieces;
  ByteReader reader(about, object, offset);
  while (!reader.at_end()) {
    Piece piece;
    piece.path = as_text(reader.take(reader.varint()));
    const std::uint64_t runs = reader.varint();
    if (runs > about.size() - reader.position())
      throw DamagedError(object, offset, "a frame names more runs than it can hold");
    for (std::uint64_t i = 0; i < runs; ++i) {
      const std::uint64_t start = reader.varint();
      piece.runs.push_back({start, reader.varint()});
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

PackBuilder::PackBuilder(std::uint32_t number, const SealContext& seal_context,
                         std::string_view key, compress::Codec& codec, std::size_t target_bytes,
                         Buffer body)
    : number_(number),
      writer_(FrameKind::data, seal_context, key, codec),
      target_bytes_(target_bytes),
      body_(std::move(body)) {
  body_.clear();
}

std::uint32_t PackBuilder::add(Bytes raw, std::string_view about) {
  for (std::size_t at = 0; at < raw.size(); at += kHashedBytes) hashes_.push_back(hash_at(raw, at));
  const std::uint32_t number = writer_.count();
  const std::size_t whole = writer_.append(raw, as_bytes(about), body_);
  frames_.push_back({static_cast<std::uint32_t>(whole), static_cast<std::uint32_t>(raw.size())});
  return number;
}

bool PackBuilder::full() const {
  return body_.size() >= target_bytes_ || frames_.size() >= kMostPackFrames;
}

Pack PackBuilder::finish() {
  std::string about;
  about.reserve(4 + frames_.size() * 8 + hashes_.size() * 8);
  append_le(about, writer_.count());
  for (const Entry& frame : frames_) {
    append_le(about, frame.whole_bytes);
    append_le(about, frame.raw_bytes);
  }
  for (const std::uint64_t hash : hashes_) append_le(about, hash);

  Pack pack;
  pack.number = number_;
  pack.seal = writer_.seal();
  pack.index_offset = body_.size();
  const std::uint32_t count = writer_.count();
  pack.index_bytes = static_cast<std::uint32_t>(
      writer_.append_about(FrameKind::pack_index, as_bytes(about), body_));

  std::array<std::byte, kPackFooterBytes> footer{};
  store_le(footer.data(), kSkippableFooter);
  store_le(footer.data() + 4, static_cast<std::uint32_t>(kPackFooterBytes - 8));
  std::memcpy(footer.data() + 8, kFooterMagic.data(), kFooterMagic.size());
  store_le(footer.data() + 12, count);
  store_le(footer.data() + 16, pack.index_offset);
  store_le(footer.data() + 24, crypto::hash64(Bytes(footer).first(24)));
  body_.append(footer);
  pack.body = std::move(body_);
  return pack;
}

namespace {

struct Footer {
  std::uint32_t frames;
  std::uint64_t index_offset;
};

Footer read_footer(Bytes footer, const std::string& key, std::uint64_t offset,
                   std::uint64_t pack_bytes) {
  const std::byte* const at = footer.data();
  if (load_le<std::uint32_t>(at) != kSkippableFooter ||
      std::memcmp(at + 8, kFooterMagic.data(), kFooterMagic.size()) != 0 ||
      load_le<std::uint64_t>(at + 24) != crypto::hash64(footer.first(24))) {
    throw DamagedError(key, offset, "the pack's footer is not there");
  }
  const Footer found{load_le<std::uint32_t>(at + 12), load_le<std::uint64_t>(at + 16)};
  if (found.index_offset > pack_bytes - kPackFooterBytes || found.frames > kMostPackFrames) {
    throw DamagedError(key, offset, "the pack's footer names an impossible place");
  }
  return found;
}

}  // namespace

PackIndex PackIndex::load(storage::Driver& driver, const SealContext& seal_context,
                          const std::string& key, std::uint64_t pack_bytes,
                          std::uint64_t tail_bytes, std::optional<Binding> seal) {
  if (pack_bytes < kPackFooterBytes)
    throw DamagedError(key, pack_bytes, "the pack ends before its footer");
  if (pack_bytes > kMostPackBytes)
    throw DamagedError(key, kMostPackBytes, "the pack is longer than packs can be");
  const std::uint64_t tail_start =
      pack_bytes - std::clamp<std::uint64_t>(tail_bytes, kPackFooterBytes, pack_bytes);
  const auto fetch = [&](std::uint64_t from, Buffer& out) {
    if (!driver.get(key, {from, pack_bytes - from}, out)) {
      throw DamagedError(key, 0, "the pack is missing");
    }
    if (out.size() != pack_bytes - from)
      throw DamagedError(key, from + out.size(), "the pack ends early");
  };
  Buffer tail;
  fetch(tail_start, tail);
  const std::uint64_t footer_offset = pack_bytes - kPackFooterBytes;
  const Footer footer =
      read_footer(tail.bytes().last(kPackFooterBytes), key, footer_offset, pack_bytes);
  std::uint64_t have_from = tail_start;
  if (footer.index_offset < tail_start) {
    fetch(footer.index_offset, tail);
    have_from = footer.index_offset;
  }
  const Bytes index_bytes =
      tail.bytes().subspan(footer.index_offset - have_from, footer_offset - footer.index_offset);
  return from_frame(index_bytes, footer.index_offset, footer.frames,
                    FrameReader(seal_context, key, seal));
}

PackIndex PackIndex::parse(Bytes pack, const SealContext& seal_context, const std::string& key,
                           std::optional<Binding> seal) {
  if (pack.size() < kPackFooterBytes)
    throw DamagedError(key, pack.size(), "the pack ends before its footer");
  const std::uint64_t footer_offset = pack.size() - kPackFooterBytes;
  const Footer footer = read_footer(pack.last(kPackFooterBytes), key, footer_offset, pack.size());
  return from_frame(pack.subspan(footer.index_offset, footer_offset - footer.index_offset),
                    footer.index_offset, footer.frames, FrameReader(seal_context, key, seal));
}

PackIndex PackIndex::from_frame(Bytes bytes, std::uint64_t offset, std::uint32_t frames,
                                FrameReader&& reader) {
  const std::string& key = reader.key();
  const Frame frame = reader.read(bytes, offset, FrameKind::pack_index, frames);

  ByteReader about(frame.about, key, offset + kFrameHeaderBytes);
  const auto wrong = [&](std::string_view cause) { return DamagedError(key, offset, cause); };
  if (about.fixed<std::uint32_t>() != frames)
    throw wrong("index and footer count different frames");
  PackIndex index;
  index.seal_ = reader.seal();
  index.offsets_.push_back(0);
  index.first_hashes_.push_back(0);
  for (std::uint32_t i = 0; i < frames; ++i) {
    const auto whole = about.fixed<std::uint32_t>();
    const auto raw = about.fixed<std::uint32_t>();
    if (raw > kMostFrameBytes) throw wrong("the index names a frame that is too long");
    index.offsets_.push_back(index.offsets_.back() + whole);
    index.raw_bytes_.push_back(raw);
    index.first_hashes_.push_back(index.first_hashes_.back() +
                                  static_cast<std::uint32_t>(hash_count(raw)));
  }
  if (index.offsets_.back() != offset) throw wrong("the index does not match the pack");
  if (frame.about.size() - about.position() !=
      std::uint64_t{index.first_hashes_.back()} * sizeof(std::uint64_t))
    throw wrong("the index has more or fewer hashes than its frames need");
  index.hashes_.resize(index.first_hashes_.back());
  for (std::uint64_t& hash : index.hashes_) hash = about.fixed<std::uint64_t>();
  return index;
}

bool PackIndex::operator==(const PackIndex& other) const {
  const bool same_object = !seal_ || !other.seal_ || seal_ == other.seal_;
  return same_object && offsets_ == other.offsets_ && raw_bytes_ == other.raw_bytes_ &&
         hashes_ == other.hashes_;
}

std::span<const std::uint64_t> PackIndex::hashes(std::uint32_t frame) const {
  return std::span(hashes_).subspan(first_hashes_[frame],
                                    first_hashes_[frame + 1] - first_hashes_[frame]);
}

void PackIndex::check(std::uint32_t frame, Bytes raw, const std::string& key) const {
  if (raw.size() != raw_bytes_[frame])
    throw DamagedError(key, offsets_[frame], "the index names another size for this frame");
  std::size_t at = 0;
  for (const std::uint64_t hash : hashes(frame)) {
    if (hash_at(raw, at) != hash) {
      throw DamagedError(key, offsets_[frame],
                         format("the hash of its bytes from {} on differs from the index", at));
    }
    at += kHashedBytes;
  }
}

}  // namespace pgcairn::repo
