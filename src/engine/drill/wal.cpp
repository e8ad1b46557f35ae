#include "drill/wal.hpp"

#include "restore/recovery_settings.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/wal/archive.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kReadBytes = kMiB;

/// Zeros from `at` on: to recovery, the end of the log.
void cut(const Fd& fd, const std::string& file, std::uint64_t at, std::uint64_t size_bytes) {
  if (::ftruncate(fd.get(), static_cast<off_t>(at)) != 0 ||
      ::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0)
    throw SystemError(format("cannot cut \"{}\"", file), errno);
}

}  // namespace

DrillWal::DrillWal(const RestorePlan& plan, std::span<repo::Repository> repositories,
                   const Sandbox* sandbox)
    : plan_(plan),
      data_(plan.data_directory),
      repositories_(repositories),
      sandbox_(sandbox),
      reader_([this](const postgres::WalRecord& record) { meet(record); }) {}

postgres::WalAnswer DrillWal::give(const std::string& name, const std::string& place) {
  using postgres::WalAnswer;
  try {
    const StanzaSettings stanza{plan_.stanza, plan_.data_directory, {}};
    const fs::path below = place;
    // The directory that is open, not the one that has its name by the time of writing.
    const Fd folder = data_.open(below.parent_path().native(), O_RDONLY | O_DIRECTORY);
    const WalRequest request{name,
                             fs::path(format("/proc/self/fd/{}", folder.get())) / below.filename(),
                             plan_.data_directory, postgres::RecoveryState::recovering};
    const repo::Cluster cluster{plan_.backup.system_id, plan_.backup.pg_version};
    Fetched fetched = archive_get(stanza, cluster, plan_.backup.wal_segment_bytes, repositories_,
                                  request, {{}, accepted_gap(plan_)});
    if (wal_file_kind(name) == WalFileKind::segment) {
      // What the restore has put there comes next.
      const std::string file = fetched == Fetched::absent ? "pg_wal/" + name : place;
      if (!look(name, file)) {
        data_.remove(file);
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

/// False when nothing of it may be replayed. The one file is looked at and cut, whatever is put in
/// its place meanwhile.
bool DrillWal::look(const std::string& name, const std::string& file) {
  const auto opened = data_.open_if_exists(file, O_RDWR | O_NONBLOCK);
  if (!opened) return true;
  const Fd& fd = *opened;
  const struct stat status = stat_of(fd, file);
  if (!S_ISREG(status.st_mode)) throw Error(format("\"{}\" is not a regular file", file));
  const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
  const auto segment = parse_wal_segment_name(name, plan_.backup.wal_segment_bytes);
  if (!segment || size_bytes > plan_.backup.wal_segment_bytes) return false;
  const std::uint64_t start = segment->number * plan_.backup.wal_segment_bytes;
  Buffer piece;
  for (std::uint64_t at = 0; at < size_bytes; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kReadBytes, size_bytes - at));
    if (read_at(fd, piece.writable(), at, file) != piece.size())
      throw SystemError(format("cannot read \"{}\"", file), EIO);
    reader_.read(piece, Lsn{start + at});
  }
  if (!withheld_ || withheld_->start.value >= start + size_bytes) return true;
  if (withheld_->start.value <= start) return false;
  cut(fd, file, withheld_->start.value - start, size_bytes);
  return true;
}

void DrillWal::meet(const postgres::WalRecord& record) {
  if (record.kind == postgres::WalRecord::Kind::limits && record.start >= plan_.backup.start_lsn)
    limits_ = limits_ ? highest(*limits_, record.limits) : record.limits;
  const auto created = postgres::created_tablespace(record);
  // What came before the backup's start is in the backup, and is not replayed.
  if (!created || created->start < plan_.backup.start_lsn) return;
  if (sandbox_ != nullptr && sandbox_->make_directory(created->location)) {
    log_detail(format("tablespace {}, created after the backup at \"{}\", is in \"{}\"",
                      created->oid, created->location,
                      sandbox_->root().native() + created->location));
    return;
  }
  if (!withheld_ || created->start < withheld_->start) withheld_ = created;
}

}  // namespace pgcairn::engine
