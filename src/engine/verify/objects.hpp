#pragma once

#include "verify/maps.hpp"
#include "verify/pages.hpp"

#include <pgcairn/engine/verify/verify.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::engine {

/// Which backups need something. There are many objects and few such sets: each set is kept once.
class LabelSets {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = 0;

  /// The set of `id` and `label`, which is in it once.
  Id with(Id id, const std::string& label);
  const std::vector<std::string>& at(Id id) const { return sets_[id]; }

 private:
  std::vector<std::vector<std::string>> sets_ = {{}};
  std::map<std::pair<Id, std::string>, Id> next_;
};

/// A pack, or a WAL object when `wal_file` is set.
struct ObjectToOpen {
  std::string key;
  std::uint64_t size_bytes = 0;
  repo::Cluster cluster;
  std::string wal_file;
  LabelSets::Id backups = LabelSets::kNone;  // that need it
  std::optional<repo::Binding> seal{};       // of a sealed pack: which object it has to be
};

/// Leaves `percent` of them, chosen at random, at least one.
void choose_sample(std::vector<ObjectToOpen>& objects, unsigned percent);
/// Sorts them by key and begins with the first that is not before `key`; those before it come last.
void begin_with(std::vector<ObjectToOpen>& objects, const std::string& key);

/// Opens every frame of packs and WAL objects, several objects at a time: check, decompression,
/// page hashes, page checksums, the header of the WAL. Memory: two buffers of 16 MiB a thread.
class ObjectOpener {
 public:
  /// `labels` must outlive this.
  ObjectOpener(std::string stanza, repo::Repository& repository, const LabelSets& labels,
               Progress& progress, std::stop_token stop);

  /// Opens them in their order until `time_is_up`, which is asked before each; how many.
  std::size_t open(const std::vector<ObjectToOpen>& objects, unsigned threads,
                   const std::function<bool()>& time_is_up);
  std::vector<Damage>& damages() { return damages_; }
  /// Pages whose checksum does not fit; at most kMostSuspects.
  std::vector<SuspectPage>& suspects() { return suspects_; }
  /// How many more there are.
  std::uint64_t further_suspects() const { return further_suspects_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  /// Of the packs that were opened.
  const PackShapes& shapes() const { return shapes_; }

 private:
  struct Scratch;
  void open_pack(const ObjectToOpen& pack, Scratch& scratch, const std::stop_token& stop);
  void open_wal(const ObjectToOpen& wal);
  void note(const DamagedError& error, const ObjectToOpen& object,
            std::optional<std::uint32_t> frame = {});
  void note(std::vector<SuspectPage> pages, const ObjectToOpen& pack, std::uint32_t frame,
            std::uint64_t frame_at_bytes);
  void count(std::uint64_t bytes);

  std::string stanza_;
  repo::Repository& repository_;
  const LabelSets& labels_;
  Progress& progress_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::vector<Damage> damages_;
  PackShapes shapes_;
  std::vector<SuspectPage> suspects_;
  std::uint64_t further_suspects_ = 0;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace pgcairn::engine
