#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/compress/codec.hpp>

#include <memory>

namespace pgcairn::compress {

// One function a format: codec.cpp lists them, nothing else calls them. The state of a direction is
// made when that direction is first used, so a reader never pays for a compressor.
std::unique_ptr<Codec> make_none();
std::unique_ptr<Codec> make_zst(int level);
std::unique_ptr<Codec> make_lz4(int level);
std::unique_ptr<Codec> make_gz(int level);

[[noreturn]] inline void damaged_block(CodecId id, std::string_view cause) {
  throw Error(format("cannot decompress a {} block: {}", name_of(id), cause));
}
[[noreturn]] inline void compression_failed(CodecId id, std::string_view cause) {
  throw Error(format("cannot compress a {} block: {}", name_of(id), cause));
}

/// Runs `write(room)`, which returns how many bytes of the room it used, behind what `out` holds.
/// `out` is as before when it throws.
template <class Write>
void append_at_most(Buffer& out, std::size_t most, Write&& write) {
  const std::size_t before = out.size();
  out.resize(before + most);
  try {
    out.resize(before + write(out.writable().subspan(before)));
  } catch (...) {
    out.resize(before);
    throw;
  }
}

}  // namespace pgcairn::compress
