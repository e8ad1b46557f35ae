#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/repo/key_cache.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/repository.hpp>
#include <pgcairn/storage/proof.hpp>
#include <pgcairn/storage/unreadable_error.hpp>

#include <algorithm>

namespace pgcairn::repo {

namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kWalFrameBytes = 4 * kMiB;
constexpr std::size_t kIdDigits = 32;

/// It is a part of the names of files on this machine: nothing else may come from a repository.
bool is_repository_id(std::string_view text) {
  return text.size() == kIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string cluster_id(const Cluster& cluster) {
  return format("{}-{}", cluster.pg_version, cluster.system_id);
}

std::optional<Cluster> parse_cluster_id(std::string_view id) {
  const std::size_t dash = id.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto version = parse_u64(id.substr(0, dash));
  const auto system_id = parse_u64(id.substr(dash + 1));
  if (!version || *version > 1000 || !system_id) return std::nullopt;
  return Cluster{*system_id, static_cast<int>(*version)};
}

Repository::Repository(std::string name, std::unique_ptr<storage::Driver> driver, KeySettings keys,
                       std::shared_ptr<storage::Fence> fence)
    : name_(std::move(name)),
      driver_(std::move(driver)),
      fence_(std::move(fence)),
      keys_(std::move(keys)) {}

void Repository::open() {
  if (identify()) {
    if (!seal_context_.sealed()) seal_context_ = SealContext(id(), unlock());
  } else if (keys_.required) {
    throw UsageError(
        format("repository \"{}\" is not encrypted, but its configuration asks for encryption",
               name_),
        format("encrypt a new repository at another place; to go on with this one, take the key's "
               "settings out of [repo.{}] and write encryption = \"none\"",
               name_));
  }
}

std::optional<std::string> Repository::replaced_by() {
  const auto json = get_document(*driver_, SealContext(""), std::string(kRepositoryKey));
  if (!json) return "";
  JsonDocument document{std::string(kRepositoryKey)};
  std::string now_there(document.parse(*json)["id"].string());
  if (now_there == id()) return std::nullopt;
  return now_there;
}

void Repository::refuse_replaced(const std::string& other) const {
  if (other.empty()) {
    throw Error(format("the repository in {}, with id {}, is gone", driver_->describe(), id()),
                "bring it back, or create a new one with \"pgcairn stanza-create\"");
  }
  throw Error(format("the repository in {} was replaced by a new one: its id was {}, and is {}",
                     driver_->describe(), id(), other),
              "try again: what is stored from now on is for the new one");
}

void Repository::require_unchanged() {
  if (const auto other = replaced_by()) refuse_replaced(*other);
}

bool Repository::identify() {
  const auto json = get_document(*driver_, SealContext(""), std::string(kRepositoryKey));
  if (!json) {
    throw MissingError(format("there is no repository in {}", driver_->describe()),
                       "check its path in the configuration, and that it is mounted; \"pgcairn "
                       "stanza-create\" creates a new one");
  }
  JsonDocument document{std::string(kRepositoryKey)};
  const JsonValue root = document.parse(*json);
  if (root["format"].u64() != kFormat) {
    throw Error(
        format("the repository in {} has format version {}, this program supports version {}",
               driver_->describe(), root["format"].u64(), kFormat),
        "use a newer pgcairn");
  }
  const std::string_view id = root["id"].string();
  if (!is_repository_id(id))
    throw DamagedError(std::string(kRepositoryKey), 0, "its id is not 32 hexadecimal digits");
  const bool sealed = root["sealed"].boolean();
  // What was unlocked stays so, however often it is opened.
  if (!sealed || seal_context_.repository_id() != id) seal_context_ = SealContext(id);
  return sealed;
}

/// Slow where a passphrase is stretched: what runs for every WAL segment has a cache.
DataKey Repository::unlock() {
  const std::string how = format(
      "set key-passphrase-file, key-passphrase, key-file or key-command in [repo.{}] to a key that "
      "opens one of them",
      name_);
  if (!keys_.secret) {
    const auto slots = read_slots(*driver_, id());
    throw KeyError(format("repository \"{}\" is encrypted, and no key is configured; its key "
                          "slots are {}",
                          name_, list_slots(slots)),
                   how);
  }
  const KeySecret secret = keys_.secret();
  const KeyCache cache(keys_.cache);
  if (!keys_.cache.empty()) {
    if (DataKey key = cache.find(id(), secret)) return key;
  }
  // One slot that is damaged is not a reason not to use another.
  std::optional<DamagedError> unread;
  const auto slots = read_slots(*driver_, id(), [&](const DamagedError& error) { unread = error; });
  const auto opened = open_slots(slots, id(), secret);
  if (unread && opened) log_warn(format("a key slot is skipped: {}", unread->message()));
  if (unread && !opened) throw *unread;
  if (!opened) {
    throw KeyError(format("repository \"{}\" is encrypted, and the key from {} opens none of its "
                          "key slots, which are {}",
                          name_, secret.origin, list_slots(slots)),
                   how);
  }
  if (!keys_.cache.empty()) cache.keep(id(), secret, opened->data_key);
  return opened->data_key;
}

void Repository::prove_store() {
  doing([&] { return format("trying the store of repository \"{}\"", name_); },
        [&] { storage::prove_store(*driver_, kProofKey); });
}

bool Repository::create() {
  if (keys_.required && !keys_.secret) {
    throw UsageError(
        format("repository \"{}\" is to be encrypted, and no key is configured", name_),
        format("set key-passphrase-file (or key-file, key-command) in [repo.{}]; keep a copy of "
               "the key elsewhere, since without it the backups cannot be read. To store them "
               "unencrypted, set encryption = \"none\"",
               name_));
  }
  // A key that cannot be read shows before there is anything.
  std::optional<KeySecret> secret;
  if (keys_.secret) secret = keys_.secret();
  const bool created = write_identity();
  // Of several that create it at once one writes the first slot, and the data key is that one's.
  const bool sealed = identify();
  if (sealed && secret && read_slots(*driver_, id()).empty() && stanzas().empty())
    put_slot(*driver_, id(), 0, *new_data_key(), *secret, "first");
  open();
  return created;
}

/// Reads before it writes, since stores were seen that overwrite what they should only create: with
/// another id all that is there would be lost.
bool Repository::write_identity() {
  const std::string key(kRepositoryKey);
  const auto is_there = [&] { return get_document(*driver_, SealContext(""), key).has_value(); };
  if (is_there()) return false;
  for (const std::string_view prefix : {kClustersPrefix, kSlotsPrefix}) {
    std::string found;
    driver_->list(prefix, [&](const storage::Object& object) { found = object.key; });
    if (found.empty()) continue;
    if (is_there()) return false;  // another run makes it just now
    throw DamagedError(key, 0,
                       format("it is missing in {}, which still has \"{}\" of a repository",
                              driver_->describe(), found),
                       "without it nothing there can be read: bring it back from a copy of the "
                       "repository, or create a new one at another place");
  }
  prove_store();
  const std::string id = random_id();
  JsonWriter json;
  json.begin_object().member("format", kFormat).member("id", id);
  json.member("created", format_utc(now())).member("sealed", keys_.required).end_object();
  if (!put_document(*driver_, SealContext(""), key, json.text(), storage::IfExists::keep))
    return false;
  identify();
  if (this->id() == id) return true;
  throw ConflictError(
      format("another repository was created in {} at the same time, with id {}, and the store let "
             "it replace the one created here",
             driver_->describe(), this->id()),
      "nothing was stored in it yet: run it again; a store that keeps If-None-Match does not do "
      "this");
}

std::vector<std::string> Repository::stanzas() {
  std::vector<std::string> names;
  driver_->list(kClustersPrefix, [&](const storage::Object& object) {
    const std::string_view rest = std::string_view(object.key).substr(kClustersPrefix.size());
    std::string name(rest.substr(0, rest.find('/')));
    if (!is_stanza_name(name)) return;  // somebody else's
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  });
  return names;
}

std::vector<Cluster> Repository::clusters(const std::string& stanza) {
  std::vector<std::string> keys;
  driver_->list(cluster_prefix(stanza),
                [&](const storage::Object& object) { keys.push_back(object.key); });
  std::vector<Cluster> clusters;
  for (const std::string& key : keys) {
    std::optional<std::string> json;
    try {
      json = get_document(*driver_, seal_context_, key);
    } catch (const storage::UnreadableError&) {
      const auto named = parse_cluster_id(document_name(key, cluster_prefix(stanza)));
      if (!named) throw;
      clusters.push_back(*named);  // the name says all that the document would
      continue;
    }
    if (!json) continue;  // removed since it was listed
    JsonDocument document(key);
    const JsonValue root = document.parse(*json);
    const auto system_id = parse_u64(root["system-id"].string());
    if (!system_id) throw DamagedError(key, 0, "\"system-id\" is not a number");
    clusters.push_back({*system_id, static_cast<int>(root["pg-version"].u64())});
  }
  return clusters;
}

bool Repository::add_cluster(const std::string& stanza, const Cluster& cluster) {
  JsonWriter json;
  json.begin_object().member("system-id", std::to_string(cluster.system_id));
  json.member("pg-version", cluster.pg_version).end_object();
  const std::string key = cluster_key(stanza, cluster_id(cluster));
  return put_document(*driver_, seal_context_, key, json.text(), storage::IfExists::keep);
}

bool Repository::has_cluster(const std::string& stanza, const Cluster& cluster) {
  return driver_->stat(cluster_key(stanza, cluster_id(cluster))).has_value();
}

std::vector<std::string> Repository::backup_labels(const std::string& stanza) {
  std::vector<std::string> labels;
  const std::string prefix = marker_prefix(stanza);
  driver_->list(prefix, [&](const storage::Object& object) {
    std::string label = document_name(object.key, prefix);
    if (is_backup_label(label)) labels.push_back(std::move(label));
  });
  return labels;
}

BackupMarker Repository::read_marker(const std::string& stanza, const std::string& label) {
  auto info = find_backup(stanza, label);
  if (!info) {
    throw MissingError(format("there is no backup \"{}\" of stanza \"{}\" in repository \"{}\"",
                              label, stanza, name_),
                       "\"pgcairn info\" lists the backups");
  }
  return std::move(*info);
}

std::optional<BackupMarker> Repository::find_backup(const std::string& stanza,
                                                    const std::string& label) {
  const std::string key = marker_key(stanza, label);
  const auto json = get_document(*driver_, seal_context_, key);
  if (!json) return std::nullopt;
  BackupMarker info = read_backup_marker(*json, key);
  if (info.label != label)
    throw DamagedError(key, 0, format("this is the marker of backup {}", info.label));
  return info;
}

std::vector<BackupMarker> Repository::backups(
    const std::string& stanza, const std::function<void(const DamagedError&)>& damaged) {
  std::vector<BackupMarker> infos;
  for (const std::string& label : backup_labels(stanza)) {
    try {
      // Removed since it was listed: no backup.
      if (auto info = find_backup(stanza, label)) infos.push_back(std::move(*info));
    } catch (const DamagedError& error) {
      if (!damaged) throw;
      damaged(error);
    }
  }
  std::sort(infos.begin(), infos.end(),
            [](const BackupMarker& a, const BackupMarker& b) { return a.stop_time < b.stop_time; });
  return infos;
}

void Repository::write_marker(const std::string& stanza, const BackupMarker& info) {
  require_unchanged();
  put_document(*driver_, seal_context_, marker_key(stanza, info.label), write_backup_marker(info),
               storage::IfExists::fail);
}

namespace {

std::string wal_about(const std::string& file, std::uint64_t size_bytes, const Cluster& cluster) {
  JsonWriter about;
  about.begin_object().member("file", file).member("size", size_bytes);
  about.member("cluster", cluster_id(cluster)).end_object();
  return about.take();
}

/// Compares what comes in pieces with what is there.
class SameBytes {
 public:
  explicit SameBytes(const WalContent& expected) : expected_(expected) {}
  void add(Bytes piece) {
    same_ = same_ && piece.size() <= expected_.size_bytes - at_;
    if (!same_) return;
    ours_.resize(piece.size());
    expected_.read(at_, ours_.writable());
    same_ = std::memcmp(piece.data(), ours_.data(), piece.size()) == 0;
    at_ += piece.size();
  }
  bool same() const { return same_ && at_ == expected_.size_bytes; }

 private:
  const WalContent& expected_;
  Buffer ours_;
  std::uint64_t at_ = 0;
  bool same_ = true;
};

}  // namespace

WalContent wal_content(Bytes bytes) {
  return {bytes.size(), [bytes](std::uint64_t offset_bytes, MutableBytes out) {
            const Bytes piece = bytes.subspan(offset_bytes, out.size());
            std::copy(piece.begin(), piece.end(), out.begin());
          }};
}

bool Repository::put_wal(const std::string& stanza, const Cluster& cluster, const std::string& file,
                         const WalContent& content, compress::Codec& codec) {
  const std::string key = wal_key(stanza, cluster_id(cluster), file);
  Buffer body;
  Buffer raw;
  FrameWriter frames(FrameKind::wal, seal_context_, key, codec);
  std::string about = wal_about(file, content.size_bytes, cluster);
  for (std::uint64_t at = 0; at < content.size_bytes || at == 0; at += kWalFrameBytes) {
    raw.resize(std::min(kWalFrameBytes, content.size_bytes - at));
    content.read(at, raw.writable());
    frames.append(raw, as_bytes(about), body);
    about.clear();
  }
  if (driver_->put(key, body, storage::IfExists::keep)) {
    require_kept(key);
    return true;
  }

  SameBytes compare(content);
  try {
    if (!get_wal(stanza, cluster, file, [&](Bytes piece) { compare.add(piece); }))
      throw TransientError(format("\"{}\" existed and was removed meanwhile", key));
  } catch (const storage::UnreadableError&) {
    throw;  // it may be whole, and needed
  } catch (DamagedError& error) {
    error.set_hint(
        format("this object has the name of {}, and this repository cannot read it: an earlier "
               "repository at this place stored it, or it has changed since. It is of no use as it "
               "is: remove \"{}\" from {}, and the next try stores the segment; if the store locks "
               "it for a time, create a new repository at another place",
               file, key, driver_->describe()));
    throw;
  }
  if (compare.same()) {
    require_unchanged();  // else it is the same only for the repository that was here before
    return false;
  }
  throw ConflictError(
      format("\"{}\" is archived already with other content; it was not touched", file),
      "two clusters archive into this stanza (a clone, or an old primary that came back): give "
      "each a stanza of its own, or remove archive_command from the one that is not the primary");
}

/// What was stored just now for a repository that is another one by now would stand in the way of
/// its owner. It belongs to no backup yet: nothing was said of it.
void Repository::require_kept(const std::string& key) {
  const auto other = replaced_by();
  if (!other) return;
  doing([&] { return format("removing \"{}\" again, which was stored meanwhile", key); },
        [&] {
          driver_->remove({&key, 1});
        });
  refuse_replaced(*other);
}

bool Repository::get_wal(const std::string& stanza, const Cluster& cluster, const std::string& file,
                         const std::function<void(Bytes)>& sink) {
  const std::string key = wal_key(stanza, cluster_id(cluster), file);
  Buffer body;
  if (!driver_->get(key, {0, kMostWalObjectBytes + 1}, body)) return false;
  if (body.size() > kMostWalObjectBytes)
    throw DamagedError(key, kMostWalObjectBytes, "the object is longer than any WAL file");
  FrameReader frames(seal_context_, key);
  JsonDocument document(key);
  Buffer raw;
  std::uint64_t promised_bytes = 0;
  std::uint64_t given_bytes = 0;
  std::size_t at = 0;
  for (std::uint32_t number = 0; number == 0 || at < body.size(); ++number) {
    const Frame frame = frames.read(body.bytes().subspan(at), at, FrameKind::wal, number);
    if (number == 0) {
      const JsonValue about = document.parse(as_text(frame.about));
      if (about["file"].string() != file)
        throw DamagedError(key, 0, "the object holds another file");
      promised_bytes = about["size"].u64();
    }
    frames.open(frame, at, raw);
    sink(raw);
    given_bytes += raw.size();
    at += frame.whole_bytes;
  }
  if (given_bytes != promised_bytes) {
    throw DamagedError(
        key, at, format("the object holds {} bytes of a file of {}", given_bytes, promised_bytes));
  }
  return true;
}

bool Repository::has_wal(const std::string& stanza, const Cluster& cluster,
                         const std::string& file) {
  return driver_->stat(wal_key(stanza, cluster_id(cluster), file)).has_value();
}

}  // namespace pgcairn::repo
