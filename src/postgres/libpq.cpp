#include "libpq.hpp"

#include <pgcairn/common/library.hpp>

namespace pgcairn::postgres {

namespace {

LibPq load() {
  const Library library("libpq.so.5", "the library of PostgreSQL's clients",
                        "install it (package libpq5 on Debian, postgresql-libs elsewhere)");
  LibPq functions;
#define PGCAIRN_LOAD(name) library.find(#name, functions.name);
  PGCAIRN_LIBPQ_FUNCTIONS(PGCAIRN_LOAD)
#undef PGCAIRN_LOAD
  return functions;
}

}  // namespace

const LibPq& pq() {
  static const LibPq functions = load();
  return functions;
}

}  // namespace pgcairn::postgres
