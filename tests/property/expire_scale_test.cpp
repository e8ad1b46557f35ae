// Hidden: pgcairn-tests '[.million]' prints what an expire of a thousand backups costs.
#include "support/made_stanza.hpp"
#include "support/repository.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <chrono>
#include <fstream>
#include <iostream>
#include <thread>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;
using repo::BackupType;

namespace {

constexpr int kBackups = 1000;
constexpr std::uint32_t kPacks = 60;          // of each
constexpr int kChain = 7;                     // a full backup and six on it
constexpr std::uint64_t kSegmentsApart = 20;  // from backup to backup

std::uint64_t peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM")) return std::stoull(line.substr(6));
  }
  return 0;
}

/// A backup a day; of the packs that the one before names, each later one names two of three.
void fill(repo::Repository& repository) {
  MadeStanza stanza(repository);
  const Timestamp first = parse_utc("2024-01-01T02:00:00Z").value();
  repo::BackupMarker before;
  for (int i = 0; i < kBackups; ++i) {
    const BackupType type = i % kChain == 0 ? BackupType::full : BackupType::incremental;
    repo::BackupMarker info = stanza.backup(type, before.label, first + i * std::chrono::hours(24));
    stanza.put_data(info, kPacks);
    if (type != BackupType::full) {
      for (const repo::PackRange& range : before.packs) {
        for (std::uint32_t pack = range.first; pack <= range.last; ++pack) {
          if (pack % 3 != 0) info.packs.push_back({range.backup, pack, pack});
        }
      }
    }
    const std::uint64_t segment = static_cast<std::uint64_t>(i) * kSegmentsApart + 1;
    stanza.set_wal(info, 1, segment, segment + 1);
    for (std::uint64_t n = 0; n < kSegmentsApart; ++n) stanza.put_wal(1, segment + n);
    stanza.list(info);
    before = std::move(info);
  }
}

void measured_expire(repo::Repository& repository, bool dry_run) {
  engine::ExpireOptions options;
  options.allow_mass_removal = true;
  options.policy.keep_daily = 14;
  options.policy.keep_monthly = 12;
  options.policy.archive = 2;
  options.dry_run = dry_run;
  engine::NoProgress progress;
  std::ofstream("/proc/self/clear_refs") << "5";
  const auto started = std::chrono::steady_clock::now();
  const engine::ExpireResult result = engine::expire("main", repository, options, progress, {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::cout << (dry_run ? "plan" : "expire") << ": " << took.count() << " s, peak memory "
            << peak_kib() / 1024 << " MiB, " << result.removed_objects << " objects removed\n";
  CHECK(peak_kib() < 128 * 1024);
  if (dry_run) return;
  CHECK(repository.backup_labels("main").size() < 30);
  CHECK(result.removed_objects > 70'000);
}

}  // namespace

TEST_CASE("expire of a thousand backups with sixty thousand packs", "[.million]") {
  const TempDir memory(TempDir::Where::memory);
  const TempDir disk;
  {
    repo::Repository repository("made", storage::make_posix(memory / "repo"));
    fill(repository);
  }
  std::filesystem::copy(memory / "repo", disk / "repo", std::filesystem::copy_options::recursive);
  std::cout << "at 20 ms a request, of which a remove is one for each thousand objects\n";
  {
    auto driver = storage::make_posix(memory / "repo");
    const auto delay = [](std::string_view, std::string_view) {
      std::this_thread::sleep_for(milliseconds(20));
    };
    repo::Repository repository("far", shared(*driver, {delay, {}}));
    measured_expire(repository, true);
    measured_expire(repository, false);
  }
  std::cout << "on disk\n";
  repo::Repository repository("near", storage::make_posix(disk / "repo"));
  measured_expire(repository, true);
  measured_expire(repository, false);
}
