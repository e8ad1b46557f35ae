#pragma once

#include <pgcairn/compress/codec.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/postgres/recovery_state.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Stores one file of pg_wal in every repository. Returns when it is durable in all; throws Error
/// naming each repository that failed (the others have been tried anyway). `file` is what
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

/// A file that PostgreSQL wants, and the recovery that it wants it for.
struct WalRequest {
  std::string name;
  std::filesystem::path destination;  // absolute
  std::filesystem::path directory;    // the data directory that the request is made in; or empty
  postgres::RecoveryState state = postgres::RecoveryState::none;
};
/// The request for %f and %p as the server makes it: in its data directory. Where the working
/// directory is none, that of `destination` counts; what is configured never does, as it may be
/// another server's.
WalRequest wal_request(const std::string& name, const std::filesystem::path& destination);

/// Whether "could not find out" is answered with "not there" (pgcairn-archive-get(1), ANSWERS): on
/// a standby, which asks again, and for a history at the end of a recovery, where any other answer
/// leaves a server without a new timeline. Never where the server would end its recovery. Pure.
bool taken_for_absent(const WalRequest& request);

/// Is the answer "not there" without asking any repository? For timeline 1, which has no history;
/// and at the end of recovery for a history that is in pg_wal already, where the server then takes
/// it from.
bool is_known_absent(const WalRequest& request);

/// What restore_command adds to a request.
struct WalConditions {
  std::optional<WalGuard> guard;
  std::string accepted_gap;  // a segment: recovery may end there although later ones are archived
};

enum class Fetched {
  yes,
  absent,  // every repository answered, and none has it
};
/// Writes the archived file to its destination (beside it, then renamed). Tries the repositories in
/// order; throws when none had it and at least one could not answer, with the reason of each.
/// Throws as well when a segment is absent and the archive shows that the log went on after it: a
/// hole, at which recovery must not end in silence. A segment with a record that the guard forbids
/// is refused; the one in which recovery ends, and the next, which is read ahead, are handed out up
/// to such a record after that end, with a warning.
Fetched archive_get(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                    const WalRequest& request, const WalConditions& conditions = {});
/// The same for a cluster that is known without a look into its data directory.
Fetched archive_get(const StanzaSettings& stanza, const repo::Cluster& cluster,
                    std::uint64_t segment_bytes, std::span<repo::Repository> repositories,
                    const WalRequest& request, const WalConditions& conditions = {});

}  // namespace pgcairn::engine
