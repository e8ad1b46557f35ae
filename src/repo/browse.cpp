#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/browse.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>

namespace pgcairn::repo {

namespace {

constexpr std::size_t kMostNamed = 8;

using Sink = std::function<void(Bytes)>;

/// Histories of timelines stand beside the folders of a cluster's WAL; no other folder has both.
bool is_cluster_wal(const std::string& folder) {
  const std::vector<std::string> parts = split(folder, '/');
  return parts.size() == 4 && parts[1] == "wal";  // the last one is empty
}

bool read_document(Repository& repository, const std::string& key, const Sink& sink) {
  // The repository's own document is not bound to the id that it tells.
  const auto json = key == kRepositoryKey
                        ? get_document(repository.driver(), SealContext(""), key)
                        : get_document(repository.driver(), repository.seal_context(), key);
  if (json) sink(as_bytes(*json + "\n"));
  return json.has_value();
}

bool read_pack(Repository& repository, const std::string& key, const Sink& sink) {
  Buffer body;
  if (!repository.driver().get(key, {0, kMostPackBytes}, body)) return false;
  const PackIndex index = PackIndex::parse(body, repository.seal_context(), key);
  FrameReader frames(repository.seal_context(), key);
  Buffer raw;
  for (std::uint32_t i = 0; i < index.frames(); ++i) {
    const std::uint64_t at = index.offset(i);
    frames.open(frames.read(body.bytes().subspan(at), at, FrameKind::data, i), at, raw);
    index.check(i, raw, key);
    sink(raw);
  }
  return true;
}

bool read_manifest_part(Repository& repository, const std::string& key, const Sink& sink) {
  Buffer body;
  if (!repository.driver().get(key, {0, kMostManifestPartBytes}, body)) return false;
  FrameReader frames(repository.seal_context(), key);
  Buffer raw;
  std::uint32_t number = frames.number_of(body, 0);
  for (std::size_t at = 0; at < body.size();) {
    const Frame frame = frames.read(body.bytes().subspan(at), at, FrameKind::manifest, number++);
    frames.open(frame, at, raw);
    sink(raw);
    at += frame.whole_bytes;
  }
  return true;
}

}  // namespace

void check_path(const std::string& path) {
  try {
    storage::check_prefix(path);
  } catch (const Error& error) {
    throw UsageError(error.message(),
                     "keys are written as repo-ls lists them, without a slash in front");
  }
}

bool list_folder(Repository& repository, const std::string& folder, bool recursive,
                 const std::function<void(const FolderEntry&)>& visit) {
  storage::Driver& driver = repository.driver();
  bool found = false;
  const auto show = [&](const FolderEntry& entry) {
    found = true;
    visit(entry);
  };
  if (recursive) {
    driver.list(folder, [&](const storage::Object& object) { show({{}, object}); });
    return found;
  }
  const std::vector<std::string> folders = driver.folders(folder);
  for (const std::string& name : folders) show({format("{}{}/", folder, name), {}});
  if (folder.empty()) {
    if (const auto object = driver.stat(kRepositoryKey)) show({{}, *object});
  } else if (folders.empty() || is_cluster_wal(folder)) {
    driver.list(folder, [&](const storage::Object& object) {
      if (object.key.find('/', folder.size()) == std::string::npos) show({{}, object});
    });
  }
  return found;
}

bool read_content(Repository& repository, const std::string& key, const Sink& sink) {
  const auto parsed = parse_key(key);
  if (!parsed) {
    if (!repository.driver().stat(key)) return false;
    throw Error(format("\"{}\" is not an object of a repository", key),
                "--raw prints its bytes as they are");
  }
  switch (parsed->kind) {
    case ObjectKind::document:
      return read_document(repository, key, sink);
    case ObjectKind::manifest:
      return read_manifest_part(repository, key, sink);
    case ObjectKind::pack:
      return read_pack(repository, key, sink);
    case ObjectKind::wal:
      break;
  }
  const auto cluster = parse_cluster_id(parsed->owner);
  return cluster && repository.get_wal(parsed->stanza, *cluster, parsed->file, sink);
}

std::uint64_t most_bytes_of(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::document:
      return kMostDocumentBytes;
    case ObjectKind::manifest:
      return kMostManifestPartBytes;
    case ObjectKind::pack:
      return kMostPackBytes;
    case ObjectKind::wal:
      break;
  }
  return kMostWalObjectBytes;
}

std::string what_is_near(Repository& repository, std::string_view key) {
  for (std::string rest(key);;) {
    const std::size_t slash = rest.substr(0, rest.size() - 1).rfind('/');
    const std::string folder = slash == std::string::npos ? "" : rest.substr(0, slash + 1);
    std::vector<std::string> names;  // below the folder
    list_folder(repository, folder, false, [&](const FolderEntry& entry) {
      const std::string& name = entry.folder.empty() ? entry.object.key : entry.folder;
      names.push_back(name.substr(folder.size()));
    });
    if (const auto near = nearest(rest.substr(folder.size()), names))
      return format("did you mean \"{}{}\"?", folder, *near);
    if (!names.empty() || folder.empty()) {
      std::string text = folder.empty() ? "the repository has" : format("\"{}\" has", folder);
      for (std::size_t i = 0; i < std::min(names.size(), kMostNamed); ++i)
        text += format("{} \"{}\"", i == 0 ? "" : ",", names[i]);
      if (names.size() > kMostNamed) text += format(" and {} more", names.size() - kMostNamed);
      return text;
    }
    rest = folder;
  }
}

}  // namespace pgcairn::repo
