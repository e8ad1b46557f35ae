#include <pgcairn/common/error.hpp>
#include <pgcairn/postgres/server.hpp>

#include <string>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

// As servers wrote them.
const std::string kPrimary =
    "START WAL LOCATION: 0/19000028 (file 000000020000000000000019)\n"
    "CHECKPOINT LOCATION: 0/19000060\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: primary\n"
    "START TIME: 2026-11-21 03:18:13 UTC\n"
    "LABEL: it's a \"label\"\n"
    "START TIMELINE: 2\n";
const std::string kStandby =
    "START WAL LOCATION: 1A/17000028 (file 0000000100001A0000000017)\n"
    "CHECKPOINT LOCATION: 1A/17000028\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: standby\n"
    "START TIME: 2026-11-21 03:17:24 UTC\n"
    "LABEL: x\n"
    "START TIMELINE: 1\n";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("A server archives by a command or by a library", "[postgres][server]") {
  const auto says = [](const char* mode, const char* command, const char* library) {
    ServerInfo server;
    server.archive_mode = mode;
    server.archive_command = command;
    server.archive_library = library;
    return archives(server);
  };
  CHECK(says("on", "cp %p /wal/%f", ""));
  CHECK(says("always", "", "basic_archive"));
  CHECK_FALSE(says("on", "", ""));
  CHECK_FALSE(says("on", "(disabled)", ""));
  CHECK_FALSE(says("off", "cp %p /wal/%f", "basic_archive"));
}

TEST_CASE("backup_label is read", "[postgres][server]") {
  const BackupLabel primary = parse_backup_label(kPrimary, "backup_label");
  CHECK(to_string(primary.start_lsn) == "0/19000028");
  CHECK(to_string(primary.checkpoint) == "0/19000060");
  CHECK(primary.timeline == 2);
  CHECK_FALSE(primary.from_standby);
  const BackupLabel standby = parse_backup_label(kStandby, "backup_label");
  CHECK(to_string(standby.start_lsn) == "1A/17000028");
  CHECK(standby.timeline == 1);
  CHECK(standby.from_standby);
  // 13 called a primary so.
  CHECK_FALSE(parse_backup_label(replaced(kPrimary, "primary", "master"), "x").from_standby);
}

TEST_CASE("a backup_label that is not whole is refused", "[postgres][server]") {
  const auto [what, with] = GENERATE(table<std::string, std::string>({
      {"START WAL LOCATION", "START"},
      {"0/19000028", "nowhere"},
      {"CHECKPOINT LOCATION: 0/19000060\n", ""},
      {"0/19000060", "0/"},
      {"BACKUP FROM: primary\n", ""},
      {"FROM: primary", "FROM: elsewhere"},
      {"START TIMELINE: 2\n", ""},
      {"TIMELINE: 2", "TIMELINE: 0"},
      {"TIMELINE: 2", "TIMELINE: 4294967296"},
      {"TIMELINE: 2", "TIMELINE: 2x"},
      {"START TIMELINE: 2\n", "START TIMELINE: 2\nINCREMENTAL FROM LSN: 0/2000028\n"},
      // A label with a line end in it cannot pass for another timeline.
      {"it's", "it\nSTART TIMELINE: 7"},
  }));
  INFO(what << " -> " << with);
  CHECK_THROWS_AS(parse_backup_label(replaced(kPrimary, what, with), "backup_label"), DamagedError);
  CHECK_THROWS_AS(parse_backup_label("", "backup_label"), DamagedError);
}

}  // namespace pgcairn::postgres
