#include "backup/database_copies.hpp"

namespace pgcairn::engine {

namespace {

using Kind = postgres::WalRecord::Kind;

}  // namespace

void DatabaseCopies::look_at(const postgres::WalRecord& record) {
  if (record.kind == Kind::database_copy) {
    const postgres::DatabaseDirectory& made = record.databases.front();
    // Replay makes a source that was copied itself, so that what counts is what that was made of.
    const auto before = sources_.find(record.copied_from);
    sources_[made] = before == sources_.end() ? record.copied_from : before->second;
    if (lost_.contains(record.copied_from)) lost_.insert(made);
  }
  if (record.kind == Kind::database_drop) {
    for (const postgres::DatabaseDirectory& directory : record.databases)
      drop(directory, record.start);
  }
}

void DatabaseCopies::drop(const postgres::DatabaseDirectory& directory, Lsn at) {
  sources_.erase(directory);
  lost_.erase(directory);
  if (at >= read_until_) return;
  for (const auto& [made, source] : sources_) {
    if (source == directory) lost_.insert(made);
  }
}

std::vector<postgres::DatabaseDirectory> DatabaseCopies::lost() const {
  return {lost_.begin(), lost_.end()};
}

}  // namespace pgcairn::engine
