#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

namespace {

std::string data_text(const engine::ExpiredData& data) {
  std::string text;
  if (data.packs_removed + data.manifest_parts_removed > 0) {
    text += format("  remove  {} and {} of {}, {}: {}\n", counted(data.packs_removed, "pack"),
                   counted(data.manifest_parts_removed, "manifest part"), data.label,
                   format_size(data.removed_bytes), data.reason);
  }
  if (data.packs_kept > 0)
    text += format("  keep    {} of {}: {}\n", counted(data.packs_kept, "pack"), data.label,
                   data.kept_reason);
  return text;
}

std::string wal_text(const engine::ExpiredWal& wal) {
  return format("  {}  WAL {}{} of {}, {}, {}: {}\n", wal.keep ? "keep  " : "remove", wal.first,
                wal.first == wal.last ? "" : " to " + wal.last, wal.cluster,
                counted(wal.files, "file"), format_size(wal.bytes), wal.reason);
}

std::string plan_text(const engine::ExpirePlan& plan) {
  std::string text;
  for (const engine::ExpiredBackup& backup : plan.backups) {
    text += format("  {}  backup {}{}: {}\n", backup.keep ? "keep  " : "remove", backup.label,
                   backup.damaged ? " (DAMAGED)" : "", reasons_text(backup));
  }
  for (const engine::ExpiredData& data : plan.data) text += data_text(data);
  for (const engine::ExpiredWal& wal : plan.wal) text += wal_text(wal);
  if (!plan.records.empty())
    text += format("  remove  {} of removed backups\n", counted(plan.records.size(), "record"));
  for (const std::string& note : plan.notes) text += format("  note: {}\n", note);
  return text;
}

std::string until_text(const engine::KeptByStore& kept) {
  return kept.until ? format(" until {}", format_local(*kept.until)) : std::string();
}

void write_strings(JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.value(escape_bytes(value));
  json.end_array();
}

void write_plan(JsonWriter& json, const engine::ExpirePlan& plan) {
  json.key("backups").begin_array();
  for (const engine::ExpiredBackup& backup : plan.backups) {
    json.begin_object().member("label", backup.label).key("type");
    backup.type ? json.value(name_of(*backup.type)) : json.null();
    json.key("stop-time");
    backup.type ? json.value(format_utc(backup.stop_time)) : json.null();
    json.member("stored-bytes", backup.stored_bytes).member("damaged", backup.damaged);
    json.member("keep", backup.keep);
    write_strings(json, "reasons", backup.reasons);
    json.end_object();
  }
  json.end_array().key("data").begin_array();
  for (const engine::ExpiredData& data : plan.data) {
    json.begin_object().member("backup", data.label).member("packs-kept", data.packs_kept);
    json.member("packs-removed", data.packs_removed);
    json.member("manifest-parts-removed", data.manifest_parts_removed);
    json.member("removed-bytes", data.removed_bytes).member("reason", data.reason);
    json.key("kept-reason");
    data.kept_reason.empty() ? json.null() : json.value(data.kept_reason);
    json.end_object();
  }
  json.end_array().key("wal").begin_array();
  for (const engine::ExpiredWal& wal : plan.wal) {
    json.begin_object().member("cluster", wal.cluster).member("first", wal.first);
    json.member("last", wal.last).member("files", wal.files).member("bytes", wal.bytes);
    json.member("keep", wal.keep).member("reason", wal.reason).end_object();
  }
  json.end_array();
  write_strings(json, "records", plan.records);
  write_strings(json, "notes", plan.notes);
}

}  // namespace

std::string reasons_text(const engine::ExpiredBackup& backup) {
  std::string text;
  for (const std::string& reason : backup.reasons) text += (text.empty() ? "" : ", ") + reason;
  return text;
}

std::string expire_summary(const engine::ExpireResult& result) {
  std::uint64_t backups = 0;
  for (const engine::ExpiredBackup& backup : result.plan.backups) backups += backup.keep ? 0 : 1;
  std::uint64_t packs = 0;
  for (const engine::ExpiredData& data : result.plan.data) packs += data.packs_removed;
  std::uint64_t wal = 0;
  for (const engine::ExpiredWal& range : result.plan.wal) wal += range.keep ? 0 : range.files;
  std::string text = format("{}, {}, {} of WAL", counted(backups, "backup"), counted(packs, "pack"),
                            counted(wal, "file"));
  if (result.done)
    text += format(", {} in {}", format_size(result.removed_bytes),
                   counted(result.removed_objects, "object"));
  if (result.kept_by_store.objects > 0) {
    text +=
        format("; {} {} kept by the store{}", counted(result.kept_by_store.objects, "object"),
               result.kept_by_store.objects == 1 ? "is" : "are", until_text(result.kept_by_store));
  }
  return text;
}

std::string expire_text(std::span<const ExpiredRepository> repositories, bool dry_run) {
  std::string text;
  for (const ExpiredRepository& one : repositories) {
    if (!one.result) {
      text += format("repository {}: NOT FINISHED: {}\n", one.name, one.error);
    } else if (!one.result->done && !dry_run) {
      text += format("repository {}: nothing to do\n", one.name) + plan_text(one.result->plan);
    } else {
      text += format("repository {}: {} {}\n", one.name, dry_run ? "would remove" : "removed",
                     expire_summary(*one.result));
      text += plan_text(one.result->plan);
    }
  }
  return text;
}

std::string expire_json(std::span<const ExpiredRepository> repositories, std::string_view stanza,
                        bool dry_run) {
  JsonWriter json;
  json.begin_object().key("expire").begin_object().member("stanza", stanza);
  json.member("dry-run", dry_run).key("repositories").begin_array();
  for (const ExpiredRepository& one : repositories) {
    const engine::ExpireResult result = one.result.value_or(engine::ExpireResult{});
    json.begin_object().member("name", one.name).key("error");
    one.result ? json.null() : json.value(escape_bytes(one.error));
    json.member("done", result.done);
    write_plan(json, result.plan);
    json.member("removed-objects", result.removed_objects);
    json.member("removed-bytes", result.removed_bytes).key("kept-by-store");
    const engine::KeptByStore& kept = result.kept_by_store;
    if (kept.objects == 0) {
      json.null();
    } else {
      json.begin_object().member("objects", kept.objects).member("first", kept.first).key("until");
      kept.until ? json.value(format_utc(*kept.until)) : json.null();
      json.end_object();
    }
    json.end_object();
  }
  json.end_array().end_object().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
