#pragma once

#include <pgcairn/common/bytes.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>

namespace pgcairn {

// Small files that hold what opens something, kept for the commands to come. Only their owner can
// read them, in a directory that only their owner can enter. Keeping is a convenience: what does
// not work is logged at the level "detail", and the next command finds out again what it needs.

/// The content. Nothing when there is no such file, when others could have read or written it, or
/// when it is longer than `most_bytes`.
std::optional<Buffer> read_private_file(const std::filesystem::path& path, std::size_t most_bytes);

/// Makes the directory when it is not there.
void write_private_file(const std::filesystem::path& path, Bytes content);

}  // namespace pgcairn
