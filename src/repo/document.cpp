#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>

namespace pgcairn::repo {

namespace {

std::string check_line(const SealContext& seal_context, std::string_view key,
                       std::string_view json) {
  const std::string covered = format("{}\n{}", seal_context.place_of(key), json);
  return format("{{\"check\":\"{}\"}}", hex(crypto::hash128(as_bytes(covered))));
}

bool put_sealed(storage::Driver& driver, const SealContext& seal_context, const std::string& key,
                std::string_view json, storage::IfExists if_exists) {
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  FrameWriter writer(FrameKind::document, seal_context, key, *codec);
  Buffer body;
  writer.append(as_bytes(json), {}, body);
  return driver.put(key, body, if_exists);
}

std::string open_sealed(const SealContext& seal_context, const std::string& key, Bytes body) {
  FrameReader reader(seal_context, key);
  const Frame frame = reader.read(body, 0, FrameKind::document, 0);
  if (frame.whole_bytes != body.size())
    throw DamagedError(key, frame.whole_bytes, "bytes follow the end of the document");
  Buffer json;
  reader.open(frame, 0, json);
  return std::string(as_text(json));
}

}  // namespace

bool put_document(storage::Driver& driver, const SealContext& seal_context, const std::string& key,
                  std::string_view json, storage::IfExists if_exists) {
  PGCAIRN_ASSERT(json.find('\n') == std::string_view::npos);
  if (seal_context.sealed()) return put_sealed(driver, seal_context, key, json, if_exists);
  const std::string text = format("{}\n{}\n", json, check_line(seal_context, key, json));
  return driver.put(key, as_bytes(text), if_exists);
}

std::optional<std::string> get_document(storage::Driver& driver, const SealContext& seal_context,
                                        const std::string& key) {
  Buffer body;
  if (!driver.get(key, {0, kMostDocumentBytes}, body)) return std::nullopt;
  if (seal_context.sealed()) return open_sealed(seal_context, key, body);
  const std::string_view text = as_text(body);
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos)
    throw DamagedError(key, text.size(), "the document ends inside its first line");
  const std::string_view json = text.substr(0, end);
  if (text.substr(end + 1) != check_line(seal_context, key, json) + "\n") {
    throw DamagedError(
        key, end + 1,
        "the document's checksum does not match: its bytes have changed, or it belongs elsewhere");
  }
  return std::string(json);
}

}  // namespace pgcairn::repo
