#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pgcairn::engine {

/// Where recovery ends, and by which signal file it begins.
enum class RestoreType {
  latest,     // "default": the end of the archived WAL
  immediate,  // as soon as the cluster is consistent
  time,
  xid,
  lsn,
  name,      // a restore point
  standby,   // never: the server stays a standby
  preserve,  // as the configuration that was backed up says; the operator adds the signal file
  none,      // the end of the WAL that the backup needs, without an archive
};
/// The word of --type.
std::string_view name_of(RestoreType type);
std::optional<RestoreType> parse_restore_type(std::string_view name);

/// The last transaction that ended at this time or earlier; exclusive: earlier.
struct TimeTarget {
  Timestamp when{};
  bool exclusive = false;
  /// Does recovery stop before a transaction that ended then?
  bool is_before(Timestamp end) const { return exclusive ? end >= when : end > when; }
  bool operator==(const TimeTarget&) const = default;
};
/// The end of this transaction; exclusive: just before.
struct XidTarget {
  std::uint32_t xid = 0;
  bool exclusive = false;
  bool operator==(const XidTarget&) const = default;
};
/// The record there, or the next one; exclusive: just before.
struct LsnTarget {
  Lsn at;
  bool exclusive = false;
  bool operator==(const LsnTarget&) const = default;
};
/// A restore point.
struct NameTarget {
  std::string name;
  bool operator==(const NameTarget&) const = default;
};

/// A type, with its point where it needs one.
class RecoveryTarget {
 public:
  RecoveryTarget() = default;  // latest
  /// A type that needs none.
  RecoveryTarget(RestoreType type);
  RecoveryTarget(TimeTarget target) : target_(target) {}
  RecoveryTarget(XidTarget target) : target_(target) {}
  RecoveryTarget(LsnTarget target) : target_(target) {}
  RecoveryTarget(NameTarget target) : target_(std::move(target)) {}
  bool operator==(const RecoveryTarget&) const = default;

  RestoreType type() const;
  // Null when it is another type.
  const TimeTarget* time() const { return std::get_if<TimeTarget>(&target_); }
  const XidTarget* xid() const { return std::get_if<XidTarget>(&target_); }
  const LsnTarget* lsn() const { return std::get_if<LsnTarget>(&target_); }
  const NameTarget* name() const { return std::get_if<NameTarget>(&target_); }

  /// Does recovery stop before its point?
  bool exclusive() const;
  /// Can recovery stop before the end of the WAL?
  bool stops_early() const;
  /// Is WAL replayed that is later than the backup? Not known of `preserve`, and not assumed.
  bool goes_beyond_backup() const;

 private:
  std::variant<RestoreType, TimeTarget, XidTarget, LsnTarget, NameTarget> target_;
};

}  // namespace pgcairn::engine
