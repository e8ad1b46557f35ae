#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>
#include <cstring>

namespace pgcairn::postgres {

namespace {

constexpr std::size_t kPageBytes = kWalPageBytes;
constexpr std::size_t kShortHeaderBytes = 24;
constexpr std::size_t kLongHeaderBytes = 40;
constexpr std::uint16_t kContinued = 0x0001;   // XLP_FIRST_IS_CONTRECORD
constexpr std::uint16_t kLongHeader = 0x0002;  // XLP_LONG_HEADER

// XLogRecord: tot_len, xid, prev, info, rmid, two bytes of padding, crc.
constexpr std::size_t kRecordBytes = 24;
constexpr std::size_t kXidAt = 4;
constexpr std::size_t kInfoAt = 16;
constexpr std::size_t kManagerAt = 17;
constexpr std::uint64_t kMostRecordBytes = 1020 * kMiB;  // XLogRecordMaxSize
// Headers of blocks and data, and the longest restore point.
constexpr std::size_t kHeadBytes = 512;
// Headers, the oid and a path of MAXPGPATH bytes at most.
constexpr std::size_t kTablespaceBytes = 1200;
// Of a note of limits: far more than it has.
constexpr std::size_t kLimitsBytes = 512;

constexpr std::uint8_t kXlogManager = 0;
constexpr std::uint8_t kSwitch = 0x40;           // XLOG_SWITCH
constexpr std::uint8_t kParameterChange = 0x60;  // XLOG_PARAMETER_CHANGE
constexpr std::uint8_t kRestorePoint = 0x70;     // XLOG_RESTORE_POINT
constexpr std::uint8_t kXactManager = 1;
constexpr std::uint8_t kXactMask = 0x70;  // XLOG_XACT_OPMASK
constexpr std::uint8_t kCommit = 0x00;
constexpr std::uint8_t kAbort = 0x20;
constexpr std::uint8_t kCommitPrepared = 0x30;
constexpr std::uint8_t kAbortPrepared = 0x40;
constexpr std::uint8_t kStorageManager = 2;
constexpr std::uint8_t kStorageCreate = 0x10;  // XLOG_SMGR_CREATE
constexpr std::uint32_t kInitFork = 3;         // INIT_FORKNUM
constexpr std::uint8_t kDatabaseManager = 4;
constexpr std::uint8_t kDatabaseCopy = 0x00;    // XLOG_DBASE_CREATE, from 15 on ..._FILE_COPY
constexpr std::uint8_t kDatabaseDrop14 = 0x10;  // XLOG_DBASE_DROP, to 14
constexpr std::uint8_t kDatabaseDrop = 0x20;    // from 15 on, when 0x10 is ..._CREATE_WAL_LOG
constexpr std::uint8_t kStandbyManager = 8;
constexpr std::uint8_t kRunning = 0x10;  // XLOG_RUNNING_XACTS
constexpr std::uint8_t kTablespaceManager = 5;
constexpr std::uint8_t kTablespaceCreate = 0x00;  // XLOG_TBLSPC_CREATE
constexpr std::uint8_t kTablespaceDrop = 0x10;    // XLOG_TBLSPC_DROP
// Stands for a path that cannot be made out, and is not a place that anybody can allow.
constexpr const char* kUnreadablePlace = "/?";
constexpr std::uint8_t kHasInfo = 0x80;  // XLOG_XACT_HAS_INFO

// xinfo of xl_xact_xinfo (access/xact.h): what follows the time, in this order.
constexpr std::uint32_t kHasDatabase = 1 << 0;
constexpr std::uint32_t kHasSubtransactions = 1 << 1;
constexpr std::uint32_t kHasRelations = 1 << 2;
constexpr std::uint32_t kHasInvalidations = 1 << 3;
constexpr std::uint32_t kHasTwoPhase = 1 << 4;
constexpr std::uint32_t kHasDroppedStats = 1 << 8;
constexpr std::uint16_t kMagic15 = 0xD110;
constexpr std::uint16_t kMagic18 = 0xD118;

constexpr std::uint64_t aligned(std::uint64_t at) {
  return (at + 7) / 8 * 8;
}

/// Microseconds since 2000-01-01.
Timestamp time_of(Bytes data) {
  const std::chrono::microseconds since(load_le<std::int64_t>(data.data()));
  return Timestamp(std::chrono::sys_days(std::chrono::year(2000) / 1 / 1)) + since;
}

/// The main data of a record that names no blocks (DecodeXLogRecord, xlogreader.c); empty when it
/// does, or is cut off.
Bytes main_data(Bytes record) {
  std::size_t at = kRecordBytes;
  while (at + 2 <= record.size()) {
    const auto id = load_le<std::uint8_t>(record.data() + at);
    if (id == 253) {  // XLR_BLOCK_ID_ORIGIN
      at += 3;
    } else if (id == 252) {  // XLR_BLOCK_ID_TOPLEVEL_XID
      at += 5;
    } else if (id == 255 || id == 254) {  // XLR_BLOCK_ID_DATA_SHORT, _LONG
      at += id == 255 ? 2 : 5;
      return at <= record.size() ? record.subspan(at) : Bytes{};
    } else {
      return {};
    }
  }
  return {};
}

/// The transaction that a COMMIT PREPARED or ROLLBACK PREPARED ended (ParseCommitRecord,
/// ParseAbortRecord, xactdesc.c); 0 when the record does not tell.
std::uint32_t prepared_xid(Bytes data, std::uint8_t record_info, std::uint16_t magic) {
  std::size_t at = 8;  // the time
  if ((record_info & kHasInfo) == 0 || data.size() < at + 4) return 0;
  const auto info = load_le<std::uint32_t>(data.data() + at);
  at += 4;
  if ((info & kHasDatabase) != 0) at += 8;
  const auto pass_array = [&](std::uint32_t flag, std::uint64_t element_bytes) {
    if ((info & flag) == 0) return true;
    if (data.size() < at + 4) return false;
    at += 4 + load_le<std::uint32_t>(data.data() + at) * element_bytes;
    return at <= data.size();
  };
  // The numbers of objects grew to 64 bits in 18.
  if (!pass_array(kHasSubtransactions, 4) || !pass_array(kHasRelations, 12) ||
      !pass_array(kHasDroppedStats, magic >= kMagic18 ? 16 : 12) ||
      !pass_array(kHasInvalidations, 16))
    return 0;
  if ((info & kHasTwoPhase) == 0 || data.size() < at + 4) return 0;
  return load_le<std::uint32_t>(data.data() + at);
}

/// How much of a record must be kept to know it, given its beginning.
std::size_t wanted_bytes(Bytes head) {
  if (head.size() <= kManagerAt) return kHeadBytes;
  const auto manager = load_le<std::uint8_t>(head.data() + kManagerAt);
  if (manager == kTablespaceManager) return kTablespaceBytes;
  if (manager == kDatabaseManager) return kMostRecordBytes;  // a drop lists its tablespaces
  const int what = load_le<std::uint8_t>(head.data() + kInfoAt) & kXactMask;
  const bool prepared =
      manager == kXactManager && (what == kCommitPrepared || what == kAbortPrepared);
  return prepared ? kMostRecordBytes : kHeadBytes;
}

/// xl_tblspc_create_rec: the oid, the path with a zero at its end.
void read_created(Bytes data, WalRecord& found) {
  found.kind = WalRecord::Kind::tablespace_create;
  found.location = kUnreadablePlace;
  if (data.size() < 5) return;
  found.oid = load_le<std::uint32_t>(data.data());
  const std::string_view path = as_text(data.subspan(4));
  const std::size_t end = path.find('\0');
  if (end != std::string_view::npos) found.location = path.substr(0, end);
}

std::uint32_t u32_at(Bytes data, std::size_t index) {
  return load_le<std::uint32_t>(data.data() + index * sizeof(std::uint32_t));
}

/// xl_smgr_create: tablespace, database, relation, fork.
void read_storage(Bytes data, WalRecord& found) {
  if (data.size() < 16 || u32_at(data, 3) != kInitFork) return;
  found.kind = WalRecord::Kind::init_fork;
  found.relation = {u32_at(data, 0), u32_at(data, 1), u32_at(data, 2)};
}

/// xl_dbase_create_file_copy_rec (database, tablespace, and the same of the source), and
/// xl_dbase_drop_rec (database, how many tablespaces, these).
void read_database(Bytes data, std::uint8_t what, std::uint16_t magic, WalRecord& found) {
  if (what == kDatabaseCopy && data.size() >= 16) {
    found.kind = WalRecord::Kind::database_copy;
    found.databases.push_back({u32_at(data, 0), u32_at(data, 1)});
    found.copied_from = {u32_at(data, 2), u32_at(data, 3)};
  }
  if (what != (magic >= kMagic15 ? kDatabaseDrop : kDatabaseDrop14) || data.size() < 8) return;
  found.kind = WalRecord::Kind::database_drop;
  const std::size_t count = std::min<std::size_t>(u32_at(data, 1), data.size() / 4 - 2);
  for (std::size_t i = 0; i < count; ++i)
    found.databases.push_back({u32_at(data, 0), u32_at(data, 2 + i)});
}

/// xl_parameter_change.
void read_limits(Bytes data, WalRecord& found) {
  if (data.size() < 24) return;
  found.kind = WalRecord::Kind::limits;
  for (std::size_t i = 0; i < found.limits.values.size(); ++i)
    found.limits.values[i] = u32_at(data, i);
  found.limits.wal_level = u32_at(data, found.limits.values.size());
}

/// xl_running_xacts: counts, a flag, the next transaction, the oldest that runs.
void read_running(Bytes data, WalRecord& found) {
  if (data.size() < 20) return;
  found.kind = WalRecord::Kind::running;
  found.oldest_running = u32_at(data, 4);
}

}  // namespace

bool is_older_transaction(std::uint32_t one, std::uint32_t other) {
  return static_cast<std::int32_t>(one - other) < 0;
}

std::optional<CreatedTablespace> created_tablespace(const WalRecord& record) {
  if (record.kind != WalRecord::Kind::tablespace_create || !record.location.starts_with('/'))
    return std::nullopt;
  return CreatedTablespace{record.oid, record.location, record.start};
}

namespace {

/// Does it begin with the rest of a record, of at most `most_bytes`?
bool begins_with_rest(Bytes page, std::size_t most_bytes) {
  if (page.size() < kShortHeaderBytes) return false;
  const auto info = load_le<std::uint16_t>(page.data() + 2);
  return (info & kContinued) != 0 && load_le<std::uint32_t>(page.data() + 16) <= most_bytes;
}

}  // namespace

bool may_continue_tablespace(Bytes page) {
  return begins_with_rest(page, kTablespaceBytes);
}

bool may_continue_limits(Bytes page) {
  return begins_with_rest(page, kLimitsBytes);
}

bool may_note_limits(Bytes pages) {
  for (std::size_t at = 0; at + 8 <= pages.size(); at += 8) {
    // Records begin at multiples of 8; the server writes the note without a transaction.
    const std::byte* const record = pages.data() + at;
    const auto length = load_le<std::uint32_t>(record);
    if (length < kRecordBytes || length > kLimitsBytes ||
        load_le<std::uint32_t>(record + kXidAt) != 0)
      continue;
    const bool is_cut = at % kPageBytes > kPageBytes - kRecordBytes;  // its header goes on
    if (is_cut || at + kRecordBytes > pages.size()) return true;
    if (load_le<std::uint8_t>(record + kManagerAt) == kXlogManager &&
        (load_le<std::uint8_t>(record + kInfoAt) & 0xF0) == kParameterChange)
      return true;
  }
  return false;
}

void WalRecordReader::read(Bytes segment, Lsn start) {
  if (start != next_) remaining_ = 0;
  next_ = Lsn{start.value + segment.size()};
  ended_ = false;
  for (std::size_t at = 0; at + kPageBytes <= segment.size() && !ended_; at += kPageBytes)
    read_page(segment.subspan(at, kPageBytes), Lsn{start.value + at});
  // Only a record that runs over the end of the segment goes on in the next one.
  if (ended_) remaining_ = 0;
}

void WalRecordReader::read_page(Bytes page, Lsn address) {
  const auto info = load_le<std::uint16_t>(page.data() + 2);
  const auto page_address = load_le<std::uint64_t>(page.data() + 8);
  const auto left_over = load_le<std::uint32_t>(page.data() + 16);
  if (page_address != address.value) {
    ended_ = true;  // never written, or left from an earlier use of the file
    return;
  }
  magic_ = load_le<std::uint16_t>(page.data());
  std::size_t at = (info & kLongHeader) != 0 ? kLongHeaderBytes : kShortHeaderBytes;
  if ((info & kContinued) == 0) {
    remaining_ = 0;
  } else if (remaining_ == 0 || remaining_ != left_over) {
    remaining_ = left_over;
    known_ = false;
  }
  while (at < kPageBytes) {
    if (remaining_ == 0 && !begin_record(page.subspan(at), Lsn{address.value + at})) {
      ended_ = true;
      return;
    }
    const std::size_t count = std::min<std::uint64_t>(remaining_, kPageBytes - at);
    keep(page.subspan(at, count));
    remaining_ -= count;
    at += count;
    if (remaining_ != 0) return;
    if (known_) finish_record(Lsn{address.value + at});
    if (ended_) return;
    at = aligned(at);
  }
}

void WalRecordReader::keep(Bytes piece) {
  if (!known_) return;
  // Twice at most: how much is wanted is known once there is a beginning.
  while (!piece.empty()) {
    const std::size_t wanted = wanted_bytes({head_.data(), head_.size()});
    if (head_.size() >= wanted) return;
    const std::size_t count = std::min(piece.size(), wanted - head_.size());
    head_.insert(head_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    piece = piece.subspan(count);
  }
}

bool WalRecordReader::begin_record(Bytes rest, Lsn at) {
  const auto length = load_le<std::uint32_t>(rest.data());
  if (length < kRecordBytes || length > kMostRecordBytes) return false;
  remaining_ = length;
  known_ = true;
  record_start_ = at;
  head_.clear();
  return true;
}

void WalRecordReader::finish_record(Lsn end) {
  const Bytes record(head_.data(), head_.size());
  const auto info = load_le<std::uint8_t>(record.data() + kInfoAt);
  const auto manager = load_le<std::uint8_t>(record.data() + kManagerAt);
  WalRecord found;
  found.start = record_start_;
  found.end = end;
  if (manager == kXactManager) {
    const int what = info & kXactMask;
    const Bytes data = main_data(record);
    found.prepared = what == kCommitPrepared || what == kAbortPrepared;
    const bool commit = what == kCommit || what == kCommitPrepared;
    const bool abort = what == kAbort || what == kAbortPrepared;
    if ((commit || abort) && data.size() >= 8) {
      found.kind = commit ? WalRecord::Kind::commit : WalRecord::Kind::abort;
      found.time = time_of(data);
      found.xid = found.prepared ? prepared_xid(data, info, magic_)
                                 : load_le<std::uint32_t>(record.data() + kXidAt);
    }
  } else if (manager == kXlogManager && (info & 0xF0) == kRestorePoint) {
    const Bytes data = main_data(record);  // xl_restore_point: time, name of 64 bytes
    if (data.size() >= 8 + 64) {
      found.kind = WalRecord::Kind::restore_point;
      found.time = time_of(data);
      const std::string_view name = as_text(data.subspan(8, 64));
      found.name = name.substr(0, name.find('\0'));
    }
  } else if (manager == kTablespaceManager && (info & 0xF0) == kTablespaceCreate) {
    read_created(main_data(record), found);
  } else if (manager == kTablespaceManager && (info & 0xF0) == kTablespaceDrop) {
    const Bytes data = main_data(record);
    found.kind = WalRecord::Kind::tablespace_drop;
    if (data.size() >= 4) found.oid = load_le<std::uint32_t>(data.data());
  } else if (manager == kXlogManager && (info & 0xF0) == kParameterChange) {
    read_limits(main_data(record), found);
  } else if (manager == kStorageManager && (info & 0xF0) == kStorageCreate) {
    read_storage(main_data(record), found);
  } else if (manager == kDatabaseManager) {
    read_database(main_data(record), info & 0xF0, magic_, found);
  } else if (manager == kStandbyManager && (info & 0xF0) == kRunning) {
    read_running(main_data(record), found);
  } else if (manager == kXlogManager && (info & 0xF0) == kSwitch) {
    ended_ = true;  // zeros follow to the end of the segment
  }
  visit_(found);
}

}  // namespace pgcairn::postgres
