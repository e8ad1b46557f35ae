#include "limits_json.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <algorithm>
#include <array>
#include <bit>

namespace pgcairn::repo {

namespace {

constexpr std::array<std::string_view, 3> kTypeNames = {"full", "incr", "diff"};
// More than any backup can have; what exceeds them would only fill memory.
constexpr std::uint32_t kMostManifestParts = 1'000'000;
constexpr std::uint64_t kMostWalSegments = std::uint64_t{1} << 24;

}  // namespace

std::string_view name_of(BackupType type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

std::optional<BackupType> parse_backup_type(std::string_view name) {
  const auto found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<BackupType>(found - kTypeNames.begin());
}

std::uint64_t BackupMarker::page_error_count() const {
  std::uint64_t count = 0;
  for (const PageErrors& file : page_errors) count += file.count;
  return count;
}

namespace {

void write_page_errors(JsonWriter& json, const std::vector<PageErrors>& errors) {
  json.key("page-errors").begin_array();
  for (const PageErrors& file : errors) {
    json.begin_object().member("path", escape_bytes(file.path)).key("blocks").begin_array();
    for (const std::uint32_t block : file.blocks) json.value(block);
    json.end_array().member("count", file.count);
    if (file.relation) write_relation(json.key("relation"), *file.relation);
    json.end_object();
  }
  json.end_array();
}

void write_outside(JsonWriter& json, const ExternalConfigInfo& outside) {
  const auto place = [&](std::string_view name, const std::string& path) {
    if (!path.empty()) json.member(name, escape_bytes(path));
  };
  json.key("outside").begin_object();
  place("config-file", outside.config_file);
  place("hba-file", outside.hba_file);
  place("ident-file", outside.ident_file);
  json.member("files", outside.files).key("unreadable").begin_array();
  for (const UnreadableFile& file : outside.unreadable) {
    json.begin_object().member("path", escape_bytes(file.path));
    json.member("cause", file.cause).end_object();
  }
  json.end_array().end_object();
}

void write_excluded(JsonWriter& json, const std::vector<std::string>& excluded) {
  if (excluded.empty()) return;
  json.key("excluded").begin_array();
  for (const std::string& path : excluded) json.value(escape_bytes(path));
  json.end_array();
}

/// What replay of the backup's WAL needs.
void write_replay(JsonWriter& json, const BackupMarker& info) {
  if (!info.unlogged.empty()) {
    json.key("unlogged").begin_array();
    for (const std::string& relation : info.unlogged) json.value(relation);
    json.end_array();
  }
  if (info.unsettled_before) json.member("unsettled-before", *info.unsettled_before);
  if (!info.limits) return;
  json.key("limits").begin_object();
  write_limits(json, *info.limits);
  json.member("configured", info.limits_configured).end_object();
}

void write_wal(JsonWriter& json, const BackupMarker& info) {
  json.member("timeline", info.timeline)
      .member("wal-start", info.wal_start)
      .member("wal-stop", info.wal_stop);
  if (!info.wal_stop_hash.empty()) json.member("wal-stop-hash", info.wal_stop_hash);
  if (!info.witness.empty()) json.member("witness", info.witness);
  if (info.wal_copied) json.member("wal-copied", true);
}

}  // namespace

std::string write_backup_marker(const BackupMarker& info) {
  JsonWriter json;
  json.begin_object().member("format", 1);
  json.member("label", info.label).member("type", name_of(info.type));
  json.key("prior");
  info.prior.empty() ? json.null() : json.value(info.prior);
  json.member("cluster", info.cluster).member("system-id", std::to_string(info.system_id));
  json.member("pg-version", info.pg_version).member("catalog-version", info.catalog_version);
  json.member("wal-segment-bytes", info.wal_segment_bytes)
      .member("data-checksums", info.data_checksums);
  json.member("from-standby", info.from_standby);
  json.member("start-time", format_utc(info.start_time))
      .member("stop-time", format_utc(info.stop_time));
  json.member("start-lsn", to_string(info.start_lsn)).member("stop-lsn", to_string(info.stop_lsn));
  write_wal(json, info);
  json.member("cluster-bytes", info.cluster_bytes).member("read-bytes", info.read_bytes);
  json.member("stored-bytes", info.stored_bytes).member("files", info.files);
  if (!info.resumed.empty()) {
    json.key("resumed").begin_array();
    for (const Resumed& one : info.resumed) {
      json.begin_object().member("backup", one.backup).member("packs", one.packs);
      json.member("bytes", one.bytes).end_object();
    }
    json.end_array();
  }
  json.member("method", info.method).member("method-reason", info.method_reason);
  write_page_errors(json, info.page_errors);
  json.key("tablespaces").begin_array();
  for (const TablespaceInfo& space : info.tablespaces) {
    json.begin_object().member("oid", space.oid).member("name", escape_bytes(space.name));
    json.member("location", escape_bytes(space.location)).end_object();
  }
  json.end_array();
  json.key("databases").begin_array();
  for (const DatabaseInfo& database : info.databases) {
    json.begin_object().member("oid", database.oid);
    json.member("name", escape_bytes(database.name)).end_object();
  }
  json.end_array();
  if (info.outside != ExternalConfigInfo{}) write_outside(json, info.outside);
  write_excluded(json, info.excluded);
  write_replay(json, info);
  json.member("backup-label", escape_bytes(info.backup_label));
  json.member("tablespace-map", escape_bytes(info.tablespace_map));
  json.key("packs").begin_array();
  for (const PackRange& range : info.packs) {
    json.begin_object()
        .member("backup", range.backup)
        .member("first", range.first)
        .member("last", range.last)
        .end_object();
  }
  json.end_array().member("manifest-parts", info.manifest_parts);
  if (!info.manifest_seals.empty()) {
    json.key("manifest-seals").begin_array();
    for (const Binding& seal : info.manifest_seals) json.value(hex(seal));
    json.end_array();
  }
  json.member("codec", info.codec);
  json.member("program-version", info.program_version);
  json.member("host", escape_bytes(info.host)).end_object();
  return json.take();
}

namespace {

/// True when WAL arithmetic can be done with what the marker says.
bool is_wal_range(const BackupMarker& info) {
  if (!std::has_single_bit(info.wal_segment_bytes) || info.wal_segment_bytes > 1 * kGiB)
    return false;
  const auto first = parse_wal_segment_name(info.wal_start, info.wal_segment_bytes);
  const auto last = parse_wal_segment_name(info.wal_stop, info.wal_segment_bytes);
  return first && last && first->timeline == last->timeline && first->number <= last->number &&
         last->number - first->number < kMostWalSegments;
}

/// The member that contradicts the others, or exceeds its limit; empty: none does.
std::string_view what_cannot_be(const BackupMarker& info) {
  if (info.cluster != format("{}-{}", info.pg_version, info.system_id)) return "cluster";
  if (info.manifest_parts > kMostManifestParts) return "manifest-parts";
  return is_wal_range(info) ? "" : "wal-start";
}

std::vector<PageErrors> read_page_errors(const JsonValue& value) {
  std::vector<PageErrors> errors;
  for (const JsonValue item : value.array()) {
    PageErrors file;
    file.path = unescape_bytes(item["path"].string());
    for (const JsonValue block : item["blocks"].array()) file.blocks.push_back(block.u32());
    file.count = item["count"].u64();
    if (const auto relation = item.find("relation")) file.relation = read_relation(*relation);
    errors.push_back(std::move(file));
  }
  return errors;
}

std::vector<TablespaceInfo> read_tablespaces(const JsonValue& value) {
  std::vector<TablespaceInfo> spaces;
  for (const JsonValue item : value.array()) {
    spaces.push_back({item["oid"].u32(), unescape_bytes(item["name"].string()),
                      unescape_bytes(item["location"].string())});
  }
  return spaces;
}

std::vector<Resumed> read_resumed(const JsonValue& value) {
  std::vector<Resumed> resumed;
  for (const JsonValue item : value.array()) {
    resumed.push_back(
        {std::string(item["backup"].string()), item["packs"].u64(), item["bytes"].u64()});
  }
  return resumed;
}

ExternalConfigInfo read_outside(const JsonValue& value) {
  ExternalConfigInfo outside;
  const auto place = [&](std::string_view name) {
    const auto path = value.find(name);
    return path ? unescape_bytes(path->string()) : std::string();
  };
  outside.config_file = place("config-file");
  outside.hba_file = place("hba-file");
  outside.ident_file = place("ident-file");
  outside.files = value["files"].u64();
  for (const JsonValue item : value["unreadable"].array()) {
    outside.unreadable.push_back(
        {unescape_bytes(item["path"].string()), std::string(item["cause"].string())});
  }
  return outside;
}

/// What the backup has from outside the data directory, and what it leaves out of that.
void read_scope(const JsonValue& json, BackupMarker& info) {
  if (const auto outside = json.find("outside")) info.outside = read_outside(*outside);
  if (const auto excluded = json.find("excluded")) {
    for (const JsonValue path : excluded->array())
      info.excluded.push_back(unescape_bytes(path.string()));
  }
}

std::vector<DatabaseInfo> read_databases(const JsonValue& value) {
  std::vector<DatabaseInfo> databases;
  for (const JsonValue item : value.array())
    databases.push_back({item["oid"].u32(), unescape_bytes(item["name"].string())});
  return databases;
}

void read_replay(const JsonValue& json, BackupMarker& info) {
  if (const auto unlogged = json.find("unlogged")) {
    for (const JsonValue item : unlogged->array()) info.unlogged.emplace_back(item.string());
  }
  if (const auto before = json.find("unsettled-before")) info.unsettled_before = before->u32();
  if (const auto limits = json.find("limits")) {
    info.limits = read_limits(*limits);
    info.limits_configured = (*limits)["configured"].boolean();
  }
}

std::vector<PackRange> read_packs(const JsonValue& value, const std::string& object) {
  std::vector<PackRange> packs;
  for (const JsonValue item : value.array()) {
    packs.push_back(
        {std::string(item["backup"].string()), item["first"].u32(), item["last"].u32()});
    if (!is_backup_label(packs.back().backup) || packs.back().first > packs.back().last)
      throw DamagedError(object, 0, "\"packs\" has an unknown format");
  }
  return packs;
}

/// What is not a binding becomes one that no part has.
std::vector<Binding> read_seals(const JsonValue& value) {
  std::vector<Binding> seals;
  for (const JsonValue item : value.array())
    seals.push_back(parse_binding(item.string()).value_or(Binding{}));
  return seals;
}

void read_wal_marks(const JsonValue& json, BackupMarker& info) {
  if (const auto hash = json.find("wal-stop-hash")) info.wal_stop_hash = hash->string();
  if (const auto witness = json.find("witness")) info.witness = witness->string();
  if (const auto copied = json.find("wal-copied")) info.wal_copied = copied->boolean();
}

}  // namespace

BackupMarker read_backup_marker(std::string_view text, const std::string& object) {
  JsonDocument document(object);
  const JsonValue json = document.parse(text);
  const auto wrong = [&](std::string_view name) {
    return DamagedError(object, 0, format("\"{}\" has an unknown format", name));
  };
  const auto number = [&](std::string_view name) { return json[name].u32(); };
  const auto string = [&](std::string_view name) { return std::string(json[name].string()); };
  const auto time = [&](std::string_view name) {
    const auto parsed = parse_utc(json[name].string());
    if (!parsed) throw wrong(name);
    return *parsed;
  };
  const auto lsn = [&](std::string_view name) {
    const auto parsed = parse_lsn(json[name].string());
    if (!parsed) throw wrong(name);
    return *parsed;
  };
  if (json["format"].u64() != 1) {
    throw Error(
        format("cannot read \"{}\": its format version is {}", object, json["format"].u64()),
        "use a newer pgcairn");
  }
  BackupMarker info;
  info.label = string("label");
  const auto type = parse_backup_type(json["type"].string());
  if (!type) throw wrong("type");
  info.type = *type;
  if (const auto prior = json.find("prior")) info.prior = prior->string();
  info.cluster = string("cluster");
  const auto system_id = parse_u64(json["system-id"].string());
  if (!system_id) throw wrong("system-id");
  info.system_id = *system_id;
  info.pg_version = static_cast<int>(number("pg-version"));
  info.catalog_version = number("catalog-version");
  info.wal_segment_bytes = json["wal-segment-bytes"].u64();
  info.data_checksums = json["data-checksums"].boolean();
  info.from_standby = json["from-standby"].boolean();
  info.start_time = time("start-time");
  info.stop_time = time("stop-time");
  info.start_lsn = lsn("start-lsn");
  info.stop_lsn = lsn("stop-lsn");
  info.timeline = number("timeline");
  info.wal_start = string("wal-start");
  info.wal_stop = string("wal-stop");
  read_wal_marks(json, info);
  info.cluster_bytes = json["cluster-bytes"].u64();
  info.read_bytes = json["read-bytes"].u64();
  info.stored_bytes = json["stored-bytes"].u64();
  info.files = json["files"].u64();
  if (const auto resumed = json.find("resumed")) info.resumed = read_resumed(*resumed);
  info.method = string("method");
  info.method_reason = string("method-reason");
  info.page_errors = read_page_errors(json["page-errors"]);
  info.tablespaces = read_tablespaces(json["tablespaces"]);
  // Backups of the first days do not tell them.
  if (const auto databases = json.find("databases")) info.databases = read_databases(*databases);
  read_scope(json, info);
  read_replay(json, info);
  info.backup_label = unescape_bytes(json["backup-label"].string());
  info.tablespace_map = unescape_bytes(json["tablespace-map"].string());
  info.packs = read_packs(json["packs"], object);
  info.manifest_parts = number("manifest-parts");
  if (const auto seals = json.find("manifest-seals")) info.manifest_seals = read_seals(*seals);
  info.codec = string("codec");
  info.program_version = string("program-version");
  info.host = unescape_bytes(json["host"].string());
  if (const std::string_view name = what_cannot_be(info); !name.empty()) throw wrong(name);
  return info;
}

std::string full_backup_label(Timestamp start) {
  return format_label_time(start) + "F";
}

std::string later_backup_label(BackupType type, std::string_view prior, Timestamp start) {
  PGCAIRN_ASSERT(type != BackupType::full && prior.size() >= 16);
  return format("{}_{}{}", prior.substr(0, 16), format_label_time(start),
                type == BackupType::incremental ? 'I' : 'D');
}

std::string_view label_time(std::string_view label) {
  return label.substr(label.size() - 16, 15);
}

std::optional<Timestamp> oldest_backup(std::span<const std::string> labels) {
  const auto first = std::min_element(
      labels.begin(), labels.end(),
      [](const std::string& a, const std::string& b) { return label_time(a) < label_time(b); });
  if (first == labels.end()) return std::nullopt;
  const std::string_view t = label_time(*first);
  return parse_utc(format("{}-{}-{}T{}:{}:{}Z", t.substr(0, 4), t.substr(4, 2), t.substr(6, 2),
                          t.substr(9, 2), t.substr(11, 2), t.substr(13, 2)));
}

namespace {

/// 20261121-010203 and a letter out of `types`.
bool is_label_part(std::string_view text, std::string_view types) {
  return text.size() == 16 && is_digits(text.substr(0, 8)) && text[8] == '-' &&
         is_digits(text.substr(9, 6)) && types.find(text[15]) != std::string_view::npos;
}

}  // namespace

bool is_backup_label(std::string_view text) {
  if (text.size() == 16) return is_label_part(text, "F");
  return text.size() == 33 && text[16] == '_' && is_label_part(text.substr(0, 16), "F") &&
         is_label_part(text.substr(17), "ID");
}

}  // namespace pgcairn::repo
