#pragma once

#include <pgcairn/repo/records.hpp>

#include <set>
#include <string>
#include <vector>

namespace pgcairn::engine {

// Beyond this many, verdicts go that nothing comes to any more.
inline constexpr std::size_t kMostVerdictsKept = 100;

/// The names of records that no longer say anything: of backups that are not `listed`, and old
/// verdicts, but never the newest run of verify or the newest drill. A release stays as long as one
/// of the records that it names does. Pure.
std::vector<std::string> records_to_remove(const repo::RecordState& record_state,
                                           const std::set<std::string>& listed);

/// All records that can be read. What may say that a backup is held, or damaged, must be: for one
/// of these throws DamagedError. A drill or a note decides nothing, and is skipped with a note.
std::vector<repo::Record> read_deciding_records(repo::Repository& repository,
                                                const std::string& stanza,
                                                std::vector<std::string>& notes);

}  // namespace pgcairn::engine
