#pragma once

#include <pgcairn/common/json.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/storage/driver.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::repo {

// Manifests: pgcairn-repository(5), MANIFEST.

inline constexpr std::size_t kMostManifestPartBytes = 16 * kMiB;

/// A backup whose packs a manifest names.
struct ManifestRef {
  std::string backup;  // label
  std::uint32_t frame_bytes = 0;
};

/// The next `length_bytes` of a file, and where they are.
struct Extent {
  std::uint64_t length_bytes = 0;
  std::uint32_t ref = 0;  // position in ManifestHeader::refs
  std::uint32_t pack = 0;
  std::uint32_t frame = 0;
  std::uint32_t offset_bytes = 0;  // in the frame's decompressed payload
};

enum class EntryType { file, directory, link };

struct ManifestEntry {
  std::string path;  // relative to the data directory; absolute: see is_outside()
  EntryType type = EntryType::file;
  std::string target;  // links; of a file or directory that was one: where it led
  std::uint64_t size_bytes = 0;
  std::int64_t time_us = 0;
  std::uint32_t mode = 0;
  std::string user;
  std::string group;
  bool pages = false;
  std::string hash;  // 32 hex digits, files that are not pages
  std::vector<std::uint32_t> bad_blocks;
  std::vector<Extent> map;
};

/// Does a path of a manifest name what stood outside of the data directory (configuration)?
bool is_outside(std::string_view path);

struct ManifestHeader {
  std::string label;
  std::vector<ManifestRef> refs;  // the first is this backup
  // What entries have where they do not say otherwise.
  std::uint32_t file_mode = 0600;
  std::uint32_t directory_mode = 0700;
  std::string user;
  std::string group;
};

/// A pack that some extent names.
struct ManifestPack {
  std::uint32_t ref = 0;
  std::uint32_t pack = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t index_offset = 0;
  std::uint32_t index_bytes = 0;
  std::optional<Binding> seal{};  // of a sealed one: which object it has to be
};

/// Stores a finished object create-only. It may change the bytes where they are (reseal.hpp):
/// nobody needs them afterwards.
using PutObject = std::function<void(const std::string& key, MutableBytes object)>;

/// Writes a manifest as a stream: entries in order, then packs, then finish(). Puts each part as
/// soon as it is full.
class ManifestWriter {
 public:
  /// `put` is how parts are stored; without it they are put with `driver`.
  ManifestWriter(storage::Driver& driver, SealContext seal_context, std::string stanza,
                 ManifestHeader header, PutObject put = {});
  ~ManifestWriter();

  void add(const ManifestEntry& entry);
  void add(const ManifestPack& pack);
  /// The last part is durable when it returns; the number of parts.
  std::uint32_t finish();
  std::uint64_t stored_bytes() const { return stored_bytes_; }
  /// The bindings of its parts when they are sealed: for the marker.
  const std::vector<Binding>& seals() const { return seals_; }

 private:
  void add_line();
  void flush_frame();
  void flush_part();

  PutObject put_;
  SealContext seal_context_;
  std::string stanza_;
  ManifestHeader header_;
  std::unique_ptr<compress::Codec> codec_;
  std::unique_ptr<FrameWriter> frames_;
  JsonWriter line_;
  std::string lines_;  // of the frame that is being filled
  Buffer part_;
  std::uint32_t parts_ = 0;
  std::uint32_t frame_number_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t packs_ = 0;
  std::uint64_t stored_bytes_ = 0;
  std::vector<Binding> seals_;
};

/// Reads a manifest as a stream, a line in memory at a time (and a part's bytes).
class ManifestReader {
 public:
  /// `seals` are what the marker says of a sealed one.
  ManifestReader(storage::Driver& driver, SealContext seal_context, std::string stanza,
                 std::string label, std::uint32_t parts, std::vector<Binding> seals = {});
  ~ManifestReader();

  const ManifestHeader& header() const { return header_; }
  /// The next entry; nothing after the last one.
  std::optional<ManifestEntry> next();
  /// All packs; to be called when next() has given nothing. Reads and checks the end.
  std::vector<ManifestPack> packs();

 private:
  std::optional<std::string_view> next_line();
  void load_part();
  std::uint32_t read_mode(const JsonValue& value) const;
  [[noreturn]] void damaged(std::string_view cause) const;

  storage::Driver& driver_;
  SealContext seal_context_;
  std::string stanza_;
  std::string label_;
  std::uint32_t parts_;
  std::vector<Binding> seals_;
  ManifestHeader header_;
  std::uint32_t next_part_ = 0;
  std::uint32_t frame_number_ = 0;
  std::unique_ptr<FrameReader> frames_;
  Buffer part_;
  std::size_t part_position_ = 0;
  Buffer lines_;
  std::string_view rest_;  // of lines_
  std::unique_ptr<JsonDocument> document_;
  std::string held_line_;  // the first line after the entries
  std::uint64_t entries_ = 0;
};

}  // namespace pgcairn::repo
