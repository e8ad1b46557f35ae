#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// What the end of some WAL shows.
struct WalEnd {
  Lsn last_record;                       // where the last whole record begins; 0: none was found
  std::optional<Timestamp> last_commit;  // time of the last transaction; none: none was found
  bool whole = false;  // all was read that there is: what was not found is not there
};

/// Archived files that follow each other, and where to look in them: records in [from, to).
struct WalStretch {
  std::vector<std::string> names;  // segments; the last may be a partial one
  std::uint64_t segment_bytes = kDefaultWalSegmentBytes;
  Lsn from;
  Lsn to;
};

/// Reads segments from the last one backwards until the end of a transaction is found, or `go_on`,
/// given how many were read, says no. `read` is called from at most `workers` threads. A cluster
/// may commit nothing for long, while a load runs or at night: that nothing was found is an answer
/// only when all was read.
WalEnd find_wal_end(const WalStretch& wal, std::size_t workers,
                    const std::function<bool(std::size_t)>& go_on,
                    const std::function<Buffer(const std::string&)>& read);

}  // namespace pgcairn::engine
