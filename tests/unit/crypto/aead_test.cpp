#include "support/rounds.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/aead.hpp>
#include <pgcairn/crypto/derive.hpp>
#include <pgcairn/crypto/secret.hpp>

#include <array>
#include <cstring>
#include <string>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::crypto;

namespace {

std::vector<std::byte> bytes_of(std::string_view digits) {
  return parse_hex(digits).value();
}

/// The lines that /proc/self/smaps has about the mapping of an address.
std::string mapping_of(const std::byte* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  const Buffer content = read_file("/proc/self/smaps");
  std::string found;
  bool ours = false;
  for (const std::string& line : split(as_text(content), '\n')) {
    const std::size_t dash = line.find('-');
    const auto from = parse_u64(std::string_view(line).substr(0, dash), 16);
    if (dash != std::string::npos && from) {
      const auto to =
          parse_u64(std::string_view(line).substr(dash + 1, line.find(' ') - dash - 1), 16);
      ours = to && *from <= wanted && wanted < *to;
    }
    if (ours) found += line + "\n";
  }
  return found;
}

}  // namespace

TEST_CASE("AES-256-GCM answers as the vectors of its specification do") {
  struct Row {
    std::string key, nonce, associated, message, sealed, tag;
  };
  // McGrew and Viega, The Galois/Counter Mode of Operation, test cases 13, 14 and 16.
  const std::string zeros(64, '0');
  for (const Row& row :
       {Row{zeros, zeros.substr(0, 24), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
        Row{zeros, zeros.substr(0, 24), "", zeros.substr(0, 32), "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919"},
        Row{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b"}}) {
    Nonce nonce;
    std::memcpy(nonce.data(), bytes_of(row.nonce).data(), nonce.size());
    auto message = bytes_of(row.message);
    const auto associated = bytes_of(row.associated);
    // In two parts, as frames have it.
    const std::array<Bytes, 2> parts = {Bytes(associated).first(associated.size() / 2),
                                        Bytes(associated).subspan(associated.size() / 2)};
    Aead aead(bytes_of(row.key));
    const Tag tag = aead.seal(nonce, parts, message);
    CHECK(hex(message) == row.sealed);
    CHECK(hex(tag) == row.tag);
    std::vector<std::byte> opened(message.size());
    CHECK(aead.open(nonce, parts, message, tag, opened));
    CHECK(hex(opened) == row.message);
    Tag other = tag;
    other[15] ^= std::byte{1};
    CHECK_FALSE(aead.open(nonce, parts, message, other, opened));
    CHECK(aead.open(nonce, parts, message, tag, opened));  // as good as before
    if (!associated.empty()) CHECK_FALSE(aead.open(nonce, {}, message, tag, opened));
  }
}

TEST_CASE("HKDF-SHA256 answers as RFC 5869 does") {
  const auto key = bytes_of(std::string("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"));
  CHECK(hex(hkdf_sha256(key, bytes_of("000102030405060708090a0b0c"),
                        bytes_of("f0f1f2f3f4f5f6f7f8f9"), 42)) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  CHECK(hex(hkdf_sha256(key, {}, {}, 42)) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST_CASE("scrypt answers as RFC 7914 does") {
  CHECK(hex(scrypt({}, {}, {16, 1, 1}, 64)) ==
        "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
  CHECK(hex(scrypt(as_bytes("password"), as_bytes("NaCl"), {1024, 8, 16}, 64)) ==
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
  CHECK_THROWS_AS(scrypt({}, {}, {17, 1, 1}, 64), Error);  // no power of two
}

TEST_CASE("a secret stands in memory that is left out of core dumps and of children") {
  const SecretBytes secret(as_bytes("correct horse"));
  CHECK(as_text(secret) == "correct horse");
  const std::string mapping = mapping_of(secret.bytes().data());
  CHECK(mapping.find(" dd") != std::string::npos);  // MADV_DONTDUMP
  CHECK(mapping.find(" dc") != std::string::npos);  // MADV_DONTFORK
  // mlock(), which a sanitizer leaves out: its own memory would be locked as well.
  if (!test::is_sanitized()) CHECK(mapping.find(" lo") != std::string::npos);
}

TEST_CASE("what a secret loses is overwritten") {
  SecretBytes secret(as_bytes("correct horse"));
  const std::byte* const end = secret.bytes().data() + 7;
  secret.shrink(7);
  CHECK(as_text(secret) == "correct");
  CHECK(as_text({end, 6}) == std::string(6, '\0'));
  std::string text = "correct horse";
  const char* const at = text.data();
  wipe(text);
  CHECK(text.empty());
  CHECK(std::string(at, 13) == std::string(13, '\0'));
}
