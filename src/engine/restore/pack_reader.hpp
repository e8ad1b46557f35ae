#pragma once

#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/storage/driver.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// Opens frames of one pack that are asked for in ascending order, and fetches several with one
/// request where they lie together.
class PackReader {
 public:
  /// `body` is memory that is used again. `pack` must outlive this.
  PackReader(storage::Driver& driver, const repo::SealContext& seal_context, std::string key,
             const repo::ManifestPack& pack, Buffer& body);

  /// The pack's index, fetched by itself.
  const repo::PackIndex& index();
  /// What open() will be asked for: ascending, without repetition; `wanted_bytes` of content.
  void want(std::vector<std::uint32_t> frames, std::uint64_t wanted_bytes);
  /// The content of a frame.
  void open(std::uint32_t frame, Buffer& raw);

  const std::string& key() const { return reader_.key(); }
  std::uint64_t fetched_bytes() const { return fetched_bytes_; }

 private:
  void fetch(std::uint64_t start, std::uint64_t end);
  void fetch_from(std::uint32_t frame);

  storage::Driver& driver_;
  repo::SealContext seal_context_;
  repo::FrameReader reader_;
  const repo::ManifestPack& pack_;
  std::vector<std::uint32_t> wanted_;
  Buffer& body_;
  std::uint64_t body_start_ = 0;
  std::uint64_t fetched_bytes_ = 0;
  repo::PackIndex index_;
  bool has_index_ = false;
};

}  // namespace pgcairn::engine
