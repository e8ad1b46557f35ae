#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/process.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/hold.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>

#include <functional>

namespace pgcairn::engine {

namespace {

using Action = std::function<void(repo::Repository&)>;

/// Does something in each repository; what goes wrong in one keeps no other from it.
void in_each(std::span<repo::Repository> repositories, const Action& action) {
  FirstError failure;
  for (repo::Repository& repository : repositories) {
    failure.attempt([&] {
      doing([&] { return format("writing to repository \"{}\"", repository.name()); },
            [&] {
              repository.open();
              action(repository);
            });
    });
  }
  failure.throw_if_any();
}

bool is_listed(repo::Repository& repository, const std::string& stanza, const std::string& label) {
  return repository.driver().stat(repo::marker_key(stanza, label)).has_value();
}

std::vector<std::string> where_listed(const std::string& stanza,
                                      std::span<repo::Repository> repositories,
                                      const std::string& label, const Action& action) {
  std::vector<std::string> names;
  in_each(repositories, [&](repo::Repository& repository) {
    if (!is_listed(repository, stanza, label)) return;
    action(repository);
    names.push_back(repository.name());
  });
  if (names.empty()) {
    throw MissingError(format("there is no backup \"{}\" of stanza \"{}\"", label, stanza),
                       "\"pgcairn info\" lists the backups");
  }
  return names;
}

/// A run that removes reads the holds once it has the lease: one that takes it later than the hold
/// was written sees it, and of one that had it before it is not known. No clock is asked whether a
/// holder elsewhere still lives: a hold that is promised and then skipped loses a backup.
void refuse_beside_removal(repo::Repository& repository, const repo::HoldRecord& hold,
                           const std::string& stanza) {
  const auto lease = repo::read_lease(repository, stanza);
  const bool removes = lease && lease->held && !has_ended(lease->process) &&
                       (lease->operation == "expire" || lease->operation == "stanza-delete");
  if (removes) {
    throw LockedError(
        format(
            "{} is running in repository \"{}\" (process {} on {}), and may not see the hold on {}",
            lease->operation, repository.name(), lease->process.pid, lease->host, hold.backup),
        "wait for it, then hold the backup again to be sure; of a host that died the next backup "
        "or expire takes the lease over");
  }
  if (!is_listed(repository, stanza, hold.backup)) {
    throw MissingError(format("backup {} was removed from repository \"{}\" at the same time",
                              hold.backup, repository.name()));
  }
}

}  // namespace

std::vector<std::string> hold_backup(const std::string& stanza,
                                     std::span<repo::Repository> repositories,
                                     const repo::HoldRecord& hold) {
  return where_listed(stanza, repositories, hold.backup, [&](repo::Repository& repository) {
    repo::add_record(repository, stanza, hold);
    refuse_beside_removal(repository, hold, stanza);
  });
}

std::vector<ReleasedHold> release_holds(const std::string& stanza,
                                        std::span<repo::Repository> repositories,
                                        const std::string& label) {
  std::vector<ReleasedHold> released;
  in_each(repositories, [&](repo::Repository& repository) {
    const repo::RecordState record_state(
        repo::read_records(repository, stanza, {"hold", "release"}), now());
    repo::ReleaseRecord release;
    for (const repo::Record* record : record_state.holds(label)) {
      release.records.push_back(record->name);
      released.push_back({repository.name(), std::get<repo::HoldRecord>(record->content)});
    }
    if (!release.records.empty()) repo::add_record(repository, stanza, release);
  });
  if (released.empty()) {
    throw MissingError(format("backup \"{}\" of stanza \"{}\" is not held", label, stanza),
                       "\"pgcairn info\" shows the holds");
  }
  return released;
}

std::vector<std::string> annotate_backup(const std::string& stanza,
                                         std::span<repo::Repository> repositories,
                                         const std::string& label,
                                         std::span<const repo::AnnotationRecord> notes) {
  return where_listed(stanza, repositories, label, [&](repo::Repository& repository) {
    for (const repo::AnnotationRecord& note : notes) repo::add_record(repository, stanza, note);
  });
}

}  // namespace pgcairn::engine
