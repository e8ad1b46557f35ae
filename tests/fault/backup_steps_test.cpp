#include "engine/backup/backup_writer.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>

#include <map>
#include <mutex>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

Files made_files() {
  Random random(seed());
  Files files;
  for (int i = 0; i < 12; ++i)
    files.emplace_back("base/" + std::to_string(10 + i), row_bytes(random, below(random, 200'000)));
  return files;
}

/// What `backup` does to a repository, without a server: lease, packs, manifest, check, marker.
void back_up(repo::Repository& repository, const Files& files) {
  repository.create();
  repository.add_cluster("main", {7412345678901234567, 15});
  engine::Targets targets({&repository, 1});
  const engine::Leases leases(targets, "main", [] { return repo::LeaseProgress(); }, {});
  repo::BackupMarker info = sample_backup();
  repo::ManifestHeader header;
  header.label = info.label;
  header.refs = {{info.label, 65536}};
  engine::BackupWriter writer(targets, repository, "main", header,
                              engine::PackReferences(header.refs), 50'000);
  engine::PackWriter& store = writer.packs();
  Workers workers({});
  store.start(workers, 1);
  try {
    engine::FrameFiller filler(store, compress::CodecId::lz4, 1, 65536);
    for (const auto& [path, content] : files) {
      repo::ManifestEntry entry;
      entry.path = path;
      entry.size_bytes = content.size();
      filler.add(path, 0, as_bytes(content), entry.map);
      writer.add(entry);
    }
    filler.finish();
    store.close();
  } catch (...) {
    workers.fail(std::current_exception());
  }
  workers.join();
  writer.finish({}, info);
  writer.publish(leases, info);
}

/// Whatever is listed is whole; true when something is.
bool listed_and_whole(storage::Driver& driver, const Files& files) {
  repo::Repository repository("reader", shared(driver));
  try {
    repository.open();
  } catch (const MissingError&) {
    return false;
  }
  const auto labels = repository.backup_labels("main");
  for (const std::string& label : labels)
    CHECK((read_whole_backup(repository, "main", label) == files));
  return !labels.empty();
}

/// Operation `n` of a backup fails, before it is done or after.
struct Failure {
  enum class How { refused, unanswered };

  Hooks hooks() {
    Hooks hooks;
    hooks.before = [this](std::string_view operation, std::string_view key) {
      std::lock_guard lock(mutex);
      if (how == How::refused) fail(operation, key);
    };
    hooks.after = [this](std::string_view operation, std::string_view key) {
      std::lock_guard lock(mutex);
      const bool marker = operation == "put" && key.starts_with(repo::marker_prefix("main"));
      if (marker) marker_stored = true;
      if (how == How::unanswered) fail(operation, key);
      if (marker) marker_answered = true;
    };
    return hooks;
  }

  void fail(std::string_view operation, std::string_view key) {
    if (count++ != n) return;
    failed = std::string(operation) + " " + std::string(key);
    throw Error("no space left on device");
  }

  How how;
  int n;
  std::mutex mutex{};
  int count = 0;
  std::string failed{};
  bool marker_stored = false;
  bool marker_answered = false;
};

}  // namespace

TEST_CASE("a backup is listed when its marker is stored, whichever operation fails") {
  const Files files = made_files();
  for (const auto how : {Failure::How::refused, Failure::How::unanswered}) {
    for (int n = 0;; ++n) {
      REQUIRE(n < 1000);
      const auto store = storage::make_memory();
      Failure failure{how, n};
      repo::Repository repository("faulty", shared(*store, failure.hooks()));
      const std::string error = error_of([&] { back_up(repository, files); });
      INFO("operation " << n << ": " << failure.failed);
      CHECK(listed_and_whole(*store, files) == failure.marker_stored);
      if (error.empty()) CHECK(failure.marker_stored);
      if (!error.empty() && failure.marker_answered) CHECK_THAT(error, Says({"may be listed"}));
      if (failure.failed.empty()) {
        CHECK(error.empty());
        CHECK(n > 15);
        break;
      }
    }
  }
}

TEST_CASE(
    "a process that dies at any operation leaves a directory where nothing half-made is listed") {
  const Files files = made_files();
  for (int n = 0;; ++n) {
    REQUIRE(n < 1000);
    const TempDir directory(TempDir::Where::memory);
    const auto root = directory / "repo";
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
        back_up(repository, files);
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("died at operation " << n);
    const auto driver = storage::make_posix(root);
    const bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    // A run that dies with its marker written, before its lease is given back, has made a backup.
    const bool listed = listed_and_whole(*driver, files);
    if (done) {
      CHECK(listed);
      CHECK(n > 15);
      break;
    }
    REQUIRE(WIFSIGNALED(status));
    // The lease of the dead is no hindrance on this host.
    if (!listed) {
      repo::Repository again("again", storage::make_posix(root));
      again.create();
      CHECK_NOTHROW(repo::Lease(again, "main", "backup"));
    }
  }
}
