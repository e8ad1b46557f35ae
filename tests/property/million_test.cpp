// Hidden: pgcairn-tests '[.million]' prints what a manifest of a million files costs.
#include "engine/backup/prior_backup.hpp"
#include "engine/restore/batch.hpp"
#include "support/repository.hpp"
#include "support/small_cluster.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <chrono>
#include <fstream>
#include <iostream>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr std::uint32_t kFiles = 1'000'000;
constexpr std::uint32_t kDirectory = 10'000;  // files in each

/// The process's resident memory now ("VmRSS") or at most since reset ("VmHWM"), from the kernel.
std::uint64_t memory_kib(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}
void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

/// Prints how long something took and how much memory it needed at most.
template <class Action>
void measured(std::string_view name, Action&& action) {
  reset_peak();
  const auto started = std::chrono::steady_clock::now();
  action();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  const std::uint64_t peak = memory_kib("VmHWM");
  std::cout << name << ": " << took.count() << " s, peak memory " << peak / 1024 << " MiB\n";
  CHECK(peak < 256 * 1024);
}

std::string path_of(std::uint32_t number) {
  return format("base/{}/{}", 20'000 + number / kDirectory, 100'000 + number % kDirectory);
}

repo::ManifestEntry entry_of(std::uint32_t number) {
  repo::ManifestEntry entry;
  entry.path = path_of(number);
  entry.size_bytes = postgres::kPageBytes;
  entry.time_us = 1'795'222'923'000'000 + number;
  entry.mode = 0600;
  entry.user = entry.group = "postgres";
  entry.pages = true;
  entry.map = {{postgres::kPageBytes, 0, number / 20'000, number / 16 % 1250,
                number % 16 * postgres::kPageBytes}};
  return entry;
}

}  // namespace

TEST_CASE("a manifest of a million files", "[.million]") {
  TempDir folder;
  repo::Repository repository("million", storage::make_posix(folder.path()));
  repository.create();
  repo::BackupMarker info = sample_backup();
  measured("write", [&] {
    repo::ManifestHeader header;
    header.label = kLabel;
    header.refs = {{std::string(kLabel), 128 * kKiB}};
    header.user = header.group = "postgres";
    repo::ManifestWriter writer(repository.driver(), repository.seal_context(), "main", header);
    for (std::uint32_t i = 0; i < kFiles; ++i) writer.add(entry_of(i));
    for (std::uint32_t pack = 0; pack < kFiles / 20'000; ++pack) writer.add({0, pack, 9, 4, 5});
    info.manifest_parts = writer.finish();
    std::cout << "stored: " << writer.stored_bytes() / 1024 << " KiB in " << info.manifest_parts
              << " parts\n";
  });
  for (std::uint32_t pack = 0; pack < kFiles / 20'000; ++pack) {
    repository.driver().put(repo::pack_key("main", kLabel, pack), as_bytes("some pack"),
                            storage::IfExists::fail);
  }
  info.packs = {{std::string(kLabel), 0, kFiles / 20'000 - 1}};

  measured("read", [&] {
    repo::ManifestReader reader(repository.driver(), repository.seal_context(), "main",
                                std::string(kLabel), info.manifest_parts);
    std::uint32_t count = 0;
    while (reader.next()) ++count;
    CHECK(count == kFiles);
    CHECK(reader.packs().size() == kFiles / 20'000);
  });
  // One in a hundred is new, one in a hundred is gone; the new manifest is written meanwhile.
  measured("merge-join and write", [&] {
    PriorBackup prior(repository, "main", info);
    const std::string label = std::string(kLabel) + "_20261122-010203I";
    repo::ManifestHeader header;
    header.label = label;
    header.refs = prior.refs(label, 128 * kKiB);
    repo::ManifestWriter writer(repository.driver(), repository.seal_context(), "main", header);
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < kFiles; ++i) {
      if (i % 100 == 50) continue;
      const bool is_new = i % 100 == 70;
      auto entry = prior.find(path_of(i) + (is_new ? ".1" : ""));
      if (entry) {
        ++found;
        REQUIRE(entry->map[0].ref == 1);
      }
      writer.add(entry ? *entry : entry_of(i));
    }
    CHECK(found == kFiles / 100 * 98);
    CHECK(prior.packs().size() == kFiles / 20'000);
    writer.finish();
  });
}

TEST_CASE("what a restore keeps of a million files in fifty million pieces", "[.million]") {
  constexpr std::uint32_t kPieces = 50;  // of each file
  repo::ManifestEntry entry;
  entry.size_bytes = kPieces * std::uint64_t{postgres::kPageBytes};
  entry.mode = 0600;
  measured("restore's list", [&] {
    RestoreBatch batch(RestoreOptions{}.batch_bytes);
    std::uint64_t handed_out = 0;
    std::uint32_t batches = 0;
    const auto work_off = [&] {
      for (const auto parts : batch.by_pack()) handed_out += parts.size();
      batch.clear();
      ++batches;
    };
    for (std::uint32_t i = 0; i < kFiles; ++i) {
      entry.path = path_of(i);
      entry.map.clear();
      for (std::uint32_t piece = 0; piece < kPieces; ++piece) {
        entry.map.push_back(
            {postgres::kPageBytes, piece % 30, (i + piece * 977) % 4000, i % 1000, 0});
      }
      batch.add(entry, 0600);
      if (batch.full()) work_off();
    }
    work_off();
    CHECK(handed_out == std::uint64_t{kFiles} * kPieces);
    std::cout << "batches: " << batches << "\n";
  });
}

TEST_CASE("what verify, expire and the plan of a restore keep of a hundred thousand packs",
          "[.million]") {
  constexpr std::uint32_t kPacks = 100'000;  // 1.5 TiB of packs in their usual size
  TempDir folder;
  repo::Repository repository("million", storage::make_posix(folder.path()));
  SmallCluster small;
  small.store(repository);
  repo::BackupMarker info = small.info;
  info.label = "20261122-010203F";
  info.start_time += std::chrono::hours(24);
  info.stop_time += std::chrono::hours(24);
  repo::ManifestHeader header;
  header.label = info.label;
  header.refs = {{info.label, 128 * kKiB}};
  header.user = header.group = "nobody";
  repo::ManifestWriter writer(repository.driver(), repository.seal_context(), "main", header);
  for (std::uint32_t pack = 0; pack < kPacks; ++pack) {
    repo::ManifestEntry entry = entry_of(pack);
    entry.user = entry.group = "nobody";
    entry.map = {{postgres::kPageBytes, 0, pack, 0, 0}};
    writer.add(entry);
    repository.driver().put(repo::pack_key("main", info.label, pack), as_bytes("some pack"),
                            storage::IfExists::fail);
  }
  for (std::uint32_t pack = 0; pack < kPacks; ++pack) writer.add({0, pack, 9, 4, 5});
  info.manifest_parts = writer.finish();
  info.manifest_seals = writer.seals();
  info.packs = {{info.label, 0, kPacks - 1}};
  repository.write_marker("main", info);

  NoProgress progress;
  measured("nothing", [] {});
  measured("verify, quick", [&] {
    VerifyOptions options;
    options.record = false;
    const auto result = verify("main", std::span(&repository, 1), options, progress, {});
    CHECK(result.repositories[0].error.empty());
    CHECK(result.repositories[0].damages.empty());
  });
  measured("expire, dry run", [&] {
    ExpireOptions options;
    options.policy.keep_last = 1;
    options.dry_run = true;
    CHECK(expire("main", repository, options, progress, {}).plan.backups.size() == 2);
  });
  measured("plan of a restore", [&] {
    RestoreOptions options;
    options.target = RestoreType::immediate;
    TempDir target;
    const RestorePlan plan = plan_restore({"main", target / "data", {}}, std::span(&repository, 1),
                                          options, progress, {});
    CHECK(plan.packs.size() == kPacks);
  });
}
