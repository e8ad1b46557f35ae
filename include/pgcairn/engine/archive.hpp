#pragma once

#include <pgcairn/compress/codec.hpp>
#include <pgcairn/engine/stanza.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Stores one file of pg_wal in every repository. Returns when it is durable in all; throws Error
/// naming each repository that failed (the others have been tried all the same). `file` is what
/// PostgreSQL passes as %p, relative to the data directory or absolute.
void archive_push(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                  const std::filesystem::path& file, compress::CodecId codec, int level);

enum class Fetched {
  yes,
  absent,  // every repository answered, and none has it
};
/// Writes the archived file `name` to `destination` (beside it, then renamed). Tries the
/// repositories in order; throws when none had it and at least one could not answer, with the
/// reason of each.
Fetched archive_get(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                    const std::string& name, const std::filesystem::path& destination);

}  // namespace pgcairn::engine
