#include "backup/wal.hpp"

#include "backup/wal_copy.hpp"
#include "wal/wait.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/stanza/stop.hpp>

#include <algorithm>
#include <utility>

namespace pgcairn::engine {

void BackupWal::mark_start(const repo::BackupMarker& backup) {
  mark(backup.wal_start, backup, std::nullopt);
}

void BackupWal::mark_stop(repo::BackupMarker& backup) {
  if (mark(backup.wal_stop, backup, backup.stop_lsn)) backup.wal_stop_hash = marks_.back().hash;
}

bool BackupWal::mark(const std::string& segment, const repo::BackupMarker& backup,
                     std::optional<Lsn> end) {
  const auto mark = mark_wal(stanza_.data_directory, segment, backup.wal_segment_bytes, end);
  if (!mark) {
    log_detail(
        format("WAL segment {} is not in pg_wal: it cannot be compared with one of another life",
               segment));
    return false;
  }
  // The later one of the same segment says more.
  std::erase_if(marks_, [&](const WalMark& one) { return one.segment == segment; });
  marks_.push_back(*mark);
  return true;
}

void BackupWal::copy(repo::Repository& repository, const repo::BackupMarker& backup,
                     compress::Codec& codec, const std::stop_token& stop) const {
  copy_wal(stanza_, repository, cluster_, backup, codec);
  require_own(repository, backup, stop);
}

void BackupWal::wait(repo::Repository& repository, const repo::BackupMarker& backup,
                     milliseconds timeout, const std::stop_token& stop) const {
  doing([&] { return format("waiting for WAL {} to {}", backup.wal_start, backup.wal_stop); },
        [&] {
          wait_for_wal(repository, stanza_.name, cluster_, backup.wal_start, backup.wal_stop,
                       backup.wal_segment_bytes, timeout, stop);
          require_own(repository, backup, stop);
        });
}

void BackupWal::wait_or_bring(repo::Repository& repository, const repo::BackupMarker& backup,
                              milliseconds timeout, compress::Codec& codec,
                              const std::stop_token& stop) {
  try {
    wait(repository, backup, brought_ ? milliseconds(0) : timeout, stop);
  } catch (const LateWalError& error) {
    if (backup.from_standby || !are_left_to_archiver(error.missing())) throw;
    if (!std::exchange(brought_, true)) {
      log_warn(format(
          "the archiver is stuck: {} did not come within {}. The backup stores the WAL that it "
          "needs itself; what is written after it can be restored when archive_command, which "
          "needs each repository, works again: see PostgreSQL's log and pg_stat_archiver",
          error.missing().front(), format_duration(timeout)));
    }
    doing([&] { return format("storing WAL {} to {}", backup.wal_start, backup.wal_stop); },
          [&] {
            refuse_when_stopped(repository, stanza_.name);
            copy(repository, backup, codec, stop);
          });
  }
}

/// Whether it has yet to archive them, as the server itself notes. What it has archived, and is not
/// in the repository, went elsewhere: that must not look like a backup that can go on.
bool BackupWal::are_left_to_archiver(const std::vector<std::string>& segments) const {
  const fs::path status = stanza_.data_directory / "pg_wal/archive_status";
  return std::all_of(segments.begin(), segments.end(), [&](const std::string& name) {
    return stat_if_exists(status / (name + ".ready")).has_value();
  });
}

void BackupWal::require_own(repo::Repository& repository, const repo::BackupMarker& backup,
                            const std::stop_token& stop) const {
  const auto names = segments_between(backup.wal_start, backup.wal_stop, backup.wal_segment_bytes);
  require_own_wal(stanza_, repository, cluster_, names, backup.wal_segment_bytes, marks_, stop);
}

}  // namespace pgcairn::engine
