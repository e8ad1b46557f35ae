// The one place that compiles Catch2's own main(). With sanitizers g++ 12 sees uninitialised
// members in libstdc++'s <regex>, which Catch2 uses, where there are none.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
