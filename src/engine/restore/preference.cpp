#include "restore/preference.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// The best of those whose flaw is not worse than `worst`; nothing when none leads as far as `end`.
std::optional<Choice> choose_among(std::span<const repo::BackupMarker> backups, const Flaws& flaws,
                                   Flaw::Kind worst, const RestoreOptions& options,
                                   const ChoiceSources& sources, const ReachOf& reach, Lsn end) {
  std::vector<repo::BackupMarker> better;
  for (const repo::BackupMarker& backup : backups)
    if (flaw_of(backup, flaws).kind <= worst) better.push_back(backup);
  if (better.empty()) return std::nullopt;
  try {
    Choice choice = choose_backup(better, options, sources);
    if (reach(*choice.backup, choice.path).end < end) return std::nullopt;
    // To the one that outlives us.
    const std::string label = choice.backup->label;
    choice.backup = &*std::find_if(backups.begin(), backups.end(),
                                   [&](const auto& one) { return one.label == label; });
    return choice;
  } catch (const MissingError&) {
    return std::nullopt;  // none of them reaches the target
  }
}

}  // namespace

std::string first_damaged_page(const repo::BackupMarker& backup) {
  const repo::PageErrors& first = backup.page_errors.front();
  const std::string block =
      first.blocks.empty() ? "" : format("block {} of ", first.blocks.front());
  const std::string relation = first.relation ? format(" ({})", describe(*first.relation)) : "";
  return block + escape_bytes(first.path) + relation;
}

Flaw page_flaw(const repo::BackupMarker& backup) {
  const std::uint64_t pages = backup.page_error_count();
  if (pages == 0) return {};
  return {Flaw::Kind::pages, format("{} page{} of the cluster {} damaged when {} copied{} {}",
                                    pages, pages == 1 ? "" : "s", pages == 1 ? "was" : "were",
                                    pages == 1 ? "it was" : "they were",
                                    pages == 1 ? ":" : ", the first:", first_damaged_page(backup))};
}

Flaw flaw_of(const repo::BackupMarker& backup, const Flaws& flaws) {
  const auto found = flaws.find(backup.label);
  return found == flaws.end() ? page_flaw(backup) : found->second;
}

Preferred prefer_whole(std::span<const repo::BackupMarker> backups, const Flaws& flaws,
                       const RestoreOptions& options, const ChoiceSources& sources,
                       const ReachOf& reach) {
  Preferred best{choose_backup(backups, options, sources), {}, {}};
  const repo::BackupMarker& first = *best.choice.backup;
  best.flaw = flaw_of(first, flaws);
  if (best.flaw.kind == Flaw::Kind::none || !options.set.empty() ||
      !options.target.goes_beyond_backup())
    return best;
  RestoreOptions same = options;
  same.timeline = {TimelineChoice::Kind::number, best.choice.path.back().timeline};
  const Lsn end = reach(first, best.choice.path).end;
  for (const Flaw::Kind worst : {Flaw::Kind::none, Flaw::Kind::pages, Flaw::Kind::damaged}) {
    if (worst >= best.flaw.kind) break;
    auto choice = choose_among(backups, flaws, worst, same, sources, reach, end);
    if (!choice) continue;
    for (const repo::BackupMarker& backup : backups) {
      const Flaw flaw = flaw_of(backup, flaws);
      if (flaw.kind <= worst || backup.stop_time > first.stop_time ||
          backup.stop_time < choice->backup->stop_time)
        continue;
      best.passed_over.push_back(format("backup {} is skipped: {}", backup.label, flaw.reason));
    }
    choice->reason = format("it is the newest {} that reaches the same end as backup {}",
                            worst == Flaw::Kind::none ? "whole one" : "one", first.label);
    best.flaw = flaw_of(*choice->backup, flaws);
    best.choice = std::move(*choice);
    return best;
  }
  return best;
}

}  // namespace pgcairn::engine
