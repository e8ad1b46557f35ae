#include "history_lines.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::postgres {

namespace {

constexpr std::string_view kBlanks = " \t";

// timeline <tab> LSN where it was left <tab> reason
std::optional<std::string_view> read_line(std::string_view line, Timeline own,
                                          std::vector<TimelineEntry>& entries) {
  const std::size_t first_end = line.find_first_of(kBlanks);
  const auto timeline = parse_u64(line.substr(0, first_end));
  if (!timeline || *timeline == 0 || *timeline > UINT32_MAX)
    return "does not begin with a timeline";
  const std::string_view rest =
      first_end == std::string_view::npos ? std::string_view{} : trim(line.substr(first_end));
  const std::size_t second_end = rest.find_first_of(kBlanks);
  const auto lsn = parse_lsn(rest.substr(0, second_end));
  if (!lsn) return "names no WAL position";
  if (!entries.empty() && *timeline <= entries.back().timeline) return "timelines do not increase";
  if (*timeline >= own) return "the timeline is not below the file's own";
  const std::string_view reason =
      second_end == std::string_view::npos ? std::string_view{} : trim(rest.substr(second_end));
  entries.push_back({static_cast<Timeline>(*timeline), *lsn, std::string(reason)});
  return std::nullopt;
}

// An empty stretch holds nothing, not even its end.
bool holds(const TimelineRange& stretch, Lsn lsn) {
  return stretch.begin < stretch.end && stretch.begin <= lsn && lsn <= stretch.end;
}

std::string why_not_on_path(const TimelineHistory& history, WalPosition position) {
  const Timeline own = history.timeline();
  for (const TimelineRange& stretch : timeline_stretches(history)) {
    if (stretch.timeline != position.timeline || holds(stretch, position.lsn)) continue;
    return position.lsn < stretch.begin
               ? format("{} is before timeline {} begins at {}", to_string(position.lsn),
                        stretch.timeline, to_string(stretch.begin))
               : format("{} is after {}, where timeline {} ends on the way to timeline {}",
                        to_string(position.lsn), to_string(stretch.end), stretch.timeline, own);
  }
  const bool known =
      std::any_of(history.entries.begin(), history.entries.end(),
                  [&](const TimelineEntry& entry) { return entry.timeline == position.timeline; });
  if (known) return {};
  return format("timeline {} is not an ancestor of timeline {}", position.timeline, own);
}

}  // namespace

std::optional<HistoryFault> read_history_lines(std::string_view text, Timeline own,
                                               std::vector<TimelineEntry>& entries) {
  std::size_t number = 0;
  std::uint64_t offset = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    const std::string_view content = trim(line);
    if (!content.empty() && content.front() != '#') {
      if (const auto cause = read_line(content, own, entries))
        return HistoryFault{number, offset, *cause};
    }
    offset += line.size() + 1;
  }
  if (entries.empty()) return HistoryFault{number, 0, "no timeline is named"};
  return std::nullopt;
}

TimelineHistory parse_timeline_history(std::string_view text, Timeline timeline,
                                       const std::string& object) {
  TimelineHistory history;
  if (const auto fault = read_history_lines(text, timeline, history.entries))
    throw DamagedError(object, fault->offset, format("line {}: {}", fault->line, fault->cause));
  history.entries.push_back({timeline, kEndOfLog, {}});
  return history;
}

std::string history_file_name(Timeline timeline) {
  return format("{:08X}.history", timeline);
}

TimelineHistory read_timeline_history(const std::filesystem::path& data_directory,
                                      Timeline timeline) {
  if (timeline == 1) return {{{1, kEndOfLog, {}}}};
  const std::string name = history_file_name(timeline);
  const std::filesystem::path path = data_directory / "pg_wal" / name;
  const auto content = read_file_if_exists(path);
  if (!content) {
    throw Error(format("cannot determine the history of timeline {}: there is no file \"{}\"",
                       timeline, path.native()),
                format("fetch {} from the archive into pg_wal (pgcairn archive-get)", name));
  }
  return parse_timeline_history(as_text(content->bytes()), timeline, path.native());
}

std::vector<TimelineRange> timeline_stretches(const TimelineHistory& history) {
  std::vector<TimelineRange> stretches;
  for (const TimelineEntry& entry : history.entries)
    stretches.push_back({entry.timeline, {}, entry.switch_lsn});
  // What was left at an earlier place later on was never reached: the least switch counts.
  for (std::size_t i = stretches.size() - 1; i > 0; --i) {
    stretches[i - 1].end = std::min(stretches[i - 1].end, stretches[i].end);
    stretches[i].begin = stretches[i - 1].end;
  }
  return stretches;
}

bool is_on_path(const TimelineHistory& history, WalPosition position) {
  return why_not_on_path(history, position).empty();
}

WalBetween wal_between(const TimelineHistory& history, WalPosition from, WalPosition to) {
  for (const WalPosition position : {from, to}) {
    if (std::string refusal = why_not_on_path(history, position); !refusal.empty())
      return {{}, std::move(refusal)};
  }
  if (to.lsn < from.lsn || to.timeline < from.timeline) {
    return {{},
            format("{} on timeline {} is before {} on timeline {}", to_string(to.lsn), to.timeline,
                   to_string(from.lsn), from.timeline)};
  }
  WalBetween between;
  for (TimelineRange range : timeline_stretches(history)) {
    range.begin = std::max(range.begin, from.lsn);
    range.end = std::min(range.end, to.lsn);
    if (range.begin < range.end) between.ranges.push_back(range);
  }
  return between;
}

}  // namespace pgcairn::postgres
