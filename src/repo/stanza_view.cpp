#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

namespace pgcairn::repo {

namespace {

constexpr std::size_t kFolderDigits = 16;
constexpr std::size_t kTimelineDigits = 8;  // of the name of a segment, or a folder of segments

}  // namespace

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

void StanzaView::list(const std::string& prefix, const VisitWal& visit) const {
  repository_->driver().list(prefix, [&](const storage::Object& object) {
    const std::string_view file = wal_file(object.key);
    visit({object.key, file, wal_file_kind(file), object.size_bytes, object.modified});
  });
}

void StanzaView::wal(const std::string& cluster, const VisitWal& visit) const {
  list(wal_prefix(stanza_, cluster), visit);
}

WalListing StanzaView::list_wal(const std::string& cluster) const {
  WalListing listing;
  wal(cluster, [&](const ListedWal& object) {
    if (object.kind == WalFileKind::segment) listing.segments.emplace_back(object.file);
    if (object.kind == WalFileKind::timeline_history) listing.histories.emplace_back(object.file);
    if (object.kind == WalFileKind::partial) listing.partials.emplace_back(object.file);
  });
  return listing;
}

std::vector<WalFolder> StanzaView::wal_folders(const std::string& cluster) const {
  std::vector<WalFolder> folders;
  for (const std::string& name : repository_->driver().folders(wal_prefix(stanza_, cluster))) {
    const auto timeline = parse_u64(std::string_view(name).substr(0, kTimelineDigits), 16);
    if (name.size() == kFolderDigits && timeline)
      folders.push_back({name, static_cast<Timeline>(*timeline)});
  }
  return folders;
}

void StanzaView::wal_in(const std::string& cluster, const std::string& folder,
                        const VisitWal& visit) const {
  list(wal_folder_prefix(stanza_, cluster, folder), visit);
}

std::set<Timeline> StanzaView::wal_timelines(const std::string& cluster) const {
  std::set<Timeline> timelines;
  for (const WalFolder& folder : wal_folders(cluster)) timelines.insert(folder.timeline);
  return timelines;
}

std::string StanzaView::next_wal(const std::string& cluster, const std::string& segment) const {
  const std::string timeline = segment.substr(0, kTimelineDigits);
  const std::string_view own = wal_folder(segment);
  std::string first;
  for (const WalFolder& folder : wal_folders(cluster)) {
    if (!folder.name.starts_with(timeline) || folder.name < own) continue;
    wal_in(cluster, folder.name, [&](const ListedWal& object) {
      const bool is_later = object.kind == WalFileKind::segment && object.file > segment;
      if (first.empty() && is_later) first = object.file;
    });
    if (!first.empty()) break;
  }
  return first;
}

bool StanzaView::has_backup_history(const std::string& cluster, const std::string& segment) const {
  bool found = false;
  list(wal_key(stanza_, cluster, segment) + ".",
       [&](const ListedWal& object) { found |= object.kind == WalFileKind::backup_history; });
  return found;
}

std::optional<Buffer> StanzaView::read_wal(const Cluster& cluster, const std::string& file) const {
  Buffer content;
  const bool found =
      repository_->get_wal(stanza_, cluster, file, [&](Bytes piece) { content.append(piece); });
  return found ? std::optional(std::move(content)) : std::nullopt;
}

}  // namespace pgcairn::repo
