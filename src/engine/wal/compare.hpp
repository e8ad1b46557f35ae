#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/wal_end.hpp>

#include <cstdint>

namespace pgcairn::engine {

/// How a segment that is archived and one of a server's pg_wal with the same name relate.
enum class WalRelation {
  same,           // every byte
  same_records,   // up to the end of their WAL, which is at the same place: what follows is not WAL
  ours_is_part,   // the archived one has all WAL of ours, and more
  ours_has_more,  // ours has all WAL of the archived one, and more
  parted,         // they are of two lives of the cluster
};

struct WalComparison {
  WalRelation relation = WalRelation::same;
  Lsn differ_at;     // the first byte that differs; the segments' end when none does
  Lsn ours_end;      // of WAL; only when a byte differs
  Lsn archived_end;  // the same

  /// Nothing that the server wrote into the segment is missing in the archive.
  bool archived_has_all() const {
    return relation != WalRelation::ours_has_more && relation != WalRelation::parted;
  }
};

/// Compares them in pieces.
class WalComparer {
 public:
  explicit WalComparer(Lsn start) : at_(start), ours_(start), archived_(start), start_(start) {}

  /// The next bytes of both, of the same size.
  void add(Bytes ours, Bytes archived);
  WalComparison finish();

 private:
  Lsn at_;
  bool differ_ = false;
  postgres::WalEndFinder ours_;
  postgres::WalEndFinder archived_;
  Lsn start_;
  Lsn differ_at_;
};

}  // namespace pgcairn::engine
