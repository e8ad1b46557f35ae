#include "render/health.hpp"

#include "console.hpp"

#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

using engine::HealthFinding;
using engine::HealthLevel;

/// "backup-age", or "backup-age in local".
std::string subject_of(const HealthFinding& finding) {
  return finding.repository.empty() ? finding.check
                                    : format("{} in {}", finding.check, finding.repository);
}

void number_or_null(JsonWriter& json, std::string_view name, double number) {
  json.key(name);
  number == 0 ? json.null() : json.value(number);
}

/// A plain number: monitoring systems do not read exponents.
std::string plain(double number) {
  return number == static_cast<double>(static_cast<std::int64_t>(number))
             ? format("{}", static_cast<std::int64_t>(number))
             : format("{:.3f}", number);
}

/// "'main/local backup-age'=3600s;93600;180000": quotes since names may have blanks; what is too
/// little is a range that ends at infinity.
std::string performance_data(const StanzaHealth& stanza, const HealthFinding& finding) {
  const bool least = finding.check == "backup-count" || finding.check.ends_with("-space");
  const auto range = [&](double end) {
    return end == 0 ? "" : least ? plain(end) + ":" : plain(end);
  };
  const std::string place = finding.repository.empty()
                                ? stanza.facts.stanza
                                : format("{}/{}", stanza.facts.stanza, finding.repository);
  return format("'{} {}'={}{};{};{}", place, finding.check, plain(*finding.value), finding.unit,
                range(finding.limit.warn), range(finding.limit.critical));
}

/// A line break ends the status, and a bar begins the performance data.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '|', '/');
  return text;
}

}  // namespace

void write_finding(JsonWriter& json, const HealthFinding& finding) {
  json.begin_object().member("check", finding.check).key("repository");
  finding.repository.empty() ? json.null() : json.value(finding.repository);
  json.member("level", name_of(finding.level)).member("message", as_utf8(finding.message));
  json.key("value");
  finding.value ? json.value(*finding.value) : json.null();
  json.key("unit");
  finding.unit.empty() ? json.null() : json.value(finding.unit);
  number_or_null(json, "warn", finding.limit.warn);
  number_or_null(json, "critical", finding.limit.critical);
  json.end_object();
}

void write_verdict(JsonWriter& json, const engine::Verdict& verdict) {
  json.key("verdict").begin_object().member("level", name_of(verdict.level));
  json.member("message", as_utf8(verdict.message)).end_object();
}

HealthLevel worst_of(std::span<const StanzaHealth> stanzas) {
  HealthLevel worst = HealthLevel::ok;
  for (const StanzaHealth& stanza : stanzas)
    worst = std::max(worst, engine::worst_of(stanza.findings));
  return worst;
}

std::string health_text(std::span<const StanzaHealth> stanzas) {
  std::string text;
  for (const StanzaHealth& stanza : stanzas) {
    text += format("stanza {}: {}\n", stanza.facts.stanza, engine::words_of(stanza.verdict));
    const HealthLevel all = engine::worst_of(stanza.findings);
    if (all > stanza.verdict.level)
      text += format("  with the server and the runs: {}\n", shouted(all));
    for (const HealthFinding& finding : stanza.findings) {
      text += format("  {:<8}  {}: {}\n", shouted(finding.level), subject_of(finding),
                     as_utf8(one_line(finding.message)));
    }
  }
  return text;
}

std::string health_json(std::span<const StanzaHealth> stanzas) {
  JsonWriter json;
  json.begin_object().member("level", name_of(worst_of(stanzas))).key("stanzas").begin_array();
  for (const StanzaHealth& stanza : stanzas) {
    json.begin_object().member("name", stanza.facts.stanza);
    json.member("time", format_utc(stanza.facts.when));
    json.member("level", name_of(engine::worst_of(stanza.findings)));
    write_verdict(json, stanza.verdict);
    json.key("findings").begin_array();
    for (const HealthFinding& finding : stanza.findings) write_finding(json, finding);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

std::string health_nagios(std::span<const StanzaHealth> stanzas) {
  static constexpr std::string_view words[] = {"OK", "WARNING", "UNKNOWN", "CRITICAL"};
  std::string wrong;
  std::string data;
  for (const StanzaHealth& stanza : stanzas) {
    for (const HealthFinding& finding : stanza.findings) {
      if (finding.value) data += " " + performance_data(stanza, finding);
      if (finding.level == HealthLevel::ok) continue;
      wrong += format("{}{}: {}: {}", wrong.empty() ? "" : "; ", stanza.facts.stanza,
                      subject_of(finding), one_line(as_utf8(finding.message)));
    }
  }
  if (wrong.empty()) {
    for (const StanzaHealth& stanza : stanzas)
      wrong += (wrong.empty() ? "" : ", ") + stanza.facts.stanza + " is well";
  }
  const auto worst = static_cast<std::size_t>(worst_of(stanzas));
  return format("PGCAIRN {} - {}{}{}\n", words[worst], wrong, data.empty() ? "" : " |", data);
}

std::string nagios_unknown(std::string_view message) {
  return format("PGCAIRN UNKNOWN - {}\n", one_line(as_utf8(message)));
}

}  // namespace pgcairn::command
