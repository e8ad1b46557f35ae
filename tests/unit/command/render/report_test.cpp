#include "command/render/report.hpp"

#include "support/repository.hpp"
#include "support/says.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;
using namespace pgcairn::test;

namespace {

constexpr const char* kNasty = "<script>alert('x\"&')</script>\xff";
constexpr const char* kHarmless = "&lt;script&gt;alert(&#39;x&quot;&amp;&#39;)&lt;/script&gt;%FF";

}  // namespace

TEST_CASE("what comes from outside is text in the report, never markup") {
  CHECK(html_text(kNasty) == kHarmless);
  const Timestamp when = *parse_utc("2026-12-21T03:10:00Z");
  engine::RepositoryInfo repository;
  repository.name = kNasty;
  repository.type = kNasty;
  repository.notes = {kNasty};
  repository.clusters = {{1, 15}};
  repository.backups = {sample_backup()};
  const std::string label = repository.backups.front().label;
  repo::DrillRecord drill{label, false, {kNasty}};
  repo::VerifyRecord verify;
  verify.level = kNasty;
  verify.backups = verify.damaged = {label};
  verify.damages = {kNasty};
  verify.damage_count = 1;
  const auto record = [&](repo::RecordContent content) {
    return repo::Record{"name", when, kNasty, std::move(content)};
  };
  repository.record_state.emplace(
      std::vector<repo::Record>{record(drill), record(verify), record(repo::StopRecord{kNasty}),
                                record(repo::HoldRecord{label, kNasty}),
                                record(repo::AnnotationRecord{label, kNasty, kNasty})},
      when);
  repository.lease = repo::LeaseState{};
  repository.lease->held = true;
  repository.lease->host = kNasty;
  repository.lease->operation = kNasty;
  engine::RepositoryInfo unreadable;
  unreadable.error = kNasty;
  const engine::StanzaInfo stanza{kNasty, {repository, unreadable}, when};
  const std::string html = report_html(std::vector{stanza}, when, kNasty);
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("alert('") == std::string::npos);
  CHECK(html.find('\xff') == std::string::npos);
  std::size_t escaped = 0;
  for (std::size_t at = html.find(kHarmless); at != std::string::npos;
       at = html.find(kHarmless, at + 1))
    ++escaped;
  CHECK(escaped >= 14);
}

TEST_CASE("the report foretells only what it can") {
  const Timestamp when = *parse_utc("2026-12-21T03:10:00Z");
  engine::RepositoryInfo repository;
  repository.clusters = {{1, 15}};
  repository.backups = {sample_backup("20261121-010203F"), sample_backup("20261122-010203F")};
  repository.backups[1].stop_time += std::chrono::days(10);
  const auto html = [&] {
    const engine::StanzaInfo stanza{"main", {repository}, when};
    return report_html(std::vector{stanza}, when, "db1");
  };
  CHECK_THAT(html(), Says({"span less than a day"}));
  repository.growth = engine::Growth{10, 1 << 20, 1 << 20, 1 << 20};
  CHECK_THAT(html(), Says({"<dt>Cluster</dt><dd>1.0 MiB a day</dd>"}));
  CHECK(html().find("Full in") == std::string::npos);
  repository.space = engine::Space{UINT64_MAX, 100'000'000'000};
  CHECK_THAT(html(), Says({"<dt>Full in</dt><dd>about 80 days</dd>", "Assumes that"}));
  repository.space->free_bytes = 100'000'000'000'000;
  CHECK_THAT(html(), Says({"more than ten years"}));
}
