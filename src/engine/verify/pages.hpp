#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// A page as it is stored whose checksum does not fit. Only the backups that name it tell what that
/// means: it may have been read half-written, for replay to repair, or have been bad in the
/// cluster.
struct SuspectPage {
  std::string path;
  std::uint64_t offset_bytes = 0;  // in the file
  std::uint32_t block = 0;         // in the relation
  Lsn lsn;
  bool new_page = false;  // it says it is new and is not empty: replay does not explain that
  // Where it is stored.
  std::string pack;  // key
  std::uint32_t frame = 0;
  std::uint32_t at_bytes = 0;          // in the frame's payload
  std::uint64_t frame_at_bytes = 0;    // the frame, in the pack
  std::vector<std::string> backups{};  // that name the pack
};

/// Looks at each whole page among a frame's pieces that are relations'. Fills in all but where it
/// is stored. Pure.
std::vector<SuspectPage> find_suspects(std::span<const repo::Piece> pieces, Bytes payload);

enum class SuspectVerdict {
  not_named,     // the backup has another page there
  half_written,  // WAL from the backup's start on repairs it
  bad_before,    // it was bad in the cluster, and the backup says so
  stored_bad,
};
/// What a suspect is to a backup whose manifest has `entry` for its path. Pure.
SuspectVerdict judge_suspect(const SuspectPage& page, const repo::BackupMarker& backup,
                             const repo::ManifestEntry& entry, const repo::ManifestHeader& header,
                             const std::string& stanza);

}  // namespace pgcairn::engine
