#pragma once

#include "random.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/repository.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::test {

inline constexpr std::string_view kId = "00112233445566778899aabbccddeeff";
inline constexpr std::string_view kLabel = "20261121-010203F";

/// The bytes of an object, which must be there.
std::string object(storage::Driver& driver, const std::string& key);
/// Does to an object what no program does: puts other bytes in its place.
void replace(storage::Driver& driver, const std::string& key, std::string_view bytes);
std::vector<std::string> keys(storage::Driver& driver, const std::string& prefix = {});

/// Passes operations on to a driver that lives elsewhere, so that several repositories share it.
/// `before` may throw the operation's failure; `after` may throw when it has been done: an answer
/// that is lost.
struct Hooks {
  storage::Fault before;
  storage::Fault after;
  bool puts_twice = false;  // something on the way repeats each, and passes on the second answer
  bool overwrites = false;  // the store does not know conditions, and hid it when it was tried
};
std::unique_ptr<storage::Driver> shared(storage::Driver& driver, Hooks hooks = {});

/// A repository in memory that is open.
struct MemoryRepository {
  MemoryRepository();
  /// Another client of the same store.
  repo::Repository client(Hooks hooks = {});

  std::unique_ptr<storage::Driver> store = storage::make_memory();
  repo::Repository repository;
};

/// A marker with something in every member.
repo::BackupMarker sample_backup(std::string_view label = kLabel);

/// The content of a file, as pgcairn-repository(5) tells a reader to find it: extent by extent,
/// frame by frame. Throws DamagedError where the map does not keep the rules.
std::string read_mapped(storage::Driver& driver, const repo::SealContext& seal_context,
                        const std::string& stanza, const std::vector<repo::ManifestRef>& refs,
                        const std::vector<repo::Extent>& map);

/// Every file of a backup read by marker, manifest and packs, by path.
std::vector<std::pair<std::string, std::string>> read_whole_backup(repo::Repository& repository,
                                                                   const std::string& stanza,
                                                                   const std::string& label);

}  // namespace pgcairn::test
