#pragma once

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <string>

namespace pgcairn::engine {

/// A file of pg_wal, open for reading in pieces.
class WalSource {
 public:
  /// Nothing when there is no such file.
  static std::optional<WalSource> open_if_exists(const fs::path& path);

  /// Throws Error when the file is not what `name` says, or not this cluster's.
  void check(const std::string& name, const repo::Cluster& cluster) const;
  /// Valid as long as this is.
  repo::WalContent content() const;

 private:
  WalSource(Fd fd, fs::path path);

  Fd fd_;
  fs::path path_;
  std::uint64_t size_bytes_;
};

}  // namespace pgcairn::engine
