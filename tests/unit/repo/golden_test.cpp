// The repositories in tests/golden/format were written once and are read for ever, here and by
// tests/reader. A change that cannot read them needs a new version of the format, not new files.

#include "engine/backup/pack_writer.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/file_map.hpp>
#include <pgcairn/repo/keyring.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include <catch2/catch.hpp>
#include <openssl/sha.h>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using namespace std::chrono_literals;
using compress::CodecId;
using storage::IfExists;

namespace {

const fs::path kDirectory = fs::path(PGCAIRN_SOURCE "/tests/golden") / "format" / "v1";
// The same content, sealed.
const fs::path kSealedDirectory = fs::path(PGCAIRN_SOURCE "/tests/golden") / "format" / "v1-sealed";
const std::string kPassphrase = "a cairn marks the way";
const std::string kKey = "0123456789abcdef0123456789ABCDEF";
const std::string kGoldenId = "0123456789abcdef0123456789abcdef";
const Cluster kCluster{7412345678901234567, 15};
const std::string kFull = "20261121-010203F";
const std::string kIncremental = "20261121-010203F_20261122-010203I";
const std::string kSecondFull = "20261123-010203F";
const std::string kConfig =
    "/etc/od\xff"
    "d/postgresql.conf";
const std::string kDifferential = "20261123-010203F_20261124-010203D";

std::string sha256(std::string_view bytes) {
  std::array<std::byte, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
  return hex(digest);
}

/// A line of expected.tsv: what, where (label or cluster), path, size, and SHA-256 or target.
std::string listed(std::string_view what, std::string_view where, std::string_view path,
                   std::string_view content) {
  const bool has_content = what == "file" || what == "wal";
  return format("{}\t{}\t{}\t{}\t{}\n", what, where, escape_bytes(path),
                has_content ? std::to_string(content.size()) : "-",
                has_content      ? sha256(content)
                : what == "link" ? escape_bytes(content)
                                 : "-");
}

std::string listed(std::string_view label, const ManifestEntry& entry, std::string_view content) {
  if (entry.type == EntryType::link) return listed("link", label, entry.path, entry.target);
  return listed(entry.type == EntryType::file ? "file" : "dir", label, entry.path, content);
}

std::string read_text(const fs::path& path) {
  return std::string(as_text(read_file(path)));
}

KeySecret with_passphrase() {
  return {KeyKind::passphrase, "passphrase", crypto::SecretBytes(as_bytes(kPassphrase))};
}
KeySecret with_key() {
  return {KeyKind::file, "key", crypto::SecretBytes(as_bytes(kKey))};
}
KeySettings opened_by(std::function<KeySecret()> secret) {
  return {.required = true, .secret = std::move(secret), .cache = {}};
}

/// The repository in `directory`, which says by its name whether it is sealed.
Repository repository_in(const fs::path& directory) {
  return {"golden", storage::make_posix(directory / "repo"),
          directory.native().ends_with("-sealed") ? opened_by(with_key) : KeySettings()};
}

}  // namespace

TEST_CASE("a repository of version 1 is read for ever") {
  Repository repository = repository_in(GENERATE(kDirectory, kSealedDirectory));
  repository.open();
  CHECK(repository.id() == kGoldenId);
  CHECK(repository.stanzas() == std::vector<std::string>{"main", "old-one"});
  CHECK(repository.clusters("main") == std::vector<Cluster>{kCluster, {kCluster.system_id, 16}});
  CHECK(repository.backup_labels("main") ==
        std::vector<std::string>{kFull, kIncremental, kSecondFull, kDifferential});
  CHECK(repository.backup_labels("old-one").empty());

  std::string found;
  for (const BackupMarker& info : repository.backups("main")) {
    ManifestReader manifest(repository.driver(), repository.seal_context(), "main", info.label,
                            info.manifest_parts, info.manifest_seals);
    CHECK(info.manifest_seals.size() ==
          (repository.seal_context().sealed() ? info.manifest_parts : 0));
    const std::vector<ManifestRef> refs = manifest.header().refs;
    std::set<std::pair<std::string, std::uint32_t>> named;
    std::uint64_t bytes = 0;
    std::uint64_t files = 0;
    while (const auto entry = manifest.next()) {
      for (const Extent& extent : entry->map) named.insert({refs[extent.ref].backup, extent.pack});
      const std::string content =
          read_mapped(repository.driver(), repository.seal_context(), "main", refs, entry->map);
      CHECK(content.size() == entry->size_bytes);
      if (!entry->hash.empty()) CHECK(hex(crypto::hash128(as_bytes(content))) == entry->hash);
      found += listed(info.label, *entry, content);
      bytes += content.size();
      if (entry->type == EntryType::file) ++files;
    }
    CHECK(manifest.packs().size() == named.size());
    std::set<std::pair<std::string, std::uint32_t>> promised;
    for (const PackRange& range : info.packs) {
      for (std::uint32_t pack = range.first; pack <= range.last; ++pack)
        promised.insert({range.backup, pack});
    }
    CHECK(promised == named);
    CHECK(info.cluster_bytes == bytes);
    CHECK(info.files == files);
  }
  const WalListing wal = StanzaView(repository, "main").list_wal(cluster_id(kCluster));
  CHECK(wal.segments.size() == 3);
  CHECK(wal.histories == std::vector<std::string>{"00000002.history"});
  CHECK(wal.partials == std::vector<std::string>{"000000010000000000000009.partial"});
  std::vector<std::string> files = wal.segments;
  files.push_back(wal.partials[0]);
  files.push_back("000000010000000000000006.00000028.backup");
  files.push_back(wal.histories[0]);
  for (const std::string& file : files) {
    std::string content;
    CHECK(repository.get_wal("main", kCluster, file,
                             [&](Bytes piece) { content += as_text(piece); }));
    found += listed("wal", cluster_id(kCluster), file, content);
  }
  CHECK(found == read_text(kDirectory / "expected.tsv"));

  const auto lease = read_lease(repository, "main");
  REQUIRE(lease);
  CHECK(lease->number == 12);
  CHECK_FALSE(lease->held);
  CHECK(lease->operation == "backup");
}

TEST_CASE("a sealed repository of version 1 opens for ever") {
  const auto driver = storage::make_posix(kSealedDirectory / "repo");
  const auto slots = read_slots(*driver, kGoldenId);
  CHECK(list_slots(slots) == "0 (passphrase), 1 (file \"escrow\")");
  Repository by_passphrase("golden", shared(*driver), opened_by(with_passphrase));
  by_passphrase.open();
  CHECK(by_passphrase.stanzas().size() == 2);
  Repository without("golden", shared(*driver));
  CHECK_THROWS_AS(without.open(), pgcairn::repo::KeyError);
}

TEST_CASE("what the markers of version 1 say") {
  Repository repository = repository_in(GENERATE(kDirectory, kSealedDirectory));
  repository.open();
  const BackupMarker full = repository.read_marker("main", kFull);
  CHECK(full.type == BackupType::full);
  CHECK(full.prior.empty());
  CHECK(full.host ==
        "db\xe9"
        "1");
  CHECK(full.start_lsn == Lsn{0x6000028});
  CHECK(full.start_time == Timestamp(1795222923'000400us));
  REQUIRE(full.tablespaces.size() == 1);
  CHECK(full.tablespaces[0].name ==
        "od\xff"
        "d %41");
  CHECK(full.backup_label.ends_with("LABEL: 50%\n"));
  REQUIRE(full.page_errors.size() == 1);
  CHECK(full.page_errors[0].blocks == std::vector<std::uint32_t>{7});
  CHECK(full.packs.size() == 1);
  CHECK(full.packs[0].last > 1);
  const BackupMarker incremental = repository.read_marker("main", kIncremental);
  CHECK(incremental.type == BackupType::incremental);
  CHECK(incremental.prior == kFull);
  CHECK(incremental.from_standby);
  const BackupMarker differential = repository.read_marker("main", kDifferential);
  CHECK(differential.type == BackupType::differential);
  CHECK(differential.prior == kSecondFull);
  CHECK(full.outside == ExternalConfigInfo{});
  CHECK(differential.outside ==
        ExternalConfigInfo{kConfig, "", "/etc/none", 1, {{"/etc/none", "No such file"}}});
}

namespace {

// What follows writes the repository. It was run once; it is kept to tell how the bytes came to be,
// and to write the repository of the next version.

struct SourceFile {
  std::string content;
  bool pages = false;
};
using Source = std::map<std::string, SourceFile>;

std::string page(Random& random) {
  std::string bytes = random_bytes(random, 150);
  bytes.resize(8192, '\0');
  return bytes;
}

std::string relation(Random& random, int pages) {
  std::string bytes;
  for (int i = 0; i < pages; ++i) bytes += page(random);
  return bytes;
}

std::vector<std::string> parts_of(const std::string& path) {
  return split(path, '/');
}

/// The part of a file that `map` places, as extents.
void slice(const std::vector<Extent>& map, std::uint32_t frame_bytes, std::uint64_t start,
           std::uint64_t length, std::vector<Extent>& out) {
  std::uint64_t at = 0;
  for (Extent extent : map) {
    const std::uint64_t end = at + extent.length_bytes;
    if (length > 0 && start < end) {
      const std::uint64_t skipped = start - at;
      const std::uint64_t place =
          std::uint64_t{extent.frame} * frame_bytes + extent.offset_bytes + skipped;
      extent.frame = static_cast<std::uint32_t>(place / frame_bytes);
      extent.offset_bytes = static_cast<std::uint32_t>(place % frame_bytes);
      extent.length_bytes = std::min(length, extent.length_bytes - skipped);
      repo::append_extent(out, extent, frame_bytes);
      start += extent.length_bytes;
      length -= extent.length_bytes;
    }
    at = end;
  }
}

class GoldenBackup {
 public:
  GoldenBackup(Repository& repository, std::string label, CodecId codec, std::uint32_t frame_bytes)
      : repository_(repository),
        store_(repository, "main", label, 1200),
        filler_(store_, codec, compress::levels_of(codec).usual, frame_bytes) {
    info_ = sample_backup(label);
    info_.codec = compress::name_of(codec);
    info_.wal_segment_bytes = 8 * kMiB;
    info_.page_errors.clear();
    info_.tablespaces.clear();
    info_.outside = {};
    info_.tablespace_map.clear();
    header_.label = label;
    header_.refs = {{label, frame_bytes}};
    header_.user = header_.group = "postgres";
    store_.start(workers_, 1);
  }

  BackupMarker& info() { return info_; }
  void refer_to(const GoldenBackup& prior) {
    header_.refs.push_back(prior.header_.refs[0]);
    prior_ = &prior;
  }
  ManifestEntry& entry(const std::string& path) {
    ManifestEntry& made = entries_[parts_of(path)];
    made.path = path;
    made.user = made.group = "postgres";
    return made;
  }
  void directory(const std::string& path) {
    entry(path).type = EntryType::directory;
    entry(path).mode = 0700;
  }
  void link(const std::string& path, const std::string& target) {
    entry(path).type = EntryType::link;
    entry(path).target = target;
  }
  ManifestEntry& file(const std::string& path, const SourceFile& source) {
    ManifestEntry& made = entry(path);
    made.mode = 0600;
    made.size_bytes = source.content.size();
    made.time_us = 1795222900'123456;
    made.pages = source.pages;
    if (!source.pages && !source.content.empty() && source.content.size() < 65536)
      made.hash = hex(crypto::hash128(as_bytes(source.content)));
    contents_[path] = source.content;
    return made;
  }
  void copy(const std::string& path, const SourceFile& source) {
    ManifestEntry& made = file(path, source);
    filler_.add(path, 0, as_bytes(source.content), made.map);
    if (source.content.size() > 65536) filler_.flush();
  }
  void next_frame() { filler_.flush(); }
  /// What the prior backup has, page by page, and the changed pages anew.
  void merge(const std::string& path, const SourceFile& source) {
    ManifestEntry& made = file(path, source);
    const std::string& before = prior_->contents_.at(path);
    const ManifestEntry& old = prior_->entries_.at(parts_of(path));
    for (std::uint64_t at = 0; at < source.content.size(); at += 8192) {
      const std::string_view now = std::string_view(source.content).substr(at, 8192);
      if (std::string_view(before).substr(std::min<std::uint64_t>(at, before.size()), 8192) !=
          now) {
        filler_.add(path, at, as_bytes(now), made.map);
        continue;
      }
      std::vector<Extent> same;
      const std::uint32_t frame_bytes = header_.refs[1].frame_bytes;
      slice(old.map, frame_bytes, at, now.size(), same);
      for (Extent extent : same) {
        extent.ref = 1;
        repo::append_extent(made.map, extent, frame_bytes);
      }
    }
  }

  std::string finish(const SourceFile& control) {
    filler_.flush();
    copy("global/pg_control", control);
    filler_.finish();
    store_.close();
    workers_.join();

    auto last = entries_.extract(parts_of("global/pg_control"));
    std::string expected;
    ManifestWriter manifest(repository_.driver(), repository_.seal_context(), "main", header_);
    const auto add = [&](const ManifestEntry& entry) {
      manifest.add(entry);
      expected += listed(info_.label, entry, contents_[entry.path]);
      if (entry.type == EntryType::file) ++files_;
      bytes_ += entry.size_bytes;
      for (const Extent& extent : entry.map) named_.insert({extent.ref, extent.pack});
    };
    for (const auto& [parts, entry] : entries_) add(entry);
    add(last.mapped());
    entries_.insert(std::move(last));

    stored_ = store_.stored();
    info_.packs.clear();
    for (const auto& [ref, pack] : named_) {
      ManifestPack found = (ref == 0 ? stored_ : prior_->stored_).at(pack);
      found.ref = ref;
      manifest.add(found);
      PackRange* const range = info_.packs.empty() ? nullptr : &info_.packs.back();
      const std::string& backup = header_.refs[ref].backup;
      if (range && range->backup == backup && range->last + 1 == pack) {
        range->last = pack;
      } else {
        info_.packs.push_back({backup, pack, pack});
      }
    }
    info_.manifest_parts = manifest.finish();
    info_.manifest_seals = manifest.seals();
    info_.files = files_;
    info_.cluster_bytes = info_.read_bytes = bytes_;
    info_.stored_bytes = store_.stored_bytes() + manifest.stored_bytes();
    repository_.write_marker("main", info_);
    return expected;
  }

 private:
  Repository& repository_;
  BackupMarker info_;
  ManifestHeader header_;
  engine::PackWriter store_;
  engine::FrameFiller filler_;
  Workers workers_{std::stop_token()};
  const GoldenBackup* prior_ = nullptr;
  // In the manifest's order: part by part.
  std::map<std::vector<std::string>, ManifestEntry> entries_;
  std::map<std::string, std::string> contents_;
  std::vector<ManifestPack> stored_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> named_;
  std::uint64_t files_ = 0;
  std::uint64_t bytes_ = 0;
};

void add_directories(GoldenBackup& backup) {
  for (const char* path : {"base", "base/5", "global", "pg_tblspc", "pg_wal"})
    backup.directory(path);
  backup.directory("pg_tblspc/16386/PG_15_202209061");
  backup.directory("pg_tblspc/16386/PG_15_202209061/5");
  backup.link("pg_tblspc/16386",
              "/srv/od\xfe"
              "d");
  backup.link("link", "../a target with 100%");
  backup.info().tablespaces = {{16386,
                                "od\xff"
                                "d %41",
                                "/srv/od\xfe"
                                "d"}};
  backup.info().tablespace_map =
      "16386 /srv/od\xfe"
      "d\n";
}

const std::string kTable = "base/5/16384";
const std::string kInSpace = "pg_tblspc/16386/PG_15_202209061/5/16390";

Source small_files() {
  return {{"PG_VERSION", {"15\n"}},
          {"postgresql.conf", {"port = 5432\n"}},
          {"base/5/PG_VERSION", {"15\n"}},
          {"base/5-", {"sorts after what is in base/5\n"}},
          {"odd name %41", {"percent\n"}},
          {"od\xff\xfe"
           "d",
           {"bytes\n"}},
          {"\xc3\xa4.txt", {"UTF-8\n"}},
          {"new\nline \"quoted\" back\\slash", {"control\n"}},
          {"empty", {""}}};
}

/// Configuration from outside of the data directory, of which one file could not be read.
void add_outside(GoldenBackup& backup) {
  for (const char* path : {"/etc",
                           "/etc/od\xff"
                           "d"})
    backup.directory(path);
  backup.entry("/etc").mode = 0755;
  backup.entry("/etc").user = backup.entry("/etc").group = "root";
  backup.entry(kConfig).target = "../real%.conf";
  backup.entry(kConfig).mode = 0640;
  backup.info().outside = {kConfig, "", "/etc/none", 1, {{"/etc/none", "No such file"}}};
}

std::string write_second_chain(Repository& repository, Random& random, const SourceFile& version) {
  const SourceFile tiny{relation(random, 2), true};
  const SourceFile config{"port = 5434\n"};
  GoldenBackup second(repository, kSecondFull, CodecId::gz, 262144);
  second.info().stop_time += 48h;
  for (const char* path : {"base", "base/5", "global"}) second.directory(path);
  second.copy(kTable, tiny);
  second.next_frame();
  second.copy("PG_VERSION", version);
  second.copy(kConfig, config);
  add_outside(second);
  const std::string expected = second.finish({random_bytes(random, 64) + std::string(8128, '\0')});

  GoldenBackup differential(repository, kDifferential, CodecId::none, 65536);
  differential.refer_to(second);
  differential.info().type = BackupType::differential;
  differential.info().prior = kSecondFull;
  differential.info().stop_time += 72h;
  for (const char* path : {"base", "base/5", "global"}) differential.directory(path);
  differential.merge(kTable, tiny);
  differential.copy("PG_VERSION", {"16\n"});
  differential.merge(kConfig, config);
  add_outside(differential);
  return expected + differential.finish({std::string(8192, 'c')});
}

std::string write_backups(Repository& repository, Random& random) {
  SourceFile table{relation(random, 20), true};
  const SourceFile in_space{relation(random, 3), true};
  Source files = small_files();

  GoldenBackup full(repository, kFull, CodecId::zst, 65536);
  add_directories(full);
  full.copy(kTable, table);
  full.entry(kTable).bad_blocks = {7};
  full.info().page_errors = {{kTable, {7}, 1}};
  full.copy(kInSpace, in_space);
  full.next_frame();
  for (const auto& [path, source] : files) full.copy(path, source);
  full.entry("postgresql.conf").mode = 0644;
  full.entry("postgresql.conf").user = "root";
  full.entry("postgresql.conf").group = "gr\xfcp%";
  full.next_frame();
  full.copy("base/large", {std::string(70'000, 'l')});
  std::string expected = full.finish({random_bytes(random, 64) + std::string(8128, '\0')});

  // Three pages changed, one file grew, one changed, one is gone, one is new.
  GoldenBackup incremental(repository, kIncremental, CodecId::lz4, 131072);
  incremental.refer_to(full);
  incremental.info().type = BackupType::incremental;
  incremental.info().prior = kFull;
  incremental.info().from_standby = true;
  incremental.info().stop_time += 24h;
  add_directories(incremental);
  for (const std::size_t changed : {3, 4, 10})
    table.content.replace(changed * 8192, 8192, page(random));
  table.content += page(random);
  incremental.merge(kTable, table);
  incremental.merge(kInSpace, in_space);
  incremental.next_frame();
  files.erase("odd name %41");
  files["postgresql.conf"].content = "port = 5433\n";
  files["new"].content = "new\n";
  for (const auto& [path, source] : files) {
    if (path == "new" || path == "postgresql.conf") {
      incremental.copy(path, source);
    } else {
      incremental.merge(path, source);
    }
  }
  expected += incremental.finish({random_bytes(random, 64) + std::string(8128, '\0')});

  return expected + write_second_chain(repository, random, files["PG_VERSION"]);
}

std::string write_wal(Repository& repository, Random& random) {
  std::string expected;
  const auto put = [&](CodecId id, const std::string& file, const std::string& content) {
    const auto codec = compress::make_codec(id, compress::levels_of(id).usual);
    repository.put_wal("main", kCluster, file, wal_content(as_bytes(content)), *codec);
    expected += listed("wal", cluster_id(kCluster), file, content);
  };
  const auto segment = [&] {
    std::string bytes = random_bytes(random, 200);
    bytes.resize(8 * kMiB, '\0');
    return bytes;
  };
  put(CodecId::zst, "000000010000000000000006", segment());
  put(CodecId::gz, "000000010000000000000007", segment());
  put(CodecId::zst, "000000010000000000000008", segment());
  put(CodecId::lz4, "000000010000000000000009.partial", row_bytes(random, 2000));
  put(CodecId::none, "000000010000000000000006.00000028.backup", "START WAL LOCATION: 0/6000028\n");
  put(CodecId::none, "00000002.history", "1\t0/9000000\tno recovery target specified\n");
  return expected;
}

}  // namespace

TEST_CASE("write the golden repository into $PGCAIRN_MAKE_GOLDEN", "[.make-golden]") {
  const char* const given = std::getenv("PGCAIRN_MAKE_GOLDEN");
  REQUIRE(given != nullptr);
  const fs::path directory = given;
  REQUIRE_FALSE(fs::exists(directory / "repo"));  // never a second time
  Random random(1);
  Repository repository = repository_in(directory);
  storage::Driver& driver = repository.driver();
  const bool sealed = directory.native().ends_with("-sealed");
  put_document(driver, SealContext(""), std::string(kRepositoryKey),
               R"({"format":1,"id":")" + kGoldenId +
                   R"(","created":"2026-11-21T01:00:00Z","sealed":)" +
                   (sealed ? "true}" : "false}"),
               IfExists::fail);
  if (sealed) {
    const DataKey data_key = new_data_key();
    put_slot(driver, kGoldenId, 0, *data_key, with_passphrase(), "");
    put_slot(driver, kGoldenId, 1, *data_key, with_key(), "escrow");
  }
  repository.open();
  repository.add_cluster("main", kCluster);
  repository.add_cluster("main", {kCluster.system_id, 16});
  repository.add_cluster("old-one", {7000000000000000001, 13});
  std::string expected = write_backups(repository, random);
  expected += write_wal(repository, random);
  put_document(driver, repository.seal_context(), lease_key("main", 12),
               R"({"holder":"ffeeddccbbaa99887766554433221100","state":"released",)"
               R"("operation":"backup","host":"db%E91","pid":4711,"since":"2026-11-24T01:02:03Z",)"
               R"("time":"2026-11-24T01:03:04.000500Z","seconds":120})",
               IfExists::fail);
  // An interrupted backup's packs, and an object that a crash left unfinished.
  driver.put(pack_key("main", "20261125-010203F", 0), as_bytes("half a pack"), IfExists::fail);
  write_file_atomically(directory / "repo/main/backup/.20261125-010203F.json.5f3a", as_bytes("{"));
  write_file_atomically(directory / "expected.tsv", as_bytes(expected));
}
