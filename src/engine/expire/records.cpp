#include "expire/records.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <map>

namespace pgcairn::engine {

namespace {

bool is_verdict(const repo::Record& record) {
  return std::holds_alternative<repo::VerifyRecord>(record.content) ||
         std::holds_alternative<repo::DrillRecord>(record.content);
}

/// Does it say something of a listed backup, or of the stanza itself?
bool is_about(const repo::Record& record, const std::set<std::string>& listed) {
  if (const auto* verify = std::get_if<repo::VerifyRecord>(&record.content)) {
    return verify->backups.empty() ||
           std::any_of(verify->backups.begin(), verify->backups.end(),
                       [&](const std::string& label) { return listed.contains(label); });
  }
  if (const auto* drill = std::get_if<repo::DrillRecord>(&record.content))
    return listed.contains(drill->backup);
  if (const auto* hold = std::get_if<repo::HoldRecord>(&record.content))
    return listed.contains(hold->backup);
  if (const auto* note = std::get_if<repo::AnnotationRecord>(&record.content))
    return listed.contains(note->backup);
  // WAL that was pushed before the oldest backup began is not replayed; clocks differ a little.
  if (std::holds_alternative<repo::LimitsRecord>(record.content)) {
    const auto oldest = repo::oldest_backup(std::vector<std::string>(listed.begin(), listed.end()));
    return !oldest || record.time + std::chrono::hours(24) > *oldest;
  }
  return true;
}

/// The first of the verdicts that stay, as a position: all later ones stay too, so that what one
/// run found does not come back when the later one that cleared it goes.
std::size_t first_verdict_to_keep(const repo::RecordState& record_state,
                                  const std::set<std::string>& listed) {
  const std::vector<repo::Record>& records = record_state.records();
  std::size_t first = records.size();
  for (std::size_t kept = 0; first > 0 && kept < kMostVerdictsKept; --first)
    kept += is_verdict(records[first - 1]) ? 1 : 0;
  for (const std::string& label : listed) {
    for (const repo::Record* counts : {record_state.damage(label), record_state.last_verify(label),
                                       record_state.last_drill(label)}) {
      if (counts != nullptr)
        first = std::min(first, static_cast<std::size_t>(counts - records.data()));
    }
  }
  return first;
}

/// The newest run of verify and the newest drill, whatever backup they looked at: how long ago the
/// stanza was proved outlives the backup that proved it.
std::set<std::string> newest_proofs(const repo::RecordState& record_state) {
  std::map<std::string_view, std::string> newest;
  for (const repo::Record& record : record_state.records())
    if (is_verdict(record)) newest[repo::kind_of(record.content)] = record.name;
  std::set<std::string> names;
  for (const auto& [kind, name] : newest) names.insert(name);
  return names;
}

}  // namespace

std::vector<std::string> records_to_remove(const repo::RecordState& record_state,
                                           const std::set<std::string>& listed) {
  const std::vector<repo::Record>& records = record_state.records();
  const std::size_t first = first_verdict_to_keep(record_state, listed);
  const std::set<std::string> proofs = newest_proofs(record_state);
  std::set<std::string> staying;
  std::vector<std::string> going;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool old = is_verdict(records[i]) && i < first;
    if ((is_about(records[i], listed) && !old) || proofs.contains(records[i].name)) {
      staying.insert(records[i].name);
    } else {
      going.push_back(records[i].name);
    }
  }
  // Last, as they are removed in this order.
  for (const repo::Record& record : records) {
    const auto* release = std::get_if<repo::ReleaseRecord>(&record.content);
    if (release == nullptr) continue;
    const bool needed =
        std::any_of(release->records.begin(), release->records.end(),
                    [&](const std::string& name) { return staying.contains(name); });
    if (!needed) going.push_back(record.name);
  }
  return going;
}

std::vector<repo::Record> read_deciding_records(repo::Repository& repository,
                                                const std::string& stanza,
                                                std::vector<std::string>& notes) {
  return repo::read_records(repository, stanza, {}, [&](DamagedError error) {
    const std::string name = repo::document_name(error.object(), repo::record_prefix(stanza));
    const std::string_view kind = repo::record_kind(name);
    if (kind == "drill" || kind == "note" || kind == "stop") {
      notes.push_back(format("a record is skipped: {}", error.message()));
      return;
    }
    error.set_hint(
        "nothing was removed: it may say that a backup is held, or damaged. When that no longer "
        "matters, remove this object from the repository");
    throw error;
  });
}

}  // namespace pgcairn::engine
