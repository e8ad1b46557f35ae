#include "engine/backup/publish.hpp"

#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/repo/layout.hpp>

#include <functional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

/// A backup that names nothing but its marker.
repo::BackupMarker small_backup() {
  repo::BackupMarker info = sample_backup();
  info.packs.clear();
  info.manifest_parts = 0;
  return info;
}

/// Publishes it where the look at the lease that follows the marker ends like this.
void publish_until(repo::Repository& repository, const std::function<void()>& last_look) {
  const repo::BackupMarker info = small_backup();
  bool marked = false;
  engine::publish(
      repository, "main", info,
      [&] {
        if (marked) last_look();
      },
      [&] {
        repository.write_marker("main", info);
        marked = true;
      });
}

std::vector<std::string> listed(MemoryRepository& memory) {
  return memory.repository.backup_labels("main");
}

}  // namespace

TEST_CASE("a marker whose lease was lost is taken back, and that is all that is said") {
  MemoryRepository memory;
  const std::string error = error_of([&] {
    publish_until(memory.repository, [] { throw LockedError("the lease was lost", "try again"); });
  });
  CHECK_THAT(error, Says({"the lease was lost", "try again"}));
  CHECK(error.find("may be listed") == std::string::npos);
  CHECK(listed(memory).empty());
}

TEST_CASE("a marker whose lease could not be looked at stays, and the error says so") {
  MemoryRepository memory;
  CHECK_THAT(error_of([&] {
               publish_until(memory.repository, [] { throw TransientError("no answer"); });
             }),
             Says({"no answer", std::string(kLabel), "may be listed", "verify"}));
  CHECK(listed(memory) == std::vector<std::string>{std::string(kLabel)});
}

TEST_CASE("a marker that cannot be taken back may be listed") {
  MemoryRepository memory;
  Hooks hooks;
  hooks.before = [](std::string_view operation, std::string_view) {
    if (operation == "remove") throw TransientError("no answer");
  };
  repo::Repository client = memory.client(hooks);
  CHECK_THAT(
      error_of([&] { publish_until(client, [] { throw LockedError("the lease was lost"); }); }),
      Says({"no answer", "may be listed"}));
  CHECK(listed(memory).size() == 1);
}

TEST_CASE("a run that is interrupted after its marker warns that the backup may be listed") {
  MemoryRepository memory;
  std::string lines;
  set_log(LogLevel::warn, [&](LogLevel, std::string_view line) { lines += line; });
  CHECK_THROWS_AS(publish_until(memory.repository, [] { throw Interrupted(); }), Interrupted);
  set_log(LogLevel::warn, nullptr);
  CHECK_THAT(lines, Says({"interrupted", "may be listed"}));
  CHECK(listed(memory).size() == 1);
}
