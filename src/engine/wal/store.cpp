#include "wal/store.hpp"

#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <bit>

namespace pgcairn::engine {

const char* const kOtherLifeHint =
    "two lives of one cluster use this stanza. Either its data directory went back to an earlier "
    "state without a new timeline (a volume or snapshot that was rolled back, restore "
    "--type=none), or a copy of it archives here too, or an old primary came back after a "
    "promotion. A copy needs archive_mode=off or a stanza of its own; an old primary is rebuilt as "
    "a standby (restore --type=standby, or pg_rewind). A cluster that went back and is to go on "
    "needs a stanza of its own (stanza-create, then a full backup), or goes on in a new timeline: "
    "stop it, rename what is left of the old one in pg_wal/archive_status from .ready to .done, "
    "create standby.signal, start it, pg_ctl promote, and back up";

namespace {

/// What the name says of a file of that size; nothing when no segment has it.
std::optional<WalSegment> segment_of_file(const std::string& name, std::uint64_t size_bytes) {
  if (!std::has_single_bit(size_bytes) || size_bytes < kMiB || size_bytes > kGiB)
    return std::nullopt;
  return parse_wal_segment_name(name.substr(0, 24), size_bytes);
}

bool has_records(const std::string& name) {
  const auto kind = wal_file_kind(name);
  return kind == WalFileKind::segment || kind == WalFileKind::partial;
}

}  // namespace

std::string words_of(const WalComparison& comparison, Timeline timeline,
                     const StanzaSettings& stanza) {
  if (comparison.relation == WalRelation::ours_has_more) {
    return format(
        "the archived one ends at {} on timeline {}, and this cluster (\"{}\") goes on "
        "to {}: the archive lacks that WAL",
        to_string(comparison.archived_end), timeline, stanza.data_directory.native(),
        to_string(comparison.ours_end));
  }
  return format(
      "the two agree up to {} on timeline {}: there this cluster (\"{}\") and the one that "
      "archived it diverged",
      to_string(comparison.differ_at), timeline, stanza.data_directory.native());
}

std::optional<WalComparison> compare_archived(repo::Repository& repository,
                                              const std::string& stanza,
                                              const repo::Cluster& cluster, const std::string& name,
                                              const repo::WalContent& ours) {
  const auto segment = segment_of_file(name, ours.size_bytes);
  WalComparer comparer(Lsn{segment ? segment->number * ours.size_bytes : 0});
  std::uint64_t at = 0;
  bool longer = false;
  Buffer piece_of_ours;
  const bool found = repository.get_wal(stanza, cluster, name, [&](Bytes piece) {
    const auto count = std::min<std::uint64_t>(piece.size(), ours.size_bytes - at);
    longer |= count < piece.size();
    piece_of_ours.resize(count);
    ours.read(at, piece_of_ours.writable());
    comparer.add(piece_of_ours, piece.first(count));
    at += count;
  });
  if (!found) return std::nullopt;
  WalComparison result = comparer.finish();
  if (longer || at != ours.size_bytes || (!segment && result.relation != WalRelation::same))
    result.relation = WalRelation::parted;
  return result;
}

bool store_wal(repo::Repository& repository, const StanzaSettings& stanza,
               const repo::Cluster& cluster, const std::string& name,
               const repo::WalContent& content, compress::Codec& codec) {
  try {
    return repository.put_wal(stanza.name, cluster, name, content, codec);
  } catch (ConflictError& error) {
    // Two promotions took one number: no roll-back leads there.
    if (wal_file_kind(name) == WalFileKind::timeline_history) throw;
    error.set_hint(kOtherLifeHint);
    if (!has_records(name)) throw;
    const auto comparison = compare_archived(repository, stanza.name, cluster, name, content);
    if (!comparison) throw TransientError(format("{} existed and was removed meanwhile", name));
    if (comparison->archived_has_all()) {
      log_detail(
          format("{} is archived already: its WAL ends at {} here and at {} there, and "
                 "what follows it is not WAL",
                 name, to_string(comparison->ours_end), to_string(comparison->archived_end)));
      return false;
    }
    const auto segment = segment_of_file(name, content.size_bytes);
    error.add_context(words_of(*comparison, segment ? segment->timeline : 0, stanza));
    throw;
  }
}

}  // namespace pgcairn::engine
