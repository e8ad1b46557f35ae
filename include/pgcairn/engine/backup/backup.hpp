#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
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
  std::vector<std::string> exclude;  // in the data directory, and relative to it (excluded.hpp)
};

struct FailedRepository {
  std::string name;
  std::string reason;
};

struct TakenBackup {
  repo::BackupMarker info;
  std::vector<std::string> repositories;  // that have it, with the same label
  std::vector<FailedRepository> failed;   // that were to have it: it is not listed there
  std::string left_branch{};  // why it is on a branch that was left (branch.hpp); empty: it is not
  bool archiver_stuck = false;  // so that the backup stored the WAL that it needs itself
};

/// Takes a backup into all of `repositories` with one read of the cluster: incremental ones build
/// on the latest backup, differential ones on the latest full one, and where there is none to build
/// on in all of them the backup is full (the result's type says so). A repository that fails is
/// left out while another one remains. When it returns, the backup is listed and can be restored:
/// packs, manifest and the WAL it needs are in each repository that the result names. Throws
/// otherwise, and nothing is listed; backup mode has ended in the server and the leases are
/// released. Page errors do not throw: see the result.
TakenBackup take_backup(const StanzaSettings& stanza, const BackupOptions& options,
                        std::span<repo::Repository> repositories, Progress& progress,
                        std::stop_token stop);

}  // namespace pgcairn::engine
