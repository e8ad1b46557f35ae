#include "stanza/recorded_damage.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::engine {

std::optional<std::string> RecordedDamage::of(const std::string& label) const {
  const repo::Record* const record = record_state_.damage(label);
  if (record == nullptr) return std::nullopt;
  const auto& run = std::get<repo::VerifyRecord>(record->content);
  std::string text = format("verify found on {} that it needs something damaged or missing",
                            format_utc(record->time));
  if (!run.damages.empty())
    text += format(" ({} found, the first: {})", run.damage_count, run.damages.front());
  return text;
}

RecordedDamage recorded_damage(repo::Repository& repository, const std::string& stanza) {
  auto records = repo::read_records(repository, stanza, {"verify"}, [](const DamagedError& error) {
    log_warn(format("a record is skipped: {}", error.message()));
  });
  return RecordedDamage(repo::RecordState(std::move(records), now()));
}

}  // namespace pgcairn::engine
