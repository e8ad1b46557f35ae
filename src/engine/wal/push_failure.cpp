#include <pgcairn/common/json.hpp>
#include <pgcairn/common/private_file.hpp>
#include <pgcairn/engine/wal/push_failure.hpp>

#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kMostBytes = 64 * kKiB;
constexpr std::size_t kMostWordsBytes = 16 * kKiB;  // escaped, each byte may take three

std::filesystem::path file_of(const std::filesystem::path& state_path, const std::string& stanza) {
  // Of a stanza that nothing has judged yet; no stanza has a name with such letters.
  const bool is_name = !stanza.empty() && stanza.find_first_of("./") == std::string::npos;
  return state_path / "archive-push" / (is_name ? stanza : ".unknown");
}

}  // namespace

void keep_push_failure(const std::filesystem::path& state_path, const std::string& stanza,
                       const std::string& file, const Error& error) {
  JsonWriter json;
  json.begin_object().member("time", format_utc(now())).member("file", escape_bytes(file));
  json.member("error", escape_bytes(error.render().substr(0, kMostWordsBytes))).end_object();
  write_private_file(file_of(state_path, stanza), as_bytes(json.text()));
}

void forget_push_failure(const std::filesystem::path& state_path, const std::string& stanza) {
  ::unlink(file_of(state_path, stanza).c_str());
}

std::optional<PushFailure> read_push_failure(const std::filesystem::path& state_path,
                                             const std::string& stanza) {
  const std::filesystem::path path = file_of(state_path, stanza);
  const auto content = read_private_file(path, kMostBytes);
  if (!content) return std::nullopt;
  try {
    JsonDocument document(path);
    const JsonValue root = document.parse(as_text(*content));
    const auto time = parse_utc(root["time"].string());
    if (!time) return std::nullopt;
    return PushFailure{*time, unescape_bytes(root["file"].string()),
                       unescape_bytes(root["error"].string())};
  } catch (const DamagedError&) {
    return std::nullopt;  // cut off by a crash
  }
}

}  // namespace pgcairn::engine
