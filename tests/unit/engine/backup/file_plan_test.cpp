#include "engine/backup/file_plan.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using postgres::RelationFile;
using How = FilePlan::How;

namespace {

constexpr std::uint64_t kPage = postgres::kPageBytes;

postgres::SourceFile relation(std::uint64_t blocks,
                              RelationFile::Fork fork = RelationFile::Fork::main) {
  postgres::SourceFile source;
  source.path = "base/5/16384";
  source.size_bytes = blocks * kPage;
  source.relation = RelationFile{16384, fork, 0};
  return source;
}

repo::ManifestEntry stored(std::uint64_t blocks) {
  repo::ManifestEntry entry;
  entry.path = "base/5/16384";
  entry.size_bytes = blocks * kPage;
  entry.pages = true;
  return entry;
}

ChangeOf says(bool whole, std::vector<std::uint32_t> blocks) {
  return [=](const postgres::SourceFile&) { return MarkedBlocks{whole, blocks}; };
}

using Blocks = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("what is new, or was something else, is copied whole") {
  CHECK(plan_file(relation(4), std::nullopt, says(false, {})).how == How::whole);
  repo::ManifestEntry directory = stored(4);
  directory.type = repo::EntryType::directory;
  CHECK(plan_file(relation(4), directory, says(false, {})).how == How::whole);
  repo::ManifestEntry no_pages = stored(4);
  no_pages.pages = false;
  CHECK(plan_file(relation(4), no_pages, says(false, {})).how == How::whole);
}

TEST_CASE("a file that had damaged pages is copied whole: a repair may have left no trace in WAL") {
  repo::ManifestEntry damaged = stored(4);
  damaged.bad_blocks = {2};
  CHECK(plan_file(relation(4), damaged, says(false, {})).how == How::whole);
  CHECK(plan_file(relation(4), damaged, {}).how == How::whole);
}

TEST_CASE("files that are no relations are compared by their hash, never by time") {
  postgres::SourceFile source = relation(1);
  source.relation.reset();
  repo::ManifestEntry entry = stored(1);
  entry.pages = false;
  CHECK(plan_file(source, entry, says(false, {})).how == How::whole);  // no hash to compare with
  entry.hash = std::string(32, 'a');
  CHECK(plan_file(source, entry, says(false, {})).how == How::compare);
}

TEST_CASE("forks but the main one are read whole whatever the summaries say") {
  for (const auto fork :
       {RelationFile::Fork::fsm, RelationFile::Fork::vm, RelationFile::Fork::init}) {
    CHECK(plan_file(relation(4, fork), stored(4), says(false, {})).how == How::compare);
  }
}

TEST_CASE("without summaries every page is compared") {
  CHECK(plan_file(relation(4), stored(4), {}).how == How::compare);
}

TEST_CASE("marked blocks, and those that the older backup does not have, are copied") {
  struct Case {
    std::uint64_t then;
    std::uint64_t now;
    Blocks marks;
    Blocks copied;
  };
  const Case cases[] = {
      {100, 100, {}, {}},
      {100, 100, {0, 7, 99}, {0, 7, 99}},
      {100, 103, {5}, {5, 100, 101, 102}},       // grown
      {100, 103, {5, 101}, {5, 100, 101, 102}},  // no block twice
      {100, 60, {5, 59, 60, 80}, {5, 59}},       // cut off
      {0, 0, {}, {}},
  };
  for (const Case& one : cases) {
    const FilePlan plan = plan_file(relation(one.now), stored(one.then), says(false, one.marks));
    CHECK(plan.how == How::blocks);
    CHECK(plan.blocks == one.copied);
  }
  CHECK(plan_file(relation(100), stored(100), says(true, {})).how == How::whole);
}

TEST_CASE("a file that changed nearly everywhere is read in one go") {
  Blocks marks;
  for (std::uint32_t block = 0; block < 91; ++block) marks.push_back(block);
  CHECK(plan_file(relation(100), stored(100), says(false, marks)).how == How::whole);
  marks.pop_back();
  CHECK(plan_file(relation(100), stored(100), says(false, marks)).how == How::blocks);
}

TEST_CASE("samples are of unmarked blocks, ascending, about as many as asked for") {
  Blocks marks;
  for (std::uint32_t block = 0; block < 10000; block += 3) marks.push_back(block);
  FilePlan plan = plan_file(relation(10000), stored(10000), says(false, marks));
  std::uint64_t state = 1;
  add_samples(plan, 0.1, [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  });
  CHECK(plan.samples.size() > 500);
  CHECK(plan.samples.size() < 850);
  CHECK(std::is_sorted(plan.samples.begin(), plan.samples.end()));
  CHECK(std::adjacent_find(plan.samples.begin(), plan.samples.end()) == plan.samples.end());
  for (const std::uint32_t block : plan.samples) {
    CHECK(block < 10000);
    CHECK(block % 3 != 0);
  }
  FilePlan whole;
  add_samples(whole, 0.5, [] { return 0.5; });
  CHECK(whole.samples.empty());
}
