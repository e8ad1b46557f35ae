#include "render/report_charts.hpp"

#include "render/report.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <map>

namespace pgcairn::command {

namespace {

constexpr double kWidth = 1000;
constexpr double kLeastMark = 3;
constexpr double kWidestBar = 40;

/// The time that the lines of a chart are about.
struct Span {
  Timestamp first{};
  Timestamp last{};
  bool any = false;

  void take(Timestamp when) {
    if (!any || when < first) first = when;
    if (!any || when > last) last = when;
    any = true;
  }
  double x(Timestamp when) const {
    if (last == first) return 0;
    return (kWidth - kLeastMark) * std::chrono::duration<double>(when - first).count() /
           std::chrono::duration<double>(last - first).count();
  }
};

std::string rect(double x, double y, double width, double height, std::string_view kind,
                 std::string_view title) {
  return format(
      "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
      "<title>{}</title></rect>",
      kind, x, y, width, height, html_text(title));
}

std::string svg(std::string_view title, double height, std::string_view content) {
  return format(
      "<svg role=\"img\" viewBox=\"0 0 {:.0f} {:.0f}\" preserveAspectRatio=\"none\" "
      "aria-label=\"{}\"><title>{}</title>{}</svg>",
      kWidth, height, html_text(title), html_text(title), content);
}

std::string_view kind_of(const engine::RepositoryInfo& repository,
                         const repo::BackupMarker& backup) {
  const bool damaged =
      repository.record_state && repository.record_state->damage(backup.label) != nullptr;
  if (damaged || !repository.restorable(backup.label)) return "bad";
  return backup.type == repo::BackupType::full ? "full" : "later";
}

}  // namespace

std::string window_chart(const engine::RepositoryInfo& repository) {
  Span span;
  for (const engine::RestorableWindow& window : repository.windows) {
    span.take(window.from_time);
    span.take(window.to_time);
  }
  for (const repo::BackupMarker& backup : repository.backups) span.take(backup.stop_time);
  if (!span.any) return {};
  std::map<std::pair<std::string, Timeline>, std::string> lines;
  for (const engine::RestorableWindow& window : repository.windows) {
    const double from = span.x(window.from_time);
    const double width = std::max(span.x(window.to_time) - from, kLeastMark);
    lines[{window.cluster, window.timeline}] +=
        rect(from, 6, width, 12, "window",
             format("restorable from {} to about {}", format_local(window.from_time),
                    format_local(window.to_time)));
  }
  for (const repo::BackupMarker& backup : repository.backups) {
    lines[{backup.cluster, backup.timeline}] +=
        rect(span.x(backup.stop_time), 0, kLeastMark, 24, kind_of(repository, backup),
             format("{}, {}", backup.label, format_local(backup.stop_time)));
  }
  std::string html = "<div class=\"lines\">";
  for (const auto& [row, content] : lines) {
    const std::string version = row.first.substr(0, row.first.find('-'));
    const std::string name = repository.clusters.size() > 1
                                 ? format("PostgreSQL {}, timeline {}", version, row.second)
                                 : format("Timeline {}", row.second);
    html += format("<div class=\"line\"><span>{}</span>{}</div>", html_text(name),
                   svg(name, 24, content));
  }
  return html + format("<p class=\"axis\"><span>{}</span><span>{}</span></p></div>\n",
                       html_text(format_local(span.first)), html_text(format_local(span.last)));
}

std::string bar_chart(std::string_view title, const std::vector<Bar>& bars) {
  constexpr double height = 80;
  double highest = 0;
  for (const Bar& bar : bars) highest = std::max(highest, bar.value);
  const double step = kWidth / static_cast<double>(std::max<std::size_t>(bars.size(), 1));
  std::string content;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double tall = highest == 0 ? 0 : std::max(height * bars[i].value / highest, 1.0);
    content += rect(step * static_cast<double>(i), height - tall, std::min(step * 0.8, kWidestBar),
                    tall, "bar", bars[i].title);
  }
  return svg(title, height, content);
}

}  // namespace pgcairn::command
