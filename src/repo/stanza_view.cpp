#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

namespace pgcairn::repo {

ManifestReader StanzaView::manifest(const BackupMarker& backup) const {
  return {repository_->driver(), repository_->seal_context(), stanza_,
          backup.label,          backup.manifest_parts,       backup.manifest_seals};
}

void StanzaView::packs(const std::string& owner,
                       const std::function<void(const ListedPack&)>& visit) const {
  repository_->driver().list(pack_prefix(stanza_, owner), [&](const storage::Object& object) {
    const auto key = parse_key(object.key);
    if (key && key->kind == ObjectKind::pack) visit({key->number, object.size_bytes});
  });
}

}  // namespace pgcairn::repo
