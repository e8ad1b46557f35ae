#include "verify/pages.hpp"

#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/page.hpp>
#include <pgcairn/repo/file_map.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

using postgres::kPageBytes;
using postgres::PageVerdict;

namespace {

constexpr Lsn kNoEnd{UINT64_MAX};

void look_at(const std::string& path, std::uint32_t segment, const repo::Run& run,
             std::uint64_t at_bytes, Bytes content, std::vector<SuspectPage>& suspects) {
  for (std::uint64_t done = 0; done + kPageBytes <= content.size(); done += kPageBytes) {
    const std::byte* const page = content.data() + done;
    const std::uint64_t offset_bytes = run.offset_bytes + done;
    const auto block = segment * postgres::kRelationSegmentBlocks +
                       static_cast<std::uint32_t>(offset_bytes / kPageBytes);
    const PageVerdict verdict = postgres::judge_page(page, block, Lsn{0}, kNoEnd);
    if (verdict == PageVerdict::good) continue;
    SuspectPage suspect;
    suspect.path = path;
    suspect.offset_bytes = offset_bytes;
    suspect.block = block;
    suspect.lsn = postgres::page_lsn(page);
    suspect.new_page = verdict == PageVerdict::bad;
    suspect.at_bytes = static_cast<std::uint32_t>(at_bytes + done);
    suspects.push_back(std::move(suspect));
  }
}

/// Is the block one of those that the backup found bad? A list that is full does not name all.
bool was_bad(const repo::ManifestEntry& entry, std::uint32_t block) {
  const auto& bad = entry.bad_blocks;
  return bad.size() >= repo::kMostBlocksNamed ||
         std::find(bad.begin(), bad.end(), block) != bad.end();
}

}  // namespace

std::vector<SuspectPage> find_suspects(std::span<const repo::Piece> pieces, Bytes payload) {
  std::vector<SuspectPage> suspects;
  std::uint64_t at = 0;
  for (const repo::Piece& piece : pieces) {
    const std::string name = piece.path.substr(piece.path.rfind('/') + 1);
    const auto relation = postgres::parse_relation_file(name);
    for (const repo::Run& run : piece.runs) {
      const std::uint64_t length = std::min<std::uint64_t>(run.length_bytes, payload.size() - at);
      if (relation && at % kPageBytes == 0 && run.offset_bytes % kPageBytes == 0)
        look_at(piece.path, relation->segment, run, at, payload.subspan(at, length), suspects);
      at += length;
    }
  }
  return suspects;
}

SuspectVerdict judge_suspect(const SuspectPage& page, const repo::BackupMarker& backup,
                             const repo::ManifestEntry& entry, const repo::ManifestHeader& header,
                             const std::string& stanza) {
  if (!backup.data_checksums || !entry.pages || page.offset_bytes >= entry.size_bytes)
    return SuspectVerdict::not_named;
  const repo::Extent place = repo::FileMap(entry.map, header.refs).at(page.offset_bytes);
  const std::string pack = repo::pack_key(stanza, header.refs.at(place.ref).backup, place.pack);
  if (place.frame != page.frame || place.offset_bytes != page.at_bytes || pack != page.pack)
    return SuspectVerdict::not_named;
  if (was_bad(entry, page.block)) return SuspectVerdict::bad_before;
  const bool replayed = page.lsn >= backup.start_lsn && page.lsn <= backup.stop_lsn;
  return replayed && !page.new_page ? SuspectVerdict::half_written : SuspectVerdict::stored_bad;
}

}  // namespace pgcairn::engine
