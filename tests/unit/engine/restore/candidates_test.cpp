#include "engine/restore/candidates.hpp"

#include "support/made_stanza.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/records.hpp>

#include <algorithm>
#include <cerrno>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

const std::string kOlder = "20261121-010203F";
const std::string kNewer = "20261122-010203F";
const std::string kNewest = "20261123-010203F";

/// What a restore of "main" finds in repositories "a", "b", ... in this order.
class Places {
 public:
  explicit Places(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      stores_.push_back(storage::make_memory());
      repositories.emplace_back(std::string(1, static_cast<char>('a' + i)),
                                shared(*stores_.back()));
      MadeStanza made(repositories.back());
    }
  }

  void list(std::size_t place, const std::string& label, std::uint64_t page_errors = 0,
            std::chrono::seconds took = {}) {
    repo::BackupMarker info = sample_backup(label);
    info.stop_time = *parse_utc(format("2026-11-{}T01:02:03Z", label.substr(6, 2))) + took;
    info.page_errors.clear();
    if (page_errors > 0) info.page_errors = {{"base/5/1234", {7}, page_errors}};
    repositories[place].write_marker("main", info);
  }
  void damage(std::size_t place, const std::string& label) {
    replace(repositories[place].driver(), repo::marker_key("main", label), "damaged");
  }
  /// As verify would record it.
  void record_damage(std::size_t place, const std::string& label) {
    repo::VerifyRecord found;
    found.level = "full";
    found.backups = found.damaged = {label};
    repo::add_record(repositories[place], "main", found);
  }
  /// No object of it can be read any more.
  void refuse(std::size_t place) {
    auto refused = shared(*stores_[place], {[](std::string_view, std::string_view) {
                                              throw SystemError("cannot reach the store", EIO);
                                            },
                                            {}});
    repositories[place] =
        repo::Repository(std::string(repositories[place].name()), std::move(refused));
  }

  Candidates find(const RestoreOptions& options = {}) {
    return find_candidates(repositories, stanza, options, passed_over);
  }
  std::string error(const RestoreOptions& options = {}) {
    return error_of([&] { find(options); });
  }
  /// "LABEL REPOSITORY FLAW" of each, in order.
  std::vector<std::string> found(const RestoreOptions& options = {}) {
    const char* const flaws[] = {"none", "pages", "damaged", "lacking"};
    std::vector<std::string> lines;
    const Candidates all = find(options);
    for (const repo::BackupMarker& backup : all.backups) {
      lines.push_back(format("{} {} {}", backup.label, all.where.at(backup.label)->name(),
                             flaws[static_cast<int>(all.flaws.at(backup.label).kind)]));
    }
    return lines;
  }

  std::vector<repo::Repository> repositories;
  std::string stanza = "main";
  PassedOver passed_over;

 private:
  std::vector<std::unique_ptr<storage::Driver>> stores_;
};

using Lines = std::vector<std::string>;

RestoreOptions named(const std::string& set) {
  RestoreOptions options;
  options.set = set;
  return options;
}

}  // namespace

TEST_CASE("candidates are all backups, or the one that is named") {
  Places places(1);
  for (const std::string& label : {kOlder, kNewer}) places.list(0, label);
  CHECK(places.found() == Lines{kOlder + " a none", kNewer + " a none"});
  CHECK(places.found(named(kOlder)) == Lines{kOlder + " a none"});
  CHECK(places.find().notes.empty());
}

TEST_CASE("an unknown stanza is told from a backup that is not there") {
  Places places(1);
  // No backup yet: that is for the choice to say.
  CHECK(places.find().backups.empty());
  CHECK(places.find().notes.empty());
  CHECK_THAT(places.error(named(kOlder)), Says({"there is no backup \"" + kOlder +
                                                "\" of stanza \"main\" in repository \"a\""}));
  places.stanza = "mian";
  const auto unknown =
      Says({"there is no stanza \"mian\" in repository \"a\"", "did you mean \"main\"?"});
  CHECK_THAT(places.error(), unknown);
  CHECK_THAT(places.error(named(kOlder)), unknown);
  places.stanza = "elsewhere";
  CHECK_THAT(places.error(), Says({"there is no stanza \"elsewhere\"", "check --stanza"}));
}

TEST_CASE("backups of all repositories are in the order in which they ended, each once") {
  Places places(2);
  places.list(0, kNewer);
  places.list(1, kOlder, 0, std::chrono::hours(48));  // it ended after the newer one had begun
  places.list(1, kNewer);
  CHECK(places.found() == Lines{kNewer + " a none", kOlder + " b none"});
  places.list(0, kNewest);
  // Ended at the same time: by label.
  CHECK(places.found() == Lines{kNewer + " a none", kOlder + " b none", kNewest + " a none"});
}

TEST_CASE("a backup is taken from where it is best, and where it is worse is noted") {
  enum Flawed { none, pages, damaged, lacking };
  const char* const names[] = {"none", "pages", "damaged", "lacking"};
  const char* const reasons[] = {"", "1 page of the cluster was damaged when it was copied",
                                 "verify found on", "a pack is missing"};
  const int first = GENERATE(range(0, 4));
  const int second = GENERATE(range(0, 4));
  INFO(names[first] << " and " << names[second]);
  Places places(2);
  for (const auto& [place, flaw] : {std::pair(0, first), std::pair(1, second)}) {
    places.list(place, kNewer, flaw == pages ? 1 : 0);
    if (flaw == damaged) places.record_damage(place, kNewer);
    if (flaw == lacking)
      places.passed_over[{&places.repositories[place], kNewer}] = "a pack is missing";
  }
  const bool is_first = first <= second;
  CHECK(places.found() ==
        Lines{format("{} {} {}", kNewer, is_first ? "a" : "b", names[std::min(first, second)])});
  const Candidates all = places.find();
  CHECK_THAT(all.flaws.at(kNewer).reason, Says({reasons[std::min(first, second)]}));
  // The marker is that of where it is.
  CHECK((all.backups.at(0).page_error_count() != 0) == (std::min(first, second) == pages));
  if (first == second) {
    CHECK(all.worse.empty());
  } else {
    REQUIRE(all.worse.at(kNewer).size() == 1);
    CHECK_THAT(all.worse.at(kNewer).front(),
               Says({format("repository \"{}\" is skipped: ", is_first ? "b" : "a"),
                     reasons[std::max(first, second)]}));
  }
}

TEST_CASE("accepted damage is what verify recorded, not what was found missing since") {
  Places places(1);
  places.list(0, kOlder);
  places.list(0, kNewer);
  places.record_damage(0, kOlder);
  places.passed_over[{&places.repositories[0], kNewer}] = "a pack is missing";
  CHECK(places.found() == Lines{kOlder + " a damaged", kNewer + " a lacking"});
  RestoreOptions options;
  options.accept_damage = true;
  CHECK(places.found(options) == Lines{kOlder + " a none", kNewer + " a lacking"});
}

TEST_CASE("a damaged marker is noted, and the other backups lead to the same state") {
  Places places(1);
  places.list(0, kOlder);
  places.list(0, kNewer);
  places.list(0, kNewest);
  const std::string key = repo::marker_key("main", kNewest);
  places.damage(0, kNewest);
  CHECK(places.found() == Lines{kOlder + " a none", kNewer + " a none"});
  const auto notes = places.find().notes;
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes.front(), Says({"skipped: ", key}));
  CHECK_THAT(places.error(named(kNewest)), Says({key}));
}

TEST_CASE("only where its own end is the target, the newest backup must not be passed over") {
  const auto target = GENERATE(as<RecoveryTarget>(), RestoreType::latest, RestoreType::immediate,
                               TimeTarget{}, RestoreType::standby, RestoreType::none);
  RestoreOptions options;
  options.target = target;
  for (const std::string& damaged : {kOlder, kNewer, kNewest}) {
    INFO(damaged << " type " << name_of(target.type()));
    Places places(1);
    for (const std::string& label : {kOlder, kNewer, kNewest}) places.list(0, label);
    places.damage(0, damaged);
    const std::string error = places.error(options);
    if (target.type() == RestoreType::immediate && damaged == kNewest) {
      CHECK_THAT(error,
                 Says({repo::marker_key("main", damaged), "name another backup with --set"}));
    } else {
      CHECK(error.empty());
    }
  }
}

TEST_CASE("of damaged markers alone, the first is the error and says what to do") {
  Places places(1);
  for (const std::string& label : {kOlder, kNewer}) {
    places.list(0, label);
    places.damage(0, label);
  }
  CHECK_THAT(places.error(), Says({repo::marker_key("main", kOlder),
                                   "name another backup with --set; \"pgcairn info\" lists them"}));
}

TEST_CASE("a repository that fails or has no backup is noted where there are others") {
  Places places(3);
  places.list(2, kNewer);
  places.refuse(0);
  const Candidates all = places.find();
  CHECK(all.where.at(kNewer)->name() == "c");
  REQUIRE(all.notes.size() == 2);
  CHECK_THAT(all.notes[0], Says({"repository \"a\" is skipped: cannot reach the store"}));
  CHECK(all.notes[1] == "repository \"b\" is skipped: there is no backup");
  // Looked for by name, it is missing in one and found in the other.
  const Candidates one = places.find(named(kNewer));
  CHECK(one.where.at(kNewer)->name() == "c");
  REQUIRE(one.notes.size() == 2);
  CHECK_THAT(one.notes[1], Says({"repository \"b\" is skipped: there is no backup \"" + kNewer}));
}

TEST_CASE("without any backup, the error of the first repository is told") {
  SECTION("of the only one") {
    Places places(1);
    places.refuse(0);
    CHECK_THAT(places.error(), Says({"cannot reach the store"}));
  }
  SECTION("of all") {
    Places places(2);
    places.refuse(0);
    places.stanza = "mian";
    CHECK_THAT(places.error(), Says({"cannot reach the store"}));
  }
  SECTION("of one, and the other has none: it may have been in the first") {
    Places places(2);
    places.refuse(1);
    CHECK_THAT(places.error(), Says({"cannot reach the store"}));
  }
}
