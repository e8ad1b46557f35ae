#include "engine/copier.hpp"

#include "support/repository.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>

#include <latch>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr Lsn kPriorStart{0x1000};
constexpr Lsn kStart{0x2000};
constexpr Lsn kBetween{0x1800};
constexpr std::uint32_t kFrame = 65536;
constexpr std::uint64_t kPage = postgres::kPageBytes;
const std::string kNext = "20261121-010203F_20261122-010203I";

std::string page(char content, Lsn lsn) {
  std::string bytes(kPage, content);
  const std::uint32_t halves[] = {static_cast<std::uint32_t>(lsn.value >> 32),
                                  static_cast<std::uint32_t>(lsn.value)};
  std::memcpy(bytes.data(), halves, sizeof halves);
  return bytes;
}

std::string pages(int count, Lsn lsn) {
  std::string all;
  for (int i = 0; i < count; ++i) all += page(static_cast<char>('a' + i % 26), lsn);
  return all;
}

/// A cluster of a few files, and the backups of it.
class Cluster {
 public:
  void write(const std::string& path, std::string_view content) {
    write_file_atomically(root_ / path, as_bytes(content));
  }
  void truncate(const std::string& path) { fs::resize_file(root_ / path, 0); }

  postgres::SourceFile source(const std::string& path) const {
    postgres::SourceFile file;
    file.path = path;
    file.source = root_ / path;
    file.size_bytes = fs::file_size(file.source);
    file.relation = postgres::parse_relation_file(path);
    return file;
  }

  /// The first backup, of these files.
  void full(const std::vector<std::string>& paths) {
    repo::BackupInfo info = sample_backup();
    info.start_lsn = kPriorStart;
    const std::vector<repo::ManifestRef> refs = {{info.label, kFrame}};
    repo::ManifestHeader header;
    header.label = info.label;
    header.refs = refs;
    repo::ManifestWriter manifest(memory_.repository.driver(), memory_.repository.id(), "main",
                                  header);
    PackStore store(memory_.repository, "main", info.label, kMiB);
    copy(store, {compress::CodecId::none, 0, refs, nullptr}, progress_, [&](Copier& copier) {
      const auto emit = [&](CopiedFile&& file) { manifest.add(file.entry); };
      for (const std::string& path : paths) copier.add(source(path), {}, emit);
      copier.finish(emit);
    });
    info.packs.clear();
    for (const repo::ManifestPack& pack : store.stored()) {
      manifest.add(pack);
      info.packs.push_back({info.label, pack.pack, pack.pack});
    }
    info.manifest_parts = manifest.finish();
    info_ = info;
  }

  /// What the next backup has of a file in which no page is marked and all are sampled. `meanwhile`
  /// happens when the file has been opened and before any page of it is read.
  std::string next(
      const postgres::SourceFile& file, const std::function<void()>& meanwhile = [] {}) {
    PriorBackup prior(memory_.repository, "main", info_);
    PackStore store(memory_.repository, "main", kNext, kMiB);
    const std::vector<repo::ManifestRef> refs = prior.refs(kNext, kFrame);
    // The only thread is held up by another file.
    write("1", pages(16, kPriorStart));
    struct : NoProgress {
      void advance(std::uint64_t) override { opened.wait(); }
      std::latch opened{1};
    } progress;
    repo::ManifestEntry entry;
    copy(store, {compress::CodecId::none, 0, refs, &prior}, progress, [&](Copier& copier) {
      const auto emit = [&](CopiedFile&& copied) { entry = std::move(copied.entry); };
      copier.add(source("1"), {}, emit);
      FilePlan plan = plan_file(file, prior.find(file.path), [](auto&) { return FileChange{}; });
      REQUIRE(plan.how == FilePlan::How::blocks);
      for (std::uint32_t i = 0; i < file.size_bytes / kPage; ++i) plan.samples.push_back(i);
      copier.add(postgres::SourceFile(file), std::move(plan), emit);
      meanwhile();
      progress.opened.count_down();
      copier.finish(emit);
    });
    return read_mapped(*memory_.store, memory_.repository.id(), "main", refs, entry.map);
  }

 private:
  void copy(PackStore& store, CopySettings settings, Progress& progress,
            const std::function<void(Copier&)>& work) {
    PageRules rules(false, kStart, [] { return Lsn{UINT64_MAX}; });
    rules.set_prior_start(kPriorStart);
    Copier copier(store, rules, std::move(settings), progress);
    Workers workers({});
    store.start(workers, 1);
    copier.start(workers, 1);
    try {
      work(copier);
      store.close();
    } catch (...) {
      workers.fail(std::current_exception());
    }
    workers.join();
  }

  TempDir root_;
  MemoryRepository memory_;
  NoProgress progress_;
  repo::BackupInfo info_;
};

}  // namespace

TEST_CASE("a sampled page that changed without a mark raises the alarm, unless it is explained") {
  const struct {
    const char* what;
    Lsn lsn;
    bool alarm;
  } cases[] = {
      {"changed by WAL between the two starts", kBetween, true},
      {"by the last record before this backup's start", kStart, true},
      {"by the first record after the older one's start", {kPriorStart.value + 1}, true},
      {"not by WAL since the older backup (hint bits)", kPriorStart, false},
      {"after this backup's start: replay brings it", {kStart.value + 1}, false},
  };
  for (const auto& one : cases) {
    INFO(one.what);
    Cluster cluster;
    cluster.write("16384", pages(20, {0x900}));
    cluster.full({"16384"});
    const auto change = [&] {
      cluster.write("16384", pages(13, {0x900}) + page('Z', one.lsn) + pages(6, {0x900}));
    };
    change();
    if (one.alarm) {
      CHECK_THROWS_AS(cluster.next(cluster.source("16384")), MarksDoubted);
    } else {
      CHECK_NOTHROW(cluster.next(cluster.source("16384")));
    }
  }
}

TEST_CASE("a file that is cut off while its samples are read raises no alarm") {
  // As DROP TABLE and TRUNCATE do after their commit: the file is emptied, and removed later.
  Cluster cluster;
  cluster.write("16384", pages(20, {0x900}));
  cluster.full({"16384"});
  CHECK_NOTHROW(cluster.next(cluster.source("16384"), [&] { cluster.truncate("16384"); }));
}

TEST_CASE(
    "pages that a file has got since it was listed are read, though the older backup has such") {
  // The older backup has them from before the file was cut off.
  Cluster cluster;
  cluster.write("16384", pages(30, {0x900}));
  cluster.full({"16384"});
  cluster.write("16384", pages(20, {0x900}));
  const postgres::SourceFile listed = cluster.source("16384");
  const std::string grown = pages(20, {0x900}) + page('Y', {kStart.value + 1});
  cluster.write("16384", grown);
  CHECK(cluster.next(listed) == grown);
}
