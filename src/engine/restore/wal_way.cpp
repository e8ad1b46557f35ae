#include "restore/wal_way.hpp"

namespace pgcairn::engine {

namespace {

using Kind = postgres::WalRecord::Kind;

bool ends_transaction(const postgres::WalRecord& record) {
  return record.kind == Kind::commit || record.kind == Kind::abort;
}

bool ends(const postgres::WalRecord& record, const XidTarget& target) {
  return ends_transaction(record) && record.xid == target.xid;
}

}  // namespace

WalWay::WalWay(RecoveryTarget target, const repo::BackupMarker& backup, Lsn wal_end)
    : target_(std::move(target)),
      backup_(backup),
      wal_end_(wal_end),
      reader_([this](const postgres::WalRecord& record) { look_at(record); }),
      settled_(!backup.unsettled_before) {
  if (target_.type() == RestoreType::immediate) end_ = backup.stop_lsn;
}

void WalWay::look_at(const postgres::WalRecord& record) {
  if (over_ || record.start < backup_.start_lsn) return;
  if (record.start >= wal_end_ || (end_ && record.start >= *end_)) {
    over_ = true;
    return;
  }
  const auto created = postgres::created_tablespace(record);
  // Before the backup's end there is no state to stop at.
  const bool may_stop = record.start >= backup_.stop_lsn;
  if (may_stop && stops_before(record)) {
    stops_before_created_ = created.has_value();
    return stop(record.start);
  }
  if (created) {
    if (created_.empty()) before_created_ = last_record_;
    created_.push_back(*created);
  }
  if (record.kind == Kind::tablespace_drop) {
    for (postgres::CreatedTablespace& one : created_) {
      if (one.oid == record.oid && one.dropped.value == 0) one.dropped = record.start;
    }
  }
  note(record);
  if (over_) return;
  last_record_ = record.start;
  if (may_stop && stops_after(record)) stop(record.end);
}

void WalWay::note(const postgres::WalRecord& record) {
  if (record.kind == Kind::limits) {
    limits_ = limits_ ? highest(*limits_, record.limits) : record.limits;
    if (record.limits.wal_level == kWalLevelMinimal) {
      minimal_ = record.start;
      over_ = true;
    }
  } else if (record.kind == Kind::init_fork) {
    unlogged_.insert(record.relation);
  } else if (record.kind == Kind::running && record.start >= backup_.stop_lsn &&
             backup_.unsettled_before && *backup_.unsettled_before != 0) {
    settled_ = settled_ ||
               !postgres::is_older_transaction(record.oldest_running, *backup_.unsettled_before);
  }
}

bool WalWay::stops_before(const postgres::WalRecord& record) const {
  if (const auto* const lsn = target_.lsn()) return lsn->exclusive && record.start >= lsn->at;
  if (const auto* const xid = target_.xid()) return xid->exclusive && ends(record, *xid);
  const auto* const time = target_.time();
  return time != nullptr && ends_transaction(record) && time->is_before(*record.time);
}

bool WalWay::stops_after(const postgres::WalRecord& record) const {
  if (const auto* const lsn = target_.lsn()) return !lsn->exclusive && record.start >= lsn->at;
  if (const auto* const xid = target_.xid()) return !xid->exclusive && ends(record, *xid);
  const auto* const point = target_.name();
  return point != nullptr && record.kind == Kind::restore_point && record.name == point->name;
}

void WalWay::stop(Lsn at) {
  end_ = at;
  over_ = true;
}

}  // namespace pgcairn::engine
