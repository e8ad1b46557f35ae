#include "engine/backup/counted_progress.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

TEST_CASE("progress is counted for the lease, and passed on") {
  struct Outer : Progress {
    void phase(std::string_view name, std::uint64_t) override { told += std::string(name) + " "; }
    void advance(std::uint64_t bytes) override { told += std::to_string(bytes) + " "; }
    void total(std::uint64_t bytes) override { told += "of" + std::to_string(bytes) + " "; }
    std::string told;
  };
  Outer outer;
  CountedProgress progress(outer);
  CHECK(progress.so_far() == repo::LeaseProgress{0, 0});
  progress.phase("start", 0);
  progress.phase("copying", 100);
  progress.advance(30);
  progress.advance(20);
  CHECK(progress.so_far() == repo::LeaseProgress{50, 100});
  progress.total(200);
  CHECK(progress.so_far() == repo::LeaseProgress{50, 200});
  // Waiting has no bytes: what was copied stays said.
  progress.phase("waiting", 0);
  CHECK(progress.so_far() == repo::LeaseProgress{50, 200});
  // Copying once more begins again.
  progress.phase("copying", 100);
  CHECK(progress.so_far() == repo::LeaseProgress{0, 100});
  CHECK(outer.told == "start copying 30 20 of200 waiting copying ");
}
