#pragma once

#include <pgcairn/engine/status/info.hpp>

#include <span>
#include <string>
#include <string_view>

namespace pgcairn::command {

/// Text as it may stand in HTML, between tags and in quoted attributes. What is not UTF-8 becomes
/// %XX.
std::string html_text(std::string_view text);

/// The stylesheet of the page: report.css, embedded at build.
std::string_view report_css();

/// A whole page that needs nothing else: no script, no font, no image, no request. Pure but for the
/// machine's time zone.
std::string report_html(std::span<const engine::StanzaInfo> stanzas, Timestamp when,
                        std::string_view host);

}  // namespace pgcairn::command
