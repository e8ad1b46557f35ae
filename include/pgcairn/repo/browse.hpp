#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/repository.hpp>
#include <pgcairn/storage/driver.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace pgcairn::repo {

// Objects as somebody sees them who looks into a repository.

/// Throws UsageError when what an operator wrote can be neither a key nor a folder.
void check_path(const std::string& path);

/// What is in a folder: one of both.
struct FolderEntry {
  std::string folder;      // ends with '/'
  storage::Object object;  // its key is empty for a folder
};

/// Visits what is in `folder`, which is empty (the repository itself) or ends with '/', by name:
/// first the folders, then the objects. Costs what the folder has, not what is below its folders;
/// objects that the format does not know are not looked for beside folders. `recursive` visits all
/// objects below instead. Returns whether there was anything.
bool list_folder(Repository& repository, const std::string& folder, bool recursive,
                 const std::function<void(const FolderEntry&)>& visit);

/// The content of an object, opened and decompressed, piece by piece: the WAL file, the lines of a
/// part of a manifest, the JSON of a document, what the frames of a pack hold, one after the other.
/// False when there is certainly no such object. Throws DamagedError naming object and offset, and
/// Error for an object that the format does not know.
bool read_content(Repository& repository, const std::string& key,
                  const std::function<void(Bytes)>& sink);

/// No object of the kind is longer: what a store says beyond that is not believed, nor fetched.
std::uint64_t most_bytes_of(ObjectKind kind);

/// Words on what is near a key that is not there: the likeliest one, or what its nearest folder
/// has.
std::string what_is_near(Repository& repository, std::string_view key);

}  // namespace pgcairn::repo
