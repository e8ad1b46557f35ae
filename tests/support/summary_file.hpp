#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/wal_summary.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace pgcairn::test {

/// Writes a WAL summary as the server does while it reads WAL (blkreftable.c): a limit takes back
/// the marks at or above it that came before it in the same file.
class SummaryWriter {
 public:
  void mark(const postgres::RelationKey& relation, std::uint32_t block, std::uint32_t fork = 0) {
    forks_[{relation, fork}].blocks.insert(block);
  }
  void limit(const postgres::RelationKey& relation, std::uint32_t length, std::uint32_t fork = 0) {
    Fork& entry = forks_[{relation, fork}];
    if (length >= entry.limit) return;
    entry.limit = length;
    entry.blocks.erase(entry.blocks.lower_bound(length), entry.blocks.end());
  }

  std::string bytes() const {
    std::string out;
    put(out, std::uint32_t{0x652b137b});
    for (const auto& [key, fork] : forks_) {
      const auto& [relation, number] = key;
      put(out, relation.space);
      put(out, relation.database);
      put(out, relation.relfilenode);
      put(out, number);
      put(out, fork.limit);
      put_chunks(out, fork.blocks);
    }
    out.append(24, '\0');
    return sealed(std::move(out));
  }

  /// With the checksum that belongs to the bytes.
  static std::string sealed(std::string bytes) {
    put(bytes, crc32c(as_bytes(bytes)));
    return bytes;
  }

 private:
  struct Fork {
    std::uint32_t limit = postgres::kNoLimit;
    std::set<std::uint32_t> blocks;
  };

  template <class Integer>
  static void put(std::string& out, Integer value) {
    std::byte raw[sizeof value];
    store_le(raw, value);
    out += as_text(raw);
  }
  static void put_chunks(std::string& out, const std::set<std::uint32_t>& blocks) {
    const std::uint32_t chunks = blocks.empty() ? 0 : *blocks.rbegin() / 65536 + 1;
    put(out, chunks);
    std::string data;
    for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
      std::string offsets;
      std::string bitmap(8192, '\0');
      const auto end = blocks.upper_bound(chunk * 65536 + 65535);
      for (auto block = blocks.lower_bound(chunk * 65536); block != end; ++block) {
        const auto offset = static_cast<std::uint16_t>(*block % 65536);
        put(offsets, offset);
        char& byte = bitmap[offset / 8];
        byte = static_cast<char>(byte | (1 << (offset % 8)));
      }
      // An array that would be as long as the bitmap becomes one.
      data += offsets.size() < bitmap.size() ? offsets : bitmap;
      put(out, static_cast<std::uint16_t>(std::min(offsets.size(), bitmap.size()) / 2));
    }
    out += data;
  }

  std::map<std::pair<postgres::RelationKey, std::uint32_t>, Fork> forks_;
};

/// Puts a summary of that range where the server keeps it.
inline std::filesystem::path write_summary(const std::filesystem::path& data_directory,
                                           const postgres::TimelineRange& range,
                                           const std::string& bytes) {
  const std::filesystem::path path =
      data_directory / "pg_wal" / "summaries" / postgres::wal_summary_name(range);
  std::filesystem::create_directories(path.parent_path());
  write_file_atomically(path, as_bytes(bytes));
  return path;
}

}  // namespace pgcairn::test
