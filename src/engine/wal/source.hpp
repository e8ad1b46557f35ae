#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <string>

namespace pgcairn::engine {

/// The server has made another segment of the file that was read.
class RecycledError : public Error {
  using Error::Error;
};

/// A file of pg_wal, open for reading in pieces.
class WalSource {
 public:
  /// Nothing when there is no such file.
  static std::optional<WalSource> open_if_exists(const fs::path& path);

  /// Throws Error when the file is not what `name` says, or not this cluster's.
  void check(const std::string& name, const repo::Cluster& cluster) const;
  /// Valid as long as this is.
  repo::WalContent content() const;
  /// The same of a segment that the server may recycle: its file gets another name then, and later
  /// other content. The read that reaches the end throws RecycledError when the name is no longer
  /// this file's; when it is, all that was read was the segment's.
  repo::WalContent content_while_named() const;

 private:
  WalSource(Fd fd, fs::path path);

  Fd fd_;
  fs::path path_;
  std::uint64_t size_bytes_;
};

}  // namespace pgcairn::engine
