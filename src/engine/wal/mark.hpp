#pragma once

#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace pgcairn::engine {

/// The beginning of a WAL segment, as the server wrote it: tells it from one of another life under
/// the same name.
struct WalMark {
  std::string segment;
  std::uint64_t bytes = 0;
  std::string hash;       // XXH3-128 of them, in hexadecimal digits
  bool is_timed = false;  // the end of a transaction or a restore point is among them
};

/// Of a segment in pg_wal, up to `end`, or with nothing given to the last record that it holds now.
/// Nothing when the server does not have it, or not up to there.
std::optional<WalMark> mark_wal(const std::filesystem::path& data_directory,
                                const std::string& segment, std::uint64_t segment_bytes,
                                std::optional<Lsn> end);

}  // namespace pgcairn::engine
