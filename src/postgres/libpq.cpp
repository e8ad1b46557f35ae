#include "libpq.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <dlfcn.h>

namespace pgcairn::postgres {

namespace {

LibPq load() {
  constexpr const char* kLibrary = "libpq.so.5";
  const auto loaded = [](void* found) {
    if (found != nullptr) return found;
    throw Error(format("cannot load the library of PostgreSQL's clients: {}", ::dlerror()),
                "install it (package libpq5 on Debian, postgresql-libs elsewhere)");
  };
  void* const library = loaded(::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL));
  LibPq functions;
#define PGCAIRN_LOAD(name) \
  functions.name = reinterpret_cast<decltype(&::name)>(loaded(::dlsym(library, #name)));
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
