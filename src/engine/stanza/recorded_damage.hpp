#pragma once

#include <pgcairn/repo/records.hpp>

#include <optional>
#include <string>

namespace pgcairn::engine {

/// What verify has found and recorded in a repository.
class RecordedDamage {
 public:
  explicit RecordedDamage(repo::RecordState record_state)
      : record_state_(std::move(record_state)) {}

  /// In words, when the backup counts as damaged.
  std::optional<std::string> of(const std::string& label) const;

 private:
  repo::RecordState record_state_;
};

/// A record that is damaged itself is skipped with a warning: it may name damage or none.
RecordedDamage recorded_damage(repo::Repository& repository, const std::string& stanza);

}  // namespace pgcairn::engine
