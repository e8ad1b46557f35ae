#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/verify.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

void add_once(std::vector<std::string>& labels, const std::string& label) {
  if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
}

}  // namespace

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
