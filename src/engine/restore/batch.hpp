#pragma once

#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Files of a manifest that are written together, and where their content is: as many as a limit on
/// memory allows, nearly always all of the backup's. What a restore keeps in memory is one of
/// these, however long and however fragmented the manifest is.
class RestoreBatch {
 public:
  struct File {
    std::string path;  // of the manifest
    std::uint64_t size_bytes;
    std::optional<crypto::Hash128> hash;  // of the whole content
    std::uint32_t mode;
    /// What is in the file's place already: nothing that is known, the same content, or
    /// something whose units have these hashes.
    enum class Local { unknown, same, hashed } local = Local::unknown;
    std::uint32_t local_units = 0;  // of `hashed`: at local_hashes[first_unit]
    std::size_t first_unit = 0;
  };
  /// A part of a file that is in one pack.
  struct Part {
    std::uint32_t ref;
    std::uint32_t pack;
    std::uint32_t frame;
    std::uint32_t offset_bytes;  // in the frame
    std::uint32_t file;          // position in files
    std::uint64_t file_offset_bytes;
    std::uint64_t length_bytes;
  };

  explicit RestoreBatch(std::uint64_t memory_bytes) : memory_bytes_(memory_bytes) {}

  /// `mode` is what the file gets.
  void add(const repo::ManifestEntry& entry, std::uint32_t mode);
  /// Time to write what there is, and clear().
  bool full() const { return used_bytes_ >= memory_bytes_; }
  /// At most the limit and one file more.
  std::uint64_t used_bytes() const { return used_bytes_; }
  void clear();

  /// The parts, pack after pack. Those of files that are the same already are left out.
  std::vector<std::span<const Part>> by_pack();

  std::vector<File> files;
  std::vector<std::uint64_t> local_hashes;

 private:
  std::uint64_t memory_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::vector<Part> parts_;
};

}  // namespace pgcairn::engine
