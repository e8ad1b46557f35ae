#include "verify/objects.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/queue.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>
#include <random>
#include <tuple>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kFetchBytes = 16 * kMiB;
constexpr std::size_t kMostSuspects = 100'000;

}  // namespace

LabelSets::Id LabelSets::with(Id id, const std::string& label) {
  const auto known = next_.find({id, label});
  if (known != next_.end()) return known->second;
  std::vector<std::string> set = sets_[id];
  Id found = id;
  if (std::find(set.begin(), set.end(), label) == set.end()) {
    set.push_back(label);
    found = static_cast<Id>(sets_.size());
    sets_.push_back(std::move(set));
  }
  next_.emplace(std::pair(id, label), found);
  return found;
}

void choose_sample(std::vector<ObjectToOpen>& objects, unsigned percent) {
  if (percent >= 100 || objects.empty()) return;
  std::mt19937_64 random{std::random_device{}()};
  std::shuffle(objects.begin(), objects.end(), random);
  objects.resize((objects.size() * percent + 99) / 100);
}

void begin_with(std::vector<ObjectToOpen>& objects, const std::string& key) {
  std::sort(objects.begin(), objects.end(),
            [](const ObjectToOpen& a, const ObjectToOpen& b) { return a.key < b.key; });
  const auto first = std::partition_point(
      objects.begin(), objects.end(), [&](const ObjectToOpen& object) { return object.key < key; });
  std::rotate(objects.begin(), first, objects.end());
}

struct ObjectOpener::Scratch {
  Buffer fetched;
  Buffer raw;
};

ObjectOpener::ObjectOpener(std::string stanza, repo::Repository& repository,
                           const LabelSets& labels, Progress& progress, std::stop_token stop)
    : stanza_(std::move(stanza)),
      repository_(repository),
      labels_(labels),
      progress_(progress),
      stop_(std::move(stop)) {}

std::size_t ObjectOpener::open(const std::vector<ObjectToOpen>& objects, unsigned threads,
                               const std::function<bool()>& time_is_up) {
  std::uint64_t total = 0;
  for (const ObjectToOpen& object : objects) total += object.size_bytes;
  progress_.phase("opening packs and WAL", total);
  std::mutex mutex;
  std::size_t next = 0;
  bool over = false;
  // All that comes before the object that was handed out last is opened, too.
  const auto take = [&]() -> const ObjectToOpen* {
    std::lock_guard lock(mutex);
    over = over || next == objects.size() || time_is_up();
    return over ? nullptr : &objects[next++];
  };
  Workers workers(stop_);
  for (unsigned i = 0; i < threads; ++i) {
    workers.start([&](std::stop_token stop) {
      Scratch scratch;
      while (const ObjectToOpen* const object = take()) {
        check_stop(stop);
        try {
          object->wal_file.empty() ? open_pack(*object, scratch, stop) : open_wal(*object);
        } catch (const DamagedError& error) {
          note(error, *object);
        }
      }
    });
  }
  workers.join();
  std::sort(damages_.begin(), damages_.end(), [](const Damage& a, const Damage& b) {
    return std::tie(a.object, a.offset_bytes) < std::tie(b.object, b.offset_bytes);
  });
  return next;
}

void ObjectOpener::note(const DamagedError& error, const ObjectToOpen& object,
                        std::optional<std::uint32_t> frame) {
  std::lock_guard lock(mutex_);
  damages_.push_back({.object = object.key,
                      .offset_bytes = error.offset(),
                      .cause = error.cause(),
                      .backups = labels_.at(object.backups),
                      .frame = frame});
}

void ObjectOpener::note(std::vector<SuspectPage> pages, const ObjectToOpen& pack,
                        std::uint32_t frame, std::uint64_t frame_at_bytes) {
  std::lock_guard lock(mutex_);
  for (SuspectPage& page : pages) {
    if (suspects_.size() == kMostSuspects) {
      ++further_suspects_;
      continue;
    }
    page.pack = pack.key;
    page.frame = frame;
    page.frame_at_bytes = frame_at_bytes;
    page.backups = labels_.at(pack.backups);
    suspects_.push_back(std::move(page));
  }
}

void ObjectOpener::count(std::uint64_t bytes) {
  progress_.advance(bytes);
  std::lock_guard lock(mutex_);
  bytes_read_ += bytes;
}

/// Every damaged frame is noted; those after it are looked at anyway.
void ObjectOpener::open_pack(const ObjectToOpen& pack, Scratch& scratch,
                             const std::stop_token& stop) {
  const auto index =
      repo::PackIndex::load(repository_.driver(), repository_.seal_context(), pack.key,
                            pack.size_bytes, repo::PackIndex::kTailBytes, pack.seal);
  {
    std::lock_guard lock(mutex_);
    shapes_.emplace(pack.key, FrameSizes(index));
  }
  repo::FrameReader reader(repository_.seal_context(), pack.key, index.seal());
  for (std::uint32_t first = 0, frame = 0; first < index.frames(); first = frame) {
    check_stop(stop);
    const std::uint64_t start = index.offset(first);
    for (frame = first + 1; frame < index.frames(); ++frame) {
      if (index.end(frame) - start > kFetchBytes) break;
    }
    const std::uint64_t length = index.end(frame - 1) - start;
    if (!repository_.driver().get(pack.key, {start, length}, scratch.fetched) ||
        scratch.fetched.size() != length)
      throw DamagedError(pack.key, start, "the pack ends early");
    for (std::uint32_t i = first; i < frame; ++i) {
      const std::uint64_t at = index.offset(i);
      try {
        const repo::Frame found =
            reader.read(scratch.fetched.bytes().subspan(at - start, index.end(i) - at), at,
                        repo::FrameKind::data, i);
        reader.open(found, at, scratch.raw);
        index.check(i, scratch.raw, pack.key);
        const auto pieces = repo::read_pieces(found.about, pack.key, at);
        auto suspects = find_suspects(pieces, scratch.raw);
        if (!suspects.empty()) note(std::move(suspects), pack, i, at);
      } catch (const DamagedError& error) {
        note(error, pack, i);
      }
    }
    count(length);
  }
}

void ObjectOpener::open_wal(const ObjectToOpen& wal) {
  Buffer start;
  std::uint64_t size_bytes = 0;
  const bool there = repository_.get_wal(stanza_, wal.cluster, wal.wal_file, [&](Bytes piece) {
    if (size_bytes == 0)
      start.append(piece.first(std::min<std::size_t>(piece.size(), postgres::kWalHeaderBytes)));
    size_bytes += piece.size();
  });
  // What no backup needs may be removed meanwhile.
  if (!there && wal.backups == LabelSets::kNone) return;
  if (!there) throw DamagedError(wal.key, 0, "the WAL file was listed and is gone");
  count(wal.size_bytes);
  const auto kind = wal_file_kind(wal.wal_file);
  if (kind != WalFileKind::segment && kind != WalFileKind::partial) return;
  try {
    postgres::check_wal_segment(start, size_bytes, wal.wal_file, wal.cluster.system_id,
                                wal.cluster.pg_version);
  } catch (const DamagedError&) {
    throw;
  } catch (const Error& error) {
    throw DamagedError(wal.key, 0, error.message());
  }
}

}  // namespace pgcairn::engine
