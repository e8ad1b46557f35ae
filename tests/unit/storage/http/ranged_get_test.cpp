#include "storage/http/ranged_get.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;

namespace {

HttpResponse answer(std::string length, std::string range = {}) {
  HttpResponse made;
  made.headers = {{"content-length", length}, {"content-range", range}};
  return made;
}

}  // namespace

TEST_CASE("ranged get: the whole object") {
  const RangedGet all{Range{}};
  CHECK(all.header().empty());
  CHECK(all.is_answer(200));
  CHECK_FALSE(all.is_answer(206));
  CHECK_FALSE(all.is_answer(416));
  CHECK_FALSE(all.has_no_bytes(416));
  CHECK(all.is_whole(answer("10"), 10));
  CHECK_FALSE(all.is_whole(answer("10"), 9));
  CHECK_FALSE(all.is_whole(answer(""), 0));
}

TEST_CASE("ranged get: a part") {
  const RangedGet part({3, 4});
  CHECK(part.header() == "bytes=3-6");
  CHECK(part.most_body_bytes() >= 64 * kKiB);  // an error has to fit
  CHECK(RangedGet({0, kMiB}).most_body_bytes() == kMiB);
  CHECK(part.is_answer(206));
  CHECK_FALSE(part.is_answer(200));
  CHECK_FALSE(part.has_no_bytes(206));
  CHECK(part.is_answer(416));
  CHECK(part.has_no_bytes(416));  // past the end
  CHECK(part.is_whole(answer("4", "bytes 3-6/10"), 4));
  CHECK(part.is_whole(answer("2", "bytes 3-4/5"), 2));  // cut at the object's end
  CHECK_FALSE(part.is_whole(answer("2", "bytes 3-4/10"), 2));
  CHECK_FALSE(part.is_whole(answer("4", "bytes 4-7/10"), 4));
  CHECK_FALSE(part.is_whole(answer("4", "bytes 3-6/10"), 3));
  CHECK_FALSE(part.is_whole(answer("4"), 4));
}

TEST_CASE("ranged get: a range of no bytes asks for one and throws it away") {
  for (const Range nothing : {Range{3, 0}, Range{UINT64_MAX, UINT64_MAX}}) {
    const RangedGet part(nothing);
    CHECK(part.header() == "bytes=0-0");
    CHECK(part.has_no_bytes(206));
    CHECK(part.has_no_bytes(416));
  }
  CHECK(RangedGet({9, UINT64_MAX}).header() == "bytes=9-2147483656");
}
