#pragma once

#include <pgcairn/engine/status/info.hpp>

#include <string>

namespace pgcairn::command {

/// As `status` in JSON has them; the message says more.
enum StatusCode : int {
  kOk = 0,
  kUnreadable = 1,
  kNoBackup = 2,
  kWarning = 3,
  kCritical = 4,
  kMissing = 10,  // the repository is not there, or the stanza is not in it
};

struct Status {
  StatusCode code = kOk;
  std::string message = "ok";
};

bool has_stanza(const engine::RepositoryInfo& repository);
Status status_of(const engine::RepositoryInfo& repository);
/// What info, report and health say of a stanza first.
engine::Verdict verdict_of(const engine::StanzaInfo& stanza);
/// What a monitor should know first: what could not be read, then where nothing is.
Status status_of(const engine::StanzaInfo& stanza);

/// What is missing where the window ends, and where the WAL goes on after it; empty when it is only
/// the end of what is archived.
std::string end_of_window(const engine::RestorableWindow& window);
/// "3m05s ago".
std::string age_text(Timestamp then, Timestamp when);
/// A run that still has its lease; null: none.
const repo::LeaseState* running(const engine::RepositoryInfo& repository, Timestamp when);
/// A lease that nobody gave back and whose holder has ended or is silent; null: none.
const repo::LeaseState* left_behind(const engine::RepositoryInfo& repository, Timestamp when);
/// By what it did so far, as it wrote itself; none: not known.
std::optional<milliseconds> time_left(const repo::LeaseState& lease);

/// Windows and the backups on them, a line for each timeline, at most `columns` wide; empty without
/// any. Pure but for the machine's time zone.
std::string timeline_bar(const engine::RepositoryInfo& repository, std::size_t columns,
                         std::string_view indent);

}  // namespace pgcairn::command
