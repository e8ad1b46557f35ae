#include "backup/target_repositories.hpp"

#include "backup/prior_backup.hpp"
#include "stanza/recorded_damage.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/reseal.hpp>

#include <algorithm>

namespace pgcairn::engine {

Targets::Targets(std::span<repo::Repository> repositories) {
  for (repo::Repository& repository : repositories) good_.push_back(&repository);
}

void Targets::open() {
  each([](repo::Repository& repository) { repository.open(); });
  std::lock_guard lock(mutex_);
  std::stable_partition(good_.begin(), good_.end(), [](const repo::Repository* repository) {
    return repository->seal_context().sealed();
  });
}

std::vector<repo::Repository*> Targets::good() const {
  std::lock_guard lock(mutex_);
  return good_;
}

void Targets::leave_out(repo::Repository& repository, const Error& error) {
  std::lock_guard lock(mutex_);
  if (std::erase(good_, &repository) == 0) return;  // another thread was faster
  failed_.push_back({repository.name(), error.render()});
  if (!good_.empty())
    log_warn(format("repository \"{}\" is left out of the backup: {}", repository.name(),
                    error.render()));
}

void Targets::each(const std::function<void(repo::Repository&)>& action) {
  for (repo::Repository* const repository : good()) {
    try {
      action(*repository);
    } catch (const Error& error) {
      leave_out(*repository, error);
      if (good().empty()) throw;
    }
  }
}

void Targets::put(const repo::Repository& bound, const std::string& key, MutableBytes object) {
  const repo::Repository* now = &bound;
  each([&](repo::Repository& repository) {
    if (now != &repository)
      repo::reseal(object, key, now->seal_context(), repository.seal_context());
    now = &repository;
    repository.driver().put(key, object, storage::IfExists::fail);
  });
}

bool Targets::leave_out_silent() {
  const std::size_t before = good().size();
  each([](repo::Repository& repository) { repository.open(); });
  return good().size() < before;
}

Leases::Leases(Targets& targets, const std::string& stanza,
               const std::function<repo::LeaseProgress()>& progress, const std::stop_token& stop) {
  targets.each([&](repo::Repository& repository) {
    auto lease = std::make_unique<repo::Lease>(repository, stanza, "backup", stop);
    lease->tell_progress(progress);
    leases_.emplace(&repository, std::move(lease));
  });
}

void Leases::check(const repo::Repository& repository) const {
  leases_.at(&repository)->check();
}

std::vector<std::string> listed_labels(std::span<repo::Repository* const> repositories,
                                       const std::string& stanza) {
  std::vector<std::string> labels;
  for (repo::Repository* const repository : repositories) {
    const std::vector<std::string> more = repository->backup_labels(stanza);
    labels.insert(labels.end(), more.begin(), more.end());
  }
  return labels;
}

std::string new_label(std::span<repo::Repository* const> repositories, const std::string& stanza,
                      repo::BackupType type, const std::string& prior) {
  std::string latest;  // time part
  for (const std::string& label : listed_labels(repositories, stanza))
    latest = std::max(latest, std::string(repo::label_time(label)));
  // Packs of an interrupted backup stay under the label that it had.
  const auto is_taken = [&](const std::string& label) {
    bool taken = false;
    for (repo::Repository* const repository : repositories)
      repository->driver().list(repo::data_prefix(stanza, label),
                                [&](const storage::Object&) { taken = true; });
    return taken;
  };
  Timestamp when = now();
  for (int attempt = 0; attempt < 3600; ++attempt, when += std::chrono::seconds(1)) {
    std::string label = type == repo::BackupType::full
                            ? repo::full_backup_label(when)
                            : repo::later_backup_label(type, prior, when);
    if (repo::label_time(label) > latest && !is_taken(label)) return label;
  }
  throw Error(format("the newest backup is from {}, more than an hour later than now", latest),
              "set this machine's clock");
}

std::optional<std::string> why_not_built_on(repo::Repository& repository, const std::string& stanza,
                                            const repo::BackupMarker& backup) {
  try {
    auto theirs = repository.find_backup(stanza, backup.label);
    if (!theirs) return format("it is not in repository \"{}\"", repository.name());
    // Two backups that began in the same second have one label, each in its repository.
    if (write_backup_marker(*theirs) != write_backup_marker(backup))
      return format("repository \"{}\" has another backup of this label", repository.name());
    if (auto damage = recorded_damage(repository, stanza).of(backup.label)) return damage;
    const PriorBackup whole(repository, stanza, std::move(*theirs));
  } catch (const DamagedError& error) {
    return error.render();
  }
  return std::nullopt;
}

}  // namespace pgcairn::engine
