#include "verify_objects.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/queue.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>
#include <atomic>
#include <random>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kFetchBytes = 16 * kMiB;

}  // namespace

void choose_sample(std::vector<ObjectToOpen>& objects, unsigned percent) {
  if (percent >= 100 || objects.empty()) return;
  std::mt19937_64 random{std::random_device{}()};
  std::shuffle(objects.begin(), objects.end(), random);
  objects.resize((objects.size() * percent + 99) / 100);
}

struct ObjectOpener::Scratch {
  Buffer fetched;
  Buffer raw;
};

ObjectOpener::ObjectOpener(std::string stanza, repo::Repository& repository, Progress& progress,
                           std::stop_token stop)
    : stanza_(std::move(stanza)),
      repository_(repository),
      progress_(progress),
      stop_(std::move(stop)) {}

void ObjectOpener::open(const std::vector<ObjectToOpen>& objects, unsigned threads) {
  std::uint64_t total = 0;
  for (const ObjectToOpen& object : objects) total += object.size_bytes;
  progress_.phase("opening packs and WAL", total);
  std::atomic<std::size_t> next = 0;
  Workers workers(stop_);
  for (unsigned i = 0; i < threads; ++i) {
    workers.start([&](std::stop_token stop) {
      Scratch scratch;
      for (std::size_t at = next++; at < objects.size(); at = next++) {
        check_stop(stop);
        try {
          objects[at].wal_file.empty() ? open_pack(objects[at], scratch, stop)
                                       : open_wal(objects[at]);
        } catch (const DamagedError& error) {
          note(error, objects[at]);
        }
      }
    });
  }
  workers.join();
  std::sort(damages_.begin(), damages_.end(),
            [](const Damage& a, const Damage& b) { return a.object < b.object; });
}

void ObjectOpener::note(const DamagedError& error, const ObjectToOpen& object) {
  std::lock_guard lock(mutex_);
  damages_.push_back({error.object(), error.offset(), error.cause(), object.backups, {}, 0});
}

void ObjectOpener::count(std::uint64_t bytes) {
  progress_.advance(bytes);
  std::lock_guard lock(mutex_);
  bytes_read_ += bytes;
}

/// Every damaged frame is noted; those after it are looked at all the same.
void ObjectOpener::open_pack(const ObjectToOpen& pack, Scratch& scratch,
                             const std::stop_token& stop) {
  const auto index =
      repo::PackIndex::load(repository_.driver(), repository_.id(), pack.key, pack.size_bytes);
  repo::FrameReader reader(repository_.id(), pack.key);
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
        repo::read_pieces(found.about, pack.key, at);
      } catch (const DamagedError& error) {
        note(error, pack);
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
  if (!there) throw DamagedError(wal.wal_file, 0, "the WAL segment was there and is gone");
  count(size_bytes);
  try {
    postgres::check_wal_segment(start, size_bytes, wal.wal_file, wal.cluster.system_id,
                                wal.cluster.pg_version);
  } catch (const DamagedError&) {
    throw;
  } catch (const Error& error) {
    throw DamagedError(wal.wal_file, 0, error.message());
  }
}

}  // namespace pgcairn::engine
