#include "engine/backup/pack_writer.hpp"
#include "support/made_stanza.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/records.hpp>

#include <filesystem>
#include <map>
#include <mutex>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::test;
using repo::BackupType;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;
using Backups = std::map<std::string, Files>;  // by label: what a restore must give

const Timestamp kFirst = parse_utc("2026-11-01T00:00:00Z").value();
constexpr auto kDay = std::chrono::hours(24);

/// Stores a backup whose files, from the second on, are those of `prior`, named where they are.
repo::BackupMarker back_up(repo::Repository& repository, MadeStanza& stanza, int day,
                           const std::optional<repo::BackupMarker>& prior, const Files& files) {
  repo::BackupMarker info = stanza.backup(prior ? BackupType::incremental : BackupType::full,
                                          prior ? prior->label : "", kFirst + day * kDay);
  repo::ManifestHeader header;
  header.label = info.label;
  header.refs = {{info.label, 65536}};
  std::map<std::string, repo::ManifestEntry> known;
  std::vector<repo::ManifestPack> named;
  if (prior) {
    repo::ManifestReader reader(repository.driver(), repository.seal_context(), "main",
                                prior->label, prior->manifest_parts);
    while (const auto entry = reader.next()) known[entry->path] = *entry;
    header.refs.push_back(reader.header().refs.front());
    for (repo::ManifestPack pack : reader.packs()) {
      pack.ref = 1;
      named.push_back(pack);
    }
  }
  repo::ManifestWriter manifest(repository.driver(), repository.seal_context(), "main", header);
  engine::PackWriter store(repository, "main", info.label, 50'000);
  Workers workers({});
  store.start(workers, 1);
  engine::FrameFiller filler(store, compress::CodecId::lz4, 1, 65536);
  for (const auto& [path, content] : files) {
    repo::ManifestEntry entry = known.contains(path) ? known[path] : repo::ManifestEntry();
    entry.path = path;
    entry.size_bytes = content.size();
    for (repo::Extent& extent : entry.map) extent.ref = 1;
    if (!known.contains(path)) filler.add(path, 0, as_bytes(content), entry.map);
    manifest.add(entry);
  }
  filler.finish();
  store.close();
  workers.join();
  for (const repo::ManifestPack& pack : store.stored()) {
    manifest.add(pack);
    info.packs.push_back({info.label, pack.pack, pack.pack});
  }
  for (const repo::ManifestPack& pack : named) {
    manifest.add(pack);
    info.packs.push_back({prior->label, pack.pack, pack.pack});
  }
  info.manifest_parts = manifest.finish();
  const auto segment = static_cast<std::uint64_t>(day * 2 + 1);
  stanza.set_wal(info, 1, segment, segment + 1);
  for (std::uint64_t n = segment; n < segment + 2; ++n) stanza.put_wal(1, n);
  stanza.list(info);
  return info;
}

/// A full backup and a held incremental on it, an interrupted one, and three full ones. The held
/// one and the newest will stay, with what they name of the first.
Backups fill(repo::Repository& repository) {
  Random random(7);
  const auto files = [&](int first, int last) {
    Files some;
    for (int i = first; i < last; ++i)
      some.emplace_back("base/" + std::to_string(10 + i), row_bytes(random, 60'000));
    return some;
  };
  MadeStanza stanza(repository);
  Backups backups;
  const Files base = files(0, 4);
  const repo::BackupMarker first = back_up(repository, stanza, 0, std::nullopt, base);
  backups[first.label] = base;
  Files later = base;
  for (auto& file : files(4, 6)) later.push_back(file);
  const std::string held = back_up(repository, stanza, 1, first, later).label;
  backups[held] = later;
  repo::add_record(repository, "main", repo::HoldRecord{held, "audit", {}});
  stanza.put_data(repo::full_backup_label(kFirst + 36 * std::chrono::hours(1)), 2);
  for (int day = 2; day < 5; ++day) {
    const Files own = files(0, 3);
    const repo::BackupMarker info = back_up(repository, stanza, day, std::nullopt, own);
    backups[info.label] = own;
    repo::add_record(repository, "main", repo::AnnotationRecord{info.label, "day", "full"});
  }
  return backups;
}

engine::ExpireOptions options() {
  engine::ExpireOptions options;
  options.allow_mass_removal = true;
  options.policy.keep_last = 1;
  options.policy.archive = 1;
  options.when = kFirst + 30 * kDay;
  return options;
}

void expire(repo::Repository& repository) {
  engine::NoProgress progress;
  engine::expire("main", repository, options(), progress, {});
}

/// Whatever is listed can be restored, with its WAL; how many are.
std::size_t check_listed(storage::Driver& driver, const Backups& backups) {
  repo::Repository repository("reader", shared(driver));
  repository.open();
  const auto labels = repository.backup_labels("main");
  for (const std::string& label : labels) {
    CHECK((read_whole_backup(repository, "main", label) == backups.at(label)));
    const repo::BackupMarker info = repository.read_marker("main", label);
    for (const std::string& segment : {info.wal_start, info.wal_stop})
      CHECK(repository.has_wal("main", MadeStanza::kCluster, segment));
  }
  return labels.size();
}

std::vector<std::string> without_leases(storage::Driver& driver) {
  std::vector<std::string> all = keys(driver);
  std::erase_if(all, [](const std::string& key) { return key.starts_with("lease/"); });
  return all;
}

/// The same of every run: records have names of their own.
std::vector<std::string> end_of(storage::Driver& driver) {
  std::vector<std::string> all = without_leases(driver);
  for (std::string& key : all) {
    if (key.starts_with("record/")) key = key.find("-hold-") != key.npos ? "hold" : "note";
  }
  return all;
}

}  // namespace

TEST_CASE(
    "whichever operation of an expire fails, what is listed is whole, and the next finishes") {
  std::vector<std::string> end;
  enum class How { refused, unanswered };
  for (const How how : {How::refused, How::unanswered}) {
    for (int n = 0;; ++n) {
      REQUIRE(n < 2000);
      const auto store = storage::make_memory();
      repo::Repository writer("writer", shared(*store));
      const Backups backups = fill(writer);
      std::mutex mutex;
      int count = 0;
      std::string failed;
      const auto fail = [&](std::string_view operation, std::string_view key) {
        std::lock_guard lock(mutex);
        if (count++ != n) return;
        failed = std::string(operation) + " " + std::string(key);
        throw Error("the store is gone");
      };
      {
        // Each key of a remove by itself: some go, one fails.
        auto inner = shared(*store, {{}, how == How::unanswered ? fail : storage::Fault{}});
        if (how == How::refused) inner = storage::with_faults(std::move(inner), fail);
        repo::Repository faulty("faulty", std::move(inner));
        try {
          expire(faulty);
        } catch (const Error&) {
          CHECK_FALSE(failed.empty());
        }
      }
      INFO("operation " << n << ": " << failed);
      CHECK(check_listed(*store, backups) >= 2);
      // A lease that could not be given back runs out: this process lives on.
      store->remove(keys(*store, "lease/"));
      repo::Repository again("again", shared(*store));
      expire(again);
      CHECK(check_listed(*store, backups) == 2);
      if (end.empty()) end = end_of(*store);
      CHECK(end_of(*store) == end);
      if (failed.empty()) {
        CHECK(n > 25);
        break;
      }
    }
  }
  CHECK(end.size() > 10);
}

TEST_CASE(
    "a process that dies at any operation of an expire leaves work that the next one finishes") {
  const TempDir original(TempDir::Where::memory);
  Backups backups;
  {
    repo::Repository writer("writer", storage::make_posix(original / "repo"));
    backups = fill(writer);
  }
  std::vector<std::string> end;
  std::size_t most_listed = 0;
  std::size_t fewest_listed = 100;
  for (int n = 0;; ++n) {
    REQUIRE(n < 2000);
    const TempDir directory(TempDir::Where::memory);
    const auto root = directory / "repo";
    std::filesystem::copy(original / "repo", root, std::filesystem::copy_options::recursive);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::mutex mutex;
      int count = 0;
      repo::Repository repository(
          "dying",
          storage::with_faults(storage::make_posix(root), [&](std::string_view, std::string_view) {
            std::lock_guard lock(mutex);
            if (count++ == n) ::kill(::getpid(), SIGKILL);
          }));
      try {
        expire(repository);
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("died at operation " << n);
    const auto driver = storage::make_posix(root);
    const std::size_t listed = check_listed(*driver, backups);
    most_listed = std::max(most_listed, listed);
    fewest_listed = std::min(fewest_listed, listed);
    const bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    REQUIRE((done || WIFSIGNALED(status)));
    // The lease of the dead is no hindrance on this host.
    repo::Repository again("again", storage::make_posix(root));
    expire(again);
    CHECK(check_listed(*driver, backups) == 2);
    if (end.empty()) end = end_of(*driver);
    CHECK(end_of(*driver) == end);
    if (done) {
      CHECK(n > 25);
      break;
    }
  }
  CHECK(most_listed == 5);
  CHECK(fewest_listed == 2);
}
