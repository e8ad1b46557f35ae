#include "console.hpp"
#include "render.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <chrono>

namespace pgcairn::command {

namespace {

/// As `status` in JSON has them; the message says more.
enum StatusCode : int {
  kOk = 0,
  kUnreadable = 1,
  kNoBackup = 2,
  kMissing = 10,  // the stanza is not in the repository
};

struct Status {
  StatusCode code = kOk;
  std::string message = "ok";
};

bool has_stanza(const engine::RepositoryInfo& repository) {
  return !repository.clusters.empty() || !repository.backups.empty();
}

Status status_of(const engine::RepositoryInfo& repository) {
  if (repository.missing) return {kMissing, "there is no repository yet"};
  if (!repository.error.empty()) {
    // The first line is the message; context and hint follow it.
    return {kUnreadable,
            "cannot be read: " + repository.error.substr(0, repository.error.find('\n'))};
  }
  if (!has_stanza(repository)) return {kMissing, "the stanza is not in this repository"};
  if (repository.backups.empty()) return {kNoBackup, "no backup yet"};
  return {};
}

/// What a monitor should know first: what could not be read, then where nothing is.
Status status_of(const engine::StanzaInfo& stanza) {
  std::optional<Status> worst;
  for (const engine::RepositoryInfo& repository : stanza.repositories) {
    Status status = status_of(repository);
    status.message = format("repository \"{}\": {}", repository.name, status.message);
    if (status.code == kUnreadable) return status;
    if (!worst || status.code > worst->code) worst = status;
  }
  if (!worst) return {kMissing, "the stanza is in no repository"};
  return worst->code == kOk ? Status{} : *worst;
}

void write_status(JsonWriter& json, const Status& status) {
  json.key("status").begin_object();
  json.member("code", static_cast<int>(status.code));
  json.member("message", as_utf8(status.message));
  json.end_object();
}

void write_repository(JsonWriter& json, const engine::RepositoryInfo& repository) {
  json.begin_object().member("name", repository.name).member("type", repository.type);
  write_status(json, status_of(repository));
  json.key("clusters").begin_array();
  for (const repo::Cluster& cluster : repository.clusters) {
    json.begin_object().member("id", repo::cluster_id(cluster));
    json.member("system-id", std::to_string(cluster.system_id));
    json.member("pg-version", cluster.pg_version).end_object();
  }
  json.end_array().key("backups").begin_array();
  for (const repo::BackupInfo& backup : repository.backups) write_backup(json, backup);
  json.end_array().key("wal").begin_object();
  json.member("segments", repository.wal_segments);
  if (repository.wal_segments == 0) {
    json.key("first").null().key("last").null();
  } else {
    json.member("first", repository.wal_first).member("last", repository.wal_last);
  }
  json.end_object().end_object();
}

/// "000000010000000000000003-05": the end of the second name is enough when the log is the same.
std::string wal_range(const std::string& first, const std::string& last) {
  if (first == last || last.empty()) return first;
  if (first.size() != 24 || last.size() != 24) return first + "-" + last;
  const std::size_t same = first.compare(0, 16, last, 0, 16) == 0 ? 16 : 0;
  std::size_t from = same;
  while (same != 0 && from < 22 && first[from] == last[from]) ++from;
  return first + "-" + last.substr(from);
}

std::string backups_table(const std::vector<repo::BackupInfo>& backups) {
  std::size_t width = 5;
  for (const repo::BackupInfo& backup : backups) width = std::max(width, backup.label.size());
  std::string text = format("    {:<{}}  {:<4}  {:<22}  {:>7}  {:>8}  {:>8}  {}\n", "label", width,
                            "type", "started", "took", "cluster", "stored", "wal");
  for (const repo::BackupInfo& backup : backups) {
    const auto took =
        std::chrono::duration_cast<milliseconds>(backup.stop_time - backup.start_time);
    const std::string started =
        format_local(std::chrono::time_point_cast<std::chrono::microseconds>(
            std::chrono::floor<std::chrono::seconds>(backup.start_time)));
    text += format("    {:<{}}  {:<4}  {:<22}  {:>7}  {:>8}  {:>8}  {}\n", backup.label, width,
                   name_of(backup.type), started, format_duration(took),
                   format_size(backup.cluster_bytes), format_size(backup.stored_bytes),
                   wal_range(backup.wal_start, backup.wal_stop) +
                       (backup.wal_copied ? ", stored by the backup itself" : ""));
    text += page_errors_text(backup, "      ") + unreadable_text(backup, "      ");
  }
  return text;
}

std::string repository_text(const engine::RepositoryInfo& repository) {
  const Status status = status_of(repository);
  std::string text =
      format("  repository {} ({}): {}\n", repository.name, repository.type, status.message);
  if (!has_stanza(repository)) return text;
  for (const repo::Cluster& cluster : repository.clusters) {
    text += format("    cluster: PostgreSQL {}, system identifier {}\n", cluster.pg_version,
                   cluster.system_id);
  }
  if (repository.wal_segments == 0) {
    text += "    wal: none archived yet\n";
  } else {
    text += format("    wal: {} to {} ({} segment{})\n", repository.wal_first, repository.wal_last,
                   repository.wal_segments, repository.wal_segments == 1 ? "" : "s");
  }
  if (!repository.backups.empty()) text += "\n" + backups_table(repository.backups);
  return text;
}

}  // namespace

InfoStatus status_of(const std::string& asked, std::span<const engine::StanzaInfo> stanzas) {
  bool found = false;
  for (const engine::StanzaInfo& stanza : stanzas) {
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      if (!repository.error.empty() && !repository.missing) return InfoStatus::unreadable;
      found = found || has_stanza(repository);
    }
  }
  return asked.empty() || found ? InfoStatus::ok : InfoStatus::missing;
}

std::string info_text(std::span<const engine::StanzaInfo> stanzas) {
  if (stanzas.empty()) return "no stanza in any repository; make one with pgcairn stanza-create\n";
  std::string text;
  for (const engine::StanzaInfo& stanza : stanzas) {
    if (!text.empty()) text += "\n";
    text += format("stanza {}: {}\n", stanza.name, status_of(stanza).message);
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      text += "\n" + repository_text(repository);
    }
  }
  return text;
}

std::string info_json(std::span<const engine::StanzaInfo> stanzas) {
  JsonWriter json;
  json.begin_object().key("stanzas").begin_array();
  for (const engine::StanzaInfo& stanza : stanzas) {
    json.begin_object().member("name", stanza.name);
    write_status(json, status_of(stanza));
    json.key("repositories").begin_array();
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      write_repository(json, repository);
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
