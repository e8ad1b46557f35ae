#include "render/report.hpp"

#include "console.hpp"
#include "render/info_status.hpp"
#include "render/report_charts.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace pgcairn::command {

namespace {

// Beyond it a straight line says nothing.
constexpr double kFarDays = 3650;

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>pgcairn report</title>
<style>
)";

constexpr std::string_view kBody = R"(</style>
</head>
<body>
)";

std::string item(std::string_view name, std::string_view value) {
  return format("<dt>{}</dt><dd>{}</dd>\n", html_text(name), html_text(value));
}

std::string cell(std::string_view text) {
  return format("<td>{}</td>", html_text(text));
}

std::string number(std::string_view text) {
  return format("<td class=\"number\">{}</td>", html_text(text));
}

/// Wide tables scroll by themselves, by keyboard too; the page never does.
std::string table(std::string_view caption, const std::vector<std::string_view>& heads,
                  std::string_view rows) {
  std::string html = format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>"
      "<caption>{0}</caption><thead><tr>",
      html_text(caption));
  for (const std::string_view head : heads)
    html += format("<th scope=\"col\">{}</th>", html_text(head));
  return html + format("</tr></thead><tbody>\n{}</tbody></table></div>\n", rows);
}

milliseconds duration_of(const repo::BackupMarker& backup) {
  return std::chrono::duration_cast<milliseconds>(backup.stop_time - backup.start_time);
}

std::string seconds_text(double seconds) {
  return format_duration(milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

class Report {
 public:
  explicit Report(const engine::RepositoryInfo& repository, Timestamp when)
      : repository_(repository), when_(when) {}

  std::string html() const {
    std::string text = format("<section><h3>Repository {} ({})</h3>\n<dl>\n{}</dl>\n",
                              html_text(repository_.name), html_text(repository_.type), facts());
    if (!has_stanza(repository_)) return text + "</section>\n";
    text += "<h4>Restorable</h4>\n" + window_chart(repository_) + windows();
    text += "<h4>Backups</h4>\n" + charts() + backups();
    text += "<h4>Verify and drill</h4>\n" + proofs();
    text += "<h4>Growth</h4>\n" + growth();
    return text + "</section>\n";
  }

 private:
  std::string facts() const {
    const Status status = status_of(repository_);
    std::string text =
        format("<dt>State</dt><dd{}>{}</dd>\n", status.code == kOk ? "" : " class=\"bad\"",
               html_text(status.message));
    for (const engine::HealthFinding& finding : repository_.findings) {
      if (finding.level != engine::HealthLevel::ok)
        text += item(engine::shouted(finding.level), finding.message);
    }
    for (const std::string& note : repository_.notes) text += item("Note", note);
    for (const repo::Cluster& cluster : repository_.clusters) {
      text += item("Cluster", format("PostgreSQL {}, system identifier {}", cluster.pg_version,
                                     cluster.system_id));
    }
    if (repository_.wal_time) {
      text += item("WAL", format("{} to {}, {} segments, {}, the newest {}", repository_.wal_first,
                                 repository_.wal_last, repository_.wal_segments,
                                 format_size(repository_.wal_bytes),
                                 age_text(*repository_.wal_time, when_)));
    }
    if (!repository_.backups.empty()) {
      text += item("Newest backup", format("{}, {}", repository_.backups.back().label,
                                           age_text(repository_.backups.back().stop_time, when_)));
    }
    if (repository_.space) {
      text += item("Space", format("{} of {} free", format_size(repository_.space->free_bytes),
                                   format_size(repository_.space->size_bytes)));
    }
    if (const auto* lease = running(repository_, when_)) {
      text += item("Running", format("{} by process {} on {} since {}", lease->operation,
                                     lease->process.pid, lease->host, format_local(lease->since)));
    }
    if (const auto* lease = left_behind(repository_, when_)) {
      text += item("Left behind", format("the lease of {} by process {} on {}", lease->operation,
                                         lease->process.pid, lease->host));
    }
    if (!repository_.record_state) return text;
    for (const repo::Record* const stop : repository_.record_state->stops()) {
      text += item("Stopped", format("by {} since {}: {}", stop->host, format_local(stop->time),
                                     std::get<repo::StopRecord>(stop->content).reason));
    }
    return text;
  }

  std::string windows() const {
    if (repository_.windows.empty())
      return "<p class=\"bad\">Nothing can be restored from this repository alone.</p>\n";
    std::string rows;
    for (const engine::RestorableWindow& window : repository_.windows) {
      rows +=
          format("<tr><th scope=\"row\">{}</th>{}{}{}{}</tr>\n", window.timeline,
                 cell(format("{}{} ({})", window.switched ? "about " : "",
                             format_local(window.from_time), to_string(window.from))),
                 cell(format("about {} ({})", format_local(window.to_time), to_string(window.to))),
                 number(std::to_string(window.backups.size())), cell(end_of_window(window)));
    }
    return table("Windows", {"Timeline", "From", "To", "Backups", "Then"}, rows);
  }

  std::string charts() const {
    std::vector<Bar> stored;
    std::vector<Bar> cluster;
    std::vector<Bar> took;
    for (const repo::BackupMarker& backup : repository_.backups) {
      stored.push_back({static_cast<double>(backup.stored_bytes),
                        format("{}: {}", backup.label, format_size(backup.stored_bytes))});
      cluster.push_back({static_cast<double>(backup.cluster_bytes),
                         format("{}: {}", backup.label, format_size(backup.cluster_bytes))});
      took.push_back({static_cast<double>(duration_of(backup).count()),
                      format("{}: {}", backup.label, format_duration(duration_of(backup)))});
    }
    if (stored.empty()) return {};
    const auto most = [](const std::vector<Bar>& bars) {
      return std::max_element(bars.begin(), bars.end(),
                              [](const Bar& a, const Bar& b) { return a.value < b.value; })
          ->value;
    };
    return figure("Size of the cluster, backup by backup", cluster,
                  format_size(static_cast<std::uint64_t>(most(cluster)))) +
           figure("What each backup stored", stored,
                  format_size(static_cast<std::uint64_t>(most(stored)))) +
           figure("How long each backup took", took, seconds_text(most(took) / 1000));
  }

  static std::string figure(std::string_view title, const std::vector<Bar>& bars,
                            std::string_view most) {
    return format(
        "<figure><figcaption>{} <span class=\"quiet\">(at most {})</span></figcaption>"
        "{}</figure>\n",
        html_text(title), html_text(most), bar_chart(title, bars));
  }

  std::string backups() const {
    if (repository_.backups.empty()) return "<p>There is no backup yet.</p>\n";
    std::string rows;
    for (const repo::BackupMarker& backup : repository_.backups) {
      const auto sizes = repository_.sizes.find(backup.label);
      rows += format(
          "<tr><th scope=\"row\">{}</th>{}{}{}{}{}{}<td>{}</td></tr>\n", html_text(backup.label),
          cell(name_of(backup.type)), cell(format_local(backup.start_time)),
          number(format_duration(duration_of(backup))), number(format_size(backup.cluster_bytes)),
          number(format_size(backup.stored_bytes)),
          number(sizes == repository_.sizes.end()
                     ? ""
                     : "about " + format_size(sizes->second.freed_bytes)),
          remarks(backup));
    }
    return table(
        "Backups",
        {"Label", "Type", "Started", "Took", "Cluster", "Stored", "Freed if removed", "Remarks"},
        rows);
  }

  std::string remarks(const repo::BackupMarker& backup) const {
    std::string text;
    const auto add = [&](std::string_view kind, const std::string& words) {
      text += format("<div{}>{}</div>", kind.empty() ? "" : format(" class=\"{}\"", kind),
                     html_text(words));
    };
    if (!repository_.restorable(backup.label)) add("bad", "not restorable: WAL is missing");
    if (backup.page_error_count() > 0)
      add("bad", format("damaged pages of the cluster: {}", backup.page_error_count()));
    if (!repository_.record_state) return text;
    const repo::RecordState& record_state = *repository_.record_state;
    if (record_state.damage(backup.label) != nullptr) add("bad", "found damaged by verify");
    for (const repo::Record* const record : record_state.holds(backup.label)) {
      const auto& hold = std::get<repo::HoldRecord>(record->content);
      add("", format("held{}: {}", hold.until ? " until " + format_local(*hold.until) : "",
                     hold.reason));
    }
    for (const auto& [name, note] : record_state.annotations(backup.label))
      add("", format("{}: {}", name, note));
    return text;
  }

  std::string proofs() const {
    if (!repository_.record_state) return "<p class=\"bad\">The records could not be read.</p>\n";
    std::string rows;
    const auto& records = repository_.record_state->records();
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (const auto* verify = std::get_if<repo::VerifyRecord>(&record->content))
        rows += verify_row(*record, *verify);
      if (const auto* drill = std::get_if<repo::DrillRecord>(&record->content))
        rows += drill_row(*record, *drill);
    }
    if (rows.empty()) return "<p>No backup of this stanza has been verified or drilled yet.</p>\n";
    return table("Verify and drill runs, the newest first",
                 {"When", "What", "Backups", "Verdict", "Took", "Details"}, rows);
  }

  static std::string verdict(bool good, std::string_view words) {
    return format("<td{}>{}</td>", good ? "" : " class=\"bad\"", html_text(words));
  }

  static std::string verify_row(const repo::Record& record, const repo::VerifyRecord& verify) {
    std::string details;
    for (std::size_t i = 0; i < std::min<std::size_t>(verify.damages.size(), 5); ++i)
      details += format("<div>{}</div>", html_text(verify.damages[i]));
    return format("<tr><th scope=\"row\">{}</th>{}{}{}{}<td>{}</td></tr>\n",
                  html_text(format_local(record.time)),
                  cell(format("verify, {}{}", verify.level, verify.all ? "" : ", a part")),
                  number(std::to_string(verify.backups.size())),
                  verdict(verify.damage_count == 0,
                          verify.damage_count == 0 ? std::string("good")
                                                   : format("{} damaged", verify.damage_count)),
                  number(seconds_text(verify.seconds)), details);
  }

  static std::string drill_row(const repo::Record& record, const repo::DrillRecord& drill) {
    std::string details =
        format("<div>restored in {}, recovered in {}, {} of WAL</div>",
               seconds_text(drill.restore_seconds), seconds_text(drill.recovery_seconds),
               format_size(drill.wal_bytes));
    for (const std::string& finding : drill.findings)
      details += format("<div>{}</div>", html_text(finding));
    return format("<tr><th scope=\"row\">{}</th>{}{}{}{}<td>{}</td></tr>\n",
                  html_text(format_local(record.time)), cell("drill"), cell(drill.backup),
                  verdict(drill.good, drill.good ? "good" : "not good"),
                  number(seconds_text(drill.restore_seconds + drill.recovery_seconds)), details);
  }

  std::string growth() const {
    if (!repository_.growth)
      return "<p>The backups span less than a day: too little for a forecast.</p>\n";
    const engine::Growth& growth = *repository_.growth;
    const char* const sign = growth.cluster_bytes_per_day < 0 ? "-" : "";
    std::string text =
        item("Cluster",
             format(
                 "{}{} a day", sign,
                 format_size(static_cast<std::uint64_t>(std::abs(growth.cluster_bytes_per_day))))) +
        item("Backups store", format("{} a day", format_size(growth.stored_bytes_per_day))) +
        item("WAL", format("{} a day", format_size(growth.wal_bytes_per_day)));
    const auto expected = engine::forecast(repository_);
    if (expected && expected->days) {
      text += item("Full in", *expected->days > kFarDays
                                  ? "more than ten years"
                                  : format("about {:.0f} days", std::floor(*expected->days)));
    }
    text = format("<dl>\n{}</dl>\n", text);
    if (!expected || !expected->days) return text;
    return text + format(
                      "<p class=\"quiet\">Assumes that backups and WAL go on to take {} a day, as "
                      "in these {:.0f} days (a straight line through them), that nothing is "
                      "removed, and that nothing else takes space there.</p>\n",
                      format_size(static_cast<std::uint64_t>(expected->bytes_per_day)),
                      growth.days);
  }

  const engine::RepositoryInfo& repository_;
  Timestamp when_;
};

}  // namespace

std::string html_text(std::string_view text) {
  std::string escaped;
  for (const char c : as_utf8(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string report_html(std::span<const engine::StanzaInfo> stanzas, Timestamp when,
                        std::string_view host) {
  std::string html = format("{}{}{}", kHead, report_css(), kBody);
  html +=
      format("<header><h1>pgcairn report</h1>\n<p class=\"quiet\">Written {} on {}.</p></header>\n",
             html_text(format_local(when)), html_text(host));
  html += "<main>\n";
  if (stanzas.empty()) html += "<p>There is no stanza in any repository.</p>\n";
  for (const engine::StanzaInfo& stanza : stanzas) {
    const Status status = status_of(stanza);
    html += format("<section><h2>Stanza {}</h2>\n<p{}>{}</p>\n", html_text(stanza.name),
                   status.code == kOk ? "" : " class=\"bad\"", html_text(status.message));
    for (const engine::RepositoryInfo& repository : stanza.repositories)
      html += Report(repository, stanza.when).html();
    html += "</section>\n";
  }
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace pgcairn::command
