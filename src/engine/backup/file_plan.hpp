#pragma once

#include "backup/resume.hpp"

#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace pgcairn::engine {

/// How one file is copied, given what an older backup has of it.
struct FilePlan {
  enum class How {
    whole,    // all of it
    compare,  // read all of it, store what differs from the older backup
    blocks,   // read and store only `blocks`; the rest is as it was
  };
  How how = How::whole;
  std::optional<repo::ManifestEntry> prior;  // compare, blocks
  std::vector<std::uint32_t> blocks;         // of this file, ascending
  std::vector<std::uint32_t>
      samples;         // of this file, ascending, not in `blocks`: read them and make sure
  StoredPages stored;  // by interrupted backups: named where they are instead of stored again
};

/// What WAL summaries say of one file of a relation's main fork.
struct MarkedBlocks {
  bool whole = false;                 // its content may be anything
  std::vector<std::uint32_t> blocks;  // of this file, ascending; not when `whole`
};
using ChangeOf = std::function<MarkedBlocks(const postgres::SourceFile&)>;

/// Decides by the rules for incremental backups (pgcairn-backup(1), WHICH PAGES ARE COPIED). Pure.
/// `change_of` is empty when there are no usable summaries: then whatever may have changed is
/// compared.
FilePlan plan_file(const postgres::SourceFile& source, std::optional<repo::ManifestEntry> prior,
                   const ChangeOf& change_of);

/// Adds about `share` (0 to 1) of the blocks that a plan takes for unchanged to its samples.
/// `random` gives numbers in [0, 1).
void add_samples(FilePlan& plan, double share, const std::function<double()>& random);

}  // namespace pgcairn::engine
