#pragma once

#include "restore_files.hpp"

#include <pgcairn/common/queue.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <atomic>
#include <mutex>
#include <vector>

namespace pgcairn::engine {

/// Writes the content of a backup's files, pack by pack: every needed frame is fetched, checked and
/// opened once, and every byte written once, straight to its place.
class RestoreWriter {
 public:
  RestoreWriter(const RestorePlan& plan, const Places& places, Progress& progress);

  /// Makes a directory, a link or an empty file now; notes where the content of others is.
  void add(const repo::ManifestEntry& entry, const std::vector<repo::ManifestRef>& refs);
  /// Fetches and writes all that was noted.
  void write(const std::vector<repo::ManifestPack>& packs,
             const std::vector<repo::ManifestRef>& refs, unsigned threads, std::stop_token stop);

 private:
  struct File {
    std::string path;  // of the manifest
    std::uint32_t mode;
    std::uint32_t owner;  // position in owner_names_
  };
  /// A part of a file that is in one pack.
  struct Part {
    std::uint32_t file;
    std::uint32_t frame;
    std::uint32_t offset_bytes;  // in the frame
    std::uint64_t file_offset_bytes;
    std::uint64_t length_bytes;
  };
  struct PackWork {
    repo::ManifestPack pack;
    std::vector<Part> parts;
  };
  class OpenFiles;
  std::uint32_t owner_of(const repo::ManifestEntry& entry);
  void make_link(const repo::ManifestEntry& entry, const fs::path& target);
  Fd open_target(const File& file);
  void write_pack(const PackWork& work, const repo::ManifestRef& ref, OpenFiles& files,
                  Buffer& body, std::stop_token stop);

  const RestorePlan& plan_;
  const Places& places_;
  Progress& progress_;
  std::vector<std::pair<std::string, std::string>> owner_names_;
  std::vector<File> files_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, PackWork> packs_;  // by ref and number
  std::mutex owners_mutex_;
  Owners owners_;
};

/// Where a file of the manifest is written: pg_control gets its own name only when all else is
/// durable.
std::string written_name(const std::string& path);
inline constexpr std::string_view kControlPath = "global/pg_control";

}  // namespace pgcairn::engine
