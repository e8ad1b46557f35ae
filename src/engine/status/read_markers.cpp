#include "status/read_markers.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/parallel.hpp>

#include <algorithm>
#include <mutex>
#include <tuple>

namespace pgcairn::engine {

void read_markers(repo::Repository& repository, const std::string& stanza,
                  std::span<const std::string> labels, const std::stop_token& stop,
                  std::vector<repo::BackupMarker>& backups,
                  std::map<std::string, std::string>& unreadable) {
  std::mutex mutex;
  for_each_index(labels.size(), kRequestsAtOnce, stop, [&](std::size_t i) {
    try {
      auto backup = repository.find_backup(stanza, labels[i]);
      if (!backup) return;  // removed since it was listed
      std::lock_guard lock(mutex);
      backups.push_back(std::move(*backup));
    } catch (const DamagedError& error) {
      std::lock_guard lock(mutex);
      unreadable[labels[i]] = error.message();
    }
  });
  std::sort(backups.begin(), backups.end(), [](const auto& a, const auto& b) {
    return std::tie(a.stop_time, a.label) < std::tie(b.stop_time, b.label);
  });
}

}  // namespace pgcairn::engine
