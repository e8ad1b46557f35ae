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
/// PostgreSQL passes as %p, relative to the data directory or absolute. Throws PostgresError when
/// it is of another data directory than the stanza's.
void archive_push(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                  const std::filesystem::path& file, compress::CodecId codec, int level);

/// What keeps the recovery of a copy off places that are not its own: records that create a
/// tablespace elsewhere are not handed out.
struct WalGuard {
  Lsn from;                          // records before it are not replayed
  std::optional<Lsn> until;          // where recovery ends, by its plan; nothing: not known
  std::vector<std::string> allowed;  // locations
};

enum class Fetched {
  yes,
  absent,  // every repository answered, and none has it
};
/// Writes the archived file `name` to `destination` (beside it, then renamed). Tries the
/// repositories in order; throws when none had it and at least one could not answer, with the
/// reason of each. A segment with a record that `guard` forbids is refused; the one in which
/// recovery ends, and the next, which is read ahead, are handed out up to such a record after that
/// end, with a warning.
Fetched archive_get(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                    const std::string& name, const std::filesystem::path& destination,
                    const std::optional<WalGuard>& guard = {});
/// The same for a cluster that is known without a look into its data directory.
Fetched archive_get(const StanzaSettings& stanza, const repo::Cluster& cluster,
                    std::span<repo::Repository> repositories, const std::string& name,
                    const std::filesystem::path& destination,
                    const std::optional<WalGuard>& guard = {});

}  // namespace pgcairn::engine
