#pragma once

#include "wal/own_wal.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The WAL that a backup needs: marked while the server has it, and known by that when it is in a
/// repository.
class BackupWal {
 public:
  BackupWal(const StanzaSettings& stanza, const repo::Cluster& cluster)
      : stanza_(stanza), cluster_(cluster) {}

  /// To be called when the backup has begun, and when it has ended: fills wal_stop_hash.
  void mark_start(const repo::BackupMarker& backup);
  void mark_stop(repo::BackupMarker& backup);

  /// Stores it from pg_wal.
  void copy(repo::Repository& repository, const repo::BackupMarker& backup, compress::Codec& codec,
            const std::stop_token& stop) const;
  /// Waits until the archiver has brought it. Throws ConflictError when what is archived under its
  /// names is another life's.
  void wait(repo::Repository& repository, const repo::BackupMarker& backup, milliseconds timeout,
            const std::stop_token& stop) const;
  /// The same; but when the archiver of a primary is stuck, at another repository for one, what is
  /// missing after `timeout` is stored as copy() does, with one warning, and from then on without
  /// waiting.
  void wait_or_bring(repo::Repository& repository, const repo::BackupMarker& backup,
                     milliseconds timeout, compress::Codec& codec, const std::stop_token& stop);
  /// The archiver was stuck.
  bool brought() const { return brought_; }

 private:
  bool are_left_to_archiver(const std::vector<std::string>& segments) const;
  bool mark(const std::string& segment, const repo::BackupMarker& backup, std::optional<Lsn> end);
  void require_own(repo::Repository& repository, const repo::BackupMarker& backup,
                   const std::stop_token& stop) const;

  const StanzaSettings& stanza_;
  const repo::Cluster& cluster_;
  std::vector<WalMark> marks_;  // of the first and the last segment
  bool brought_ = false;
};

}  // namespace pgcairn::engine
