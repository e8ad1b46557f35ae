#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/server_limits.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace pgcairn::postgres {

/// What pgcairn needs of global/pg_control (src/include/catalog/pg_control.h of PostgreSQL 13 to
/// 19).
struct ControlFile {
  SystemId system_id = 0;
  std::uint32_t control_version = 0;
  std::uint32_t catalog_version = 0;
  int major = 0;  // 13 to 19, known from control_version and catalog_version
  int state = 0;  // DBState: 1 shut down, 2 shut down in recovery, 6 in production, ...
  Lsn checkpoint;
  Lsn redo;  // of the checkpoint
  Timeline timeline = 0;
  Lsn min_recovery_point;
  std::uint32_t block_bytes = 0;
  std::uint32_t relation_segment_blocks = 0;
  std::uint64_t wal_segment_bytes = 0;
  bool data_checksums = false;  // on, and complete
  ServerLimits limits;          // of the server that wrote the WAL
};

/// Parses the bytes of a pg_control file. Throws DamagedError naming `object` when the CRC is
/// wrong, PostgresError when the version is not one of 13 to 19 (the system identifier is then
/// named in the message).
ControlFile parse_control_file(Bytes bytes, const std::string& object);

/// The bytes of <data>/global/pg_control, read again while the CRC shows a torn read (at most 10
/// s).
Buffer read_control_bytes(const std::filesystem::path& data_directory);
ControlFile read_control_file(const std::filesystem::path& data_directory);

/// Has a server closed the cluster in order (or initdb, which starts none)?
bool is_shut_down(const ControlFile& control);
/// Was it written by require_backup_label(), and has no server opened it since?
bool never_started(const ControlFile& control);

/// Makes the server refuse to start from this pg_control without a backup_label: the checkpoint's
/// place becomes one that is never valid.
void require_backup_label(MutableBytes control, const std::string& object);

}  // namespace pgcairn::postgres
