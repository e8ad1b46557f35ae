#pragma once

#include <pgcairn/engine/status/info.hpp>

#include <string>
#include <string_view>
#include <vector>

// The drawings of the report: SVG without text, so that it can be stretched to any width; labels
// stand beside it in HTML, and each mark has a title.

namespace pgcairn::command {

/// Windows and the backups on them, a line a timeline; empty without any.
std::string window_chart(const engine::RepositoryInfo& repository);

struct Bar {
  double value = 0;
  std::string title;
};
/// Bars from the first to the last, the highest as high as the drawing.
std::string bar_chart(std::string_view title, const std::vector<Bar>& bars);

}  // namespace pgcairn::command
