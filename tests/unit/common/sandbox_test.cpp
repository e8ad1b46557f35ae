#include "support/temp_dir.hpp"

#include <pgcairn/common/child.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/sandbox.hpp>
#include <pgcairn/common/text.hpp>

#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

/// A directory of the host, one of the child's own, and a sandbox between them.
struct Stage {
  Stage() : sandbox((fs::create_directory(home / "own"), home / "own/root")) {
    fs::create_directory(home / "secret");
    write_file_atomically(home / "secret/letter", as_bytes("dear"));
    for (const char* const path : {"/usr", "/bin", "/lib", "/lib64", "/dev/null"})
      sandbox.show(path);
    sandbox.show(home / "own", Sandbox::Access::write);
  }

  ChildCommand shell(const std::string& script) const {
    ChildCommand command;
    command.words = {"/bin/sh", "-c", script};
    command.environment = {"PATH=/usr/bin:/bin"};
    command.directory = home / "own";
    command.output = home / "said";
    command.sandbox = &sandbox;
    return command;
  }
  /// What the script says; nothing where namespaces are not to be had.
  std::optional<std::string> run(const std::string& script) const {
    try {
      run_child(shell(script), {});
    } catch (const SandboxError& error) {
      WARN("skipped: " << error.message());
      return std::nullopt;
    }
    return std::string(as_text(read_file(home / "said")));
  }

  TempDir home;
  Sandbox sandbox;
};

}  // namespace

TEST_CASE("a sandbox has what is shown, and its own directory") {
  Stage stage;
  stage.sandbox.seal();
  const auto said = stage.run(
      format("cat {0}/secret/letter; ls {0}; echo mine > {0}/own/file; echo x > /usr/x; echo $$; "
             "mkdir -p /srv/made; echo end",
             stage.home.path().native()));
  if (!said) return;
  CHECK(said->find("dear") == std::string::npos);
  CHECK(said->find("\nown\n") != std::string::npos);
  CHECK(said->find("secret\n") == std::string::npos);
  CHECK(said->find("Read-only file system") != std::string::npos);
  CHECK(said->ends_with("\n1\nend\n"));
  CHECK(as_text(read_file(stage.home / "own/file")) == "mine\n");
  CHECK(fs::is_directory(stage.home / "own/root/srv/made"));
  CHECK_FALSE(fs::exists("/srv/made"));
  CHECK_FALSE(fs::exists("/usr/x"));
}

TEST_CASE("what is hidden in what is shown is not there") {
  Stage stage;
  fs::create_directories(stage.home / "shown/inner");
  write_file_atomically(stage.home / "shown/inner/letter", as_bytes("dear"));
  write_file_atomically(stage.home / "shown/list", as_bytes("bread"));
  stage.sandbox.show(stage.home / "shown");
  stage.sandbox.hide(stage.home / "shown/inner");
  stage.sandbox.seal();
  const auto said = stage.run(
      format("cd {}/shown; cat list inner/letter; echo x > inner/x", stage.home.path().native()));
  if (!said) return;
  CHECK(said->find("bread") != std::string::npos);
  CHECK(said->find("dear") == std::string::npos);
  CHECK(list_directory(stage.home / "shown/inner") == std::vector<std::string>{"letter"});
}

TEST_CASE("directories are made in a sandbox while it is used, and nowhere else") {
  Stage stage;
  stage.sandbox.seal();
  const fs::path root = stage.sandbox.root();
  CHECK(stage.sandbox.make_directory("/srv/late/one"));
  CHECK(fs::is_directory(root / "srv/late/one"));
  CHECK(stage.sandbox.make_directory("/srv/late/../two/"));
  CHECK(fs::is_directory(root / "srv/two"));
  CHECK_FALSE(stage.sandbox.make_directory("/usr/local/late"));  // what is shown covers it
  CHECK_FALSE(stage.sandbox.make_directory(stage.home / "own/late"));
  CHECK_FALSE(stage.sandbox.make_directory("relative"));
  // Whoever lives in there may put links to where we must not go.
  fs::create_directory(stage.home / "victim");
  fs::create_symlink(stage.home / "victim", root / "srv/link");
  CHECK_FALSE(stage.sandbox.make_directory("/srv/link/late"));
  CHECK_FALSE(stage.sandbox.make_directory("/srv/link"));
  CHECK(fs::is_empty(stage.home / "victim"));
}

TEST_CASE("a sandbox has no network and no other processes") {
  Stage stage;
  stage.sandbox.seal();
  const auto said =
      stage.run("cat /proc/net/dev | grep -vc -e '|' -e ' lo:'; ls -d /proc/[0-9]* | wc -l");
  if (!said) return;
  if (said->find("/proc/net/dev") != std::string::npos) {
    WARN("skipped: there is no /proc in a sandbox here");
    return;
  }
  CHECK(said->starts_with("0\n"));
  CHECK(parse_u64(trim(said->substr(2))).value_or(99) < 6);
}

TEST_CASE("the first process of a sandbox takes all others with it") {
  Stage stage;
  stage.sandbox.seal();
  fs::create_directory(stage.home / "own/pipe");
  const fs::path pipe = stage.home / "own/pipe/end";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const Fd read_end = open_file(pipe, O_RDONLY | O_NONBLOCK);
  try {
    // The one in the background holds the other end for as long as it lives.
    Child child(stage.shell("(setsid sh -c 'echo here; exec sleep 1000') > pipe/end & wait"));
    char letter = 0;
    for (int i = 0; i < 400 && ::read(read_end.get(), &letter, 1) != 1; ++i)
      std::this_thread::sleep_for(milliseconds(50));
    REQUIRE(letter == 'h');
  } catch (const SandboxError& error) {
    WARN("skipped: " << error.message());
    return;
  }
  char rest[16];
  ssize_t count = -1;
  for (int i = 0; i < 400 && count != 0; ++i) {
    count = ::read(read_end.get(), rest, sizeof rest);
    if (count != 0) std::this_thread::sleep_for(milliseconds(50));
  }
  CHECK(count == 0);
}

TEST_CASE("what a sandbox cannot show is an error") {
  Stage stage;
  fs::create_directory(stage.home / "there");
  fs::create_symlink(stage.home / "there", stage.home / "link");
  stage.sandbox.show(stage.home / "link");
  fs::remove(stage.home / "link");
  fs::create_directories(stage.home / "link/below");
  CHECK_THROWS_AS(stage.sandbox.show(stage.home / "link/below"), Error);
  CHECK(fs::is_empty(stage.home / "there"));
  stage.sandbox.show("/nonexistent/directory");
}
