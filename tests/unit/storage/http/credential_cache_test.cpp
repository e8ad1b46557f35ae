#include "storage/http/credential_cache.hpp"

#include "storage/http/renewed_credentials.hpp"
#include "storage/s3/sigv4.hpp"
#include "support/fake_clock.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>

#include <cstdlib>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

/// A service that lends a token an hour, and a command that asks it.
struct Service {
  explicit Service(const fs::path& directory) : file(directory / "state/credentials/s3") {
    fs::create_directory(directory / "state");
  }

  RenewedCredentials<std::string> command(std::string_view found_by = "the machine") {
    return {"the token",
            [this]() -> Expiring<std::string> {
              ++asked;
              if (!answers) throw Error("no answer");
              if (lasts == 0h) return {"token" + std::to_string(asked), {}};
              return {"token" + std::to_string(asked), clock.now() + lasts};
            },
            CredentialCache(file, found_by), clock};
  }

  fs::path file;
  FakeClock clock;
  std::chrono::hours lasts{1};
  bool answers = true;
  int asked = 0;
};

HttpResponse answer(int status, std::string_view body = {}) {
  HttpResponse response;
  response.status = status;
  response.body.append(as_bytes(body));
  return response;
}

}  // namespace

TEST_CASE("kept credentials: a service is asked once, not by every command") {
  const TempDir directory;
  Service service(directory.path());
  CHECK(service.command().get() == "token1");
  CHECK(service.command().get() == "token1");
  CHECK((stat_if_exists(service.file.parent_path())->st_mode & 0777) == 0700);
  CHECK((stat_if_exists(service.file)->st_mode & 0777) == 0600);
  SECTION("until they run out soon") {
    service.clock.advance(54min);
    CHECK(service.command().get() == "token1");
    service.clock.advance(2min);
    CHECK(service.command().get() == "token2");
    CHECK(service.command().get() == "token2");
  }
  SECTION("or run out, when it does not answer") {
    service.clock.advance(58min);
    service.answers = false;
    CHECK(service.command().get() == "token1");
    service.clock.advance(2min);
    CHECK_THROWS_AS(service.command().get(), Error);
  }
  SECTION("unless another setting or variable decides") {
    CHECK(service.command("another identity").get() == "token2");
    CHECK(service.command().get() == "token3");
  }
  SECTION("nor when others could have read them") {
    fs::permissions(service.file, fs::perms::group_read, fs::perm_options::add);
    CHECK(service.command().get() == "token2");
  }
  SECTION("nor when the file is not whole") {
    write_file_atomically(service.file, as_bytes(std::string_view(R"({"found-by":")")), 0600);
    CHECK(service.command().get() == "token2");
  }
  SECTION("nor when they are of another kind") {
    RenewedCredentials<S3Keys> other(
        "keys",
        [] {
          return Expiring<S3Keys>{{"key", "secret", ""}, {}};
        },
        CredentialCache(service.file, "the machine"), service.clock);
    CHECK(other.get().access_key == "key");
  }
}

TEST_CASE("kept credentials: what lasts for ever is not written") {
  const TempDir directory;
  Service service(directory.path());
  service.lasts = 0h;
  CHECK(service.command().get() == "token1");
  CHECK_FALSE(fs::exists(service.file));
}

TEST_CASE("kept credentials: what makes up keys comes back as it was") {
  const TempDir directory;
  const fs::path file = directory.path() / "credentials/s3";
  int asked = 0;
  for (int command = 0; command < 2; ++command) {
    FakeClock now;
    RenewedCredentials<S3Keys> keys(
        "keys",
        [&] {
          ++asked;
          return Expiring<S3Keys>{{"key", "secret/+\"", "session"}, now.now() + 1h};
        },
        CredentialCache(file, ""), now);
    CHECK(keys.get().access_key == "key");
    CHECK(keys.get().secret_key == "secret/+\"");
    CHECK(keys.get().session_token == "session");
  }
  CHECK(asked == 1);
}

TEST_CASE("kept credentials: those that are refused are asked for again, once") {
  const TempDir directory;
  Service service(directory.path());
  service.command().get();
  std::vector<std::string> sent;
  const auto send = [&](std::initializer_list<int> statuses) {
    std::vector<int> left(statuses);
    return [&sent, left](const std::string& token) mutable {
      sent.push_back(token);
      const int status = left.front();
      left.erase(left.begin());
      return answer(status);
    };
  };
  for (const int status : {401, 403}) {
    DYNAMIC_SECTION(status) {
      RenewedCredentials<std::string> command = service.command();
      CHECK(command.send(send({status, 200})).status == 200);
      CHECK(sent == std::vector<std::string>{"token1", "token2"});
      CHECK(command.send(send({status})).status == status);  // it asked for these itself
      CHECK(service.command().get() == "token2");
    }
  }
  SECTION("by each thread that had them") {
    RenewedCredentials<std::string> command = service.command();
    bool first = true;
    const HttpResponse response = command.send([&](const std::string& token) {
      if (!std::exchange(first, false)) return answer(token == "token2" ? 200 : 0);
      // Meanwhile another thread is refused, and forgets them.
      CHECK(command.send(send({401, 200})).status == 200);
      return answer(401);
    });
    CHECK(response.status == 200);
    CHECK(service.asked == 2);
  }
  SECTION("as S3 refuses those that ran out") {
    const std::string_view body = "<Error><Code>ExpiredToken</Code></Error>";
    const auto refuse = [&](const std::string& token) {
      return answer(token == "token1" ? 400 : 200, body);
    };
    CHECK(service.command().send(refuse).status == 200);
  }
  SECTION("and what has another cause is not") {
    RenewedCredentials<std::string> command = service.command();
    CHECK(command.send(send({400})).status == 400);
    CHECK(command.send(send({404})).status == 404);
    CHECK(command.get() == "token1");
  }
}

TEST_CASE("credentials that are refused are looked for again where they come from") {
  FakeClock clock;
  std::string in_file = "first";
  int asked = 0;
  RenewedCredentials<std::string> keys(
      "keys",
      [&]() -> Expiring<std::string> {
        ++asked;
        if (in_file.empty()) throw Error("no file");
        return {in_file, {}};
      },
      {}, clock);
  const auto refuse = [](std::string_view good) {
    return [good](const std::string& key) { return answer(key == good ? 200 : 403); };
  };
  CHECK(keys.send(refuse("first")).status == 200);
  in_file = "second";
  CHECK(keys.send(refuse("second")).status == 200);
  CHECK(asked == 2);
  SECTION("not more often than every ten seconds") {
    in_file = "third";
    CHECK(keys.send(refuse("third")).status == 403);
    CHECK(asked == 2);
    clock.advance(10s);
    CHECK(keys.send(refuse("third")).status == 200);
  }
  SECTION("and kept if there are none") {
    clock.advance(10s);
    in_file.clear();
    CHECK(keys.send(refuse("third")).status == 403);
    CHECK(keys.send(refuse("second")).status == 200);
  }
}

TEST_CASE("kept credentials: variables are told by how they begin") {
  ::setenv("PGCAIRN_TEST_B", "2", 1);
  ::setenv("PGCAIRN_TEST_A", "1", 1);
  CHECK(variables_beginning({"PGCAIRN_TEST_"}) == "PGCAIRN_TEST_A=1\nPGCAIRN_TEST_B=2\n");
  CHECK(variables_beginning({"PGCAIRN_TEST_B="}) == "PGCAIRN_TEST_B=2\n");
  ::unsetenv("PGCAIRN_TEST_A");
  ::unsetenv("PGCAIRN_TEST_B");
  CHECK(variables_beginning({"PGCAIRN_TEST_"}).empty());
}
