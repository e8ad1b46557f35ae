#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/engine/status/health.hpp>

#include <span>
#include <string>
#include <vector>

// What health and metrics write (pgcairn-health(1), pgcairn-metrics(1)). Pure but for the machine's
// time zone in texts.

namespace pgcairn::command {

/// A stanza, what is known of it, and what that comes to.
struct StanzaHealth {
  engine::HealthFacts facts;
  std::vector<engine::HealthFinding> findings;
  engine::Verdict verdict;  // on the repositories alone, as info and report have it
};

void write_finding(JsonWriter& json, const engine::HealthFinding& finding);
/// "verdict": {...}
void write_verdict(JsonWriter& json, const engine::Verdict& verdict);

engine::HealthLevel worst_of(std::span<const StanzaHealth> stanzas);

std::string health_text(std::span<const StanzaHealth> stanzas);
std::string health_json(std::span<const StanzaHealth> stanzas);
/// One line: the state, what is not good, and performance data.
std::string health_nagios(std::span<const StanzaHealth> stanzas);
/// The same line when health itself failed.
std::string nagios_unknown(std::string_view message);
/// Prometheus text exposition.
std::string health_metrics(std::span<const StanzaHealth> stanzas);

}  // namespace pgcairn::command
