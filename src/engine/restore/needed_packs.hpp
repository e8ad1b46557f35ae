#pragma once

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack_table.hpp>

#include <vector>

namespace pgcairn::engine {

/// What is asked of the manifest must be in the repository, whole, before anything is touched:
/// fills plan.packs, from `packs`, those of the manifest, and adds to plan.fetch_bytes. Throws
/// DamagedError.
void check_packs(RestorePlan& plan, const repo::ManifestHeader& header,
                 const std::vector<repo::ManifestPack>& packs, const repo::PackSet& used);

}  // namespace pgcairn::engine
