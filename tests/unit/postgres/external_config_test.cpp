#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/external_config.hpp>

#include <catch2/catch.hpp>
#include <sys/stat.h>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

namespace {

/// A data directory, and configuration beside it.
struct Host {
  TempDir folder;
  fs::path root = fs::canonical(folder.path());
  fs::path data = root / "data";
  fs::path etc = root / "etc";
  ConfigPlaces places{etc / "postgresql.conf", etc / "pg_hba.conf", etc / "pg_ident.conf"};

  Host() {
    fs::create_directories(data);
    fs::create_directories(etc);
    for (const fs::path& path : {places.config_file, places.hba_file, places.ident_file})
      write(path, "");
  }
  void write(const fs::path& path, std::string_view text) {
    fs::create_directories(path.parent_path());
    write_file_atomically(path, as_bytes(text));
  }
  ExternalConfigFiles find(const std::vector<fs::path>& extra = {}) const {
    return find_external_config(places, data, extra);
  }
  /// What was found below the root, a directory ending with '/', a link with '@'.
  std::vector<std::string> paths(const ExternalConfigFiles& found) const {
    std::vector<std::string> paths;
    for (const SourceFile& file : found.files) {
      if (!file.path.starts_with(root.native() + "/")) continue;
      paths.push_back(file.path.substr(root.native().size() + 1) +
                      (file.type == FileType::directory ? "/"
                       : file.type == FileType::link    ? "@"
                                                        : ""));
    }
    return paths;
  }
};

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("configuration in the data directory is not outside") {
  Host host;
  for (const char* const name : {"postgresql.conf", "pg_hba.conf", "pg_ident.conf"})
    host.write(host.data / name, "");
  fs::create_symlink(host.data, host.root / "link");
  host.places = {host.data / "postgresql.conf", host.root / "link/pg_hba.conf",
                 host.data / "../data/pg_ident.conf"};
  CHECK(host.find().files.empty());
  CHECK(host.find().unreadable.empty());
  host.write(host.data / "postgresql.conf", "include '../etc/more.conf'\ninclude 'none.conf'\n");
  host.write(host.etc / "more.conf", "");
  CHECK(host.paths(host.find()) == Paths{"etc/", "etc/more.conf"});
  CHECK(host.find().unreadable.empty());
}

TEST_CASE("configuration outside is found with all that it includes, in path order") {
  Host host;
  host.write(host.places.config_file,
             "include_dir 'conf.d'\ninclude_if_exists 'none.conf'\ninclude 'loop.conf'\n");
  host.write(host.etc / "loop.conf", "include 'postgresql.conf'\n");
  host.write(host.etc / "conf.d/a.conf", "include '../deep/b.conf'\n");
  host.write(host.etc / "conf.d/.hidden.conf", "");
  host.write(host.etc / "conf.d/a.conf.old", "");
  host.write(host.etc / "deep/b.conf", "");
  host.write(host.places.hba_file, "local @dbs all trust\n");
  host.write(host.etc / "dbs", "one, two @dbs2\n");
  host.write(host.etc / "dbs2", "three\n");
  const ExternalConfigFiles found = host.find();
  CHECK(host.paths(found) == Paths{"etc/", "etc/conf.d/", "etc/conf.d/a.conf", "etc/dbs",
                                   "etc/dbs2", "etc/deep/", "etc/deep/b.conf", "etc/loop.conf",
                                   "etc/pg_hba.conf", "etc/pg_ident.conf", "etc/postgresql.conf"});
  CHECK(found.unreadable.empty());
  CHECK(found.files.front().path == "/" + std::string(*std::next(host.root.begin())));
  CHECK(std::is_sorted(found.files.begin(), found.files.end(),
                       [](const auto& a, const auto& b) { return path_before(a.path, b.path); }));
}

TEST_CASE("a directory that is included is found even if nothing is in it") {
  Host host;
  host.write(host.places.config_file, "include_dir = 'conf.d'\n");
  fs::create_directory(host.etc / "conf.d");
  fs::create_directory(host.data / "conf.d");
  const Paths expected{"etc/", "etc/conf.d/", "etc/pg_hba.conf", "etc/pg_ident.conf",
                       "etc/postgresql.conf"};
  CHECK(host.paths(host.find()) == expected);
  host.write(host.places.config_file, "include_dir = 'conf.d'\ninclude_dir = '../data/conf.d'\n");
  CHECK(host.paths(host.find()) == expected);  // in the data directory, and copied with it
}

TEST_CASE(
    "what Debian's package keeps beside postgresql.conf is found, where it is that package's") {
  Host host;
  for (const char* const name : {"environment", "pg_ctl.conf", "other"})
    host.write(host.etc / name, "");
  const Paths alone{"etc/", "etc/pg_hba.conf", "etc/pg_ident.conf", "etc/postgresql.conf"};
  CHECK(host.paths(host.find()) == alone);  // /etc/environment, say
  host.write(host.etc / "start.conf", "auto\n");
  CHECK(host.paths(host.find()) == Paths{"etc/", "etc/environment", "etc/pg_ctl.conf",
                                         "etc/pg_hba.conf", "etc/pg_ident.conf",
                                         "etc/postgresql.conf", "etc/start.conf"});
  fs::remove(host.etc / "environment");
  CHECK(host.find().unreadable.empty());
  for (const char* const name : {"environment", "start.conf", "postgresql.conf"})
    host.write(host.data / name, "");
  host.places.config_file = host.data / "postgresql.conf";  // copied with the data directory
  CHECK(host.paths(host.find()) == Paths{"etc/", "etc/pg_hba.conf", "etc/pg_ident.conf"});
}

TEST_CASE("what cannot be read is named with its cause, and nothing else is lost") {
  Host host;
  host.write(host.places.config_file, "include 'none.conf'\ninclude_dir 'nowhere'\n");
  fs::remove(host.places.ident_file);
  fs::create_directory(host.places.ident_file);
  REQUIRE(::mkfifo((host.etc / "pipe").c_str(), 0600) == 0);
  const ExternalConfigFiles found = host.find({host.etc / "pipe", host.root / "absent"});
  CHECK(host.paths(found) == Paths{"etc/", "etc/pg_hba.conf", "etc/postgresql.conf"});
  std::vector<std::string> causes;
  for (const UnreadableFile& file : found.unreadable)
    causes.push_back(fs::path(file.path).filename().native() + ": " + file.cause);
  CHECK(causes == Paths{"absent: No such file or directory", "none.conf: No such file or directory",
                        "nowhere: No such file or directory", "pg_ident.conf: not a regular file",
                        "pipe: not a regular file"});
}

TEST_CASE("links to configuration are followed, and what they led to is kept in mind") {
  Host host;
  fs::rename(host.places.config_file, host.root / "real.conf");
  fs::create_symlink("../real.conf", host.places.config_file);
  fs::create_symlink("etc", host.root / "way");
  host.places.hba_file = host.root / "way/pg_hba.conf";
  const ExternalConfigFiles found = host.find();
  CHECK(host.paths(found) ==
        Paths{"etc/", "etc/pg_ident.conf", "etc/postgresql.conf", "way/", "way/pg_hba.conf"});
  for (const SourceFile& file : found.files) {
    const auto name = fs::path(file.path).filename();
    if (name == "postgresql.conf") CHECK(file.link_target == "../real.conf");
    if (name == "way") CHECK(file.link_target == "etc");
    if (name == "pg_ident.conf") CHECK(file.link_target.empty());
  }
}

TEST_CASE("directories that are named come with all that is in them, but the data directory") {
  Host host;
  host.write(host.root / "tree/z/file", "1");
  host.write(host.root / "tree/z-file", "2");
  host.write(host.root / "tree/.hidden", "3");
  fs::create_directory_symlink("..", host.root / "tree/up");
  fs::create_symlink("z-file", host.root / "tree/link");
  fs::create_symlink("gone", host.root / "tree/broken");
  host.write(host.data / "base/1", "x");
  fs::rename(host.data, host.root / "tree/data");
  host.data = host.root / "tree/data";
  const ExternalConfigFiles found = host.find({host.root / "tree", host.data / "base"});
  CHECK(host.paths(found) == Paths{"etc/", "etc/pg_hba.conf", "etc/pg_ident.conf",
                                   "etc/postgresql.conf", "tree/", "tree/.hidden", "tree/link",
                                   "tree/up@", "tree/z/", "tree/z/file", "tree/z-file"});
  REQUIRE(found.unreadable.size() == 1);
  CHECK(fs::path(found.unreadable[0].path).filename() == "broken");
}
