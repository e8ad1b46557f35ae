#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>

#include <filesystem>
#include <optional>
#include <string>

namespace pgcairn::engine {

// PostgreSQL puts what archive-push says into its log, and keeps of it only that it failed. So that
// check can tell the reason, archive-push keeps its last error below state-path, until it succeeds:
// by the stanza, or by no name when it failed before it knew the stanza.

struct PushFailure {
  Timestamp time{};
  std::string file;   // of pg_wal, as PostgreSQL passed it
  std::string words;  // the error, a line each for context and hint
};

/// In a file that only the user of the server can read. What does not work is logged at the level
/// "detail".
void keep_push_failure(const std::filesystem::path& state_path, const std::string& stanza,
                       const std::string& file, const Error& error);
void forget_push_failure(const std::filesystem::path& state_path, const std::string& stanza);
/// Nothing when the last archive-push succeeded, or could not keep its error.
std::optional<PushFailure> read_push_failure(const std::filesystem::path& state_path,
                                             const std::string& stanza);

}  // namespace pgcairn::engine
