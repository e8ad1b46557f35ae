#include "engine/backup/copier.hpp"

#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/rounds.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <latch>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr std::uint32_t kFrameBytes = 128 * kKiB;
constexpr std::size_t kPage = postgres::kPageBytes;
constexpr Lsn kStart{0x7000000};
const std::string kPath = "base/5/16384";
const std::string kLater = "20261121-010203F_20261122-010203I";

std::string page(char content, Lsn lsn) {
  std::string bytes(kPage, content);
  const std::uint32_t halves[] = {static_cast<std::uint32_t>(lsn.value >> 32),
                                  static_cast<std::uint32_t>(lsn.value)};
  std::memcpy(bytes.data(), halves, sizeof halves);
  return bytes;
}

/// Holds threads up in what they do first until the latch is open.
struct Held : NoProgress {
  void advance(std::uint64_t) override { open.wait(); }
  std::latch open{1};
};

/// A cluster of one table, backed up again and again.
struct OneTable {
  MemoryRepository memory;
  TempDir folder{TempDir::Where::memory};
  std::filesystem::path file = folder / "16384";
  std::function<void()> before_finish;
  bool sample_all = false;
  std::function<void()> when_opened;   // before anything of the table is read
  std::vector<std::string> leftovers;  // labels of interrupted backups that the next one takes over

  void write(const std::string& content) { write_file_atomically(file, as_bytes(content)); }

  postgres::SourceFile listed(std::uint64_t blocks) const {
    postgres::SourceFile source;
    source.path = kPath;
    source.source = file;
    source.size_bytes = blocks * kPage;
    source.mode = 0600;
    source.relation = postgres::RelationFile{16384, postgres::RelationFile::Fork::main, 0};
    return source;
  }

  repo::BackupMarker back_up(const std::string& label, postgres::SourceFile source,
                             const repo::BackupMarker* older, const ChangeOf& change_of) {
    std::unique_ptr<PriorBackup> prior;
    if (older) prior = std::make_unique<PriorBackup>(memory.repository, "main", *older);
    auto refs = prior ? prior->refs(label, kFrameBytes)
                      : std::vector<repo::ManifestRef>{{label, kFrameBytes}};
    InterruptedBackups left(memory.repository, "main", leftovers,
                            static_cast<std::uint32_t>(refs.size()), kFrameBytes);
    refs.insert(refs.end(), left.refs().begin(), left.refs().end());
    repo::ManifestHeader header;
    header.label = label;
    header.refs = refs;
    repo::ManifestWriter manifest(memory.repository.driver(), memory.repository.seal_context(),
                                  "main", header);
    PageRules rules(false, kStart, [] { return kStart; });
    if (older) rules.set_prior_start(older->start_lsn);
    Held progress;
    PackWriter store(memory.repository, "main", label, 1 * kMiB);
    Copier copier(store, rules, {compress::CodecId::zst, 1, refs, prior.get()}, progress);
    const auto emit = [&](CopiedFile&& copied) { manifest.add(copied.entry); };
    Workers workers({});
    store.start(workers, 1);
    copier.start(workers, when_opened ? 1 : 2);
    if (when_opened)
      copier.add(holding_up(), {}, emit);
    else
      progress.open.count_down();
    FilePlan plan;
    if (prior) plan = plan_file(source, prior->find(source.path), change_of);
    for (std::uint32_t i = 0; sample_all && prior && i < source.size_bytes / kPage; ++i)
      plan.samples.push_back(i);
    plan.stored = left.take(source.path);
    copier.add(std::move(source), std::move(plan), emit);
    if (when_opened) {
      when_opened();
      progress.open.count_down();
    }
    try {
      if (before_finish) before_finish();
      copier.finish(emit);
      store.close();
    } catch (...) {
      workers.fail(std::current_exception());
    }
    workers.join();

    repo::BackupMarker info = sample_backup(label);
    info.packs.clear();
    std::vector<repo::ManifestPack> packs = store.stored();
    if (prior) {
      const auto older_packs = prior->packs();
      packs.insert(packs.end(), older_packs.begin(), older_packs.end());
    }
    const auto left_packs = left.packs();
    packs.insert(packs.end(), left_packs.begin(), left_packs.end());
    for (const repo::ManifestPack& pack : packs) {
      manifest.add(pack);
      info.packs.push_back({refs[pack.ref].backup, pack.pack, pack.pack});
    }
    info.manifest_parts = manifest.finish();
    memory.repository.write_marker("main", info);
    return info;
  }

  /// A file that comes before the table and keeps a thread busy.
  postgres::SourceFile holding_up() const {
    write_file_atomically(folder / "1", as_bytes(std::string(2 * kFrameBytes, '1')));
    postgres::SourceFile source = listed(2 * kFrameBytes / kPage);
    source.path = "base/5/1";
    source.source = folder / "1";
    return source;
  }

  /// What a backup that dies leaves of some blocks: packs.
  void interrupted(const std::string& label, const std::string& all,
                   const std::vector<std::uint32_t>& blocks) {
    PackWriter store(memory.repository, "main", label, 300'000);
    Workers workers({});
    store.start(workers, 1);
    FrameFiller filler(store, compress::CodecId::lz4, 1, kFrameBytes);
    std::vector<repo::Extent> map;
    for (const std::uint32_t block : blocks)
      filler.add(kPath, block * kPage, as_bytes(all).subspan(block * kPage, kPage), map);
    filler.finish();
    store.close();
    workers.join();
  }

  /// Blocks of the table that the backup's own packs hold.
  std::size_t own_blocks(const std::string& label) {
    std::size_t count = 0;
    for (const std::string& key : keys(*memory.store, repo::pack_prefix("main", label))) {
      const std::string body = object(*memory.store, key);
      const auto index =
          repo::PackIndex::parse(as_bytes(body), memory.repository.seal_context(), key);
      for (std::uint32_t i = 0; i < index.frames(); ++i) count += index.raw_bytes(i) / kPage;
    }
    return count;
  }

  std::string content(const std::string& label) {
    return read_whole_backup(memory.repository, "main", label).at(0).second;
  }
};

}  // namespace

TEST_CASE(
    "blocks that a file gained after it was listed are read, also where the older backup has "
    "such blocks") {
  // Cut off to 10 blocks, which summaries tell; listed; then extended by empty pages, which are in
  // no WAL: nothing but the file itself says that they are empty.
  const std::uint64_t then = GENERATE(12, 200);
  const std::uint64_t now = then - 1;
  Random random(seed());
  OneTable table;
  const std::string before = row_bytes(random, then * kPage);
  table.write(before);
  const auto full = table.back_up(std::string(kLabel), table.listed(then), nullptr, {});
  CHECK(table.content(full.label) == before);

  const std::string after = before.substr(0, 10 * kPage) + std::string((now - 10) * kPage, '\0');
  table.write(after);
  const auto cut = [](const postgres::SourceFile&) {
    return MarkedBlocks{false, {}};  // marks from block 10 on: the listing knows none of them
  };
  const bool some_known = GENERATE(true, false);
  const std::string expected = some_known ? after : before.substr(0, 10 * kPage);
  if (some_known) {
    const auto changed = [](const postgres::SourceFile&) { return MarkedBlocks{false, {3}}; };
    table.back_up(kLater, table.listed(10), &full, changed);
  } else {
    table.back_up(kLater, table.listed(10), &full, cut);  // not even opened
  }
  CHECK(table.content(kLater) == expected);
}

TEST_CASE("any growth and shrinking between plan and copy gives the file as it is") {
  Random random(seed());
  for (int round = 0; round < rounds(60); ++round) {
    OneTable table;
    const std::uint64_t then = 1 + below(random, 60);
    const std::uint64_t least = 1 + below(random, then);  // what it was cut off to
    const std::uint64_t listed = least + below(random, 40);
    const std::uint64_t now = listed + below(random, 40);
    const std::string before = row_bytes(random, then * kPage);
    table.write(before);
    const auto full = table.back_up(std::string(kLabel), table.listed(then), nullptr, {});

    std::string after = before.substr(0, least * kPage);
    after.resize(now * kPage, '\0');
    std::vector<std::uint32_t> marks;
    for (std::uint32_t block = 0; block < listed; ++block) {
      const bool touched = below(random, 5) == 0;
      if (touched) after.replace(block * kPage, 100, row_bytes(random, 100));
      if (touched || block >= least) marks.push_back(block);
    }
    table.write(after);
    const auto changed = [&](const postgres::SourceFile&) { return MarkedBlocks{false, marks}; };
    table.back_up(kLater, table.listed(listed), &full,
                  below(random, 4) == 0 ? ChangeOf{} : changed);
    // A file of which nothing is to be read keeps the length that was listed: replay extends it.
    const std::string got = table.content(kLater);
    INFO("then " << then << " least " << least << " listed " << listed << " now " << now);
    CHECK((got.size() == after.size() || got.size() == listed * kPage));
    CHECK(got == after.substr(0, got.size()));
  }
}

TEST_CASE("what interrupted backups have stored is named, whatever changed since") {
  Random random(seed());
  const auto made = [&](std::uint64_t blocks) { return random_bytes(random, blocks * kPage); };
  const auto some = [&](std::uint64_t blocks) {
    std::vector<std::uint32_t> chosen;
    const bool all = below(random, 3) == 0;
    for (std::uint32_t block = 0; block < blocks; ++block)
      if (all || below(random, 3) > 0) chosen.push_back(block);
    return chosen;
  };
  for (int round = 0; round < rounds(40); ++round) {
    OneTable table;
    const std::uint64_t blocks = 1 + below(random, 300);
    std::string content = made(blocks);
    table.write(content);
    std::optional<repo::BackupMarker> full;
    if (below(random, 2) == 0)
      full = table.back_up(std::string(kLabel), table.listed(blocks), nullptr, {});

    const auto change = [&](std::vector<bool>& changed) {
      for (std::uint32_t block = 0; block < blocks; ++block) {
        if (below(random, 3) > 0) continue;
        content.replace(block * kPage, kPage, made(1));
        changed[block] = true;
      }
    };
    std::vector<bool> since_full(blocks);
    std::vector<bool> stored(blocks);
    for (const char* label : {"20261122-000000F", "20261122-000001F"}) {
      std::vector<bool> now(blocks);
      change(now);
      for (std::uint32_t block = 0; block < blocks; ++block) {
        if (!now[block]) continue;
        since_full[block] = true;
        stored[block] = false;
      }
      const auto chosen = some(blocks);
      table.interrupted(label, content, chosen);
      for (const std::uint32_t block : chosen) stored[block] = true;
      table.leftovers.insert(table.leftovers.begin(), label);
    }
    table.write(content);
    const ChangeOf marks = [&](const postgres::SourceFile&) {
      MarkedBlocks told;
      for (std::uint32_t block = 0; block < blocks; ++block)
        if (since_full[block]) told.blocks.push_back(block);
      return told;
    };
    table.back_up(kLater, table.listed(blocks), full ? &*full : nullptr,
                  below(random, 2) == 0 ? marks : ChangeOf{});
    INFO("round " << round << " of " << blocks << " blocks, full before: " << full.has_value());
    CHECK((table.content(kLater) == content));
    std::size_t expected = 0;
    for (std::uint32_t block = 0; block < blocks; ++block)
      expected += !stored[block] && (!full || since_full[block]);
    // Nearly all blocks marked: the file is copied whole, unmarked blocks too.
    std::size_t at_most = 0;
    for (std::uint32_t block = 0; block < blocks; ++block) at_most += !stored[block];
    CHECK(table.own_blocks(kLater) >= expected);
    CHECK(table.own_blocks(kLater) <= at_most);
  }
}

TEST_CASE("a relation that turns out to be unlogged is left out") {
  OneTable table;
  table.write(std::string(3 * kPage, 'x'));
  table.before_finish = [&] { write_file_atomically(table.folder / "16384_init", {}); };
  table.back_up(std::string(kLabel), table.listed(3), nullptr, {});
  CHECK(read_whole_backup(table.memory.repository, "main", std::string(kLabel)).empty());
}

TEST_CASE("a sampled page that changed without a mark raises the alarm, unless it is explained") {
  const std::uint64_t older = sample_backup().start_lsn.value;
  REQUIRE(older + 10 < kStart.value);
  const struct {
    const char* what;
    Lsn lsn;
    bool alarm;
  } cases[] = {
      {"by WAL between the two starts", {older + 5}, true},
      {"by the first record after the older one's start", {older + 1}, true},
      {"by the last record before this backup's start", kStart, true},
      {"not by WAL since the older one's start: a hint bit", {older}, false},
      {"after this backup's start: replay brings it", {kStart.value + 1}, false},
  };
  for (const auto& one : cases) {
    INFO("changed " << one.what);
    OneTable table;
    table.sample_all = true;
    std::string content;
    for (int i = 0; i < 30; ++i) content += page('a', {older - 1});
    table.write(content);
    const auto full = table.back_up(std::string(kLabel), table.listed(30), nullptr, {});
    table.write(content.replace(20 * kPage, kPage, page('b', one.lsn)));
    const auto next = [&] {
      table.back_up(kLater, table.listed(30), &full, [](auto&) { return MarkedBlocks{}; });
    };
    if (one.alarm) {
      CHECK_THROWS_AS(next(), SummaryMismatch);
    } else {
      CHECK_NOTHROW(next());
    }
  }
}

TEST_CASE("a table that is cut off while its samples are read raises no alarm") {
  // DROP TABLE and TRUNCATE empty the file at their commit; it is removed later.
  OneTable table;
  table.sample_all = true;
  table.write(std::string(30 * kPage, 'a'));
  const auto full = table.back_up(std::string(kLabel), table.listed(30), nullptr, {});
  table.when_opened = [&] { std::filesystem::resize_file(table.file, 0); };
  CHECK_NOTHROW(
      table.back_up(kLater, table.listed(30), &full, [](auto&) { return MarkedBlocks{}; }));
}
