#include "libcrypto.hpp"

#include <pgcairn/common/library.hpp>

namespace pgcairn::crypto {

const LibCrypto& ssl() {
  static const LibCrypto functions = [] {
    const Library library("libcrypto.so.3", "OpenSSL's library", "install it (package libssl3)");
    LibCrypto found;
#define PGCAIRN_LOAD(name) library.find(#name, found.name);
    PGCAIRN_CRYPTO_FUNCTIONS(PGCAIRN_LOAD)
#undef PGCAIRN_LOAD
    return found;
  }();
  return functions;
}

}  // namespace pgcairn::crypto
