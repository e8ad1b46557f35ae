#include <pgcairn/common/error.hpp>
#include <pgcairn/common/library.hpp>
#include <pgcairn/common/text.hpp>

#include <dlfcn.h>

namespace pgcairn {

Library::Library(const char* name, std::string what, std::string hint)
    : what_(std::move(what)),
      hint_(std::move(hint)),
      library_(loaded(::dlopen(name, RTLD_NOW | RTLD_LOCAL))) {}

void* Library::address(const char* symbol) const {
  return loaded(::dlsym(library_, symbol));
}

void* Library::loaded(void* found) const {
  if (found != nullptr) return found;
  throw Error(format("cannot load {}: {}", what_, ::dlerror()), hint_);
}

}  // namespace pgcairn
