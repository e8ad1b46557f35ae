#pragma once

#include "settings/target_time.hpp"

#include <pgcairn/common/json.hpp>
#include <pgcairn/engine/backup/backup.hpp>
#include <pgcairn/engine/drill/drill.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/restore/config_only.hpp>
#include <pgcairn/engine/restore/estimate.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/postgres/host_clusters.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What the verbs write to standard output. Text is for people and may change; JSON is one object
// and a line break, documented in the verb's man page, and only gains members. Pure but for the
// machine's time zone in texts.

namespace pgcairn::command {

/// A backup as every JSON result shows it (pgcairn-info(1), JSON).
void write_backup(JsonWriter& json, const repo::BackupMarker& backup);
/// The same without the braces: info has more to say of it.
void write_backup_members(JsonWriter& json, const repo::BackupMarker& backup);

std::string backup_text(const engine::TakenBackup& taken);
std::string backup_json(const engine::TakenBackup& taken);

/// What tells branches apart, a line each, the one that is followed first.
std::vector<std::string> branch_lines(std::span<const engine::Branch> branches, Timeline followed);
/// "branches": an array of them.
void write_branches(JsonWriter& json, std::span<const engine::Branch> branches);

/// One line a damaged file: "PAGES DAMAGED: base/5/16384 block 7, 9 and 12 more"; another one where
/// it is known what relation that is: "in table public.orders in database shop".
std::string page_errors_text(const repo::BackupMarker& backup, std::string_view indent);
/// One line a file: "NOT IN THE BACKUP: /etc/pg_hba.conf (Permission denied)".
std::string unreadable_text(const repo::BackupMarker& backup, std::string_view indent);
/// "log, root.key"
std::string excluded_names(const repo::BackupMarker& backup);

enum class InfoStatus {
  ok,
  unreadable,  // a repository could not be read, so what is shown may not be all
  absent,      // a repository is not there: whether it ever was is not known
  missing,     // every repository was read and none has the stanza that was asked for
};
InfoStatus status_of(const std::string& asked, std::span<const engine::StanzaInfo> stanzas);
/// `columns` is how wide the timeline may be.
std::string info_text(std::span<const engine::StanzaInfo> stanzas, std::size_t columns);
/// One backup in full, where it is.
std::string info_set_text(std::span<const engine::StanzaInfo> stanzas, std::string_view label);
std::string info_json(std::span<const engine::StanzaInfo> stanzas);

/// A line of a result for people.
std::string row(std::string_view name, std::string_view value);

std::string restore_plan_text(const engine::RestorePlan& plan,
                              const std::optional<TargetTime>& target,
                              const std::optional<engine::RestoreEstimate>& estimate = {});
/// What a host lacks, or what is off, and a line to type; empty: none is known.
struct Advice {
  std::string what;
  std::string command;
};
/// How the restored server is started and stopped on this machine, and what to do before and after.
struct ServerWords {
  std::string pg_ctl = "pg_ctl";
  std::optional<postgres::ServerCommands> service = {};  // it is run by this, rather than by pg_ctl
  std::vector<Advice> before = {};                       // it does not start without
  std::vector<Advice> after = {};
};
/// What was done, and what to do next; without a result it was a dry run.
std::string restore_end_text(const engine::RestorePlan& plan,
                             const std::optional<engine::RestoreResult>& result,
                             const ServerWords& server = {});
/// pg_ctl's way to start a server with these settings: a line for a shell.
std::string start_command(const std::string& pg_ctl, const std::filesystem::path& data_directory,
                          const postgres::Settings& settings);
std::string restore_json(const engine::RestorePlan& plan,
                         const std::optional<engine::RestoreResult>& result,
                         const std::optional<engine::RestoreEstimate>& estimate = {});

/// The plan of `restore --only=config`, and what to do next; without a result it was a dry run.
std::string config_plan_text(const engine::ConfigPlan& plan);
std::string config_end_text(const engine::ConfigPlan& plan,
                            const std::optional<engine::RestoreResult>& result);
std::string config_json(const engine::ConfigPlan& plan,
                        const std::optional<engine::RestoreResult>& result);

std::string verify_text(const engine::VerifyResult& result, const engine::VerifyOptions& options);
std::string verify_json(const engine::VerifyResult& result, const engine::VerifyOptions& options,
                        std::string_view stanza);

/// What `expire` did to a repository, or what kept it from that.
struct ExpiredRepository {
  std::string name;
  std::string error;
  std::optional<engine::ExpireResult> result;
};
/// Why a backup goes or stays: "no rule keeps it, older than max-age 18mo".
std::string reasons_text(const engine::ExpiredBackup& backup);
/// "2 backups, 40 packs, 12 files of WAL, 1.2 GiB in 57 objects".
std::string expire_summary(const engine::ExpireResult& result);
std::string expire_text(std::span<const ExpiredRepository> repositories, bool dry_run);
std::string expire_json(std::span<const ExpiredRepository> repositories, std::string_view stanza,
                        bool dry_run);
/// `programs`: where the operator has PostgreSQL's programs; empty: the usual places.
std::string drill_text(const engine::DrillResult& result,
                       const std::filesystem::path& programs = {});
std::string drill_json(const engine::DrillResult& result, std::string_view stanza);

std::string stanza_created_text(std::string_view stanza,
                                std::span<const engine::CreatedStanza> created);
std::string stanza_created_json(std::string_view stanza,
                                std::span<const engine::CreatedStanza> created);
std::string stanza_upgraded_text(std::string_view stanza,
                                 std::span<const engine::UpgradedStanza> upgraded);
std::string stanza_upgraded_json(std::string_view stanza,
                                 std::span<const engine::UpgradedStanza> upgraded);
/// What is there, for the user who is asked whether to remove it.
std::string stanza_content_text(std::string_view stanza,
                                std::span<const engine::StanzaContent> contents);
std::string stanza_deleted_text(std::string_view stanza,
                                std::span<const engine::StanzaContent> contents, bool done);
std::string stanza_deleted_json(std::string_view stanza,
                                std::span<const engine::StanzaContent> contents, bool done);

/// After `stop` and `start`, for all hosts and for this one. `stopped`: what it is now.
std::string stopped_text(std::string_view stanza, bool stopped,
                         std::span<const engine::StoppedRepository> repositories);
std::string stopped_json(std::string_view stanza, bool stopped,
                         std::span<const engine::StoppedRepository> repositories);
std::string stopped_here_text(std::string_view stanza, bool stopped, bool changed);
std::string stopped_here_json(std::string_view stanza, bool stopped, bool changed);

}  // namespace pgcairn::command
