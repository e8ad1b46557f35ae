#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/changed_blocks.hpp>

#include <algorithm>
#include <utility>

namespace pgcairn::postgres {

namespace {

// A summary is as large as the blocks that were modified between two checkpoints are many: 60 000
// take 53 KiB, a gigabyte of WAL some 16 MiB at worst.
constexpr std::uint64_t kSummaryLimitBytes = 256 * kMiB;
constexpr int kReadAttempts = 3;
constexpr int kQuickLooks = 100;

std::filesystem::path summaries_of(const std::filesystem::path& data_directory) {
  return data_directory / "pg_wal" / "summaries";
}

std::vector<TimelineRange> list_summaries(const std::filesystem::path& directory) {
  std::vector<TimelineRange> summaries;
  for (const std::string& name : list_directory(directory)) {
    if (const auto range = parse_wal_summary_name(name)) summaries.push_back(*range);
  }
  return summaries;
}

std::string words_for_gap(const TimelineRange& missing, std::span<const TimelineRange> ranges) {
  const bool at_begin = !ranges.empty() && missing.begin == ranges.front().begin;
  return format(
      "no WAL summary covers {} to {} on timeline {}{}", to_string(missing.begin),
      to_string(missing.end), missing.timeline,
      at_begin
          ? " (this server has summarized nothing that old, or wal_summary_keep_time has passed)"
          : "");
}

// The summarizer publishes a summary before it says that it is past it, so what is missing behind
// it will never come.
bool is_past(const WalPosition& summarized, const TimelineRange& missing) {
  return summarized.timeline > missing.timeline ||
         (summarized.timeline == missing.timeline && summarized.lsn > missing.begin);
}

SummarizerState read_state(Connection& connection, const std::stop_token& stop) {
  const auto rows = connection.query(
      "SELECT summarized_tli, summarized_lsn, pending_lsn, summarizer_pid"
      " FROM pg_get_wal_summarizer_state()",
      {}, stop);
  SummarizerState state;
  if (rows.size() != 1 || rows[0].size() != 4)
    throw PostgresError("cannot use the server's answer for pg_get_wal_summarizer_state()");
  const Row& row = rows[0];
  state.summarized.timeline = static_cast<Timeline>(parse_u64(row[0].value_or("")).value_or(0));
  state.summarized.lsn = parse_lsn(row[1].value_or("")).value_or(Lsn{});
  state.pending_lsn = parse_lsn(row[2].value_or("")).value_or(Lsn{});
  state.running = row[3].has_value();
  return state;
}

struct SummarySettings {
  std::string refusal;           // empty: the server summarizes
  std::chrono::minutes keep{0};  // 0: without limit
};

SummarySettings read_settings(Connection& connection, const std::stop_token& stop) {
  const auto rows = connection.query(
      "SELECT current_setting('summarize_wal', true), current_setting('wal_level'),"
      " (SELECT setting FROM pg_settings WHERE name = 'wal_summary_keep_time'),"
      " current_setting('server_version')",
      {}, stop);
  if (rows.size() != 1 || rows[0].size() != 4)
    throw PostgresError("cannot use the server's answer for its settings");
  const Row& row = rows[0];
  if (!row[0]) {
    return {format("PostgreSQL {} keeps no WAL summaries; 17 and later do", row[3].value_or("?")),
            {}};
  }
  if (*row[0] != "on") return {"summarize_wal is off in this server", {}};
  if (row[1] == "minimal") return {"wal_level is minimal: such WAL is not summarized", {}};
  const std::uint64_t minutes = parse_u64(row[2].value_or("")).value_or(0);
  return {{}, std::chrono::minutes(static_cast<std::int64_t>(minutes))};
}

// The WAL to look at, or why the prior backup is not a base for this one.
WalBetween ranges_of(const SummaryRequest& request) {
  const TimelineHistory history =
      read_timeline_history(request.data_directory, request.start.timeline);
  // What the prior backup copied must be of this path, to its very end.
  WalBetween prior =
      wal_between(history, request.prior_start, {request.prior_start.timeline, request.prior_stop});
  if (!prior.refusal.empty()) return {{}, std::move(prior.refusal)};
  if (request.prior_stop > request.start.lsn) {
    return {{},
            format("the prior backup ended at {}, after {} where this one starts (a standby "
                   "without a new restartpoint)",
                   to_string(request.prior_stop), to_string(request.start.lsn))};
  }
  return wal_between(history, request.prior_start, request.start);
}

// Fills the result as far as it comes; a reason is left in it when it does not come to the end.
void collect(Connection& connection, const SummaryRequest& request, const std::stop_token& stop,
             SummaryResult& result) {
  const SummarySettings settings = read_settings(connection, stop);
  result.reason = settings.refusal;
  if (!result.reason.empty()) return;
  const WalBetween between = ranges_of(request);
  result.reason = between.refusal;
  if (!result.reason.empty()) return;

  const std::filesystem::path directory = summaries_of(request.data_directory);
  const SummariesFound found = wait_for_summaries(
      between.ranges, [&] { return list_summaries(directory); },
      [&] { return read_state(connection, stop); }, request.wait, system_clock(), stop);
  result.waited = found.waited;
  result.reason = found.reason;
  if (!result.reason.empty()) return;

  SummariesRead read = read_summaries(request.data_directory, between.ranges, stop);
  result.changed = std::move(read.changed);
  result.reason = std::move(read.reason);
  result.files = read.files;
  result.bytes = read.bytes;
  result.warning = keep_time_warning(settings.keep, request.prior_age);
}

}  // namespace

std::string keep_time_warning(std::chrono::minutes keep, std::chrono::seconds prior_age) {
  if (keep.count() == 0 || keep >= 2 * prior_age) return {};
  return format(
      "wal_summary_keep_time is {}, less than twice the {} since the backup that this one "
      "builds on: raise it, or summaries may be gone when the next one needs them",
      format_duration(keep), format_duration(prior_age));
}

SummariesFound wait_for_summaries(std::span<const TimelineRange> ranges,
                                  const std::function<std::vector<TimelineRange>()>& list,
                                  const std::function<SummarizerState()>& state,
                                  const SummaryWait& wait, Clock& clock, std::stop_token stop) {
  SummariesFound found;
  std::optional<SummarizerState> last;
  milliseconds idle{0};
  for (int looks = 1;; ++looks) {
    // In this order: what was summarized when the state was read is in the list.
    const SummarizerState now = state();
    SummaryCover cover = cover_with_summaries(list(), ranges);
    if (!cover.missing) {
      found.summaries = std::move(cover.summaries);
      return found;
    }
    if (is_past(now.summarized, *cover.missing)) {
      found.reason = words_for_gap(*cover.missing, ranges);
      return found;
    }
    if (!now.running) {
      found.reason =
          format("the WAL summarizer is not running, and {}", words_for_gap(*cover.missing, {}));
      return found;
    }
    if (last != now) idle = milliseconds{0};
    if (idle >= wait.patience) {
      found.reason =
          format("the WAL summarizer made no progress for {} at {} on timeline {}; {} is needed",
                 format_duration(idle), to_string(now.summarized.lsn), now.summarized.timeline,
                 to_string(ranges.back().end));
      return found;
    }
    if (looks == 1) log_detail("waiting for the WAL summarizer");
    last = now;
    const milliseconds pause = looks < kQuickLooks ? wait.interval : 10 * wait.interval;
    clock.sleep(pause, stop);
    found.waited += pause;
    idle += pause;
  }
}

SummariesRead read_summaries(const std::filesystem::path& data_directory,
                             std::span<const TimelineRange> ranges, const std::stop_token& stop) {
  const std::filesystem::path directory = summaries_of(data_directory);
  SummariesRead read;
  ChangedBlocks changed;
  std::vector<TimelineRange> merged;
  // The server may remove summaries while we read. What is merged stays merged; the new list
  // tells whether what vanished was needed.
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    std::vector<TimelineRange> known = list_summaries(directory);
    known.insert(known.end(), merged.begin(), merged.end());
    const SummaryCover cover = cover_with_summaries(known, ranges);
    if (cover.missing) {
      read.reason = words_for_gap(*cover.missing, ranges);
      return read;
    }
    bool vanished = false;
    for (const TimelineRange& summary : cover.summaries) {
      check_stop(stop);
      if (std::find(merged.begin(), merged.end(), summary) != merged.end()) continue;
      const std::filesystem::path path = directory / wal_summary_name(summary);
      const auto content = read_file_if_exists(path, kSummaryLimitBytes);
      if (!content) {
        vanished = true;
        continue;
      }
      parse_wal_summary(*content, path.native(),
                        [&](const SummaryEntry& entry) { changed.merge(entry); });
      merged.push_back(summary);
      read.files += 1;
      read.bytes += content->size();
    }
    if (!vanished) {
      read.changed = std::move(changed);
      return read;
    }
  }
  read.reason = "WAL summaries vanished while they were read";
  return read;
}

SummaryResult collect_changed_blocks(Connection& connection, const SummaryRequest& request,
                                     std::stop_token stop) {
  SummaryResult result;
  try {
    collect(connection, request, stop, result);
  } catch (const Error& error) {
    // A boundary: another way to find out what changed exists, which needs only the session.
    if (!connection.alive()) throw;
    result.changed.reset();
    result.reason = error.message();
  }
  return result;
}

}  // namespace pgcairn::postgres
