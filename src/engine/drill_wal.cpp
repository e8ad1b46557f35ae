#include "drill_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/archive.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kReadBytes = kMiB;

/// Zeros from `at` on: to recovery, the end of the log.
void cut(const fs::path& file, std::uint64_t at, std::uint64_t size_bytes) {
  const Fd fd = open_file(file, O_WRONLY | O_NOFOLLOW);
  if (::ftruncate(fd.get(), static_cast<off_t>(at)) != 0 ||
      ::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0)
    throw SystemError(format("cannot cut \"{}\"", file.native()), errno);
}

}  // namespace

DrillWal::DrillWal(const RestorePlan& plan, std::span<repo::Repository> repositories,
                   const Sandbox* sandbox)
    : plan_(plan),
      repositories_(repositories),
      sandbox_(sandbox),
      reader_([this](const postgres::WalRecord& record) { meet(record); }) {}

postgres::WalAnswer DrillWal::give(const std::string& name, const fs::path& destination) {
  using postgres::WalAnswer;
  try {
    const StanzaSettings stanza{plan_.stanza, plan_.data_directory, {}};
    fs::path file = destination;
    Fetched fetched = archive_get(stanza, repositories_, name, destination);
    if (wal_file_kind(name) == WalFileKind::segment) {
      // What the restore has put there comes next.
      if (fetched == Fetched::absent) file = plan_.data_directory / "pg_wal" / name;
      if (stat_if_exists(file) && !look(name, file)) {
        ::unlink(file.c_str());
        fetched = Fetched::absent;
      }
    }
    failure_.clear();
    return fetched == Fetched::yes ? WalAnswer::given : WalAnswer::absent;
  } catch (const Error& error) {
    failure_ = error.render();
    log_warn(format("{} is not given to the drill's server: {}", name, failure_));
    return WalAnswer::unknown;
  }
}

/// False when nothing of it may be replayed.
bool DrillWal::look(const std::string& name, const fs::path& file) {
  const Fd fd = open_file(file, O_RDONLY | O_NOFOLLOW);
  const auto size_bytes = static_cast<std::uint64_t>(stat_of(fd, file).st_size);
  const auto segment = parse_wal_segment_name(name, plan_.backup.wal_segment_bytes);
  if (!segment || size_bytes > plan_.backup.wal_segment_bytes) return false;
  const std::uint64_t start = segment->number * plan_.backup.wal_segment_bytes;
  Buffer piece;
  for (std::uint64_t at = 0; at < size_bytes; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kReadBytes, size_bytes - at));
    if (read_at(fd, piece.writable(), at, file) != piece.size())
      throw SystemError(format("cannot read \"{}\"", file.native()), EIO);
    reader_.read(piece, Lsn{start + at});
  }
  if (!withheld_ || withheld_->start.value >= start + size_bytes) return true;
  if (withheld_->start.value <= start) return false;
  cut(file, withheld_->start.value - start, size_bytes);
  return true;
}

void DrillWal::meet(const postgres::WalRecord& record) {
  if (record.kind == postgres::WalRecord::Kind::limits && record.start >= plan_.backup.start_lsn)
    limits_ = limits_ ? highest(*limits_, record.limits) : record.limits;
  const auto created = postgres::created_tablespace(record);
  // What came before the backup's start is in the backup, and is not replayed.
  if (!created || created->start < plan_.backup.start_lsn) return;
  if (sandbox_ != nullptr && sandbox_->make_directory(created->location)) {
    log_detail(format("tablespace {}, made after the backup at \"{}\", is in \"{}\"", created->oid,
                      created->location, sandbox_->root().native() + created->location));
    return;
  }
  if (!withheld_ || created->start < withheld_->start) withheld_ = created;
}

}  // namespace pgcairn::engine
