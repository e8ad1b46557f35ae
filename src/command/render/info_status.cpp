#include "render/info_status.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

bool has_stanza(const engine::RepositoryInfo& repository) {
  return !repository.clusters.empty() || !repository.backups.empty() ||
         !repository.unreadable.empty();
}

namespace {

/// The verdict's words, and its code unless there is another one.
Status judged(std::span<const engine::HealthFinding> findings, StatusCode code) {
  const engine::Verdict verdict = engine::verdict_of(findings);
  if (code == kOk && verdict.level != engine::HealthLevel::ok)
    code = verdict.level == engine::HealthLevel::critical ? kCritical : kWarning;
  return {code, engine::words_of(verdict)};
}

}  // namespace

Status status_of(const engine::RepositoryInfo& repository) {
  if (!repository.error.empty()) {
    // The first line is the message; context and hint follow it.
    return {repository.missing ? kMissing : kUnreadable,
            "cannot be read: " + repository.error.substr(0, repository.error.find('\n'))};
  }
  if (!has_stanza(repository)) {
    const std::string& meant = repository.meant_stanza;
    return {kMissing, "the stanza is not in this repository" +
                          (meant.empty() ? "" : format("; did you mean \"{}\"?", meant))};
  }
  StatusCode code = repository.backups.empty() ? kNoBackup : kOk;
  if (!repository.unreadable.empty()) code = kUnreadable;
  return judged(repository.findings, code);
}

engine::Verdict verdict_of(const engine::StanzaInfo& stanza) {
  std::vector<engine::HealthFinding> all;
  for (const engine::RepositoryInfo& repository : stanza.repositories)
    all.insert(all.end(), repository.findings.begin(), repository.findings.end());
  return engine::verdict_of(all);
}

Status status_of(const engine::StanzaInfo& stanza) {
  std::optional<Status> worst;
  for (const engine::RepositoryInfo& repository : stanza.repositories) {
    Status status = status_of(repository);
    if (status.code == kUnreadable || status.code == kMissing)
      status.message = format("repository \"{}\": {}", repository.name, status.message);
    if (status.code == kUnreadable) return status;
    if (!worst || status.code > worst->code) worst = status;
  }
  if (!worst) return {kMissing, "the stanza is in no repository"};
  if (worst->code != kMissing) worst->message = engine::words_of(verdict_of(stanza));
  return *worst;
}

std::string end_of_window(const engine::RestorableWindow& window) {
  if (window.gap == engine::Gap::unpromised)
    return format("no WAL is kept from {} to before {}, where a backup's own begins",
                  window.missing, window.after_gap);
  if (window.gap == engine::Gap::doubtful)
    return format(
        "WAL is missing from {} to before {}, where a backup's own begins: the archive "
        "was switched off for a time, or has lost it",
        window.missing, window.after_gap);
  if (!window.after_gap.empty())
    return format("gap: {} is missing, the next is {}", window.missing, window.after_gap);
  if (!window.partial.empty()) return format("and what {} holds", window.partial);
  return {};
}

std::string age_text(Timestamp then, Timestamp when) {
  const auto age = std::chrono::duration_cast<milliseconds>(when - then);
  return format_duration(std::max(age, milliseconds(0))) + " ago";
}

const repo::LeaseState* running(const engine::RepositoryInfo& repository, Timestamp when) {
  return repository.lease && repository.lease->alive(when) ? &*repository.lease : nullptr;
}

const repo::LeaseState* left_behind(const engine::RepositoryInfo& repository, Timestamp when) {
  const auto& lease = repository.lease;
  return lease && lease->held && !lease->alive(when) ? &*lease : nullptr;
}

std::optional<milliseconds> time_left(const repo::LeaseState& lease) {
  if (!lease.progress || lease.progress->total_bytes == 0 || lease.progress->done_bytes == 0)
    return std::nullopt;
  const auto total = static_cast<double>(lease.progress->total_bytes);
  const double done = std::min(static_cast<double>(lease.progress->done_bytes), total);
  const auto elapsed = std::chrono::duration_cast<milliseconds>(lease.time - lease.since);
  return milliseconds(
      static_cast<std::int64_t>(static_cast<double>(elapsed.count()) * (total - done) / done));
}

}  // namespace pgcairn::command
