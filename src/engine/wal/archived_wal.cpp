#include "wal/archived_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

using Segments = std::vector<std::pair<std::string, Timestamp>>;

Segments::const_iterator first_from(const Segments& segments, const std::string& name) {
  return std::lower_bound(
      segments.begin(), segments.end(), name,
      [](const auto& one, const std::string& text) { return one.first < text; });
}

Segments::const_iterator find(const Segments& segments, const std::string& name) {
  const auto at = first_from(segments, name);
  return at != segments.end() && at->first == name ? at : segments.end();
}

}  // namespace

void note_archived(ArchivedWal& wal, const repo::ListedWal& object) {
  if (!object.kind) return;
  const std::string file(object.file);
  switch (*object.kind) {
    case WalFileKind::segment:
      wal.segments.emplace_back(file, object.modified);
      break;
    case WalFileKind::partial:
      wal.partials.push_back(file);
      break;
    case WalFileKind::backup_history:
      wal.backup_files.insert(file.substr(0, 24));
      break;
    case WalFileKind::timeline_history:
      if (const auto timeline = parse_u64(file.substr(0, 8), 16))
        wal.histories[static_cast<Timeline>(*timeline)] = object.modified;
  }
}

ArchivedNames names_of(const ArchivedWal& wal) {
  return {[&wal](const std::string& segment) {
            return find(wal.segments, segment) == wal.segments.end()
                       ? std::vector<std::string>()
                       : std::vector<std::string>{"here"};
          },
          [&wal](const std::string& from, const std::string& limit) {
            const auto at = first_from(wal.segments, from);
            return at == wal.segments.end() || at->first >= limit ? std::string() : at->first;
          },
          [&wal](const std::string& partial) {
            return std::binary_search(wal.partials.begin(), wal.partials.end(), partial);
          },
          [&wal](const std::string& segment) { return wal.backup_files.contains(segment); }};
}

Timestamp archived_at(const ArchivedWal& wal, const std::string& segment) {
  const auto found = find(wal.segments, segment);
  PGCAIRN_ASSERT(found != wal.segments.end());
  return found->second;
}

}  // namespace pgcairn::engine
