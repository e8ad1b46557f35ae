#pragma once

#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The tablespaces that a manifest has. Tablespaces may be made and dropped while a backup copies;
/// the marker names those that were copied, so that a restore knows a place for each of them.
class CopiedTablespaces {
 public:
  /// To be called for all entries.
  void look_at(const repo::ManifestEntry& entry);
  void clear() { locations_.clear(); }

  /// Those that none of `known` is, as "pg_tblspc/<oid>".
  std::vector<std::string> unknown(std::span<const postgres::Tablespace> known) const;
  /// Those of `known` that were not copied.
  std::vector<postgres::Tablespace> without(std::span<const postgres::Tablespace> known) const;
  /// All of them, by oid, with the names that the server knows; none may be unknown.
  std::vector<repo::TablespaceInfo> named(std::span<const postgres::Tablespace> known) const;

 private:
  std::map<std::uint32_t, std::string> locations_;  // by oid
};

/// The copied tablespaces with the names that the server gave them, before the backup (`known`) or
/// now. Throws UnreplayableBackup for one that was dropped again meanwhile: it has no name, and its
/// link would lead a restore to a place that nobody names; and for one of `known` that was dropped
/// before it was copied: replay can end at its missing directory.
std::vector<repo::TablespaceInfo> name_tablespaces(const CopiedTablespaces& copied,
                                                   std::vector<postgres::Tablespace> known,
                                                   postgres::Connection& connection,
                                                   std::stop_token stop);

}  // namespace pgcairn::engine
