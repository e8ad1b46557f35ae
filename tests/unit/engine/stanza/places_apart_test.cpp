#include "engine/stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <map>

#include <catch2/catch.hpp>
#include <support/random.hpp>
#include <support/says.hpp>
#include <support/temp_dir.hpp>
#include <sys/mount.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

/// A tree of directories with links and, for root, mounts of one directory at another.
class Tree {
 public:
  explicit Tree(test::Random& random) : random_(random), paths_{root_.path()} {
    for (int i = 0; i < 12; ++i) grow();
  }
  ~Tree() {
    for (auto at = mounts_.rbegin(); at != mounts_.rend(); ++at) ::umount2(at->c_str(), MNT_DETACH);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  bool has_mounts() const { return !mounts_.empty(); }
  /// Some path of the tree, or one below it that is not there yet, in one of the ways to write it.
  fs::path any_path() {
    fs::path path = pick();
    for (std::uint64_t i = test::below(random_, 3); i > 0; --i)
      path /= format("n{}", test::below(random_, 2));
    switch (test::below(random_, 4)) {
      case 0:
        return path / "";
      case 1:
        return path.parent_path() / "." / path.filename();
      case 2:
        return fs::relative(fs::path("/"), fs::current_path()) / path.relative_path();
      default:
        return path;
    }
  }

 private:
  const fs::path& pick() { return paths_[test::below(random_, paths_.size())]; }
  void grow() {
    const fs::path path = pick() / format("n{}", paths_.size());
    const std::uint64_t kind = test::below(random_, 10);
    std::error_code error;
    if (kind < 6) {
      fs::create_directory(path, error);
    } else if (kind < 8) {
      fs::create_directory_symlink(test::below(random_, 2) == 0 ? pick() : pick() / "n0", path,
                                   error);
    } else {
      fs::create_directory(path, error);
      if (!error && ::mount(pick().c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0)
        mounts_.push_back(path);
    }
    if (!error) paths_.push_back(path);
  }

  test::Random& random_;
  test::TempDir root_;
  std::vector<fs::path> paths_;
  std::vector<fs::path> mounts_;
};

/// What matters in the end: would who reads all of `directory` come across what is put at `path`?
bool comes_across(const fs::path& directory, const fs::path& path) {
  write_file_atomically(path / "mark", as_bytes("x"));
  bool found = false;
  std::error_code error;
  fs::recursive_directory_iterator at(fs::canonical(directory), error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    found |= at->path().filename() == "mark";
    if (at.depth() > 20) at.disable_recursion_pending();
  }
  fs::remove(path / "mark");
  return found;
}

bool make(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  // A link that leads to what is not there yet: who makes the place makes that.
  std::error_code dangling;
  for (fs::path at = path; at.has_relative_path(); at = at.parent_path()) {
    if (fs::is_symlink(at, dangling) && !fs::exists(at, dangling))
      fs::create_directories(at.parent_path() / fs::read_symlink(at), dangling);
  }
  fs::create_directories(path, error);
  return fs::is_directory(path, error);
}

NamedPlace place(PlaceKind kind, const fs::path& path) {
  return {kind, "place " + std::to_string(static_cast<int>(kind)), path, "--this"};
}

bool are_apart(const std::vector<NamedPlace>& places) {
  return test::error_of<UsageError>([&] { require_apart(places); }).empty();
}

}  // namespace

TEST_CASE("a path is within a directory when a walk through the directory comes across it",
          "[engine][places]") {
  test::Random random(test::seed());
  std::size_t within = 0;
  for (int round = 0; round < 60; ++round) {
    Tree tree(random);
    for (int pair = 0; pair < 12; ++pair) {
      const fs::path path = tree.any_path();
      const fs::path directory = tree.any_path();
      const bool told = is_within(path, directory);
      if (!make(path) || !make(directory)) continue;
      const bool found = comes_across(directory, path);
      INFO(path << " in " << directory);
      // Beneath a mount, there may be another directory than the walk sees: then apart is not
      // proved.
      if (!told) REQUIRE_FALSE(found);
      if (told && !tree.has_mounts()) REQUIRE(found);
      within += found ? 1 : 0;
    }
  }
  CHECK(within > 20);
}

TEST_CASE("kinds of places that may overlap, and those that may not", "[engine][places]") {
  test::TempDir root;
  const fs::path outer = root / "outer";
  const fs::path inner = root / "outer/deep/inner";
  using enum PlaceKind;
  const std::map<PlaceKind, std::vector<PlaceKind>> legal = {
      {data, {tablespace}},
      {tablespace, {}},
      {link, {}},
      {config, {}},
      {drill, {}},
      {repository, {state}},
      {PlaceKind::state,
       {data, tablespace, link, config, drill, repository, PlaceKind::state, file, original}},
      {file, {}},
      {original, {}},
  };
  const std::vector<PlaceKind> all = {data,       tablespace,       link, config,  drill,
                                      repository, PlaceKind::state, file, original};
  for (const PlaceKind one : all) {
    for (const PlaceKind two : all) {
      const auto& held = legal.at(one);
      const bool allowed = std::find(held.begin(), held.end(), two) != held.end();
      INFO(static_cast<int>(two) << " in " << static_cast<int>(one));
      CHECK(are_apart({place(one, outer), place(two, inner)}) == allowed);
      CHECK(are_apart({place(two, inner), place(one, outer)}) == allowed);
      CHECK_FALSE(are_apart({place(one, outer), place(two, outer)}));
      CHECK(are_apart({place(one, outer), place(two, root / "outermost")}));
    }
  }
}

TEST_CASE("an overlap is told with both places, what they are in truth, and what to change",
          "[engine][places]") {
  test::TempDir root;
  fs::create_directories(root / "data");
  fs::create_directory_symlink(root / "data", root / "link");
  const std::vector<NamedPlace> places = {
      {PlaceKind::repository, "repository \"main\"", root / "link/backups", "path in [repo.main]"},
      {PlaceKind::data, "the data directory", root / "data", "pg-path"}};
  const std::string base = root.path().native();
  const std::string error = test::error_of<UsageError>([&] { require_apart(places); });
  CHECK_THAT(error,
             test::Says({format("repository \"main\" (\"{}/link/backups\", which is "
                                "\"{}/data/backups\") is in the data directory (\"{}/data\")",
                                base, base, base),
                         "path in [repo.main]"}));
}

TEST_CASE("a place is also where each link on the way to it is", "[engine][places]") {
  test::Random random(test::seed());
  for (int round = 0; round < 40; ++round) {
    test::TempDir root;
    for (const char* const name : {"data/base", "far/off/repo", "side"})
      fs::create_directories(root / name);
    fs::path way = root / "far/off";  // a chain of links, of which one is in the data directory
    const std::uint64_t links = 1 + test::below(random, 4);
    const std::uint64_t lost = test::below(random, links);
    for (std::uint64_t i = 0; i < links; ++i) {
      const fs::path link = root /
                            (i != lost                     ? "side"
                             : test::below(random, 2) == 0 ? "data"
                                                           : "data/base") /
                            format("n{}", i);
      fs::create_directory_symlink(
          test::below(random, 2) == 0
              ? way
              : fs::relative(way.parent_path(), link.parent_path()) / way.filename(),
          link);
      way = link;
    }
    if (test::below(random, 2) == 0) way = way / ".." / "off";
    using enum PlaceKind;
    const NamedPlace cluster = place(data, root / "data");
    for (const PlaceKind kind : {repository, PlaceKind::state, drill, config}) {
      const NamedPlace moved = place(kind, way / "repo");
      INFO(moved.path);
      CHECK_THAT(test::error_of<UsageError>([&] { require_apart({moved}, {cluster}); }),
                 test::Says({"is reached through", "which is in place 0"}));
      CHECK_THAT(test::error_of<UsageError>([&] { require_apart({cluster}, {moved}); }),
                 test::Says({"holds", "which points to"}));
      CHECK(are_apart({place(kind, root / "far/off/repo"), cluster}));
    }
  }
}

TEST_CASE("places beside the plan are not held against each other", "[engine][places]") {
  test::TempDir root;
  const std::vector<NamedPlace> others = {place(PlaceKind::data, root / "old"),
                                          place(PlaceKind::repository, root / "old/repo")};
  CHECK(test::error_of([&] {
          require_apart({place(PlaceKind::data, root / "new")}, others);
        }).empty());
  CHECK_FALSE(test::error_of([&] {
                require_apart({place(PlaceKind::data, root / "old/repo/x")}, others);
              }).empty());
}

TEST_CASE("a cluster's tablespaces and links are its places, and what leads into itself is not",
          "[engine][places]") {
  test::TempDir root;
  for (const char* const name : {"data/pg_tblspc", "data/inside", "space", "wal"})
    fs::create_directories(root / name);
  fs::create_directory_symlink(root / "space", root / "data/pg_tblspc/16400");
  fs::create_directory_symlink(root / "data/inside", root / "data/pg_tblspc/16401");
  fs::create_directory(root / "data/pg_tblspc/16402");
  fs::create_directory_symlink("../wal", root / "data/pg_wal");
  fs::create_directory_symlink("inside", root / "data/log");
  std::map<std::string, PlaceKind> found;
  for (const NamedPlace& one : places_of_cluster(root / "data")) found[one.name] = one.kind;
  CHECK(found ==
        std::map<std::string, PlaceKind>{{"the data directory", PlaceKind::data},
                                         {"tablespace 16400", PlaceKind::tablespace},
                                         {"\"pg_wal\" of the data directory", PlaceKind::link}});
  CHECK(places_of_cluster(root / "absent").size() == 1);
}

TEST_CASE("what the configuration names is apart from what backups copy", "[engine][places]") {
  test::TempDir root;
  fs::create_directories(root / "data");
  fs::create_directories(root / "wal");
  fs::create_directory_symlink("../wal", root / "data/pg_wal");
  StanzaSettings stanza{
      "main", root / "data", {}, {place(PlaceKind::repository, root / "wal/repo")}};
  CHECK_FALSE(test::error_of([&] { require_stanza_apart(stanza); }).empty());
  stanza.others[0].path = root / "repo";
  CHECK(test::error_of([&] { require_stanza_apart(stanza); }).empty());
}

TEST_CASE("how a cluster lies on its disks is never a reason to refuse a backup",
          "[engine][places]") {
  test::Random random(test::seed());
  for (int round = 0; round < 40; ++round) {
    test::TempDir root;
    const fs::path data = root / "disk/data";
    fs::create_directories(data / "pg_tblspc");
    fs::create_directories(root / "disk/secrets");
    write_file_atomically(root / "disk/secrets/ca", as_bytes("x"));
    std::vector<fs::path> copied = {data};
    std::vector<fs::path> spots = {root.path(), root / "disk", root / "disk/logs",
                                   root / "disk/secrets"};
    for (std::uint64_t i = 1 + test::below(random, 6); i > 0; --i) {
      const fs::path spot = spots[test::below(random, spots.size())];
      const bool space = test::below(random, 2) == 0;
      const fs::path target =
          space || test::below(random, 2) == 0 ? spot : root / "disk/secrets/ca";
      if (target == root.path() || target == root / "disk") {
        if (!space) continue;  // a link that leads to all of the disk leads to the repository, too
      }
      if (target != root / "disk/secrets/ca") fs::create_directories(target);
      if (space) {
        copied.push_back(target / "PG_15_202209061");
        fs::create_directories(copied.back());
        spots.push_back(target / format("below{}", i));
      } else if (fs::is_directory(target)) {
        copied.push_back(target);
      }
      fs::create_symlink(
          target, space ? data / format("pg_tblspc/{}", 16400 + i) : data / format("link{}", i));
    }
    StanzaSettings stanza{"main",
                          data,
                          {},
                          {place(PlaceKind::repository, root / "disk/repo"),
                           place(PlaceKind::drill, root / "disk/drill"),
                           place(PlaceKind::state, root / "disk/state")}};
    CHECK(test::error_of([&] { require_stanza_apart(stanza); }).empty());
    const fs::path chosen = copied[test::below(random, copied.size())];
    INFO(chosen);
    NamedPlace& moved = stanza.others[test::below(random, stanza.others.size())];
    moved.path = chosen / "inside";
    CHECK_FALSE(test::error_of([&] { require_stanza_apart(stanza); }).empty());
    moved.path = chosen.parent_path();
    if (moved.kind != PlaceKind::state)
      CHECK_FALSE(test::error_of([&] { require_stanza_apart(stanza); }).empty());
  }
}

}  // namespace pgcairn::engine
