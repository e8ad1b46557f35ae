#pragma once

#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace pgcairn::repo {

/// A pack as a repository lists it.
struct ListedPack {
  std::uint32_t number = 0;
  std::uint64_t size_bytes = 0;
};

/// What a repository has of one stanza, found by its meaning instead of by keys. Costs nothing to
/// make: each call asks the repository.
class StanzaView {
 public:
  /// `repository` must outlive this.
  StanzaView(Repository& repository, std::string stanza)
      : repository_(&repository), stanza_(std::move(stanza)) {}

  /// Opens the manifest of a backup. Throws DamagedError when its first part is not there.
  ManifestReader manifest(const BackupMarker& backup) const;
  /// The packs that backup `owner` stored, listed or not, by number.
  void packs(const std::string& owner, const std::function<void(const ListedPack&)>& visit) const;

 private:
  Repository* repository_;
  std::string stanza_;
};

}  // namespace pgcairn::repo
