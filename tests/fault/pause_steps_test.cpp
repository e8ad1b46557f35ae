#include "engine/backup/pack_writer.hpp"
#include "engine/backup/publish.hpp"
#include "support/made_stanza.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/expire/hold.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>

#include <atomic>
#include <map>
#include <mutex>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;
using namespace std::chrono_literals;

// A run that is suspended for an hour between any two of its requests (SIGSTOP, a virtual machine's
// snapshot), while another host takes its lease over and does something else.

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;
using Backups = std::map<std::string, Files>;

const std::string kFirst = "20261101-010203F";
const std::string kSecond = "20261102-010203F";
const std::string kPaused = "20261103-010203F";
const std::string kLater = "20261104-010203F";

Files made_files(std::uint64_t seed) {
  Random random(seed);
  Files files;
  for (int i = 0; i < 4; ++i)
    files.emplace_back("base/" + std::to_string(10 + i), row_bytes(random, 20'000));
  return files;
}

const Backups& backups() {
  static const Backups made = {{kFirst, made_files(1)},
                               {kSecond, made_files(2)},
                               {kPaused, made_files(3)},
                               {kLater, made_files(4)}};
  return made;
}

/// What `backup` does to a repository, without a server.
void back_up(repo::Repository& repository, const std::string& label) {
  repo::Lease lease(repository, "main", "backup");
  repo::BackupMarker info = sample_backup(label);
  info.start_time = info.stop_time = *parse_utc(label.substr(0, 4) + "-" + label.substr(4, 2) +
                                                "-" + label.substr(6, 2) + "T01:02:03Z");
  info.packs.clear();
  repo::ManifestHeader header;
  header.label = info.label;
  header.refs = {{info.label, 65536}};
  repo::ManifestWriter manifest(repository.driver(), repository.seal_context(), "main", header);
  engine::PackWriter store(repository, "main", info.label, 25'000);
  Workers workers({});
  store.start(workers, 1);
  try {
    engine::FrameFiller filler(store, compress::CodecId::lz4, 1, 65536);
    for (const auto& [path, content] : backups().at(label)) {
      repo::ManifestEntry entry;
      entry.path = path;
      entry.size_bytes = content.size();
      filler.add(path, 0, as_bytes(content), entry.map);
      manifest.add(entry);
    }
    filler.finish();
    store.close();
  } catch (...) {
    workers.fail(std::current_exception());
  }
  workers.join();
  for (const repo::ManifestPack& pack : store.stored()) {
    manifest.add(pack);
    info.packs.push_back({info.label, pack.pack, pack.pack});
  }
  info.manifest_parts = manifest.finish();
  engine::publish(
      repository, "main", info, [&] { lease.check(); },
      [&] { repository.write_marker("main", info); });
}

void expire(repo::Repository& repository) {
  engine::ExpireOptions options;
  options.policy.keep_last = 1;
  options.allow_mass_removal = true;  // of three backups one is to stay
  options.when = *parse_utc("2026-12-24T00:00:00Z");
  engine::NoProgress progress;
  engine::expire("main", repository, options, progress, {});
}

/// Makes the last document of the log look as if the process that wrote it had ended.
void declare_dead(storage::Driver& store, const repo::SealContext& seal_context) {
  const std::vector<std::string> log = keys(store, "lease/main/");
  if (log.empty()) return;
  std::string json = *repo::get_document(store, seal_context, log.back());
  const std::string member = "\"pid-started\":";
  json.insert(json.find(member) + member.size(), "1");
  store.remove({&log.back(), 1});
  repo::put_document(store, seal_context, log.back(), json, storage::IfExists::fail);
}

struct Scene {
  Scene() {
    host.add_cluster("main", MadeStanza::kCluster);
    back_up(host, kFirst);
    back_up(host, kSecond);
  }

  /// Before the fence is asked, or after it, when the request is as good as sent.
  enum class Where { before, sending };

  /// Runs `paused` and, before its request `n`, stops it for an hour, in which `meanwhile` runs.
  /// True when there was such a request.
  template <class Paused, class Meanwhile>
  bool run(int n, const Paused& paused, const Meanwhile& meanwhile, Where where = Where::before) {
    std::atomic<std::int64_t> suspended = 0;
    const auto fence = std::make_shared<storage::Fence>(
        [&] { return storage::time_since_boot() + std::chrono::hours(suspended.load()); });
    std::mutex mutex;
    int count = 0;
    bool done = false;
    const storage::Fault sleep = [&](std::string_view operation, std::string_view key) {
      std::lock_guard lock(mutex);
      if (count++ != n) return;
      at = std::string(operation) + " " + std::string(key);
      declare_dead(*memory.store, memory.repository.seal_context());
      meanwhile(host);
      suspended = 1;
      done = true;
    };
    auto inner = shared(*memory.store, {where == Where::sending ? sleep : storage::Fault{}, {}});
    auto driver = storage::with_fence(std::move(inner), fence, repo::needs_lease);
    if (where == Where::before) driver = storage::with_faults(std::move(driver), sleep);
    repo::Repository repository("paused", std::move(driver), {}, fence);
    repository.open();
    try {
      paused(repository);
      failed = false;
    } catch (const Error&) {
      failed = true;
    }
    return done;
  }

  /// Whatever is listed is whole.
  std::vector<std::string> check_listed() {
    const auto labels = memory.repository.backup_labels("main");
    for (const std::string& label : labels) {
      INFO(label);
      CHECK((read_whole_backup(memory.repository, "main", label) == backups().at(label)));
    }
    return labels;
  }

  MemoryRepository memory;
  repo::Repository host = memory.client();
  std::string at;
  bool failed = false;
};

bool contains(const std::vector<std::string>& labels, const std::string& label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

}  // namespace

TEST_CASE("a backup that was suspended lists nothing that another run has removed meanwhile") {
  const auto where = GENERATE(Scene::Where::before, Scene::Where::sending);
  int lost = 0;
  for (int n = 0;; ++n) {
    REQUIRE(n < 1000);
    Scene scene;
    const bool paused = scene.run(
        n, [](repo::Repository& repository) { back_up(repository, kPaused); },
        [](repo::Repository& host) {
          back_up(host, kLater);
          expire(host);
        },
        where);
    INFO("suspended before request " << n << ": " << scene.at);
    const auto labels = scene.check_listed();
    if (paused) CHECK(contains(labels, kLater));
    lost += paused && scene.failed && !contains(labels, kPaused) ? 1 : 0;
    if (!paused) {
      CHECK(contains(labels, kPaused));
      break;
    }
  }
  CHECK(lost > 10);
}

TEST_CASE("an expire that was suspended removes nothing that was promised meanwhile") {
  int kept = 0;
  for (int n = 0;; ++n) {
    REQUIRE(n < 1000);
    Scene scene;
    back_up(scene.host, kPaused);
    std::vector<std::string> promised;
    const bool paused = scene.run(n, expire, [&](repo::Repository& host) {
      { repo::Lease other(host, "main", "backup"); }
      for (const std::string& label : {kFirst, kSecond}) {
        try {
          engine::hold_backup("main", {&host, 1}, {label, "audit", {}});
          promised.push_back(label);
        } catch (const MissingError&) {
          // Removed before.
        }
      }
    });
    INFO("suspended before request " << n << ": " << scene.at);
    const auto labels = scene.check_listed();
    for (const std::string& label : promised) CHECK(contains(labels, label));
    kept += promised.empty() ? 0 : 1;
    if (!paused) {
      CHECK(labels == std::vector{kPaused});
      break;
    }
  }
  CHECK(kept > 5);
}

TEST_CASE("a stanza-delete that was suspended removes nothing that was promised meanwhile") {
  int kept = 0;
  for (int n = 0;; ++n) {
    REQUIRE(n < 1000);
    Scene scene;
    std::vector<std::string> promised;
    const bool paused = scene.run(
        n,
        [](repo::Repository& repository) {
          engine::delete_stanza("main", {&repository, 1}, {});
        },
        [&](repo::Repository& host) {
          { repo::Lease other(host, "main", "backup"); }
          try {
            engine::hold_backup("main", {&host, 1}, {kFirst, "audit", {}});
            promised.push_back(kFirst);
          } catch (const MissingError&) {
          }
        });
    INFO("suspended before request " << n << ": " << scene.at);
    const auto labels = scene.check_listed();
    for (const std::string& label : promised) CHECK(contains(labels, label));
    kept += promised.empty() ? 0 : 1;
    if (!paused) {
      CHECK(keys(*scene.memory.store, "main/").empty());
      break;
    }
  }
  CHECK(kept > 3);
}

TEST_CASE("a hold is promised or seen, whenever it comes while a stanza is deleted") {
  for (int n = 0;; ++n) {
    REQUIRE(n < 1000);
    Scene scene;
    std::mutex mutex;
    int count = 0;
    bool came = false;
    bool promised = false;
    repo::Repository repository = scene.memory.client(
        {[&](std::string_view, std::string_view) {
           std::lock_guard lock(mutex);
           if (count++ != n) return;
           came = true;
           try {
             engine::hold_backup("main", {&scene.host, 1}, {kSecond, "audit", {}});
             promised = true;
           } catch (const Error&) {
           }
         },
         {}});
    try {
      engine::delete_stanza("main", {&repository, 1}, {});
    } catch (const LockedError&) {
      CHECK(came);
    }
    INFO("held before request " << n);
    if (promised) CHECK(contains(scene.check_listed(), kSecond));
    if (!came) break;
  }
}
