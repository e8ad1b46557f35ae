#include <pgcairn/common/first_error.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("The first error is kept, and thrown when asked for") {
  FirstError failure;
  int attempts = 0;
  failure.attempt([&] { ++attempts; });
  CHECK_FALSE(failure);
  CHECK_NOTHROW(failure.throw_if_any());

  failure.attempt([&] {
    ++attempts;
    throw MissingError("first");
  });
  failure.attempt([&] {
    ++attempts;
    throw Error("second");
  });
  try {
    throw Error("third");
  } catch (const Error&) {
    failure.keep();
  }
  CHECK(attempts == 3);
  CHECK(failure);
  CHECK_THROWS_AS(failure.throw_if_any(), MissingError);
}

TEST_CASE("A request to stop ends the attempts") {
  FirstError failure;
  CHECK_THROWS_AS(failure.attempt([] { throw Interrupted(); }), Interrupted);
  CHECK_FALSE(failure);
}
