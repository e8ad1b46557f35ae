#include "limits_json.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/process.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/records.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

namespace pgcairn::repo {

namespace {

// In the order of RecordContent's alternatives.
constexpr std::string_view kKinds[] = {"verify", "drill",   "hold",  "note",
                                       "stop",   "release", "limits"};

void write_strings(JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.value(escape_bytes(value));
  json.end_array();
}

std::vector<std::string> read_strings(const JsonValue& array) {
  std::vector<std::string> values;
  for (const JsonValue& value : array.array()) values.push_back(unescape_bytes(value.string()));
  return values;
}

std::string read_text(const JsonValue& root, std::string_view name) {
  return unescape_bytes(root[name].string());
}

Timestamp read_time(const JsonValue& value, const std::string& object) {
  const auto time = parse_utc(value.string());
  if (!time) throw DamagedError(object, 0, format("\"{}\" is not a time", value.string()));
  return *time;
}

std::optional<Timestamp> find_time(const JsonValue& root, std::string_view name,
                                   const std::string& object) {
  const auto value = root.find(name);
  if (!value) return std::nullopt;
  return read_time(*value, object);
}

void write_content(JsonWriter& json, const VerifyRecord& verify) {
  json.member("level", verify.level).member("all", verify.all);
  write_strings(json, "backups", verify.backups);
  write_strings(json, "damaged", verify.damaged);
  write_strings(json, "damages", verify.damages);
  json.member("damage-count", verify.damage_count).member("bytes-read", verify.bytes_read);
  json.member("seconds", verify.seconds);
  if (!verify.next.empty()) json.member("next", escape_bytes(verify.next));
}

void write_content(JsonWriter& json, const DrillRecord& drill) {
  json.member("backup", drill.backup).member("good", drill.good);
  write_strings(json, "findings", drill.findings);
  json.member("restore-seconds", drill.restore_seconds);
  json.member("recovery-seconds", drill.recovery_seconds).member("wal-bytes", drill.wal_bytes);
  if (drill.last_transaction) json.member("last-transaction", format_utc(*drill.last_transaction));
}

void write_content(JsonWriter& json, const HoldRecord& hold) {
  json.member("backup", hold.backup).member("reason", escape_bytes(hold.reason));
  if (hold.until) json.member("until", format_utc(*hold.until));
}

void write_content(JsonWriter& json, const AnnotationRecord& note) {
  json.member("backup", note.backup).member("name", escape_bytes(note.name));
  json.member("text", escape_bytes(note.text));
}

void write_content(JsonWriter& json, const StopRecord& stop) {
  json.member("reason", escape_bytes(stop.reason));
}

void write_content(JsonWriter& json, const ReleaseRecord& release) {
  write_strings(json, "records", release.records);
}

void write_content(JsonWriter& json, const LimitsRecord& limits) {
  json.member("cluster", limits.cluster).member("timeline", limits.timeline);
  json.member("lsn", to_string(limits.lsn));
  write_limits(json, limits.limits);
}

VerifyRecord read_verify(const JsonValue& root) {
  VerifyRecord verify;
  verify.level = root["level"].string();
  verify.all = root["all"].boolean();
  verify.backups = read_strings(root["backups"]);
  verify.damaged = read_strings(root["damaged"]);
  verify.damages = read_strings(root["damages"]);
  verify.damage_count = root["damage-count"].u64();
  verify.bytes_read = root["bytes-read"].u64();
  verify.seconds = root["seconds"].number();
  if (root.find("next")) verify.next = read_text(root, "next");
  return verify;
}

DrillRecord read_drill(const JsonValue& root, const std::string& object) {
  DrillRecord drill;
  drill.backup = root["backup"].string();
  drill.good = root["good"].boolean();
  drill.findings = read_strings(root["findings"]);
  drill.restore_seconds = root["restore-seconds"].number();
  drill.recovery_seconds = root["recovery-seconds"].number();
  drill.wal_bytes = root["wal-bytes"].u64();
  drill.last_transaction = find_time(root, "last-transaction", object);
  return drill;
}

LimitsRecord read_limits_record(const JsonValue& root, const std::string& object) {
  const auto lsn = parse_lsn(root["lsn"].string());
  if (!lsn) throw DamagedError(object, 0, "\"lsn\" has an unknown format");
  return {std::string(root["cluster"].string()), root["timeline"].u32(), *lsn, read_limits(root)};
}

RecordContent read_content(std::string_view kind, const JsonValue& root,
                           const std::string& object) {
  if (kind == "verify") return read_verify(root);
  if (kind == "drill") return read_drill(root, object);
  if (kind == "hold") {
    return HoldRecord{std::string(root["backup"].string()), read_text(root, "reason"),
                      find_time(root, "until", object)};
  }
  if (kind == "note") {
    return AnnotationRecord{std::string(root["backup"].string()), read_text(root, "name"),
                            read_text(root, "text")};
  }
  if (kind == "stop") return StopRecord{read_text(root, "reason")};
  if (kind == "release") return ReleaseRecord{read_strings(root["records"])};
  if (kind == "limits") return read_limits_record(root, object);
  throw DamagedError(object, 0, format("\"{}\" is not a kind of record", kind));
}

/// The kind in "20261121-010203-hold-0f1e2d3c"; empty when the name is none of ours.
std::string_view kind_in(std::string_view name) {
  constexpr std::size_t time_length = 15;
  const std::size_t end = name.rfind('-');
  if (end == std::string_view::npos || end <= time_length + 1 || name[time_length] != '-')
    return {};
  return name.substr(time_length + 1, end - time_length - 1);
}

bool is_kind(std::string_view word) {
  return std::find(std::begin(kKinds), std::end(kKinds), word) != std::end(kKinds);
}

bool contains(const std::vector<std::string>& labels, std::string_view label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

}  // namespace

std::string_view kind_of(const RecordContent& content) {
  static_assert(std::size(kKinds) == std::variant_size_v<RecordContent>);
  return kKinds[content.index()];
}

std::string_view record_kind(std::string_view name) {
  const std::string_view kind = kind_in(name);
  return is_kind(kind) ? kind : std::string_view();
}

std::string add_record(Repository& repository, const std::string& stanza,
                       const RecordContent& content) {
  const Timestamp time = now();
  JsonWriter json;
  json.begin_object().member("kind", kind_of(content)).member("time", format_utc(time));
  json.member("host", escape_bytes(host_name()));
  std::visit([&](const auto& one) { write_content(json, one); }, content);
  json.end_object();
  const std::string name =
      format("{}-{}-{}", format_label_time(time), kind_of(content), random_id().substr(0, 8));
  put_document(repository.driver(), repository.seal_context(), record_key(stanza, name),
               json.text(), storage::IfExists::fail);
  return name;
}

std::vector<Record> read_records(Repository& repository, const std::string& stanza,
                                 const std::vector<std::string_view>& kinds,
                                 const std::function<void(const DamagedError&)>& damaged) {
  std::vector<std::string> names;
  const std::string prefix = record_prefix(stanza);
  repository.driver().list(prefix, [&](const storage::Object& object) {
    std::string name = document_name(object.key, prefix);
    const std::string_view kind = kind_in(name);
    // A kind that only later versions know is theirs.
    const bool wanted =
        kinds.empty() ? is_kind(kind) : std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
    if (wanted) names.push_back(std::move(name));
  });
  std::vector<Record> records;
  std::mutex mutex;
  for_each_index(names.size(), kRequestsAtOnce, {}, [&](std::size_t i) {
    const std::string key = record_key(stanza, names[i]);
    try {
      const auto json = get_document(repository.driver(), repository.seal_context(), key);
      if (!json) return;  // removed since it was listed
      JsonDocument document(key);
      const JsonValue root = document.parse(*json);
      if (root["kind"].string() != kind_in(names[i]))
        throw DamagedError(key, 0, "the record is of another kind than its name says");
      Record record{names[i], read_time(root["time"], key), read_text(root, "host"),
                    read_content(kind_in(names[i]), root, key)};
      std::lock_guard lock(mutex);
      records.push_back(std::move(record));
    } catch (const DamagedError& error) {
      if (!damaged) throw;
      std::lock_guard lock(mutex);
      damaged(error);
    }
  });
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    return std::tie(a.time, a.name) < std::tie(b.time, b.name);
  });
  return records;
}

RecordState::RecordState(std::vector<Record> records, Timestamp when)
    : records_(std::move(records)), when_(when) {
  for (const Record& record : records_) {
    if (const auto* release = std::get_if<ReleaseRecord>(&record.content))
      released_.insert(release->records.begin(), release->records.end());
  }
}

std::vector<const Record*> RecordState::holds(std::string_view label) const {
  std::vector<const Record*> found;
  for (const Record& record : records_) {
    const auto* hold = std::get_if<HoldRecord>(&record.content);
    if (hold == nullptr || hold->backup != label || released_.contains(record.name)) continue;
    if (!hold->until || when_ < *hold->until) found.push_back(&record);
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> RecordState::annotations(
    std::string_view label) const {
  std::map<std::string, std::string> texts;
  for (const Record& record : records_) {
    const auto* note = std::get_if<AnnotationRecord>(&record.content);
    if (note != nullptr && note->backup == label) texts[note->name] = note->text;
  }
  std::erase_if(texts, [](const auto& note) { return note.second.empty(); });
  return {texts.begin(), texts.end()};
}

std::vector<const Record*> RecordState::stops() const {
  std::vector<const Record*> found;
  for (const Record& record : records_) {
    if (std::holds_alternative<StopRecord>(record.content) && !released_.contains(record.name))
      found.push_back(&record);
  }
  return found;
}

const Record* RecordState::damage(std::string_view label) const {
  bool cleared_quick = false;  // by a later run: what a quick one finds, and what a full one finds
  bool cleared_full = false;
  for (auto record = records_.rbegin(); record != records_.rend(); ++record) {
    const auto* verify = std::get_if<VerifyRecord>(&record->content);
    if (verify == nullptr) continue;
    if (cleared_full) return nullptr;
    const bool full = verify->level == "full";
    if (contains(verify->damaged, label)) {
      if (!(full ? cleared_full : cleared_quick)) return &*record;
    } else if (verify->all && contains(verify->backups, label)) {
      cleared_quick = true;
      cleared_full = cleared_full || full;
    }
  }
  return nullptr;
}

const Record* RecordState::last_verify(std::string_view label) const {
  const auto found = std::find_if(records_.rbegin(), records_.rend(), [&](const Record& record) {
    const auto* verify = std::get_if<VerifyRecord>(&record.content);
    return verify != nullptr && contains(verify->backups, label);
  });
  return found == records_.rend() ? nullptr : &*found;
}

const Record* RecordState::last_drill(std::string_view label) const {
  const auto found = std::find_if(records_.rbegin(), records_.rend(), [&](const Record& record) {
    const auto* drill = std::get_if<DrillRecord>(&record.content);
    return drill != nullptr && drill->backup == label;
  });
  return found == records_.rend() ? nullptr : &*found;
}

std::vector<std::string> damaged_of(const RecordState& record_state,
                                    std::span<const std::string> labels) {
  // Few were ever found so, and looking one up goes through all records.
  std::set<std::string> ever;
  for (const Record& record : record_state.records()) {
    if (const auto* const run = std::get_if<VerifyRecord>(&record.content))
      ever.insert(run->damaged.begin(), run->damaged.end());
  }
  std::vector<std::string> damaged;
  for (const std::string& label : labels)
    if (ever.contains(label) && record_state.damage(label) != nullptr) damaged.push_back(label);
  return damaged;
}

const Record* damage_of_archive(const RecordState& record_state) {
  const auto& records = record_state.records();
  bool cleared_quick = false;  // by a later run over all backups, of this level
  bool cleared_full = false;
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const auto* const run = std::get_if<VerifyRecord>(&record->content);
    if (run == nullptr) continue;
    if (cleared_full) return nullptr;
    const bool full = run->level == "full";
    if (run->damage_count > 0 && run->damaged.empty()) {
      if (!(full ? cleared_full : cleared_quick)) return &*record;
    } else if (run->all && run->damage_count == 0) {
      cleared_quick = true;
      cleared_full = cleared_full || full;
    }
  }
  return nullptr;
}

}  // namespace pgcairn::repo
