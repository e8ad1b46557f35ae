#include "restore/wal_way.hpp"

namespace pgcairn::engine {

namespace {

using Kind = postgres::WalRecord::Kind;

bool ends_transaction(const postgres::WalRecord& record) {
  return record.kind == Kind::commit || record.kind == Kind::abort;
}

bool is_target(const postgres::WalRecord& record, const RestoreOptions& options) {
  return ends_transaction(record) && options.target_xid && record.xid == *options.target_xid;
}

}  // namespace

WalWay::WalWay(const RestoreOptions& options, const repo::BackupMarker& backup, Lsn wal_end)
    : options_(options),
      backup_(backup),
      wal_end_(wal_end),
      reader_([this](const postgres::WalRecord& record) { look_at(record); }),
      settled_(!backup.unsettled_before) {
  if (options.type == RestoreType::immediate) end_ = backup.stop_lsn;
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
  switch (options_.type) {
    case RestoreType::lsn:
      return options_.target_exclusive && record.start >= *options_.target_lsn;
    case RestoreType::xid:
      return options_.target_exclusive && is_target(record, options_);
    case RestoreType::time:
      if (!ends_transaction(record)) return false;
      return options_.target_exclusive ? *record.time >= *options_.target_time
                                       : *record.time > *options_.target_time;
    default:
      return false;
  }
}

bool WalWay::stops_after(const postgres::WalRecord& record) const {
  switch (options_.type) {
    case RestoreType::lsn:
      return !options_.target_exclusive && record.start >= *options_.target_lsn;
    case RestoreType::xid:
      return !options_.target_exclusive && is_target(record, options_);
    case RestoreType::name:
      return record.kind == Kind::restore_point && record.name == options_.target_name;
    default:
      return false;
  }
}

void WalWay::stop(Lsn at) {
  end_ = at;
  over_ = true;
}

}  // namespace pgcairn::engine
