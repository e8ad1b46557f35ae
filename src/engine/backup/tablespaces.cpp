#include "backup/tablespaces.hpp"

#include "backup/database_copies.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <algorithm>
#include <string_view>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kFolder = "pg_tblspc/";

const postgres::Tablespace* find(std::span<const postgres::Tablespace> known, std::uint32_t oid) {
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.oid == oid; });
  return found == known.end() ? nullptr : &*found;
}

}  // namespace

void CopiedTablespaces::look_at(const repo::ManifestEntry& entry) {
  if (entry.type == repo::EntryType::file || !entry.path.starts_with(kFolder)) return;
  const std::string_view name = std::string_view(entry.path).substr(kFolder.size());
  const auto oid = is_digits(name) ? parse_u64(name) : std::nullopt;
  if (!oid || *oid == 0 || *oid > UINT32_MAX) return;
  // In-place tablespaces are directories; the server tells their path in the data directory.
  locations_[static_cast<std::uint32_t>(*oid)] =
      entry.type == repo::EntryType::link ? entry.target : entry.path;
}

std::vector<std::string> CopiedTablespaces::unknown(
    std::span<const postgres::Tablespace> known) const {
  std::vector<std::string> paths;
  for (const auto& [oid, location] : locations_) {
    if (find(known, oid) == nullptr) paths.push_back(format("{}{}", kFolder, oid));
  }
  return paths;
}

std::vector<postgres::Tablespace> CopiedTablespaces::without(
    std::span<const postgres::Tablespace> known) const {
  std::vector<postgres::Tablespace> spaces;
  for (const postgres::Tablespace& one : known) {
    if (!locations_.contains(one.oid)) spaces.push_back(one);
  }
  return spaces;
}

std::vector<repo::TablespaceInfo> CopiedTablespaces::named(
    std::span<const postgres::Tablespace> known) const {
  std::vector<repo::TablespaceInfo> spaces;
  for (const auto& [oid, location] : locations_) {
    const postgres::Tablespace* const one = find(known, oid);
    PGCAIRN_ASSERT(one != nullptr);
    spaces.push_back({oid, one->name, location});
  }
  return spaces;
}

namespace {

/// What was written in a tablespace before it was dropped is replayed. Where its directory is gone
/// the server makes one for a relation's pages, but not for its visibility map, which it extends
/// first (visibilitymap_pin in heap_xlog_delete and others; vm_extend, visibilitymap.c).
void refuse_dropped(std::span<const postgres::Tablespace> missing,
                    std::span<const postgres::Tablespace> now) {
  for (const postgres::Tablespace& one : missing) {
    if (find(now, one.oid) != nullptr) continue;
    throw UnreplayableBackup(
        format(
            "cannot use the backup: tablespace {} (\"{}\") was dropped before it was copied, and "
            "replay of what was written in it before that may fail",
            one.oid, one.name),
        "run the backup again while no tablespace is dropped");
  }
}

}  // namespace

std::vector<repo::TablespaceInfo> name_tablespaces(const CopiedTablespaces& copied,
                                                   std::vector<postgres::Tablespace> known,
                                                   postgres::Connection& connection,
                                                   std::stop_token stop) {
  const auto missing = copied.without(known);
  if (!missing.empty()) refuse_dropped(missing, postgres::read_tablespaces(connection));
  constexpr int attempts = 10;  // the link is there before its row can be seen
  for (int i = 0; i < attempts && !copied.unknown(known).empty(); ++i) {
    if (i > 0) sleep_for(milliseconds(200), stop);
    const auto now = postgres::read_tablespaces(connection);
    known.insert(known.end(), now.begin(), now.end());
  }
  for (const std::string& path : copied.unknown(known)) {
    throw UnreplayableBackup(
        format("cannot use the backup: it holds \"{}\", and the server does not know such a "
               "tablespace",
               path),
        "one was created and dropped while the backup copied: run the backup again; if that fails "
        "the same way, the entry is a left-over, which may be moved away");
  }
  return copied.named(known);
}

}  // namespace pgcairn::engine
