#include "console.hpp"
#include "render/health.hpp"
#include "render/info_status.hpp"
#include "render/render.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

// What share/info.schema.json and pgcairn-info(1) say, member by member.

namespace pgcairn::command {

namespace {

void text_or_null(JsonWriter& json, std::string_view name, const std::string& text) {
  json.key(name);
  text.empty() ? json.null() : json.value(as_utf8(text));
}

void time_or_null(JsonWriter& json, std::string_view name, const std::optional<Timestamp>& time) {
  json.key(name);
  time ? json.value(format_utc(*time)) : json.null();
}

void age_or_null(JsonWriter& json, std::string_view name, const std::optional<Timestamp>& then,
                 Timestamp when) {
  json.key(name);
  if (!then) {
    json.null();
    return;
  }
  json.value(std::max<std::int64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(when - *then).count(), 0));
}

void write_status(JsonWriter& json, const Status& status) {
  json.key("status").begin_object();
  json.member("code", static_cast<int>(status.code));
  json.member("message", as_utf8(status.message));
  json.end_object();
}

void write_verify(JsonWriter& json, const repo::Record* record) {
  json.key("verify");
  if (record == nullptr) {
    json.null();
    return;
  }
  const auto& verify = std::get<repo::VerifyRecord>(record->content);
  json.begin_object().member("time", format_utc(record->time)).member("level", verify.level);
  json.member("all", verify.all).end_object();
}

void write_damage(JsonWriter& json, const repo::Record* record) {
  json.key("damage");
  if (record == nullptr) {
    json.null();
    return;
  }
  const auto& verify = std::get<repo::VerifyRecord>(record->content);
  json.begin_object().member("time", format_utc(record->time)).member("level", verify.level);
  json.member("count", verify.damage_count).key("damages").begin_array();
  for (const std::string& damage : verify.damages) json.value(as_utf8(damage));
  json.end_array().end_object();
}

void write_drill(JsonWriter& json, const repo::Record* record) {
  json.key("drill");
  if (record == nullptr) {
    json.null();
    return;
  }
  const auto& drill = std::get<repo::DrillRecord>(record->content);
  json.begin_object().member("time", format_utc(record->time)).member("good", drill.good);
  json.key("findings").begin_array();
  for (const std::string& finding : drill.findings) json.value(as_utf8(finding));
  json.end_array().member("restore-seconds", drill.restore_seconds);
  json.member("recovery-seconds", drill.recovery_seconds).member("wal-bytes", drill.wal_bytes);
  time_or_null(json, "last-transaction", drill.last_transaction);
  json.end_object();
}

/// None of a repository whose records could not be read: null is "not known".
void write_record_state(JsonWriter& json, const std::optional<repo::RecordState>& record_state,
                        const std::string& label) {
  if (!record_state) {
    for (const char* const name : {"holds", "annotations", "verify", "damage", "drill"})
      json.key(name).null();
    return;
  }
  json.key("holds").begin_array();
  for (const repo::Record* const record : record_state->holds(label)) {
    const auto& hold = std::get<repo::HoldRecord>(record->content);
    json.begin_object().member("reason", as_utf8(hold.reason));
    json.member("since", format_utc(record->time)).member("host", as_utf8(record->host));
    time_or_null(json, "until", hold.until);
    json.end_object();
  }
  json.end_array().key("annotations").begin_array();
  for (const auto& [name, text] : record_state->annotations(label)) {
    json.begin_object().member("name", as_utf8(name)).member("text", as_utf8(text));
    json.end_object();
  }
  json.end_array();
  write_verify(json, record_state->last_verify(label));
  write_damage(json, record_state->damage(label));
  write_drill(json, record_state->last_drill(label));
}

void write_listed_backup(JsonWriter& json, const engine::RepositoryInfo& repository,
                         const repo::BackupMarker& backup) {
  json.begin_object();
  write_backup_members(json, backup);
  json.member("restorable", repository.restorable(backup.label));
  const auto found = repository.sizes.find(backup.label);
  const engine::BackupSizes sizes =
      found == repository.sizes.end() ? engine::BackupSizes{} : found->second;
  json.key("sizes").begin_object().member("packs-bytes", sizes.named_bytes);
  json.member("shared-bytes", sizes.shared_bytes).member("freed-bytes", sizes.freed_bytes);
  json.member("exact", sizes.exact).end_object();
  write_record_state(json, repository.record_state, backup.label);
  json.end_object();
}

void write_windows(JsonWriter& json, const engine::RepositoryInfo& repository) {
  json.key("windows").begin_array();
  for (const engine::RestorableWindow& window : repository.windows) {
    json.begin_object().member("cluster", window.cluster).member("timeline", window.timeline);
    json.member("from-lsn", to_string(window.from));
    json.member("from-time", format_utc(window.from_time));
    json.member("from-clock", window.switched ? "store" : "server");
    json.member("to-lsn", to_string(window.to)).member("to-time", format_utc(window.to_time));
    json.member("last", window.last).member("missing", window.missing);
    text_or_null(json, "after-gap", window.after_gap);
    json.member("gap", engine::name_of(window.gap));
    text_or_null(json, "partial", window.partial);
    json.key("backups").begin_array();
    for (const std::string& label : window.backups) json.value(label);
    json.end_array().end_object();
  }
  json.end_array();
}

void write_lease(JsonWriter& json, std::string_view name, const repo::LeaseState* lease) {
  json.key(name);
  if (lease == nullptr) {
    json.null();
    return;
  }
  json.begin_object().member("operation", as_utf8(lease->operation));
  json.member("host", as_utf8(lease->host)).member("pid", lease->process.pid);
  json.member("since", format_utc(lease->since)).member("time", format_utc(lease->time));
  json.key("done-bytes");
  lease->progress ? json.value(lease->progress->done_bytes) : json.null();
  json.key("total-bytes");
  lease->progress && lease->progress->total_bytes > 0 ? json.value(lease->progress->total_bytes)
                                                      : json.null();
  const auto left = time_left(*lease);
  json.key("left-seconds");
  left ? json.value(std::int64_t{left->count() / 1000}) : json.null();
  json.end_object();
}

void write_growth(JsonWriter& json, const std::optional<engine::Growth>& growth) {
  json.key("growth");
  if (!growth) {
    json.null();
    return;
  }
  json.begin_object().member("days", growth->days);
  json.member("cluster-bytes-per-day", growth->cluster_bytes_per_day);
  json.member("stored-bytes-per-day", growth->stored_bytes_per_day);
  json.member("wal-bytes-per-day", growth->wal_bytes_per_day).end_object();
}

void write_stops(JsonWriter& json, const std::optional<repo::RecordState>& record_state) {
  json.key("stops");
  if (!record_state) {
    json.null();
    return;
  }
  json.begin_array();
  for (const repo::Record* const stop : record_state->stops()) {
    json.begin_object();
    json.member("reason", as_utf8(std::get<repo::StopRecord>(stop->content).reason));
    json.member("since", format_utc(stop->time)).member("host", as_utf8(stop->host)).end_object();
  }
  json.end_array();
}

void write_repository(JsonWriter& json, const engine::RepositoryInfo& repository, Timestamp when) {
  json.begin_object().member("name", repository.name).member("type", repository.type);
  write_status(json, status_of(repository));
  json.key("notes").begin_array();
  for (const std::string& note : repository.notes) json.value(as_utf8(note));
  json.end_array().key("clusters").begin_array();
  for (const repo::Cluster& cluster : repository.clusters) {
    json.begin_object().member("id", repo::cluster_id(cluster));
    json.member("system-id", std::to_string(cluster.system_id));
    json.member("pg-version", cluster.pg_version).end_object();
  }
  json.end_array().key("backups").begin_array();
  for (const repo::BackupMarker& backup : repository.backups)
    write_listed_backup(json, repository, backup);
  json.end_array().key("unreadable-backups").begin_array();
  for (const auto& [label, cause] : repository.unreadable) {
    json.begin_object().member("label", label).member("cause", as_utf8(cause));
    json.end_object();
  }
  json.end_array();
  std::optional<Timestamp> newest;
  if (!repository.backups.empty()) newest = repository.backups.back().stop_time;
  age_or_null(json, "newest-backup-age-seconds", newest, when);
  write_windows(json, repository);
  write_branches(json, repository.branches);
  json.key("wal").begin_object().member("segments", repository.wal_segments);
  text_or_null(json, "first", repository.wal_first);
  text_or_null(json, "last", repository.wal_last);
  json.member("stored-bytes", repository.wal_bytes);
  time_or_null(json, "newest-time", repository.wal_time);
  age_or_null(json, "newest-age-seconds", repository.wal_time, when);
  json.end_object();
  write_growth(json, repository.growth);
  json.key("space");
  if (repository.space) {
    json.begin_object().member("size-bytes", repository.space->size_bytes);
    json.member("free-bytes", repository.space->free_bytes).end_object();
  } else {
    json.null();
  }
  write_lease(json, "running", running(repository, when));
  write_lease(json, "left-behind", left_behind(repository, when));
  write_stops(json, repository.record_state);
  json.end_object();
}

}  // namespace

std::string info_json(std::span<const engine::StanzaInfo> stanzas) {
  JsonWriter json;
  json.begin_object().key("stanzas").begin_array();
  for (const engine::StanzaInfo& stanza : stanzas) {
    json.begin_object().member("name", stanza.name).member("time", format_utc(stanza.when));
    write_status(json, status_of(stanza));
    write_verdict(json, verdict_of(stanza));
    json.key("findings").begin_array();
    for (const engine::RepositoryInfo& repository : stanza.repositories)
      for (const engine::HealthFinding& finding : repository.findings) write_finding(json, finding);
    json.end_array();
    json.key("repositories").begin_array();
    for (const engine::RepositoryInfo& repository : stanza.repositories)
      write_repository(json, repository, stanza.when);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
