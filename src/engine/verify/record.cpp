#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/verify/verify.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

void add_once(std::vector<std::string>& labels, const std::string& label) {
  if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
}

}  // namespace

bool VerifyResult::damaged() const {
  return std::any_of(repositories.begin(), repositories.end(), [](const VerifiedRepository& one) {
    return !one.damages.empty() || !one.recorded.empty();
  });
}

bool VerifyResult::doubtful() const {
  return std::any_of(repositories.begin(), repositories.end(),
                     [](const VerifiedRepository& one) { return !one.warnings.empty(); });
}

bool VerifyResult::unread() const {
  return std::any_of(repositories.begin(), repositories.end(),
                     [](const VerifiedRepository& one) { return !one.error.empty(); });
}

std::string first_object(std::span<const repo::Record> records, std::size_t backups) {
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const auto* const run = std::get_if<repo::VerifyRecord>(&record->content);
    if (run == nullptr || run->level != "full") continue;
    if (!run->next.empty()) return run->next;
    // All were opened, and not those of one backup alone.
    if (run->all && (run->backups.size() > 1 || backups <= 1)) return {};
  }
  return {};
}

std::vector<RecordedFinding> recorded_findings(const repo::RecordState& record_state,
                                               std::span<const std::string> labels, bool all,
                                               const std::string& found_now) {
  std::vector<const repo::Record*> records;
  std::vector<RecordedFinding> findings;
  const auto finding_of = [&](const repo::Record* record) -> RecordedFinding* {
    if (record == nullptr || record->name == found_now) return nullptr;
    const auto known = std::find(records.begin(), records.end(), record);
    if (known != records.end()) return &findings[static_cast<std::size_t>(known - records.begin())];
    const auto& run = std::get<repo::VerifyRecord>(record->content);
    records.push_back(record);
    findings.push_back({record->time, run.level, run.damage_count, run.damages, {}});
    return &findings.back();
  };
  for (const std::string& label : damaged_of(record_state, labels))
    if (RecordedFinding* const finding = finding_of(record_state.damage(label)))
      finding->backups.push_back(label);
  if (all) finding_of(damage_of_archive(record_state));
  return findings;
}

repo::VerifyRecord record_of(const VerifiedRepository& result, const VerifyOptions& options) {
  repo::VerifyRecord record;
  record.level = options.level == VerifyLevel::full ? "full" : "quick";
  record.all = options.sample_percent >= 100 && result.next.empty();
  record.backups = result.labels;
  record.damage_count = result.damages.size();
  for (const Damage& damage : result.damages) {
    for (const std::string& label : damage.backups) add_once(record.damaged, label);
    if (record.damages.size() < repo::kMostDamagesRecorded)
      record.damages.push_back(
          format("{} at {}: {}", damage.object, damage.offset_bytes, damage.cause));
  }
  std::sort(record.damaged.begin(), record.damaged.end());
  record.bytes_read = result.bytes_read;
  record.seconds = result.seconds;
  record.next = result.next;
  return record;
}

}  // namespace pgcairn::engine
