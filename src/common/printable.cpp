#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn {

std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned least = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned most = lead == 0xed ? 0x9f : 0xbf;
    return byte(1) >= least && byte(1) <= most && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned least = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned most = lead == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= least && byte(1) <= most && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool is_c1_control(std::string_view text) {
  return text.size() > 1 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;
}

namespace {

/// `kept`: control characters that stay.
std::string shown(std::string_view text, std::string_view kept) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const auto code = static_cast<unsigned char>(text[0]);
    const bool control = (code < 0x20 && kept.find(text[0]) == std::string_view::npos) ||
                         code == 0x7f || is_c1_control(text);
    std::size_t length = control ? 0 : utf8_length(text);
    if (length > 0) {
      clean += text.substr(0, length);
    } else {
      length = is_c1_control(text) ? 2 : 1;
      for (const char c : text.substr(0, length)) {
        if (c == '\n')
          clean += "\\n";
        else if (c == '\t')
          clean += "\\t";
        else
          clean += format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    }
    text.remove_prefix(length);
  }
  return clean;
}

}  // namespace

std::string printable(std::string_view text) {
  return shown(text, "\n\t");
}

std::string printable_in_line(std::string_view text) {
  return shown(text, "");
}

}  // namespace pgcairn
