#pragma once

#include <curl/curl.h>

namespace pgcairn::storage {

// clang-format off
#define PGCAIRN_CURL_FUNCTIONS(X)                                                                  \
  X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform)                 \
  X(curl_easy_reset) X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_init)                 \
  X(curl_slist_append) X(curl_slist_free_all)
// clang-format on

/// The functions of libcurl, which brings thirty libraries with it: loaded with the first request.
struct LibCurl {
// curl.h makes macros of two of these names, to check types; their functions are meant here.
#pragma push_macro("curl_easy_setopt")
#pragma push_macro("curl_easy_getinfo")
#undef curl_easy_setopt
#undef curl_easy_getinfo
#define PGCAIRN_MEMBER(name) decltype(&::name) name = nullptr;
  PGCAIRN_CURL_FUNCTIONS(PGCAIRN_MEMBER)
#undef PGCAIRN_MEMBER
#pragma pop_macro("curl_easy_getinfo")
#pragma pop_macro("curl_easy_setopt")
};

/// Loads libcurl when it is first called; throws Error when that cannot be done.
const LibCurl& curl();

}  // namespace pgcairn::storage
