#pragma once

#include <pgcairn/engine/verify.hpp>

#include <mutex>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// A pack, or a WAL object when `wal_file` is set.
struct ObjectToOpen {
  std::string key;
  std::uint64_t size_bytes = 0;
  repo::Cluster cluster;
  std::string wal_file;
  std::vector<std::string> backups;  // that name it
};

/// Leaves `percent` of them, chosen at random, at least one.
void choose_sample(std::vector<ObjectToOpen>& objects, unsigned percent);

/// Opens every frame of packs and WAL objects, several objects at a time: check, decompression,
/// page hashes, the header of the WAL. Memory: two buffers of 16 MiB a thread.
class ObjectOpener {
 public:
  ObjectOpener(std::string stanza, repo::Repository& repository, Progress& progress,
               std::stop_token stop);

  void open(const std::vector<ObjectToOpen>& objects, unsigned threads);
  std::vector<Damage>& damages() { return damages_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Scratch;
  void open_pack(const ObjectToOpen& pack, Scratch& scratch, const std::stop_token& stop);
  void open_wal(const ObjectToOpen& wal);
  void note(const DamagedError& error, const ObjectToOpen& object);
  void count(std::uint64_t bytes);

  std::string stanza_;
  repo::Repository& repository_;
  Progress& progress_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::vector<Damage> damages_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace pgcairn::engine
