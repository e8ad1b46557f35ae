#include "restore/candidates.hpp"

#include "stanza/missing_stanza.hpp"
#include "stanza/recorded_damage.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <tuple>

namespace pgcairn::engine {

namespace {

/// Tells an unknown stanza from one without the backup that is looked for. What is not needed to
/// restore (the stanza's identity) is not looked at while there is something to restore.
void require_stanza(repo::Repository& repository, const std::string& stanza) {
  if (!repository.clusters(stanza).empty()) return;
  throw missing_stanza(repository, stanza, "check --stanza; \"pgcairn info\" lists the stanzas");
}

std::vector<repo::BackupMarker> named(repo::Repository& repository, const std::string& stanza,
                                      const std::string& label) {
  try {
    return {repository.read_marker(stanza, label)};
  } catch (const MissingError&) {
    require_stanza(repository, stanza);
    throw;
  }
}

/// Is the backup whose marker is damaged, by its label, newer than all that can be read?
bool may_be_newest(const DamagedError& damaged, const std::string& stanza,
                   std::span<const repo::BackupMarker> backups) {
  const std::string label = repo::document_name(damaged.object(), repo::marker_prefix(stanza));
  return std::all_of(backups.begin(), backups.end(), [&](const repo::BackupMarker& backup) {
    return repo::label_time(backup.label) < repo::label_time(label);
  });
}

/// A damaged marker keeps the others from being restored only where they would not lead to the same
/// state: replay of WAL makes up for an older backup, unless the target is the end of the backup
/// itself.
std::vector<repo::BackupMarker> all(repo::Repository& repository, const std::string& stanza,
                                    const RestoreOptions& options,
                                    std::vector<std::string>& notes) {
  std::vector<DamagedError> damaged;
  auto backups =
      repository.backups(stanza, [&](const DamagedError& error) { damaged.push_back(error); });
  if (damaged.empty() && backups.empty()) require_stanza(repository, stanza);
  if (!damaged.empty()) {
    damaged.front().set_hint("name another backup with --set; \"pgcairn info\" lists them");
    if (backups.empty()) throw damaged.front();
    for (const DamagedError& error : damaged) {
      if (options.target.type() == RestoreType::immediate && may_be_newest(error, stanza, backups))
        throw error;
    }
  }
  for (const DamagedError& error : damaged) notes.push_back(format("skipped: {}", error.message()));
  return backups;
}

/// Adds what one repository holds; of a backup that is in several, the best stays.
class Collector {
 public:
  Collector(Candidates& all, const RestoreOptions& options, const PassedOver& passed_over)
      : all_(all), options_(options), passed_over_(passed_over) {}

  void add(repo::Repository& repository, const std::string& stanza,
           std::vector<repo::BackupMarker> backups) {
    const RecordedDamage damages = recorded_damage(repository, stanza);
    for (repo::BackupMarker& backup : backups) {
      const Flaw flaw = look_at(repository, backup, damages);
      const std::string label = backup.label;
      const auto known = all_.flaws.find(label);
      if (known == all_.flaws.end()) {
        all_.backups.push_back(std::move(backup));
      } else if (known->second.kind <= flaw.kind) {
        if (known->second.kind < flaw.kind) note_worse(repository, label, flaw);
        continue;
      } else {
        note_worse(*all_.where[label], label, known->second);
        // Two that began in the same second may have one label, and each its own marker.
        *std::find_if(all_.backups.begin(), all_.backups.end(),
                      [&](const auto& one) { return one.label == label; }) = std::move(backup);
      }
      all_.flaws[label] = flaw;
      all_.where[label] = &repository;
    }
  }

 private:
  void note_worse(const repo::Repository& repository, const std::string& label, const Flaw& flaw) {
    all_.worse[label].push_back(
        format("repository \"{}\" is skipped: {}", repository.name(), flaw.reason));
  }

  Flaw look_at(const repo::Repository& repository, const repo::BackupMarker& backup,
               const RecordedDamage& damages) const {
    if (const auto found = passed_over_.find({&repository, backup.label});
        found != passed_over_.end())
      return {Flaw::Kind::lacking, found->second};
    const auto damage = options_.accept_damage ? std::nullopt : damages.of(backup.label);
    if (damage) return {Flaw::Kind::damaged, *damage};
    return page_flaw(backup);
  }

  Candidates& all_;
  const RestoreOptions& options_;
  const PassedOver& passed_over_;
};

}  // namespace

Candidates find_candidates(std::span<repo::Repository> repositories, const std::string& stanza,
                           const RestoreOptions& options, const PassedOver& passed_over) {
  Candidates candidates;
  Collector collector(candidates, options, passed_over);
  FirstError failure;
  for (repo::Repository& repository : repositories) {
    bool is_open = false;
    try {
      repository.open();
      is_open = true;
      auto backups = options.set.empty() ? all(repository, stanza, options, candidates.notes)
                                         : named(repository, stanza, options.set);
      if (backups.empty() && repositories.size() > 1) {
        candidates.notes.push_back(
            format("repository \"{}\" is skipped: there is no backup", repository.name()));
      }
      collector.add(repository, stanza, std::move(backups));
    } catch (const Error& error) {
      failure.keep();
      if (!is_open) candidates.unreadable.push_back(repository.name());
      candidates.notes.push_back(
          format("repository \"{}\" is skipped: {}", repository.name(), error.message()));
    }
  }
  if (candidates.backups.empty()) failure.throw_if_any();
  for (const std::string& note : candidates.notes) log_warn(note);
  std::sort(candidates.backups.begin(), candidates.backups.end(), [](const auto& a, const auto& b) {
    return std::tie(a.stop_time, a.label) < std::tie(b.stop_time, b.label);
  });
  return candidates;
}

}  // namespace pgcairn::engine
