#pragma once

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/common/sandbox.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/postgres/private_server.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <optional>
#include <span>
#include <string>

namespace pgcairn::engine {

/// What the server of a drill gets of the archive. Each segment is read on its way: for a
/// tablespace that was made after the backup the directory is made in the sandbox; where that is
/// not possible, the server gets no more than what comes before the record.
class DrillWal {
 public:
  /// Without a sandbox, all such records end what is given.
  DrillWal(const RestorePlan& plan, std::span<repo::Repository> repositories,
           const Sandbox* sandbox);

  /// As restore_command does.
  postgres::WalAnswer give(const std::string& name, const std::string& place);

  /// What was not given; ask when the server no longer asks.
  const std::optional<postgres::CreatedTablespace>& withheld() const { return withheld_; }
  /// The highest limits that servers started with which wrote what was given; none: nobody did.
  const std::optional<ServerLimits>& limits() const { return limits_; }
  /// Why the last file could not be fetched, if so.
  const std::string& failure() const { return failure_; }

 private:
  bool look(const std::string& name, const std::string& file);
  void meet(const postgres::WalRecord& record);

  const RestorePlan& plan_;
  const Beneath data_;  // the server may change what is in it at any time
  std::span<repo::Repository> repositories_;
  const Sandbox* sandbox_;
  postgres::WalRecordReader reader_;
  std::optional<postgres::CreatedTablespace> withheld_;
  std::optional<ServerLimits> limits_;
  std::string failure_;
};

}  // namespace pgcairn::engine
