#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/document.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using storage::IfExists;

namespace {

const std::string kKey = "main/backup/20261121-010203F.json";
constexpr std::string_view kJson = R"({"format":1,"label":"x"})";

}  // namespace

TEST_CASE("a document is two lines, and comes back") {
  const auto driver = storage::make_memory();
  CHECK(put_document(*driver, SealContext(kId), kKey, kJson, IfExists::fail));
  CHECK(get_document(*driver, SealContext(kId), kKey) == std::string(kJson));
  const auto check = crypto::hash128(as_bytes(format("{}\n{}\n{}", kId, kKey, kJson)));
  CHECK(object(*driver, kKey) == format("{}\n{{\"check\":\"{}\"}}\n", kJson, hex(check)));

  CHECK_FALSE(put_document(*driver, SealContext(kId), kKey, "{}", IfExists::keep));
  CHECK_THROWS_AS(put_document(*driver, SealContext(kId), kKey, "{}", IfExists::fail),
                  ConflictError);
  CHECK(get_document(*driver, SealContext(kId), kKey) == std::string(kJson));
}

TEST_CASE("a document in which any bit is changed is refused, as is one that is cut or grew") {
  const auto driver = storage::make_memory();
  put_document(*driver, SealContext(kId), kKey, kJson, IfExists::fail);
  const std::string text = object(*driver, kKey);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    replace(*driver, kKey, changed);
    INFO("bit " << bit);
    CHECK_THROWS_AS(get_document(*driver, SealContext(kId), kKey), DamagedError);
  }
  for (std::size_t size = 0; size < text.size(); ++size) {
    replace(*driver, kKey, text.substr(0, size));
    CHECK_THROWS_AS(get_document(*driver, SealContext(kId), kKey), DamagedError);
  }
  replace(*driver, kKey, text + "\n");
  CHECK_THROWS_AS(get_document(*driver, SealContext(kId), kKey), DamagedError);
}

TEST_CASE("a document is refused under another key and in another repository") {
  const auto driver = storage::make_memory();
  put_document(*driver, SealContext(kId), kKey, kJson, IfExists::fail);
  const std::string other = "main/backup/20261121-010204F.json";
  driver->put(other, as_bytes(object(*driver, kKey)), IfExists::fail);
  CHECK_THAT(error_of<DamagedError>([&] { get_document(*driver, SealContext(kId), other); }),
             Says({other}));
  CHECK_THROWS_AS(get_document(*driver, SealContext("ff112233445566778899aabbccddeeff"), kKey),
                  DamagedError);
}

TEST_CASE("a document is absent only when the store says so") {
  CHECK(get_document(*storage::make_memory(), SealContext(kId), kKey) == std::nullopt);
  const auto faulty = storage::with_faults(
      storage::make_memory(),
      [](std::string_view, std::string_view) { throw TransientError("no route to host"); });
  CHECK_THROWS_AS(get_document(*faulty, SealContext(kId), kKey), TransientError);
}
