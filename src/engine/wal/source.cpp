#include "wal/source.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_file.hpp>

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kMostHistoryBytes = kMiB;

}  // namespace

WalSource::WalSource(Fd fd, fs::path path)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      size_bytes_(static_cast<std::uint64_t>(stat_of(fd_, path_).st_size)) {}

std::optional<WalSource> WalSource::open_if_exists(const fs::path& path) {
  auto fd =
      pgcairn::open_if_exists(path, O_RDONLY | O_NONBLOCK);  // a pipe would wait for its writer
  if (!fd) return std::nullopt;
  if (!S_ISREG(stat_of(*fd, path).st_mode))
    throw Error(format("\"{}\" is not a regular file", path.native()));
  return WalSource(std::move(*fd), path);
}

void WalSource::check(const std::string& name, const repo::Cluster& cluster) const {
  const auto kind = wal_file_kind(name);
  if (kind == WalFileKind::backup_history) return;  // for people
  if (kind == WalFileKind::timeline_history) {
    postgres::check_timeline_history(read_file(path_, kMostHistoryBytes), name);
    return;
  }
  Buffer start(std::min<std::uint64_t>(size_bytes_, postgres::kWalHeaderBytes));
  content().read(0, start.writable());
  postgres::check_wal_segment(start, size_bytes_, name, cluster.system_id, cluster.pg_version);
}

repo::WalContent WalSource::content() const {
  return {size_bytes_, [this](std::uint64_t offset_bytes, MutableBytes out) {
            if (read_at(fd_, out, offset_bytes, path_) == out.size()) return;
            throw Error(format("cannot read \"{}\": it became shorter meanwhile", path_.native()));
          }};
}

repo::WalContent WalSource::content_while_named() const {
  const repo::WalContent all = content();
  return {all.size_bytes, [this, all](std::uint64_t offset_bytes, MutableBytes out) {
            all.read(offset_bytes, out);
            if (offset_bytes + out.size() < size_bytes_) return;
            const auto named = stat_if_exists(path_);
            const struct stat ours = stat_of(fd_, path_);
            if (named && named->st_ino == ours.st_ino && named->st_dev == ours.st_dev) return;
            throw RecycledError(
                format("the server has recycled WAL segment {} while it was read",
                       path_.filename().native()),
                "raise wal_keep_size, or give the role the REPLICATION attribute, so that a slot "
                "holds the WAL");
          }};
}

}  // namespace pgcairn::engine
