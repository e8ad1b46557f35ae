#include "wal/own_wal.hpp"

#include "wal/source.hpp"
#include "wal/store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kMostCompared = 16;

/// Where the server's log is: no archived segment can hold more of a primary's.
struct Position {
  Timeline timeline = 0;
  Lsn lsn;
};

Position position_of(const StanzaSettings& stanza, postgres::Connection& connection,
                     const postgres::ServerInfo& server) {
  if (server.in_recovery) {
    return {postgres::read_control_file(stanza.data_directory).timeline,
            postgres::current_wal_lsn(connection, server)};
  }
  const auto rows = connection.query(
      "SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn()");
  const bool whole = rows.size() == 1 && rows[0].size() == 2 && rows[0][0] && rows[0][1];
  const auto segment =
      whole ? parse_wal_segment_name(*rows[0][0], server.wal_segment_bytes) : std::nullopt;
  const auto lsn = whole ? parse_lsn(*rows[0][1]) : std::nullopt;
  if (!segment || !lsn) throw PostgresError("the server's answer has an unknown format");
  return {segment->timeline, *lsn};
}

/// Archived segments of one timeline, ascending, from a little before `lsn` on.
std::vector<std::string> archived_from(repo::Repository& repository, const std::string& stanza,
                                       const std::string& cluster_id, Timeline timeline, Lsn lsn,
                                       std::uint64_t segment_bytes) {
  constexpr std::uint64_t log_bytes = std::uint64_t{1} << 32;  // of a folder
  const Lsn from{lsn.value < log_bytes ? 0 : lsn.value - log_bytes};
  const std::string first =
      wal_segment_name(segment_of(from, timeline, segment_bytes), segment_bytes);
  const repo::StanzaView view(repository, stanza);
  std::vector<std::string> names;
  for (const repo::WalFolder& folder : view.wal_folders(cluster_id)) {
    if (folder.timeline != timeline || folder.name < repo::wal_folder(first)) continue;
    view.wal_in(cluster_id, folder.name, [&](const repo::ListedWal& object) {
      if (object.kind == WalFileKind::segment) names.emplace_back(object.file);
    });
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The file of pg_wal, when it is that segment: the server gives files new names before it writes
/// them.
std::optional<WalSource> in_pg_wal(const StanzaSettings& stanza, const repo::Cluster& cluster,
                                   const std::string& name) {
  auto source = WalSource::open_if_exists(stanza.data_directory / "pg_wal" / name);
  try {
    if (source) source->check(name, cluster);
  } catch (const Error&) {
    source.reset();
  }
  return source;
}

/// False when it could not be compared.
bool compare_with_pg_wal(const StanzaSettings& stanza, repo::Repository& repository,
                         const repo::Cluster& cluster, const std::string& name,
                         std::uint64_t segment_bytes) {
  const auto source = in_pg_wal(stanza, cluster, name);
  if (!source) return false;
  const auto comparison =
      compare_archived(repository, stanza.name, cluster, name, source->content());
  if (!comparison || !in_pg_wal(stanza, cluster, name)) return false;  // recycled meanwhile
  if (comparison->archived_has_all()) return true;
  ConflictError error = of_another_life(repository, name);
  error.add_context(
      words_of(*comparison, parse_wal_segment_name(name, segment_bytes)->timeline, stanza));
  throw ConflictError(error);
}

bool has_mark(repo::Repository& repository, const std::string& stanza, const repo::Cluster& cluster,
              const WalMark& mark) {
  crypto::Hasher128 hasher;
  std::uint64_t at = 0;
  repository.get_wal(stanza, cluster, mark.segment, [&](Bytes piece) {
    if (at < mark.bytes)
      hasher.add(piece.first(std::min<std::uint64_t>(piece.size(), mark.bytes - at)));
    at += piece.size();
  });
  return at >= mark.bytes && hex(hasher.finish()) == mark.hash;
}

}  // namespace

ConflictError of_another_life(const repo::Repository& repository, const std::string& segment) {
  return ConflictError(format("WAL segment {} in repository \"{}\" is not this cluster's: another "
                              "life of it archived its own under the same name",
                              segment, repository.name()),
                       kOtherLifeHint);
}

void require_own_archive(const StanzaSettings& stanza, repo::Repository& repository,
                         const repo::Cluster& cluster, postgres::Connection& connection,
                         const postgres::ServerInfo& server) {
  const std::uint64_t bytes = server.wal_segment_bytes;
  const Position before = position_of(stanza, connection, server);
  const std::vector<std::string> names = archived_from(
      repository, stanza.name, repo::cluster_id(cluster), before.timeline, before.lsn, bytes);
  // After the listing: what was archived before it was written before.
  const Position now = position_of(stanza, connection, server);
  const std::string current = wal_segment_name(segment_of(now.lsn, before.timeline, bytes), bytes);
  if (!server.in_recovery && now.timeline == before.timeline && !names.empty() &&
      names.back() >= current) {
    ConflictError error = of_another_life(repository, names.back());
    error.add_context(format("this cluster (\"{}\") has only reached {}",
                             stanza.data_directory.native(), to_string(now.lsn)));
    throw ConflictError(error);
  }
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    try {
      if (*name < current && compare_with_pg_wal(stanza, repository, cluster, *name, bytes)) return;
    } catch (const DamagedError& error) {
      log_warn(format("the owner of segment {} cannot be determined: {}", *name, error.message()));
    }
  }
}

void require_own_wal(const StanzaSettings& stanza, repo::Repository& repository,
                     const repo::Cluster& cluster, const std::vector<std::string>& names,
                     std::uint64_t segment_bytes, std::span<const WalMark> marks,
                     const std::stop_token& stop) {
  for (const WalMark& mark : marks) {
    check_stop(stop);
    if (!has_mark(repository, stanza.name, cluster, mark))
      throw of_another_life(repository, mark.segment);
  }
  std::size_t compared = 0;
  for (auto name = names.rbegin(); name != names.rend() && compared < kMostCompared; ++name) {
    check_stop(stop);
    const bool is_marked = std::any_of(marks.begin(), marks.end(),
                                       [&](const WalMark& mark) { return mark.segment == *name; });
    if (is_marked) continue;
    if (compare_with_pg_wal(stanza, repository, cluster, *name, segment_bytes)) ++compared;
  }
}

}  // namespace pgcairn::engine
