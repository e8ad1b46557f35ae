#pragma once

#include "restore/batch.hpp"
#include "restore/paths.hpp"

#include <pgcairn/common/queue.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <map>
#include <mutex>
#include <span>
#include <vector>

namespace pgcairn::engine {

/// Where a file of the manifest is written: pg_control gets its own name only when all else is
/// durable.
std::string written_name(const std::string& path);
inline constexpr std::string_view kControlPath = "global/pg_control";

/// Makes everything on the file system of `directory` durable, with one call instead of one a file.
/// `path` is for errors.
void sync_file_system(const Fd& directory, const fs::path& path);

/// Writes the content of a backup's files, pack by pack: every needed frame is fetched, checked and
/// opened once, and every byte written once, straight to its place. Memory is bounded by
/// RestoreOptions::batch_bytes and the number of threads. With --delta only what differs from what
/// is in its place; LocalTree has been there before, so that all of it is of the right type.
/// A pack that is damaged is taken from another repository that has the same backup, with a
/// warning.
class RestoreWriter {
 public:
  /// `refs` are the manifest's. All must outlive this.
  RestoreWriter(const RestorePlan& plan, const Places& places, Roots& roots,
                const std::vector<repo::ManifestRef>& refs, Progress& progress,
                std::stop_token stop);

  /// Makes a directory, a link or an empty file now; notes where the content of others is, and
  /// writes it when enough has been noted. To be called in the manifest's order.
  void add(const repo::ManifestEntry& entry);
  /// Writes what has been noted.
  void finish() { write_batch(); }

  const RestoreResult& result() const { return result_; }
  /// A directory on each file system that was written to, held open.
  std::map<dev_t, Fd>& file_systems() { return file_systems_; }

 private:
  using File = RestoreBatch::File;
  class OpenFiles;
  void make_directory(const repo::ManifestEntry& entry);
  void make_link(const repo::ManifestEntry& entry, const fs::path& target);
  void make_file(const repo::ManifestEntry& entry);
  OpenPlace place_of(const File& file) { return roots_.open(places_.of(written_name(file.path))); }
  Fd open_target(const File& file);
  void write_batch();
  void write_pack(std::span<const RestoreBatch::Part> parts, OpenFiles& files, Buffer& body,
                  std::stop_token stop);
  void write_pack_from(repo::Repository& repository, std::span<const RestoreBatch::Part> parts,
                       OpenFiles& files, Buffer& body, std::stop_token stop);
  bool has_same_backup(repo::Repository& repository);
  const repo::ManifestPack& pack_of(const RestoreBatch::Part& part) const;

  const RestorePlan& plan_;
  const Places& places_;
  Roots& roots_;
  const std::vector<repo::ManifestRef>& refs_;
  Progress& progress_;
  std::stop_token stop_;
  RestoreBatch batch_;
  std::map<dev_t, Fd> file_systems_;
  std::mutex mutex_;  // of what follows
  RestoreResult result_;
  std::map<const repo::Repository*, bool> same_;  // of those that were asked for the backup
};

}  // namespace pgcairn::engine
