#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/repository.hpp>
#include <pgcairn/repo/retention.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// What expire needs of a marker. Names of packs are many: they are kept small.
struct CatalogBackup {
  repo::RetentionBackup judged;
  std::uint64_t stored_bytes = 0;
  Timeline timeline = 0;
  Lsn stop_lsn;
  std::string wal_start;
  std::string wal_stop;
  std::uint64_t wal_segment_bytes = 0;
  bool keep = true;
  bool continuous_wal = true;
  std::vector<Timeline> way_to;  // ends of branches that it is kept as the way to

  struct Packs {
    std::uint32_t owner = 0;  // position in Catalog::owners
    std::uint32_t first = 0;
    std::uint32_t last = 0;
  };
  std::vector<Packs> packs;
};

/// A marker that cannot be read: its backup may need any pack and any WAL.
struct UnreadableMarker {
  std::string label;
  DamagedError error;
};

struct Catalog {
  std::vector<CatalogBackup> backups;  // in the order of their labels' times
  std::vector<UnreadableMarker> unreadable;
  std::vector<std::string> owners;  // labels
};
Catalog read_catalog(repo::Repository& repository, const std::string& stanza,
                     const std::stop_token& stop);

/// The packs that backups name: those that are kept, or those that are not.
class NamedPacks {
 public:
  NamedPacks(const Catalog& catalog, bool kept);

  bool has(std::string_view owner, std::uint64_t pack) const;
  /// Which backups name packs of `owner`: "20261121-010203F and 3 more". Empty: none.
  std::string namers(std::string_view owner) const;

 private:
  struct Owner {
    std::map<std::uint32_t, std::uint32_t> ranges;  // first -> last; apart from each other
    std::string newest_namer;
    std::uint64_t namers = 0;
  };
  static void add(std::map<std::uint32_t, std::uint32_t>& ranges, std::uint32_t first,
                  std::uint32_t last);
  std::map<std::string, Owner, std::less<>> owners_;
};

/// Of the labels below which something is stored, those of interrupted backups that a later one,
/// of any kind, may resume: what `resumable_for` gives it. Pure.
std::vector<std::string> resumable(std::span<const std::string> listed,
                                   std::span<const std::string> stored);

/// The backup of `doubtful`, whose markers cannot be read, that may name packs of `label`; empty:
/// none. A full backup names its own packs, and those of interrupted backups before it; another one
/// also those of its full backup and of what builds on that; none names what is later than itself.
/// `listed`: all labels that have a marker, or had one when this run began. Pure.
std::string may_name_packs_of(const std::string& label, const std::set<std::string>& doubtful,
                              const std::set<std::string>& listed);

}  // namespace pgcairn::engine
