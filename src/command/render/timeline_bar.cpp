#include "render/info_status.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace pgcairn::command {

namespace {

constexpr std::size_t kLeastWidth = 20;

/// Cluster and timeline: what a line is about.
using Row = std::pair<std::string, Timeline>;

/// Where times stand in a line.
class Axis {
 public:
  Axis(const engine::RepositoryInfo& repository, std::size_t width) : width_(width) {
    for (const engine::RestorableWindow& window : repository.windows) {
      take(window.from_time);
      take(window.to_time);
    }
    for (const repo::BackupMarker& backup : repository.backups) take(backup.stop_time);
  }

  std::size_t column(Timestamp when) const {
    if (last_ == first_) return 0;
    const double share = std::chrono::duration<double>(when - first_).count() /
                         std::chrono::duration<double>(last_ - first_).count();
    return static_cast<std::size_t>(share * static_cast<double>(width_ - 1));
  }

  /// The first and the last moment, at either end.
  std::string labels() const {
    const std::string first = format_local(first_).substr(0, 16);
    const std::string last = format_local(last_).substr(0, 16);
    if (first == last || first.size() + last.size() + 1 > width_) return first;
    return first + std::string(width_ - first.size() - last.size(), ' ') + last;
  }

 private:
  void take(Timestamp when) {
    if (!any_ || when < first_) first_ = when;
    if (!any_ || when > last_) last_ = when;
    any_ = true;
  }

  std::size_t width_;
  bool any_ = false;
  Timestamp first_{};
  Timestamp last_{};
};

char mark_of(const engine::RepositoryInfo& repository, const repo::BackupMarker& backup) {
  const bool damaged =
      repository.record_state && repository.record_state->damage(backup.label) != nullptr;
  if (damaged || !repository.restorable(backup.label)) return 'x';
  if (backup.type == repo::BackupType::full) return 'F';
  return backup.type == repo::BackupType::differential ? 'D' : 'I';
}

/// Where two marks meet, the one that says more stays.
void put_mark(char& place, char mark) {
  static constexpr std::string_view strength = " .=|IDFx";
  if (strength.find(mark) > strength.find(place)) place = mark;
}

std::map<Row, std::string> draw(const engine::RepositoryInfo& repository, const Axis& axis,
                                std::size_t width) {
  std::map<Row, std::string> lines;
  const auto line_of = [&](const std::string& cluster, Timeline timeline) -> std::string& {
    return lines.try_emplace({cluster, timeline}, std::string(width, ' ')).first->second;
  };
  for (const engine::RestorableWindow& window : repository.windows) {
    std::string& line = line_of(window.cluster, window.timeline);
    const std::size_t from = axis.column(window.from_time);
    // The stores' and the servers' clocks may differ.
    const std::size_t to = std::max(axis.column(window.to_time), from);
    for (std::size_t at = from; at <= to; ++at) put_mark(line[at], '=');
    if (!window.after_gap.empty()) put_mark(line[to], '|');
  }
  for (const repo::BackupMarker& backup : repository.backups) {
    std::string& line = line_of(backup.cluster, backup.timeline);
    put_mark(line[axis.column(backup.stop_time)], mark_of(repository, backup));
  }
  for (auto& [row, line] : lines) {
    const std::size_t first = line.find_first_not_of(' ');
    const std::size_t last = line.find_last_not_of(' ');
    for (std::size_t at = first; at < last; ++at) put_mark(line[at], '.');
    line.resize(last + 1);
  }
  return lines;
}

}  // namespace

std::string timeline_bar(const engine::RepositoryInfo& repository, std::size_t columns,
                         std::string_view indent) {
  if (repository.windows.empty() && repository.backups.empty()) return {};
  std::map<Row, std::string> names;
  std::size_t longest = 0;
  const auto name_row = [&](const std::string& cluster, Timeline timeline) {
    const std::string version =
        repository.clusters.size() > 1 ? format("{} ", cluster.substr(0, cluster.find('-'))) : "";
    std::string name = format("{}timeline {}", version, timeline);
    longest = std::max(longest, name.size());
    names[{cluster, timeline}] = std::move(name);
  };
  for (const auto& window : repository.windows) name_row(window.cluster, window.timeline);
  for (const auto& backup : repository.backups) name_row(backup.cluster, backup.timeline);

  const std::size_t used = indent.size() + longest + 2;
  const std::size_t width = columns > used + kLeastWidth ? columns - used : kLeastWidth;
  const Axis axis(repository, width);
  std::string text = format("{}{}{}\n", indent, std::string(longest + 2, ' '), axis.labels());
  for (const auto& [row, line] : draw(repository, axis, width))
    text += format("{}{:<{}}  {}\n", indent, names[row], longest, line);
  return text + format("{}{}= restorable, . not, | gap, F D I backup, x backup that is not\n",
                       indent, std::string(longest + 2, ' '));
}

}  // namespace pgcairn::command
