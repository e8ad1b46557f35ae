#include "backup/backup_writer.hpp"

#include "backup/publish.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::engine {

BackupWriter::BackupWriter(Targets& targets, repo::Repository& bound, std::string stanza,
                           repo::ManifestHeader header, PackReferences references,
                           std::size_t pack_bytes)
    : targets_(targets), stanza_(std::move(stanza)), references_(std::move(references)) {
  const repo::PutObject put = [&targets, &bound](const std::string& key, MutableBytes object) {
    targets.put(bound, key, object);
  };
  packs_.emplace(bound, stanza_, header.label, pack_bytes, put);
  manifest_.emplace(bound.driver(), bound.seal_context(), stanza_, std::move(header), put);
}

void BackupWriter::add(const repo::ManifestEntry& entry) {
  references_.name(entry.map);
  manifest_->add(entry);
}

void BackupWriter::finish(std::span<const repo::ManifestPack> others, repo::BackupMarker& info) {
  const auto packs =
      references_.packs(packs_->stored(), others, repo::marker_key(stanza_, info.prior));
  for (const repo::ManifestPack& pack : packs) manifest_->add(pack);
  info.packs = references_.ranges(packs);
  info.resumed = references_.resumed(packs);
  info.manifest_parts = manifest_->finish();
  info.manifest_seals = manifest_->seals();
  info.stored_bytes = packs_->stored_bytes() + manifest_->stored_bytes();
  manifest_.reset();
  packs_.reset();  // its buffers are not needed while WAL is waited for
}

void BackupWriter::publish(const Leases& leases, const repo::BackupMarker& info) {
  PGCAIRN_ASSERT(!manifest_);
  targets_.each([&](repo::Repository& repository) {
    engine::publish(
        repository, stanza_, info, [&] { leases.check(repository); },
        [&] { repository.write_marker(stanza_, info); });
  });
}

}  // namespace pgcairn::engine
