#include "storage/gcs/oauth.hpp"

#include "support/fake_clock.hpp"
#include "support/rsa_key.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>

#include <map>
#include <vector>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

const Timestamp kNow = *parse_utc("2027-01-15T08:00:00Z");  // 1800000000

/// A world made of maps. A request that nobody answers is one to a host that is not there.
struct World {
  std::map<std::string, std::string> environment = {{"HOME", "/home/me"}};
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> answers;  // by "METHOD URL" without the query
  std::string flavor = "Google";               // what the metadata server calls itself
  std::vector<HttpRequest> requests{};
  std::vector<std::string> bodies{};
  std::vector<std::string> asked_machine{};
  GcsSettings settings{};

  HttpResponse answer(const HttpRequest& request) {
    requests.push_back(request);
    bodies.emplace_back(as_text(request.body));
    const std::string url = request.url.substr(0, request.url.find('?'));
    const auto found = answers.find(request.method + " " + url);
    if (found == answers.end()) throw TransientError("no route to host");
    HttpResponse response;
    const std::string& text = found->second;
    response.status = text.starts_with("status ") ? std::stoi(text.substr(7)) : 200;
    response.headers["metadata-flavor"] = flavor;
    response.body.append(as_bytes(text.substr(text.starts_with("status ") ? 10 : 0)));
    return response;
  }

  GcsTokenSources sources() {
    GcsTokenSources sources;
    sources.machine.variable = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    sources.machine.file = [this](const std::filesystem::path& path) -> std::optional<std::string> {
      const auto found = files.find(path);
      return found == files.end() ? std::nullopt : std::optional(found->second);
    };
    sources.machine.http = [this](const HttpRequest& request) {
      asked_machine.push_back(request.url);
      return answer(request);
    };
    sources.service = [this](const HttpRequest& request) { return answer(request); };
    return sources;
  }
  ExpiringToken find() { return find_gcs_token(settings, sources(), kNow); }
};

constexpr const char* kMetadata =
    "GET http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";
constexpr const char* kService = "POST https://oauth2.googleapis.com/token";

std::string key_file(const std::string& key = kPublishedRsaKey) {
  JsonWriter json;
  json.begin_object().member("type", "service_account").member("private_key_id", "key-1");
  json.member("private_key", key).member("client_email", "backup@p.iam.gserviceaccount.com");
  return json.member("token_uri", "https://oauth2.googleapis.com/token").end_object().take();
}

std::string token(const std::string& text, int lasts_seconds = 3600) {
  return format(R"({{"access_token":"{}","expires_in":{},"token_type":"Bearer"}})", text,
                lasts_seconds);
}

}  // namespace

TEST_CASE("gcs token: from the first place that has one") {
  World world;
  CHECK_THAT(error_of<UsageError>([&] { world.find(); }),
             Says({"gcs-key-file", "gcs-token", "GOOGLE_APPLICATION_CREDENTIALS",
                   "/home/me/.config/gcloud/application_default_credentials.json"}));

  world.answers[kMetadata] = token("of the machine");
  CHECK(world.find().keys == "of the machine");

  world.answers[kService] = token("of gcloud");
  world.files["/home/me/.config/gcloud/application_default_credentials.json"] =
      R"({"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r/1"})";
  CHECK(world.find().keys == "of gcloud");
  CHECK(world.bodies.back() ==
        "client_id=c&client_secret=s&grant_type=refresh_token&refresh_token=r%2F1");
  world.environment["CLOUDSDK_CONFIG"] = "/elsewhere";
  CHECK(world.find().keys == "of the machine");

  world.environment["GOOGLE_APPLICATION_CREDENTIALS"] = "/key.json";
  CHECK_THAT(error_of([&] { world.find(); }), Says({"/key.json", "No such file"}));
  world.files["/key.json"] = key_file();
  world.answers[kService] = token("of the account");
  CHECK(world.find().keys == "of the account");

  world.environment["CLOUDSDK_AUTH_ACCESS_TOKEN"] = "of the environment";
  CHECK(world.find().keys == "of the environment");
  world.settings.key_file = "/key.json";
  CHECK(world.find().keys == "of the account");
  world.settings.token = "of the configuration";
  CHECK(world.find().keys == "of the configuration");
  CHECK_FALSE(world.find().until);
}

TEST_CASE("gcs token: what a service account signs") {
  // The same by another implementation of RS256.
  CHECK(service_account_jwt("backup@p.iam.gserviceaccount.com", "key-1", kPublishedRsaKey,
                            "https://oauth2.googleapis.com/token", kNow) ==
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImtleS0xIn0.eyJpc3MiOiJiYWNrdXBAcC5pYW0uZ"
        "3NlcnZpY2VhY2NvdW50LmNvbSIsInNjb3BlIjoiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0aC9kZX"
        "ZzdG9yYWdlLnJlYWRfd3JpdGUiLCJhdWQiOiJodHRwczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiI"
        "sImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDAzNjAwfQ.lvNCkl6WaZtfHSMkhIdy0a7Z5tm3FeK663LoE"
        "Dkn3r6BM1JMeviG9BRnq-J3P786eELbBAInH5isKAuQMYj2uom_dAYNZn6LjUNkXr4843RzkxDJVuYRG6cK_X"
        "fje1FLRB6jAf6VlHUp7s1Fe2L86H9W4drxC9jU2hCnX_9P7ldXCN6AbQZIavrpSLudUoRkLq09EO3ZH9vuFik"
        "b-9XVkzncZAavrVrJtMKgB1XrWPOEmSE_D4sG8kY_6TKLQEW7TNVmCls3ExByIrk0jCkuAeZcJ9LRhTIuNKHJ"
        "VO1VvFVVVMaJoueFlZ7SY7v9GOtYh64_3aRynkD8Eu5AwBFNUw");
  World world;
  world.settings.key_file = "/key.json";
  world.files["/key.json"] = key_file();
  world.answers[kService] = token("T", 1800);
  const ExpiringToken found = world.find();
  CHECK(found.until == kNow + 30min);
  CHECK(world.requests.at(0).headers.at("content-type") == "application/x-www-form-urlencoded");
  CHECK(world.bodies.at(0).starts_with("assertion=eyJ"));
  CHECK(world.bodies.at(0).ends_with(
      "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
}

TEST_CASE("gcs token: why there is none is said, without a word of what is secret") {
  World world;
  world.settings.key_file = "/key.json";
  struct Row {
    std::string file;
    std::string answer;
    std::vector<std::string> words;
  };
  const std::string broken = "-----BEGIN PRIVATE KEY-----\nVERYSECRET\n";
  for (
      const Row& row :
      {Row{"VERYSECRET", "", {"/key.json", "not JSON"}},
       Row{R"({"type":"service_account","private_key":"VERYSECRET"})",
           "",
           {"/key.json", "\"client_email\" is absent"}},
       Row{key_file(broken), "", {"not an RSA key"}},
       Row{R"({"type":"external_account_authorized_user","x":"VERYSECRET"})",
           "",
           {"external_account_authorized_user", "service_account"}},
       Row{key_file(),
           R"(status 400{"error":"invalid_grant","error_description":"Invalid JWT Signature."})",
           {"oauth2.googleapis.com", "400 invalid_grant (Invalid JWT Signature.)", "create new"}},
       Row{key_file(),
           R"(status 400{"error":"invalid_grant","error_description":"in a reasonable timeframe"})",
           {"clock"}},
       Row{key_file(),
           R"(status 403{"error":{"code":403,"message":"API is off"}})",
           {"403 API is off"}},
       Row{key_file(), "status 502<html>VERYSECRET", {"502"}},
       Row{key_file(), R"({"id_token":"VERYSECRET"})", {"\"access_token\" is absent"}},
       Row{key_file(), "VERYSECRET", {"oauth2.googleapis.com", "not JSON"}}}) {
    world.files["/key.json"] = row.file;
    world.answers[kService] = row.answer;
    const std::string said = error_of([&] { world.find(); });
    for (const std::string& word : row.words) CHECK_THAT(said, Says({word}));
    CHECK(said.find("VERYSECRET") == std::string::npos);
    CHECK(said.find("MII") == std::string::npos);
  }
}

TEST_CASE("gcs token: workload identity federation") {
  World world;
  world.settings.key_file = "/wif.json";
  const auto file = [&](const std::string& source, const std::string& more = {}) {
    world.files["/wif.json"] = format(
        R"({{"type":"external_account","audience":"//iam/x","token_url":"https://sts/v1/token",)"
        R"("subject_token_type":"urn:ietf:params:oauth:token-type:jwt","credential_source":{}{}}})",
        source, more);
  };
  world.files["/var/token"] = "subject\n";
  world.answers["POST https://sts/v1/token"] = token("federated", 600);
  file(R"({"file":"/var/token"})");
  const ExpiringToken found = world.find();
  CHECK(found.keys == "federated");
  CHECK(found.until == kNow + 10min);
  CHECK_THAT(world.bodies.back(),
             Says({"audience=%2F%2Fiam%2Fx&", "subject_token=subject&", "devstorage.read_write",
                   "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"}));
  CHECK(world.asked_machine.empty());

  file(R"({"url":"http://169.254.169.254/t","headers":{"Metadata":"True"},)"
       R"("format":{"type":"json","subject_token_field_name":"access_token"}})",
       R"(,"service_account_impersonation_url":"https://iam/a:generateAccessToken")");
  world.answers["GET http://169.254.169.254/t"] = token("other cloud's");
  world.answers["POST https://iam/a:generateAccessToken"] =
      R"({"accessToken":"impersonated","expireTime":"2027-01-15T08:30:00Z"})";
  world.requests.clear();
  CHECK(world.find().keys == "impersonated");
  CHECK(world.find().until == kNow + 30min);
  REQUIRE(world.requests.size() == 6);
  CHECK(world.requests[0].headers.at("Metadata") == "True");
  CHECK(world.asked_machine.front() == "http://169.254.169.254/t");
  CHECK_THAT(world.bodies[world.bodies.size() - 2],
             Says({"subject_token=other%20cloud%27s", "cloud-platform"}));
  CHECK(world.requests[2].headers.at("authorization") == "Bearer federated");
  CHECK(
      world.bodies.back() ==
      R"({"scope":["https://www.googleapis.com/auth/devstorage.read_write"],"lifetime":"3600s"})");

  for (const char* const source : {R"({"environment_id":"aws1","url":"http://169.254.169.254/x"})",
                                   R"({"executable":{"command":"/bin/x"}})"}) {
    file(source);
    CHECK_THAT(error_of([&] { world.find(); }), Says({"neither a file nor an address"}));
  }
}

TEST_CASE("gcs token: the metadata server has to be Google's") {
  World world;
  world.answers[kMetadata] = token("T");
  CHECK(world.find().keys == "T");
  CHECK(world.requests.back().headers.at("metadata-flavor") == "Google");
  CHECK_THAT(world.requests.back().url, Says({"?scopes=https%3A%2F%2F", "devstorage.read_write"}));
  world.flavor = "";
  CHECK_THAT(error_of<UsageError>([&] { world.find(); }), Says({"there are no credentials"}));
  world.flavor = "Google";
  world.answers[kMetadata] = "status 404";
  CHECK_THAT(error_of([&] { world.find(); }), Says({"no service account"}));
  world.answers[kMetadata] = "status 503";  // it is there: nobody is told that it is not
  CHECK_THAT(error_of<TransientError>([&] { world.find(); }), Says({"169.254.169.254", "503"}));
  world.answers[kMetadata] = token("T");
  world.environment["NO_GCE_CHECK"] = "true";
  CHECK_THAT(error_of<UsageError>([&] { world.find(); }), Says({"there are no credentials"}));
}

TEST_CASE("gcs token: one that does not last is fetched again in time") {
  FakeClock clock;
  World world;
  world.settings.key_file = "/key.json";
  world.files["/key.json"] = key_file();
  world.answers[kService] = token("first");
  RenewedCredentials<std::string> ring(
      "the token", [&] { return find_gcs_token(world.settings, world.sources(), clock.now()); }, {},
      clock);
  CHECK(ring.get() == "first");
  world.answers[kService] = token("second");
  clock.advance(54min);
  CHECK(ring.get() == "first");
  clock.advance(2min);
  CHECK(ring.get() == "second");
  CHECK(world.requests.size() == 2);
}
