#include "storage/http/batch.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn::storage;

namespace {

const std::string kType = "multipart/mixed; boundary=batch_x";
const std::string kBody =
    "--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-0>\r\n\r\n"
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n\r\n"
    "--batch_x\r\nContent-Type: application/http\r\ncontent-id:<response-1>\r\n\r\n"
    "HTTP/1.1 404 Not Found\r\nX-Code: a: b\r\n\r\n{\"error\":\r\n\r\n1}\r\n"
    "--batch_x--\r\n";

}  // namespace

TEST_CASE("batch: each part is an answer of its own") {
  for (const std::string& type : {kType, std::string("multipart/mixed; boundary=\"batch_x\""),
                                  std::string("multipart/mixed; boundary=batch_x; charset=x")}) {
    const auto answers = parse_batch(type, kBody);
    REQUIRE(answers.size() == 2);
    CHECK(answers[0].id == "<response-0>");
    CHECK(answers[0].status == 204);
    CHECK(answers[0].body.empty());
    CHECK(answers[1].id == "<response-1>");
    CHECK(answers[1].status == 404);
    CHECK(answers[1].headers.at("x-code") == "a: b");
    CHECK(answers[1].body == "{\"error\":\r\n\r\n1}");
  }
}

TEST_CASE("batch: what is not whole, or no batch, answers nothing") {
  for (std::size_t size = 0; size < kBody.size(); ++size) {
    INFO(size);
    const auto answers = parse_batch(kType, kBody.substr(0, size));
    for (std::size_t at = 0; at < answers.size(); ++at)
      CHECK(answers[at].status == (at == 0 ? 204 : 404));
    const std::size_t second = kBody.find("--batch_x\r\n", 5);
    if (size < second + 9) CHECK(answers.empty());
    if (size + 4 < kBody.size()) CHECK(answers.size() < 2);
  }
  CHECK(parse_batch("text/html", kBody).empty());
  CHECK(parse_batch("multipart/mixed", kBody).empty());
  CHECK(parse_batch("multipart/mixed; boundary=other", kBody).empty());
  CHECK(parse_batch(kType, "--batch_x\r\n\r\nno answer\r\n--batch_x--\r\n").empty());
}
