#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>

namespace pgcairn::repo {

namespace {

constexpr std::size_t kMostDocumentBytes = 64 * kMiB;

std::string check_line(const Vault& vault, std::string_view key, std::string_view json) {
  const std::string covered = format("{}\n{}", vault.place_of(key), json);
  return format("{{\"check\":\"{}\"}}", hex(crypto::hash128(as_bytes(covered))));
}

}  // namespace

bool put_document(storage::Driver& driver, const Vault& vault, const std::string& key,
                  std::string_view json, storage::IfExists if_exists) {
  PGCAIRN_ASSERT(json.find('\n') == std::string_view::npos);
  const std::string text = format("{}\n{}\n", json, check_line(vault, key, json));
  return driver.put(key, as_bytes(text), if_exists);
}

std::optional<std::string> get_document(storage::Driver& driver, const Vault& vault,
                                        const std::string& key) {
  Buffer body;
  if (!driver.get(key, {0, kMostDocumentBytes}, body)) return std::nullopt;
  const std::string_view text = as_text(body);
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos)
    throw DamagedError(key, text.size(), "the document ends inside its first line");
  const std::string_view json = text.substr(0, end);
  if (text.substr(end + 1) != check_line(vault, key, json) + "\n") {
    throw DamagedError(
        key, end + 1,
        "the document's check does not fit: its bytes have changed, or it belongs elsewhere");
  }
  return std::string(json);
}

}  // namespace pgcairn::repo
