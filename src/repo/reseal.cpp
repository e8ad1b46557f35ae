#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/reseal.hpp>

namespace pgcairn::repo {

namespace {

/// Frames an object's frames again, one after the other.
class Rebinding {
 public:
  Rebinding(MutableBytes object, const std::string& key, FrameKind kind, const SealContext& from,
            const SealContext& to)
      : object_(object),
        kind_(kind),
        to_(to),
        reader_(from, key),
        codec_(compress::make_codec(compress::CodecId::none, 0)) {}

  bool at(std::size_t end) const { return offset_ >= end; }

  void next(FrameKind kind, std::uint32_t number) {
    const Frame frame = reader_.read(object_.subspan(offset_), offset_, kind, number);
    // Manifests and markers name the bindings of sealed objects: they stay. The data keys differ.
    if (!writer_) writer_.emplace(kind_, to_, reader_.key(), *codec_, reader_.seal());
    piece_.clear();
    const std::size_t whole_bytes = writer_->append_stored(frame, piece_);
    PGCAIRN_ASSERT(whole_bytes == frame.whole_bytes);
    std::memcpy(object_.data() + offset_, piece_.data(), whole_bytes);
    offset_ += whole_bytes;
  }

  std::uint32_t number() const { return reader_.number_of(object_.subspan(offset_), offset_); }

 private:
  MutableBytes object_;
  FrameKind kind_;
  const SealContext& to_;
  FrameReader reader_;
  std::unique_ptr<compress::Codec> codec_;
  std::optional<FrameWriter> writer_;
  Buffer piece_;
  std::size_t offset_ = 0;
};

}  // namespace

void reseal(MutableBytes object, const std::string& key, const SealContext& from,
            const SealContext& to) {
  const auto parsed = parse_key(key);
  PGCAIRN_ASSERT(parsed && parsed->kind != ObjectKind::document);
  if (parsed->kind == ObjectKind::pack) {
    // The footer belongs to no place.
    const PackIndex index = PackIndex::parse(object, from, key);
    Rebinding rebinding(object, key, FrameKind::data, from, to);
    for (std::uint32_t i = 0; i < index.frames(); ++i) rebinding.next(FrameKind::data, i);
    return rebinding.next(FrameKind::pack_index, index.frames());
  }
  const bool wal = parsed->kind == ObjectKind::wal;
  const FrameKind kind = wal ? FrameKind::wal : FrameKind::manifest;
  Rebinding rebinding(object, key, kind, from, to);
  std::uint32_t number = wal ? 0 : rebinding.number();
  for (bool first = true; first || !rebinding.at(object.size()); first = false)
    rebinding.next(kind, number++);
}

}  // namespace pgcairn::repo
