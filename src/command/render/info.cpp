#include "render/info_status.hpp"
#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <chrono>

namespace pgcairn::command {

namespace {

/// From so many backups on, the newest comes first: the beginning of a long list is what is read.
constexpr std::size_t kLongList = 20;
/// Growth is told from so many backups on: a line through two says nothing.
constexpr std::size_t kLeastBackupsForGrowth = 3;
/// Beyond that a forecast is none.
constexpr double kMostDays = 3650;

/// The message of an error or a finding, with context and hint on lines of their own.
std::string indented(std::string_view text, std::string_view indent) {
  std::string lines;
  for (const std::string& line : split(text, '\n')) lines += format("{}{}\n", indent, line);
  return lines;
}

std::string local_second(Timestamp when) {
  return format_local(std::chrono::time_point_cast<std::chrono::microseconds>(
      std::chrono::floor<std::chrono::seconds>(when)));
}

std::string signed_size(std::int64_t bytes) {
  return bytes < 0 ? "-" + format_size(static_cast<std::uint64_t>(-bytes))
                   : format_size(static_cast<std::uint64_t>(bytes));
}

/// Is a damage that a run of verify found ("KEY at OFFSET: cause") in what this backup needs? A run
/// records the damages of all backups together.
bool concerns(const std::string& damage, const repo::BackupMarker& backup) {
  const auto key = repo::parse_key(damage.substr(0, damage.find(' ')));
  if (!key || key->kind == repo::ObjectKind::document) return true;
  if (key->kind == repo::ObjectKind::manifest) return key->owner == backup.label;
  if (key->kind == repo::ObjectKind::wal) {
    return key->owner == backup.cluster && key->file >= backup.wal_start &&
           key->file <= backup.wal_stop;
  }
  return std::any_of(backup.packs.begin(), backup.packs.end(), [&](const repo::PackRange& range) {
    return range.backup == key->owner && range.first <= key->number && key->number <= range.last;
  });
}

std::string damages_text(const repo::VerifyRecord& verify, const repo::BackupMarker& backup,
                         std::string_view indent) {
  constexpr std::size_t most_shown = 3;
  std::string text;
  std::size_t found = 0;
  for (const std::string& damage : verify.damages) {
    if (!concerns(damage, backup)) continue;
    if (++found <= most_shown) text += indented(damage, indent);
  }
  if (found > most_shown) text += format("{}and {} more\n", indent, found - most_shown);
  return text;
}

/// What is remembered of a backup, a line each.
std::string standing_text(const engine::RepositoryInfo& repository,
                          const repo::BackupMarker& backup, std::string_view indent) {
  const std::string& label = backup.label;
  std::string text;
  if (!repository.restorable(label))
    text += format("{}NOT RESTORABLE: WAL that it needs is not in this repository\n", indent);
  if (!repository.record_state) return text;
  const repo::RecordState& record_state = *repository.record_state;
  if (const repo::Record* const damage = record_state.damage(label)) {
    const auto& verify = std::get<repo::VerifyRecord>(damage->content);
    text += format("{}DAMAGED: found by verify at {}\n", indent, local_second(damage->time));
    text += damages_text(verify, backup, std::string(indent) + "  ");
  }
  if (const repo::Record* const last = record_state.last_drill(label)) {
    const auto& drill = std::get<repo::DrillRecord>(last->content);
    text += format("{}drilled at {}: {}\n", indent, local_second(last->time),
                   drill.good ? "good" : "NOT GOOD");
    for (const std::string& finding : drill.findings)
      text += indented(finding, std::string(indent) + "  ");
  }
  for (const repo::Record* const record : record_state.holds(label)) {
    const auto& hold = std::get<repo::HoldRecord>(record->content);
    text += format("{}held{}: {}\n", indent,
                   hold.until ? format(" until {}", local_second(*hold.until)) : "",
                   printable_in_line(hold.reason));
  }
  for (const auto& [name, note] : record_state.annotations(label))
    text += format("{}{}: {}\n", indent, printable_in_line(name), printable_in_line(note));
  return text;
}

std::string sizes_text(const engine::BackupSizes& sizes) {
  const char* const about = sizes.exact ? "" : "about ";
  return format("{}{} in packs, {} shared with other backups, {} freed if removed", about,
                format_size(sizes.named_bytes), format_size(sizes.shared_bytes),
                format_size(sizes.freed_bytes));
}

std::string backup_line(const engine::RepositoryInfo& repository, const repo::BackupMarker& backup,
                        std::size_t width) {
  const auto took = std::chrono::duration_cast<milliseconds>(backup.stop_time - backup.start_time);
  const auto sizes = repository.sizes.find(backup.label);
  const std::string frees =
      sizes == repository.sizes.end() ? "" : format_size(sizes->second.freed_bytes);
  return format("    {:<{}}  {:>7}  {:>8}  {:>8}  {:>8}\n", backup.label, width,
                format_duration(took), format_size(backup.cluster_bytes),
                format_size(backup.stored_bytes), frees) +
         (backup.wal_copied ? "      wal: stored by the backup itself\n" : "") +
         page_errors_text(backup, "      ") + unreadable_text(backup, "      ") +
         (backup.excluded.empty() ? "" : format("      excluded: {}\n", excluded_names(backup))) +
         standing_text(repository, backup, "      ");
}

std::string backups_table(const engine::RepositoryInfo& repository) {
  constexpr std::string_view heading = "label (UTC)";
  std::size_t width = heading.size();
  for (const repo::BackupMarker& backup : repository.backups)
    width = std::max(width, backup.label.size());
  for (const auto& [label, cause] : repository.unreadable) width = std::max(width, label.size());
  std::string text = format("    {:<{}}  {:>7}  {:>8}  {:>8}  {:>8}\n", heading, width, "took",
                            "cluster", "stored", "frees");
  std::vector<std::string> lines;
  for (const repo::BackupMarker& backup : repository.backups)
    lines.push_back(backup_line(repository, backup, width));
  if (lines.size() > kLongList) {
    std::reverse(lines.begin(), lines.end());
    text = format("    {}, newest first:\n", counted(lines.size(), "backup")) + text;
  }
  for (const std::string& line : lines) text += line;
  for (const auto& [label, cause] : repository.unreadable)
    text += format("    {}  UNREADABLE:\n", label) + indented(cause, "      ");
  return text;
}

std::string windows_text(const engine::RepositoryInfo& repository) {
  std::string text;
  for (const engine::RestorableWindow& window : repository.windows) {
    text += format("    restorable: timeline {} from {}{} ({})\n", window.timeline,
                   window.switched ? "about " : "", local_second(window.from_time),
                   to_string(window.from));
    text += format("                to about {} ({})\n", local_second(window.to_time),
                   to_string(window.to));
    const std::string end = end_of_window(window);
    if (!end.empty()) text += format("                {}\n", end);
  }
  return text;
}

/// Where there are several, which one a restore follows, and what the others are.
std::string branches_text(const engine::RepositoryInfo& repository) {
  std::string text;
  for (const repo::Cluster& cluster : repository.clusters) {
    std::vector<engine::Branch> branches = repository.branches;
    std::erase_if(branches,
                  [&](const auto& one) { return one.cluster != repo::cluster_id(cluster); });
    if (branches.size() < 2) continue;
    for (const std::string& line : branch_lines(branches, branches.front().timeline))
      text += format("    branch: {}\n", line);
  }
  return text;
}

std::string runs_text(const engine::RepositoryInfo& repository, Timestamp when) {
  std::string text;
  if (const repo::LeaseState* const lease = running(repository, when)) {
    text += format("    running: {} by process {} on {} since {}", lease->operation,
                   lease->process.pid, lease->host, local_second(lease->since));
    if (lease->progress && lease->progress->done_bytes > 0) {
      text += format(", {}", format_size(lease->progress->done_bytes));
      if (lease->progress->total_bytes > 0)
        text += format(" of {}", format_size(lease->progress->total_bytes));
    }
    if (const auto left = time_left(*lease))
      text += format(", about {} left", format_duration(*left));
    text += "\n";
  }
  if (const repo::LeaseState* const lease = left_behind(repository, when)) {
    text += format("    LEFT BEHIND: the lease of {} by process {} on {}, last heard of at {}\n",
                   lease->operation, lease->process.pid, lease->host, local_second(lease->time));
  }
  if (!repository.record_state) return text;
  for (const repo::Record* const stop : repository.record_state->stops()) {
    text += format("    STOPPED: by {} since {}: {}\n", stop->host, local_second(stop->time),
                   printable_in_line(std::get<repo::StopRecord>(stop->content).reason));
  }
  return text;
}

std::string growth_text(const engine::Growth& growth) {
  return format("    growth a day: cluster {}, backups {}, wal {} (of {:.1f} days)\n",
                signed_size(growth.cluster_bytes_per_day), format_size(growth.stored_bytes_per_day),
                format_size(growth.wal_bytes_per_day), growth.days);
}

/// Nothing where it is too early to tell.
std::string until_full(const engine::RepositoryInfo& repository) {
  if (repository.backups.size() < kLeastBackupsForGrowth) return {};
  const auto forecast = engine::forecast(repository);
  if (!forecast || !forecast->days || *forecast->days > kMostDays) return {};
  return format(", full in about {} if nothing is removed",
                counted(static_cast<std::uint64_t>(*forecast->days), "day"));
}

std::string space_text(const engine::RepositoryInfo& repository) {
  if (!repository.space) return "    space: not known\n";
  return format("    space: {} of {} free{}\n", format_size(repository.space->free_bytes),
                format_size(repository.space->size_bytes), until_full(repository));
}

std::string wal_text(const engine::RepositoryInfo& repository, Timestamp when) {
  if (repository.wal_segments == 0) return "    wal: none archived yet\n";
  return format("    wal: {} to {}\n         {}, {}{}\n", repository.wal_first, repository.wal_last,
                counted(repository.wal_segments, "segment"), format_size(repository.wal_bytes),
                repository.wal_time ? ", the newest " + age_text(*repository.wal_time, when) : "");
}

std::string repository_text(const engine::RepositoryInfo& repository, Timestamp when,
                            std::size_t columns) {
  const Status status = status_of(repository);
  std::string text =
      format("  repository {} ({}): {}\n", repository.name, repository.type, status.message);
  if (!has_stanza(repository)) return text;
  for (const engine::HealthFinding& finding : repository.findings) {
    const bool is_said = status.message.ends_with(finding.message);
    if (finding.level != engine::HealthLevel::ok && !is_said)
      text += format("    {}: {}\n", shouted(finding.level), finding.message);
  }
  for (const std::string& note : repository.notes) text += format("    note: {}\n", note);
  for (const repo::Cluster& cluster : repository.clusters) {
    text += format("    cluster: PostgreSQL {}, system identifier {}\n", cluster.pg_version,
                   cluster.system_id);
  }
  text += space_text(repository) + wal_text(repository, when);
  if (!repository.backups.empty()) {
    text += format("    newest backup: {}, {}\n", repository.backups.back().label,
                   age_text(repository.backups.back().stop_time, when));
    if (!repository.backups.back().data_checksums)
      text += "    note: its pages were not checked: the cluster has no data checksums\n";
  }
  if (repository.growth) text += growth_text(*repository.growth);
  text += windows_text(repository) + branches_text(repository) + runs_text(repository, when);
  const std::string bar = timeline_bar(repository, columns, "    ");
  if (!bar.empty()) text += "\n" + bar;
  if (!repository.backups.empty() || !repository.unreadable.empty())
    text += "\n" + backups_table(repository);
  return text;
}

std::string set_text(const engine::RepositoryInfo& repository, const repo::BackupMarker& backup) {
  std::string text = backup_text({backup, {repository.name}, {}});
  text += row("started", local_second(backup.start_time));
  text += row("ended", local_second(backup.stop_time));
  text += row("lsn", format("{} to {}, timeline {}", to_string(backup.start_lsn),
                            to_string(backup.stop_lsn), backup.timeline));
  const auto sizes = repository.sizes.find(backup.label);
  if (sizes != repository.sizes.end()) text += row("packs", sizes_text(sizes->second));
  text += row("taken", format("on {}{} by pgcairn {}, {}", printable_in_line(backup.host),
                              backup.from_standby ? " from a standby" : "", backup.program_version,
                              backup.codec));
  text += row("cluster id", backup.cluster);
  text += row("checksums", backup.data_checksums ? "on" : "off");
  for (const repo::DatabaseInfo& database : backup.databases)
    text += row("database", format("{} ({})", printable_in_line(database.name), database.oid));
  for (const repo::TablespaceInfo& space : backup.tablespaces) {
    text += row("tablespace", format("{} ({}) in {}", printable_in_line(space.name), space.oid,
                                     printable_in_line(space.location)));
  }
  for (const engine::RestorableWindow& window : repository.windows) {
    text += row("restorable", format("on timeline {} to about {} ({})", window.timeline,
                                     local_second(window.to_time), to_string(window.to)));
  }
  if (repository.record_state) {
    if (const repo::Record* const verify = repository.record_state->last_verify(backup.label)) {
      const auto& record = std::get<repo::VerifyRecord>(verify->content);
      text += row("verified", format("{} at {}{}", record.level, local_second(verify->time),
                                     record.all ? "" : ", a part"));
    }
  }
  return text + standing_text(repository, backup, "  ");
}

}  // namespace

InfoStatus status_of(const std::string& asked, std::span<const engine::StanzaInfo> stanzas) {
  bool found = false;
  bool absent = false;
  for (const engine::StanzaInfo& stanza : stanzas) {
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      if (!repository.error.empty() && !repository.missing) return InfoStatus::unreadable;
      if (!repository.unreadable.empty()) return InfoStatus::unreadable;
      found = found || has_stanza(repository);
      absent = absent || repository.missing;
    }
  }
  if (absent) return InfoStatus::absent;
  return asked.empty() || found ? InfoStatus::ok : InfoStatus::missing;
}

std::string info_text(std::span<const engine::StanzaInfo> stanzas, std::size_t columns) {
  if (stanzas.empty()) return "no stanza in any repository; make one with pgcairn stanza-create\n";
  std::string text;
  for (const engine::StanzaInfo& stanza : stanzas) {
    if (!text.empty()) text += "\n";
    text += format("stanza {}: {}\n", stanza.name, status_of(stanza).message);
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      text += "\n" + repository_text(repository, stanza.when, columns);
    }
  }
  return text;
}

std::string info_set_text(std::span<const engine::StanzaInfo> stanzas, std::string_view label) {
  std::string text;
  for (const engine::StanzaInfo& stanza : stanzas) {
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      for (const repo::BackupMarker& backup : repository.backups)
        if (backup.label == label) text += set_text(repository, backup);
      if (const auto found = repository.unreadable.find(std::string(label));
          found != repository.unreadable.end()) {
        text += format("backup {} in repository {}: UNREADABLE:\n", label, repository.name) +
                indented(found->second, "  ");
      }
      if (!repository.error.empty()) {
        text += format("repository {} ({}): {}\n", repository.name, repository.type,
                       status_of(repository).message);
      }
    }
  }
  return text;
}

}  // namespace pgcairn::command
