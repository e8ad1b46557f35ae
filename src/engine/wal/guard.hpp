#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/wal/archive.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <optional>

namespace pgcairn::engine {

/// A segment that was not handed out, since it leads to a place that nobody allowed.
class ForbiddenPlace : public PostgresError {
  using PostgresError::PostgresError;
};

/// Reads a segment beside the code that takes it, piece by piece, and finds the first record that
/// leads to a place which the guard does not allow.
class GuardedSegment {
 public:
  /// `start`: of the segment.
  GuardedSegment(const WalGuard& guard, Lsn start);
  GuardedSegment(const GuardedSegment&) = delete;
  GuardedSegment& operator=(const GuardedSegment&) = delete;

  /// The next bytes of the segment. `last_page_before` is asked for when the segment begins with
  /// the rest of a record that may be such a one; empty when there is no segment before.
  void add(Bytes piece, const std::function<Buffer()>& last_page_before);

  const std::optional<postgres::CreatedTablespace>& forbidden() const { return forbidden_; }
  /// The bytes of the segment that come before the forbidden record.
  std::uint64_t harmless_bytes() const;

 private:
  const WalGuard& guard_;
  Lsn start_;
  Lsn next_;
  Buffer rest_;  // less than a page
  std::optional<postgres::CreatedTablespace> forbidden_;
  postgres::WalRecordReader reader_;
};

/// Is `location` among places that were allowed, however it is spelt?
bool is_allowed(const std::string& location, const std::vector<std::string>& allowed);

}  // namespace pgcairn::engine
