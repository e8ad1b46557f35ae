#include "small_cluster.hpp"

#include "engine/backup/pack_writer.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/page.hpp>

#include <cstring>

namespace pgcairn::test {

namespace {

constexpr std::uint64_t kSegmentBytes = kMiB;
constexpr std::uint32_t kFrameBytes = 65536;

// The first 296 bytes of pg_control of a real server (15.20 of Debian).
constexpr const char* kControl =
    "2060d79c9409016b1405000025770d0c0600000000000000e60d016b00000000"
    "d866091b00000000a066091b0000000001000000010000000100000000000000"
    "fd02000000000000406000000100000000000000cc0200001540000001000000"
    "0500000000000000e60d016b000000000000000000000000fd02000000000000"
    "e803000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000010000000000000064000000080000000a000000"
    "000000004000000000000000080000000000000087d632410020000000000200"
    "00200000000000014000000020000000cc070000000800000100000001000000"
    "e851bbea3e20581307d673a4f9043f02866e1e4cb33e0e4e0db4ecedb44ab9b5"
    "1224056e00000000";

std::string from_hex(const char* text, std::size_t size) {
  std::string bytes(as_text(parse_hex(text).value()));
  bytes.resize(size);
  return bytes;
}

/// A segment with its header and no records.
std::string segment(Timeline timeline, std::uint64_t number) {
  std::string bytes =
      from_hex("10d1020001000000000000010000000000000000000000002060d79c9409016b0000000100200000",
               kSegmentBytes);
  auto* const at = reinterpret_cast<std::byte*>(bytes.data());
  store_le(at + 4, timeline);
  store_le(at + 8, number * kSegmentBytes);
  store_le(at + 32, static_cast<std::uint32_t>(kSegmentBytes));
  return bytes;
}

}  // namespace

std::string good_page(std::uint32_t block, std::uint64_t lsn, char content) {
  std::string page(postgres::kPageBytes, content);
  auto* const at = reinterpret_cast<std::byte*>(page.data());
  store_le(at, static_cast<std::uint32_t>(lsn >> 32));
  store_le(at + 4, static_cast<std::uint32_t>(lsn));
  store_le(at + 8, postgres::page_checksum(at, block));
  return page;
}

SmallCluster::SmallCluster(std::string_view label) : info(sample_backup(label)) {
  files["PG_VERSION"] = "15\n";
  files["base/5/16384"] =
      good_page(0, 0x100) + good_page(1, 0x200, 'y') + std::string(postgres::kPageBytes, '\0');
  Random random(7);
  files["base/5/pg_filenode.map"] = random_bytes(random, 3000);
  files["global/pg_control"] = from_hex(kControl, 8192);
  info.system_id = cluster.system_id;
  info.cluster = repo::cluster_id(cluster);
  info.wal_segment_bytes = kSegmentBytes;
  info.start_lsn = Lsn{3 * kSegmentBytes + 40};
  info.stop_lsn = Lsn{3 * kSegmentBytes + 400};
  info.wal_start = info.wal_stop = wal_segment_name({1, 3}, kSegmentBytes);
  info.page_errors.clear();
  info.tablespaces.clear();
  info.tablespace_map.clear();
  info.outside = {};
  info.packs.clear();
}

void SmallCluster::store(repo::Repository& repository) {
  repository.create();
  repository.add_cluster("main", cluster);
  store_wal(repository);
  store_backup(repository);
}

void SmallCluster::store_wal(repo::Repository& repository) const {
  const auto codec = compress::make_codec(compress::CodecId::zst, 1);
  const auto put = [&](const std::string& name, const std::string& content) {
    repository.put_wal("main", cluster, name, repo::wal_content(as_bytes(content)), *codec);
  };
  put(wal_segment_name({1, 3}, kSegmentBytes), segment(1, 3));
  put(wal_segment_name({2, 4}, kSegmentBytes), segment(2, 4));
  put(wal_segment_name({2, 5}, kSegmentBytes) + ".partial", segment(2, 5));
  put(info.wal_start + ".00000028.backup", "START WAL LOCATION: 0/300028\n");
  put("00000002.history", "1\t0/400000\tno recovery target specified\n");
}

void SmallCluster::store_backup(repo::Repository& repository) {
  repo::ManifestHeader header;
  header.label = info.label;
  header.refs = {{info.label, kFrameBytes}};
  header.user = header.group = "nobody";
  repo::ManifestWriter manifest(repository.driver(), repository.seal_context(), "main", header);
  engine::PackWriter store(repository, "main", info.label, 64 * kMiB);
  Workers workers({});
  store.start(workers, 1);
  engine::FrameFiller filler(store, compress::CodecId::zst, 1, kFrameBytes);
  const auto add = [&](const std::string& path) {
    repo::ManifestEntry entry;
    entry.path = path;
    entry.size_bytes = files.at(path).size();
    entry.mode = 0600;
    entry.user = entry.group = "nobody";
    entry.pages = path.find("/16") != path.npos;
    entry.bad_blocks = bad_blocks[path];
    if (!entry.pages) entry.hash = hex(crypto::hash128(as_bytes(files.at(path))));
    filler.flush();  // pages and other content share no frame
    filler.add(path, 0, as_bytes(files.at(path)), entry.map);
    manifest.add(entry);
  };
  for (const std::string directory : {"base", "base/5", "global", "pg_wal"}) {
    repo::ManifestEntry entry;
    entry.path = directory;
    entry.type = repo::EntryType::directory;
    entry.mode = 0700;
    entry.user = entry.group = "nobody";
    if (directory == "base") add("PG_VERSION");
    if (directory == "global") {
      for (const auto& [path, content] : files) {
        if (path.starts_with("base/")) add(path);
      }
    }
    manifest.add(entry);
  }
  add("global/pg_control");
  filler.finish();
  store.close();
  workers.join();
  for (const repo::ManifestPack& pack : store.stored()) {
    manifest.add(pack);
    info.packs.push_back({info.label, pack.pack, pack.pack});
  }
  info.manifest_parts = manifest.finish();
  info.manifest_seals = manifest.seals();
  repository.write_marker("main", info);
}

}  // namespace pgcairn::test
