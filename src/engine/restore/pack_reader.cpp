#include "restore/pack_reader.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kFetchBytes = 16 * kMiB;
constexpr std::uint64_t kGapBytes = 256 * kKiB;  // cheaper to read over than to ask again

}  // namespace

PackReader::PackReader(storage::Driver& driver, const repo::SealContext& seal_context,
                       std::string key, const repo::ManifestPack& pack, Buffer& body)
    : driver_(driver),
      seal_context_(seal_context),
      reader_(seal_context, std::move(key), pack.seal),
      pack_(pack),
      body_(body) {
  body_.clear();
}

const repo::PackIndex& PackReader::index() {
  if (has_index_) return index_;
  const std::uint64_t tail_bytes =
      pack_.size_bytes - std::min(pack_.size_bytes, pack_.index_offset);
  index_ = repo::PackIndex::load(driver_, seal_context_, key(), pack_.size_bytes, tail_bytes,
                                 pack_.seal);
  has_index_ = true;
  fetched_bytes_ += tail_bytes;
  return index_;
}

void PackReader::want(std::vector<std::uint32_t> frames, std::uint64_t wanted_bytes) {
  wanted_ = std::move(frames);
  // Nearly all packs are needed whole: one request brings frames and index. Content is longer than
  // what is stored of it, so where less is wanted than this, most of the pack is not.
  const bool most = wanted_bytes >= pack_.size_bytes / 2;
  if (!has_index_ && most && pack_.size_bytes <= kFetchBytes + kFetchBytes / 4) {
    fetch(0, pack_.size_bytes);
    index_ = repo::PackIndex::parse(body_, seal_context_, key(), pack_.seal);
    has_index_ = true;
  }
  if (!wanted_.empty() && wanted_.back() >= index().frames()) {
    throw DamagedError(
        key(), pack_.size_bytes,
        format("frame {} is named, the pack has {}", wanted_.back(), index_.frames()));
  }
}

void PackReader::open(std::uint32_t frame, Buffer& raw) {
  const std::uint64_t start = index_.offset(frame);
  if (start < body_start_ || index_.end(frame) > body_start_ + body_.size()) fetch_from(frame);
  const repo::Frame found =
      reader_.read(body_.bytes().subspan(start - body_start_, index_.end(frame) - start), start,
                   repo::FrameKind::data, frame);
  reader_.open(found, start, raw);
}

void PackReader::fetch(std::uint64_t start, std::uint64_t end) {
  if (!driver_.get(key(), {start, end - start}, body_))
    throw DamagedError(key(), 0, "the pack is missing");
  if (body_.size() != end - start)
    throw DamagedError(key(), start + body_.size(), "the pack ends early");
  body_start_ = start;
  fetched_bytes_ += end - start;
}

/// `frame` and those wanted after it, as far as they lie together.
void PackReader::fetch_from(std::uint32_t frame) {
  const std::uint64_t start = index_.offset(frame);
  std::uint64_t end = index_.end(frame);
  for (auto next = std::upper_bound(wanted_.begin(), wanted_.end(), frame); next != wanted_.end();
       ++next) {
    if (index_.offset(*next) - end > kGapBytes || index_.end(*next) - start > kFetchBytes) break;
    end = index_.end(*next);
  }
  fetch(start, end);
}

}  // namespace pgcairn::engine
