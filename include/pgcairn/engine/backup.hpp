#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/stanza.hpp>
#include <pgcairn/repo/backup_info.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <stop_token>
#include <vector>

namespace pgcairn::engine {

struct BackupOptions {
  repo::BackupType type = repo::BackupType::full;
  bool start_fast = false;
  bool compare_all = false;  // read and compare every page, whatever WAL summaries say
  bool resume = true;  // name what interrupted backups have stored instead of storing it again
  unsigned workers = 2;
  compress::CodecId codec = compress::CodecId::zst;
  int level = 3;
  bool copy_wal = false;  // the backup stores the WAL that it needs itself
  milliseconds archive_timeout{60'000};
  std::vector<std::filesystem::path> include_paths;  // outside of the data directory, absolute
};

/// Takes a backup: incremental ones build on the latest backup, differential ones on the latest
/// full one, and where there is none to build on the backup is full (the result's type says so).
/// When it returns, the backup is listed and can be restored: packs, manifest and the WAL it needs
/// are in the repository. Throws otherwise, and nothing is listed; backup mode has ended in the
/// server and the lease is released. Page errors do not throw: see the result.
repo::BackupInfo take_backup(const StanzaSettings& stanza, const BackupOptions& options,
                             repo::Repository& repository, Progress& progress,
                             std::stop_token stop);

}  // namespace pgcairn::engine
