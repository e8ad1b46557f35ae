#include "repository.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <chrono>
#include <type_traits>

namespace pgcairn::test {

std::string object(storage::Driver& driver, const std::string& key) {
  Buffer body;
  if (!driver.get(key, {}, body)) throw Error("the test expects \"" + key + "\"");
  return std::string(as_text(body));
}

void replace(storage::Driver& driver, const std::string& key, std::string_view bytes) {
  driver.remove({&key, 1});
  driver.put(key, as_bytes(bytes), storage::IfExists::fail);
}

std::vector<std::string> keys(storage::Driver& driver, const std::string& prefix) {
  std::vector<std::string> found;
  // What the store was tried with belongs to no repository.
  driver.list(prefix, [&](const storage::Object& object) {
    if (object.key != repo::kProofKey) found.push_back(object.key);
  });
  return found;
}

namespace {

class Shared final : public storage::Driver {
 public:
  Shared(storage::Driver& inner, Hooks hooks) : inner_(inner), hooks_(std::move(hooks)) {}

  std::string describe() const override { return inner_.describe(); }
  storage::Features features() const override { return inner_.features(); }

  bool put(std::string_view key, Bytes body, storage::IfExists if_exists) override {
    return around("put", key, [&] {
      const std::string name(key);
      if (hooks_.overwrites && key != repo::kProofKey) inner_.remove({&name, 1});
      if (hooks_.puts_twice) inner_.put(key, body, storage::IfExists::keep);
      return inner_.put(key, body, if_exists);
    });
  }
  bool get(std::string_view key, storage::Range range, Buffer& out) override {
    return around("get", key, [&] { return inner_.get(key, range, out); });
  }
  std::optional<storage::Object> stat(std::string_view key) override {
    return around("stat", key, [&] { return inner_.stat(key); });
  }
  void list(std::string_view prefix,
            const std::function<void(const storage::Object&)>& visit) override {
    around("list", prefix, [&] {
      inner_.list(prefix, visit);
      return true;
    });
  }
  std::vector<std::string> folders(std::string_view prefix) override {
    return around("list", prefix, [&] { return inner_.folders(prefix); });
  }
  void remove(std::span<const std::string> keys) override {
    around("remove", keys.empty() ? "" : keys.front(), [&] {
      inner_.remove(keys);
      return true;
    });
  }

 private:
  template <class Action>
  std::invoke_result_t<Action> around(std::string_view operation, std::string_view key,
                                      Action&& action) {
    if (hooks_.before) hooks_.before(operation, key);
    auto result = action();
    if (hooks_.after) hooks_.after(operation, key);
    return result;
  }

  storage::Driver& inner_;
  Hooks hooks_;
};

}  // namespace

std::unique_ptr<storage::Driver> shared(storage::Driver& driver, Hooks hooks) {
  return std::make_unique<Shared>(driver, std::move(hooks));
}

MemoryRepository::MemoryRepository() : repository("memory", shared(*store)) {
  repository.create();
}

repo::Repository MemoryRepository::client(Hooks hooks) {
  repo::Repository other("client", shared(*store, std::move(hooks)));
  other.open();
  return other;
}

repo::BackupMarker sample_backup(std::string_view label) {
  using namespace std::chrono_literals;
  repo::BackupMarker info;
  info.label = label;
  info.cluster = "15-7412345678901234567";
  info.system_id = 7412345678901234567;
  info.pg_version = 15;
  info.catalog_version = 202209061;
  info.wal_segment_bytes = 16 * kMiB;
  info.data_checksums = true;
  info.start_time = Timestamp(1795222923'000400us);
  info.stop_time = Timestamp(1795222930s);
  info.start_lsn = {0x6000028};
  info.stop_lsn = {0x7000100};
  info.timeline = 1;
  info.wal_start = "000000010000000000000006";
  info.wal_stop = "000000010000000000000007";
  info.cluster_bytes = 123456789012;
  info.read_bytes = 123456789000;
  info.stored_bytes = 12345678901;
  info.files = 987;
  info.outside = {"/etc/pg%/postgresql.conf",
                  "/etc/od\xff"
                  "d",
                  "",
                  2,
                  {{"/etc/od\xff"
                    "d",
                    "Permission denied"}}};
  info.page_errors = {{"base/5/16384.1", {131072, 131079}, 2}};
  info.tablespaces = {{16385, "fast", "/srv/fast"},
                      {16386,
                       "od\xff"
                       "d %41",
                       "/srv/od\xfe"
                       "d"}};
  info.backup_label = "START WAL LOCATION: 0/6000028 (file 000000010000000000000006)\nLABEL: 50%\n";
  info.tablespace_map =
      "16385 /srv/fast\n16386 /srv/od\xfe"
      "d\n";
  info.packs = {{std::string(label), 0, 41}};
  info.manifest_parts = 1;
  info.codec = "zst";
  info.program_version = "0.1.0";
  info.host =
      "db\xe9"
      "1";
  return info;
}

namespace {

/// All packs that a test reads, whole.
class Packs {
 public:
  Packs(storage::Driver& driver, const repo::SealContext& seal_context)
      : driver_(driver), seal_context_(seal_context) {}

  std::string frame(const std::string& key, std::uint32_t number) {
    if (key != key_) {
      body_ = object(driver_, key);
      index_ = repo::PackIndex::parse(as_bytes(body_), seal_context_, key);
      key_ = key;
    }
    if (number >= index_.frames()) throw DamagedError(key, 0, format("no frame {}", number));
    repo::FrameReader reader(seal_context_, key);
    const std::uint64_t start = index_.offset(number);
    const repo::Frame frame =
        reader.read(as_bytes(std::string_view(body_).substr(start, index_.end(number) - start)),
                    start, repo::FrameKind::data, number);
    Buffer raw;
    reader.open(frame, start, raw);
    return std::string(as_text(raw));
  }

 private:
  storage::Driver& driver_;
  const repo::SealContext& seal_context_;
  std::string key_;
  std::string body_;
  repo::PackIndex index_;
};

}  // namespace

std::string read_mapped(storage::Driver& driver, const repo::SealContext& seal_context,
                        const std::string& stanza, const std::vector<repo::ManifestRef>& refs,
                        const std::vector<repo::Extent>& map) {
  Packs packs(driver, seal_context);
  std::string content;
  for (const repo::Extent& extent : map) {
    const repo::ManifestRef& ref = refs.at(extent.ref);
    const std::string key = repo::pack_key(stanza, ref.backup, extent.pack);
    std::uint64_t left = extent.length_bytes;
    std::size_t offset = extent.offset_bytes;
    for (std::uint32_t frame = extent.frame; left > 0; ++frame, offset = 0) {
      const std::string payload = packs.frame(key, frame);
      if (offset >= payload.size()) throw DamagedError(key, 0, "an extent begins behind a frame");
      const std::string piece = payload.substr(offset, left);
      left -= piece.size();
      content += piece;
      if (left > 0 && payload.size() != ref.frame_bytes)
        throw DamagedError(key, 0, format("an extent leaves frame {}, which is short", frame));
    }
  }
  return content;
}

std::vector<std::pair<std::string, std::string>> read_whole_backup(repo::Repository& repository,
                                                                   const std::string& stanza,
                                                                   const std::string& label) {
  const repo::BackupMarker info = repository.read_marker(stanza, label);
  repo::ManifestReader manifest = repo::StanzaView(repository, stanza).manifest(info);
  std::vector<std::pair<std::string, std::string>> files;
  while (const auto entry = manifest.next()) {
    if (entry->type != repo::EntryType::file) continue;
    files.emplace_back(entry->path, read_mapped(repository.driver(), repository.seal_context(),
                                                stanza, manifest.header().refs, entry->map));
  }
  manifest.packs();
  return files;
}

}  // namespace pgcairn::test
