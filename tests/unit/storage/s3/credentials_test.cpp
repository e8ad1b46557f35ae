#include "storage/s3/credentials.hpp"

#include "support/fake_clock.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <map>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

/// A world made of maps. A request that nobody answers is one to a host that is not there.
struct World {
  std::map<std::string, std::string> environment = {{"HOME", "/home/me"}};
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> answers;  // by "METHOD URL"
  std::map<std::string, std::string> commands;
  std::vector<HttpRequest> requests;
  std::vector<std::string> bodies;
  S3Settings settings;

  CredentialSources sources() {
    const auto in = [](std::map<std::string, std::string>& map,
                       const std::string& name) -> std::optional<std::string> {
      const auto found = map.find(name);
      return found == map.end() ? std::nullopt : std::optional(found->second);
    };
    CredentialSources sources;
    sources.variable = [=, this](const std::string& name) { return in(environment, name); };
    sources.file = [=, this](const std::filesystem::path& path) { return in(files, path); };
    sources.output_of = [=, this](const std::string& command, const std::string&) {
      return in(commands, command).value();
    };
    sources.http = [=, this](const HttpRequest& request) {
      requests.push_back(request);
      bodies.emplace_back(as_text(request.body));
      const auto answer = in(answers, request.method + " " + request.url);
      if (!answer) throw TransientError("no route to host");
      HttpResponse response;
      response.status = answer->starts_with("status ") ? std::stoi(answer->substr(7)) : 200;
      response.body.append(as_bytes(*answer));
      return response;
    };
    return sources;
  }
  ExpiringS3Keys find() { return find_s3_keys(settings, sources()); }
};

constexpr const char* kJson =
    R"({"Code":"Success","AccessKeyId":"J","SecretAccessKey":"JS","Token":"JT",)"
    R"("Expiration":"2027-01-15T09:00:00Z"})";

}  // namespace

TEST_CASE("s3 keys: from the first place that has some") {
  World world;
  CHECK_THAT(error_of<UsageError>([&] { world.find(); }),
             Says({"s3-key", "AWS_ACCESS_KEY_ID", "default", "/home/me/.aws/credentials"}));

  world.files["/home/me/.aws/credentials"] =
      "# comment\n[default]\naws_access_key_id = D\naws_secret_access_key=DS\n"
      "[ backup ]\naws_secret_access_key = BS=\naws_access_key_id = B\naws_session_token=BT\n"
      "[half]\naws_access_key_id = H\n";
  CHECK(world.find().keys.access_key == "D");
  CHECK(world.find().keys.secret_key == "DS");
  CHECK_FALSE(world.find().until);
  world.settings.credentials.profile = "backup";
  CHECK(world.find().keys.secret_key == "BS=");
  CHECK(world.find().keys.session_token == "BT");
  world.settings.credentials.profile = "half";
  CHECK_THROWS_AS(world.find(), UsageError);
  world.settings.credentials.profile.clear();
  world.environment["AWS_PROFILE"] = "backup";
  CHECK(world.find().keys.access_key == "B");
  world.environment["AWS_SHARED_CREDENTIALS_FILE"] = "/etc/keys";
  CHECK_THROWS_AS(world.find(), UsageError);

  world.environment["AWS_ACCESS_KEY_ID"] = "E";
  CHECK_THROWS_AS(world.find(), UsageError);  // half of a pair is none
  world.environment["AWS_SECRET_ACCESS_KEY"] = "ES";
  CHECK(world.find().keys.access_key == "E");
  world.settings.credentials.process = "print";
  world.commands["print"] = kJson;
  CHECK(world.find().keys.access_key == "J");
  world.settings.credentials = {"C", "CS", "", "", ""};
  CHECK(world.find().keys.access_key == "C");
}

TEST_CASE("s3 keys: the metadata service, version 2") {
  World world;
  const std::string base = "http://169.254.169.254/latest/";
  world.answers["PUT " + base + "api/token"] = "the token";
  world.answers["GET " + base + "meta-data/iam/security-credentials/"] = "role\n";
  world.answers["GET " + base + "meta-data/iam/security-credentials/role"] = kJson;
  const ExpiringS3Keys found = world.find();
  CHECK(found.keys.session_token == "JT");
  CHECK(found.until == parse_utc("2027-01-15T09:00:00Z"));
  REQUIRE(world.requests.size() == 3);
  CHECK(world.requests[0].headers.contains("x-aws-ec2-metadata-token-ttl-seconds"));
  CHECK(world.requests[1].headers["x-aws-ec2-metadata-token"] == "the token");
  CHECK(world.requests[2].headers["x-aws-ec2-metadata-token"] == "the token");
  SECTION("may be switched off") {
    world.environment["AWS_EC2_METADATA_DISABLED"] = "true";
    CHECK_THROWS_AS(world.find(), UsageError);
  }
  SECTION("that is there and fails is no reason to look further") {
    world.answers["GET " + base + "meta-data/iam/security-credentials/role"] = "status 500";
    CHECK_THROWS_AS(world.find(), TransientError);
  }
}

TEST_CASE("s3 keys: a container's endpoint") {
  World world;
  world.environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/id";
  world.answers["GET http://169.254.170.2/v2/id"] = kJson;
  CHECK(world.find().keys.access_key == "J");
  world.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://pod/keys";
  world.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/token";
  CHECK_THROWS_AS(world.find(), SystemError);
  world.files["/token"] = "let me in\n";
  world.answers["GET http://pod/keys"] = kJson;
  CHECK(world.find().keys.access_key == "J");
  CHECK(world.requests.back().headers["authorization"] == "let me in");
  world.answers["GET http://pod/keys"] = "status 403";
  CHECK_THAT(error_of<Error>([&] { world.find(); }), Says({"http://pod/keys", "403"}));
}

TEST_CASE("s3 keys: a web identity") {
  World world;
  world.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token";
  world.environment["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/backup";
  world.files["/token"] = "header.claims.signature\n";
  world.settings.region = "eu-central-1";
  world.answers["POST https://sts.eu-central-1.amazonaws.com/"] =
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
      "<AccessKeyId>W</AccessKeyId><SecretAccessKey>WS</SecretAccessKey>"
      "<SessionToken>WT</SessionToken><Expiration>2027-01-15T09:00:00Z</Expiration>"
      "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
  CHECK(world.find().keys.secret_key == "WS");
  CHECK(world.find().until == parse_utc("2027-01-15T09:00:00Z"));
  CHECK(world.bodies[0] ==
        "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fbackup&"
        "RoleSessionName=pgcairn&Version=2011-06-15&WebIdentityToken=header.claims.signature");
  world.answers["POST https://sts.eu-central-1.amazonaws.com/"] = "<Other/>";
  CHECK_THROWS_AS(world.find(), Error);
  world.environment.erase("AWS_ROLE_ARN");
  CHECK_THAT(error_of<UsageError>([&] { world.find(); }), Says({"AWS_ROLE_ARN"}));
}

TEST_CASE("s3 keys: an answer that is not understood shows no word of itself") {
  const std::string text = GENERATE(
      values<std::string>({"", "JS", R"({"AccessKeyId":"J"})", R"({"SecretAccessKey":"JS"})",
                           R"({"AccessKeyId":"J","SecretAccessKey":"JS","Expiration":"soon"})"}));
  const std::string said = error_of<Error>([&] { parse_json_keys(text, "the pod"); });
  CHECK_THAT(said, Says({"the pod", "unknown format"}));
  CHECK(said.find("JS") == std::string::npos);
}

TEST_CASE("s3 keys: those that do not last are fetched again in time") {
  World world;
  FakeClock clock;
  world.settings.credentials.process = "print";
  const auto prints = [&](const std::string& key, Timestamp until) {
    world.commands["print"] =
        format(R"({{"AccessKeyId":"{}","SecretAccessKey":"s","Expiration":"{}"}})", key,
               format_utc(until));
  };
  prints("first", clock.now() + 1h);
  RenewedCredentials<S3Keys> ring(
      "keys", [&] { return world.find(); }, {}, clock);
  CHECK(ring.get().access_key == "first");
  prints("second", clock.now() + 2h);
  CHECK(ring.get().access_key == "first");
  clock.advance(54min);
  CHECK(ring.get().access_key == "first");
  clock.advance(2min);
  CHECK(ring.get().access_key == "second");
  SECTION("and kept while they hold when that fails") {
    world.commands["print"] = "nonsense";
    clock.advance(62min);
    CHECK(ring.get().access_key == "second");
    clock.advance(3min);
    CHECK_THROWS_AS(ring.get(), Error);
  }
}
