#include "engine/backup/resume.hpp"

#include "engine/backup/pack_writer.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/layout.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

using Labels = std::vector<std::string>;

constexpr std::size_t kPage = 8192;
constexpr std::uint32_t kFrameBytes = 128 * kKiB;
const std::string kInterrupted = "20261121-020000F";

/// What a backup that was interrupted leaves: packs, and no marker.
class HalfBackup {
 public:
  HalfBackup(MemoryRepository& memory, const std::string& label, std::size_t pack_bytes,
             std::uint32_t frame_bytes = kFrameBytes)
      : store_(memory.repository, "main", label, pack_bytes) {
    store_.start(workers_, 1);
    filler_.emplace(store_, compress::CodecId::lz4, 1, frame_bytes);
  }

  void add(const std::string& path, std::string_view content, std::uint64_t offset = 0) {
    std::vector<repo::Extent> map;
    filler_->add(path, offset, as_bytes(content), map);
  }
  void flush() { filler_->flush(); }
  std::size_t finish() {
    filler_->finish();
    store_.close();
    workers_.join();
    return store_.stored().size();
  }

 private:
  Workers workers_{{}};
  PackWriter store_;
  std::optional<FrameFiller> filler_;
};

InterruptedBackups interrupted(MemoryRepository& memory, const Labels& labels = {kInterrupted}) {
  return {memory.repository, "main", labels, 1, kFrameBytes};
}

/// How many of the content's pages are found, each with the right bytes.
std::size_t found_pages(MemoryRepository& memory, InterruptedBackups& interrupted,
                        const std::string& path, std::string_view content) {
  std::vector<repo::ManifestRef> refs = {{"20261121-030000F", kFrameBytes}};
  refs.insert(refs.end(), interrupted.refs().begin(), interrupted.refs().end());
  const StoredPages stored = interrupted.take(path);
  std::size_t count = 0;
  for (std::size_t at = 0; at < content.size(); at += kPage) {
    const std::string_view page = content.substr(at, kPage);
    const auto place = stored.find(at, as_bytes(page));
    if (!place) continue;
    ++count;
    CHECK((read_mapped(*memory.store, memory.repository.seal_context(), "main", refs, {*place}) ==
           page));
  }
  return count;
}

}  // namespace

TEST_CASE("which leftovers a backup may take over") {
  const std::string full = "20261121-010000F";
  const struct {
    std::string about;
    std::string label;
    Labels listed;
    Labels stored;
    Labels expected;
  } table[] = {
      {"the first backup of all, begun twice before",
       "20261121-030000F",
       {},
       {"20261121-010000F", "20261121-020000F"},
       {"20261121-020000F", "20261121-010000F"}},
      {"nothing but what is listed", "20261121-030000F", {full}, {full}, {}},
      {"after a full backup",
       "20261121-030000F",
       {full},
       {full, "20261121-020000F"},
       {"20261121-020000F"}},
      {"before a full backup, which may have taken it over",
       "20261121-030000F",
       {"20261121-020000F"},
       {full, "20261121-020000F"},
       {}},
      {"before a full backup of which only an incremental is left",
       "20261121-050000F",
       {"20261121-020000F_20261121-040000I"},
       {full, "20261121-020000F_20261121-040000I"},
       {}},
      {"an incremental of an older full backup took nothing over from a full one",
       "20261121-040000F",
       {full, full + "_20261121-030000I"},
       {full, "20261121-020000F", full + "_20261121-030000I"},
       {"20261121-020000F"}},
      {"a full backup takes over nothing from others",
       "20261121-040000F",
       {full},
       {full, full + "_20261121-030000I"},
       {}},
      {"an incremental takes over from both kinds of its full backup",
       full + "_20261121-050000I",
       {full, full + "_20261121-020000I"},
       {full, full + "_20261121-020000I", full + "_20261121-030000D", full + "_20261121-040000I"},
       {full + "_20261121-040000I", full + "_20261121-030000D"}},
      {"not from what a later one may have taken over",
       full + "_20261121-050000D",
       {full, full + "_20261121-030000I"},
       {full, full + "_20261121-020000I"},
       {}},
      {"not from those of another full backup, nor from a full one",
       full + "_20261121-050000I",
       {full},
       {full, "20261121-020000F", "20261121-020000F_20261121-030000I"},
       {}},
      {"nothing that is later than itself: a clock was set back",
       "20261121-020000F",
       {},
       {"20261121-030000F"},
       {}},
      {"a folder that is no backup's", "20261121-030000F", {}, {"x", "20261121-020000"}, {}},
      {"no more than four",
       "20261121-090000F",
       {},
       {"20261121-010000F", "20261121-020000F", "20261121-030000F", "20261121-040000F",
        "20261121-050000F"},
       {"20261121-050000F", "20261121-040000F", "20261121-030000F", "20261121-020000F"}},
  };
  for (const auto& row : table) {
    INFO(row.about);
    CHECK(resumable_for(row.label, row.listed, row.stored) == row.expected);
  }
}

TEST_CASE("stored pages are found by place and content") {
  Random random(seed());
  const std::string one = random_bytes(random, kPage);
  const std::string two = random_bytes(random, kPage);
  const auto hash = [](const std::string& page) { return crypto::hash64(as_bytes(page)); };
  const StoredPages pages({{hash(two), 7, 1, 10, 0, 0},
                           {hash(one), 3, 1, 11, 5, 8192},
                           {hash(one), 7, 2, 12, 0, 0},
                           {hash(two), 7, 2, 13, 0, 0}});
  const auto pack = [&](std::uint64_t offset, const std::string& page) {
    const auto found = pages.find(offset, as_bytes(page));
    return found ? static_cast<int>(found->pack) : -1;
  };
  CHECK(pack(3 * kPage, one) == 11);
  CHECK(pack(7 * kPage, one) == 12);
  CHECK(pack(7 * kPage, two) == 10);  // the first that was given
  CHECK(pack(3 * kPage, two) == -1);
  CHECK(pack(4 * kPage, one) == -1);
  CHECK(pack(8 * kPage, one) == -1);
  CHECK(pack(3 * kPage + 1, one) == -1);
  CHECK(pack(3 * kPage, one.substr(1)) == -1);
  CHECK(pages.find(3 * kPage, as_bytes(one))->offset_bytes == 8192);
  CHECK(pages.find(3 * kPage, as_bytes(one))->frame == 5);
}

TEST_CASE("what an interrupted backup has stored is found file by file") {
  Random random(seed());
  MemoryRepository memory;
  std::vector<std::pair<std::string, std::string>> files;
  HalfBackup run(memory, kInterrupted, 300'000);
  for (int i = 100; i < 160; ++i) {
    const std::size_t pages = 1 + below(random, 60);
    files.emplace_back("base/5/" + std::to_string(i), random_bytes(random, pages * kPage));
    run.add(files.back().first, files.back().second);
    if (i % 7 == 0) run.flush();
  }
  REQUIRE(run.finish() > 20);

  InterruptedBackups all = interrupted(memory);
  CHECK(all.refs().size() == 1);
  for (const auto& [path, content] : files)
    CHECK(found_pages(memory, all, path, content) == content.size() / kPage);
  CHECK(all.take("base/6/1").empty());
  CHECK(all.packs().size() == keys(*memory.store, "main/data/").size());
  for (const repo::ManifestPack& pack : all.packs()) {
    const std::string key = repo::pack_key("main", kInterrupted, pack.pack);
    const auto index = repo::PackIndex::load(*memory.store, memory.repository.seal_context(), key,
                                             pack.size_bytes);
    CHECK(pack.ref == 1);
    CHECK(pack.index_offset == index.offset(index.frames()));
    CHECK(pack.index_offset + pack.index_bytes + repo::kPackFooterBytes == pack.size_bytes);
  }

  // Paths that are passed over are not waited for; a page that changed is not found.
  InterruptedBackups some = interrupted(memory);
  std::string changed = files[50].second;
  changed[kPage / 2] = static_cast<char>(changed[kPage / 2] ^ 1);
  CHECK(found_pages(memory, some, files[50].first, changed) == changed.size() / kPage - 1);
  CHECK(some.take(files[3].first).empty());  // not in order
}

TEST_CASE("a pack that is not whole is passed over, and no other") {
  Random random(seed());
  const std::string content = random_bytes(random, 200 * kPage);
  const int harm = GENERATE(0, 1, 2, 3);
  INFO("harm " << harm);
  MemoryRepository memory;
  HalfBackup run(memory, kInterrupted, 400'000);
  run.add("base/5/1", content);
  const std::size_t packs = run.finish();
  REQUIRE(packs > 3);
  const std::string key = repo::pack_key("main", kInterrupted, 1);
  const std::string body = object(*memory.store, key);
  std::string changed = body;
  if (harm == 0) changed[100] = static_cast<char>(changed[100] ^ 1);  // in a frame
  if (harm == 1) changed.resize(changed.size() - 1000);
  if (harm == 2) changed[body.size() - 40] = static_cast<char>(changed[body.size() - 40] ^ 1);
  if (harm == 3) changed = object(*memory.store, repo::pack_key("main", kInterrupted, 2));
  const auto lost = repo::PackIndex::parse(as_bytes(body), memory.repository.seal_context(), key);
  std::size_t lost_pages = 0;
  for (std::uint32_t i = 0; i < lost.frames(); ++i) lost_pages += lost.raw_bytes(i) / kPage;
  replace(*memory.store, key, changed);

  InterruptedBackups left = interrupted(memory);
  CHECK(found_pages(memory, left, "base/5/1", content) == 200 - lost_pages);
  CHECK(left.packs().size() == packs - 1);
}

TEST_CASE("a repository that cannot be reached is no word about a pack") {
  MemoryRepository memory;
  HalfBackup run(memory, kInterrupted, 400'000);
  run.add("base/5/1", std::string(kPage, 'x'));
  run.finish();
  repo::Repository client =
      memory.client({[](std::string_view operation, std::string_view key) {
                       if (operation == "get" && key.find("/pack/") != key.npos)
                         throw TransientError("connection reset");
                     },
                     {}});
  const Labels labels = {kInterrupted};
  InterruptedBackups left(client, "main", labels, 1, kFrameBytes);
  CHECK_THROWS_AS(left.take("base/5/1"), TransientError);
}

TEST_CASE("several leftovers together have what each of them has") {
  Random random(seed());
  const std::string content = random_bytes(random, 40 * kPage);
  MemoryRepository memory;
  HalfBackup first(memory, "20261121-010000F", 400'000);
  first.add("base/5/1", std::string_view(content).substr(0, 30 * kPage));
  first.finish();
  HalfBackup second(memory, kInterrupted, 400'000);
  second.add("base/5/1", std::string_view(content).substr(20 * kPage), 20 * kPage);
  second.finish();
  InterruptedBackups both =
      interrupted(memory, {kInterrupted, "20261121-015959F", "20261121-010000F"});
  CHECK(both.refs().size() == 2);  // one has no packs
  CHECK(both.refs()[1].backup == "20261121-010000F");
  CHECK(found_pages(memory, both, "base/5/1", content) == 40);
  CHECK(both.packs().size() == keys(*memory.store, "main/data/").size());
}

TEST_CASE("frames that are too large for the new backup, and pieces off the pages, are not used") {
  Random random(seed());
  const std::string content = random_bytes(random, 64 * kPage);
  MemoryRepository memory;
  HalfBackup large(memory, "20261121-010000F", kMiB, 256 * kKiB);
  large.add("base/5/1", content);
  large.finish();
  InterruptedBackups of_large = interrupted(memory, {"20261121-010000F"});
  CHECK(found_pages(memory, of_large, "base/5/1", content) == 0);

  HalfBackup odd(memory, kInterrupted, kMiB);
  odd.add("PG_VERSION", "15\n");
  odd.add("base/5/1", content);
  odd.finish();
  InterruptedBackups of_odd = interrupted(memory);
  CHECK(found_pages(memory, of_odd, "base/5/1", content) == 0);
}

TEST_CASE("what is so old that an expire on another host may be removing it is not taken over") {
  using namespace std::chrono_literals;
  const Timestamp when = *parse_utc("2026-11-27T12:00:00Z");
  std::vector<std::string> labels;
  for (const std::chrono::seconds age :
       {24h * 8 + 0s, 24h * 6 + 1s, 24h * 6 + 0s, 24h * 6 - 1s, 1h + 0s, 0s - 1h})
    labels.push_back(repo::full_backup_label(when - age));
  engine::leave_out_old(labels, when);
  CHECK(labels ==
        std::vector<std::string>{"20261121-120001F", "20261127-110000F", "20261127-130000F"});
}
