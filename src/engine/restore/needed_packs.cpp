#include "restore/needed_packs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

void check_packs(RestorePlan& plan, const repo::ManifestHeader& header,
                 const std::vector<repo::ManifestPack>& packs, const repo::PackSet& used) {
  const repo::StanzaView stanza(*plan.repository, plan.stanza);
  for (std::size_t ref = 0; ref < header.refs.size(); ++ref) {
    const std::string& label = header.refs[ref].backup;
    repo::PackSizes listed;
    stanza.packs(
        label, [&](const repo::ListedPack& pack) { listed.set(0, pack.number, pack.size_bytes); });
    for (const repo::ManifestPack& pack : packs) {
      if (pack.ref != ref || !used.contains(pack.ref, pack.pack)) continue;
      const std::string key = repo::pack_key(plan.stanza, label, pack.pack);
      const auto there_bytes = listed.find(0, pack.pack);
      const std::string hint = "restore another backup with --set; nothing was touched";
      if (!there_bytes) throw DamagedError(key, 0, "the pack is missing", hint);
      if (*there_bytes != pack.size_bytes) {
        throw DamagedError(key, std::min(*there_bytes, pack.size_bytes),
                           format("the pack has {} bytes, and had {} when it was written",
                                  *there_bytes, pack.size_bytes),
                           hint);
      }
      plan.fetch_bytes += pack.size_bytes;
      plan.packs.push_back(pack);
    }
  }
  if (plan.packs.size() != used.size()) {
    throw DamagedError(
        repo::manifest_key(plan.stanza, plan.backup.label, plan.backup.manifest_parts - 1), 0,
        "a map names a pack that is not in the manifest's list");
  }
}

}  // namespace pgcairn::engine
