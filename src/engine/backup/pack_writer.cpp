#include "backup/pack_writer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/file_map.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

// Paths of many tiny files in one frame must stay below the limit of a frame's about part (64 KiB,
// paths of 4096 bytes at the most).
constexpr std::size_t kMostAboutBytes = 48 * kKiB;

// What a pack may be longer than its target: the frame that filled it, index and footer. Growing a
// buffer would hold it twice.
constexpr std::size_t kPackSlackBytes = 1 * kMiB;

}  // namespace

PackWriter::PackWriter(repo::Repository& repository, std::string stanza, std::string label,
                       std::size_t pack_bytes, repo::PutObject put)
    : repository_(repository),
      stanza_(std::move(stanza)),
      label_(std::move(label)),
      pack_bytes_(pack_bytes),
      put_(std::move(put)) {
  if (put_) return;
  put_ = [this](const std::string& key, MutableBytes pack) {
    repository_.driver().put(key, pack, storage::IfExists::fail);
  };
}

void PackWriter::start(Workers& workers, unsigned uploads) {
  stop_ = workers.stop_token();
  for (unsigned i = 0; i < uploads; ++i) {
    workers.start([this](std::stop_token stop) { upload(stop); });
  }
}

std::string PackWriter::key(std::uint32_t number) const {
  return repo::pack_key(stanza_, label_, number);
}

repo::PackBuilder PackWriter::open(compress::Codec& codec) {
  Buffer body;
  {
    std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      body = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  body.reserve(pack_bytes_ + kPackSlackBytes);
  const std::uint32_t number = next_number_++;
  return {number, repository_.seal_context(), key(number), codec, pack_bytes_, std::move(body)};
}

void PackWriter::put(repo::PackBuilder&& builder) {
  queue_.push(builder.finish(), stop_);
}

void PackWriter::upload(std::stop_token stop) {
  while (auto pack = queue_.pop(stop)) {
    doing([&] { return format("storing pack {}", pack->number); },
          [&] { put_(key(pack->number), pack->body.writable()); });
    stored_bytes_ += pack->body.size();
    std::lock_guard lock(mutex_);
    stored_.push_back(
        {0, pack->number, pack->body.size(), pack->index_offset, pack->index_bytes, pack->seal});
    spare_.push_back(std::move(pack->body));
  }
}

std::vector<repo::ManifestPack> PackWriter::stored() {
  std::lock_guard lock(mutex_);
  std::sort(
      stored_.begin(), stored_.end(),
      [](const repo::ManifestPack& a, const repo::ManifestPack& b) { return a.pack < b.pack; });
  return stored_;
}

FrameFiller::FrameFiller(PackWriter& store, compress::CodecId codec, int level,
                         std::uint32_t frame_bytes)
    : store_(store), codec_(compress::make_codec(codec, level)), frame_bytes_(frame_bytes) {
  gathered_.reserve(frame_bytes);
}

void FrameFiller::open_pack() {
  if (pack_ && !pack_->full()) return;
  if (pack_) store_.put(std::move(*pack_));
  pack_.emplace(store_.open(*codec_));
  next_frame_ = 0;
}

void FrameFiller::note_piece(const std::string& path, std::uint64_t offset_bytes,
                             std::uint64_t length_bytes) {
  if (pieces_.empty() || pieces_.back().path != path) {
    pieces_.push_back({path, {}});
    about_bytes_ += path.size() + 16;
  }
  std::vector<repo::Run>& runs = pieces_.back().runs;
  if (!runs.empty() && runs.back().offset_bytes + runs.back().length_bytes == offset_bytes) {
    runs.back().length_bytes += length_bytes;
  } else {
    runs.push_back({offset_bytes, length_bytes});
    about_bytes_ += 16;
  }
}

void FrameFiller::close_frame(Bytes content) {
  pack_->add(content, repo::write_pieces(pieces_));
  ++next_frame_;
  pieces_.clear();
  about_bytes_ = 0;
  gathered_.clear();
}

void FrameFiller::add(const std::string& path, std::uint64_t offset_bytes, Bytes content,
                      std::vector<repo::Extent>& map) {
  while (!content.empty()) {
    if (gathered_.empty()) open_pack();
    const std::size_t taken = std::min(content.size(), frame_bytes_ - gathered_.size());
    const repo::Extent extent{taken, 0, pack_->number(), next_frame_,
                              static_cast<std::uint32_t>(gathered_.size())};
    repo::append_extent(map, extent, frame_bytes_);
    note_piece(path, offset_bytes, taken);
    if (gathered_.empty() && taken == frame_bytes_) {
      close_frame(content.first(taken));  // a whole frame needs no copy
    } else {
      gathered_.append(content.first(taken));
      if (gathered_.size() == frame_bytes_ || about_bytes_ >= kMostAboutBytes) flush();
    }
    content = content.subspan(taken);
    offset_bytes += taken;
  }
}

void FrameFiller::flush() {
  if (!gathered_.empty()) close_frame(gathered_);
}

void FrameFiller::finish() {
  flush();
  if (pack_) store_.put(std::move(*pack_));
  pack_.reset();
}

}  // namespace pgcairn::engine
