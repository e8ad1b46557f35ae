#include "storage/azure/credentials.hpp"

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
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> files;
  std::map<std::string, std::pair<int, std::string>> answers;  // by address without its query
  std::vector<HttpRequest> requests;
  std::vector<std::string> bodies;
  std::vector<std::string> by_network;  // addresses that were reached as the store is
  AzureSettings settings;

  HttpResponse answer(const HttpRequest& request) {
    requests.push_back(request);
    bodies.emplace_back(as_text(request.body));
    const auto found = answers.find(request.url.substr(0, request.url.find('?')));
    if (found == answers.end()) throw TransientError("no route to host");
    HttpResponse response;
    response.status = found->second.first;
    response.body.append(as_bytes(found->second.second));
    return response;
  }

  ExpiringAzureKeys find() {
    AzureKeySources sources;
    sources.machine.variable = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    sources.machine.file = [this](const std::filesystem::path& path) -> std::optional<std::string> {
      const auto found = files.find(path);
      return found == files.end() ? std::nullopt : std::optional(found->second);
    };
    sources.machine.http = [this](const HttpRequest& request) { return answer(request); };
    sources.entra = [this](const HttpRequest& request) {
      by_network.push_back(request.url);
      return answer(request);
    };
    return find_azure_keys(settings, sources);
  }
};

constexpr const char* kMachine = "http://169.254.169.254/metadata/identity/oauth2/token";
constexpr const char* kEntra = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
constexpr const char* kToken =
    R"({"access_token":"machine's","expires_in":"86399","expires_on":"1800000000"})";

World in_a_pod() {
  World world;
  world.environment = {{"AZURE_FEDERATED_TOKEN_FILE", "/token"},
                       {"AZURE_TENANT_ID", "tenant"},
                       {"AZURE_CLIENT_ID", "me"}};
  world.files["/token"] = "head.body.sig\n";
  world.answers[kEntra] = {200, R"({"token_type":"Bearer","expires_in":3599,"access_token":"T"})"};
  return world;
}

}  // namespace

TEST_CASE("azure keys: from the first place that has some") {
  World world;
  CHECK_THAT(error_of<UsageError>([&] { world.find(); }),
             Says({"azure-key", "azure-sas-token", "AZURE_STORAGE_KEY", "identity"}));
  world.answers[kMachine] = {200, kToken};
  CHECK(world.find().keys.token == "machine's");
  world.environment = {{"IDENTITY_ENDPOINT", "http://service/token"}, {"IDENTITY_HEADER", "hush"}};
  world.answers["http://service/token"] = {200,
                                           R"({"access_token":"S","expires_on":"1800000000"})"};
  CHECK(world.find().keys.token == "S");
  world.environment["AZURE_STORAGE_SAS_TOKEN"] = "?sv=1&sig=abc";
  CHECK(world.find().keys.sas == "sv=1&sig=abc");
  world.environment["AZURE_STORAGE_KEY"] = "a2V5";
  CHECK(world.find().keys.account_key == "key");
  CHECK_FALSE(world.find().until);
  world.settings.credentials.client_id = "me";  // who names an identity wants that one
  CHECK(world.find().keys.token == "S");
  world.settings.credentials = {"", "sv=1&sig=mine", ""};
  CHECK(world.find().keys.sas == "sv=1&sig=mine");
  CHECK(world.find().keys.account_key.empty());
  world.settings.credentials = {"bWluZQ==\n", "", ""};
  CHECK(world.find().keys.account_key == "mine");
}

TEST_CASE("azure keys: what is none is named, and not shown") {
  World world;
  world.settings.credentials.key = "hush, no base64";
  const std::string told = error_of<UsageError>([&] { world.find(); });
  CHECK_THAT(told, Says({"azure-key", "base64"}));
  CHECK(told.find("hush") == std::string::npos);
  world.settings.credentials = {};
  for (const char* wrong : {"hush", "https://hush?sv=1 sig=2", "sv=1&sig=hush\nX-Header: 1"}) {
    world.environment["AZURE_STORAGE_SAS_TOKEN"] = wrong;
    const std::string said = error_of<UsageError>([&] { world.find(); });
    CHECK_THAT(said, Says({"AZURE_STORAGE_SAS_TOKEN", "not a SAS token"}));
    CHECK(said.find("hush") == std::string::npos);
  }
}

TEST_CASE("azure keys: the identity of a machine") {
  World world;
  world.answers[kMachine] = {200, kToken};
  CHECK(world.find().until == Timestamp(1800000000s));
  CHECK(world.requests[0].method == "GET");
  CHECK(world.requests[0].headers["metadata"] == "true");
  CHECK(world.requests[0].url ==
        std::string(kMachine) +
            "?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F");
  world.settings.credentials.client_id = "c-1";
  world.find();
  CHECK_THAT(world.requests[1].url, Says({"&client_id=c-1&"}));

  SECTION("busy is not absent") {
    for (const int status : {410, 429, 500, 503}) {
      world.answers[kMachine] = {status, ""};
      CHECK_THROWS_AS(world.find(), TransientError);
    }
  }
  SECTION("none assigned") {
    world.answers[kMachine] = {
        400, R"({"error":"invalid_request","error_description":"Identity not found"})"};
    CHECK_THAT(error_of([&] { world.find(); }),
               Says({kMachine, "400 invalid_request", "assign a managed identity"}));
  }
  SECTION("one that was named has to be there") {
    world.answers.clear();
    CHECK_THROWS_AS(world.find(), TransientError);
  }
  SECTION("an answer without a token") {
    for (const char* wrong :
         {"", "[]", "{}", R"({"access_token":"hush"})", R"({"access_token":17,"expires_on":"1"})",
          R"({"access_token":"hush","expires_on":"soon"})",
          R"({"access_token":"","expires_on":"1800000000"})"}) {
      INFO(wrong);
      world.answers[kMachine] = {200, wrong};
      const std::string told = error_of([&] { world.find(); });
      CHECK_THAT(told, Says({kMachine, "unknown format"}));
      CHECK(told.find("hush") == std::string::npos);
    }
  }
}

TEST_CASE("azure keys: App Service") {
  World world;
  world.environment = {{"IDENTITY_ENDPOINT", "http://service/token"}, {"IDENTITY_HEADER", "hush"}};
  world.answers["http://service/token"] = {200, kToken};
  world.settings.credentials.client_id = "c-1";
  world.find();
  CHECK(world.requests[0].headers["x-identity-header"] == "hush");
  CHECK(world.requests[0].url ==
        "http://service/token?api-version=2019-08-01&client_id=c-1&"
        "resource=https%3A%2F%2Fstorage.azure.com%2F");
  world.answers["http://service/token"] = {403, ""};
  CHECK_THAT(error_of([&] { world.find(); }), Says({"http://service/token", "403"}));
}

TEST_CASE("azure keys: a workload identity") {
  World world = in_a_pod();
  const Timestamp before = now();
  const ExpiringAzureKeys found = world.find();
  CHECK(found.keys.token == "T");
  REQUIRE(found.until);
  CHECK(*found.until >= before + 3599s);
  CHECK(*found.until <= now() + 3599s);
  CHECK(world.by_network == std::vector<std::string>{kEntra});
  CHECK(world.requests[0].method == "POST");
  CHECK(world.requests[0].headers["content-type"] == "application/x-www-form-urlencoded");
  CHECK(world.bodies[0] ==
        "client_assertion=head.body.sig&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
        "client-assertion-type%3Ajwt-bearer&client_id=me&grant_type=client_credentials&"
        "scope=https%3A%2F%2Fstorage.azure.com%2F.default");
  world.settings.credentials.client_id = "other";
  world.find();
  CHECK_THAT(world.bodies[1], Says({"client_id=other&"}));

  SECTION("another cloud") {
    world.environment["AZURE_AUTHORITY_HOST"] = "https://login.chinacloudapi.cn/";
    world.answers["https://login.chinacloudapi.cn/tenant/oauth2/v2.0/token"] = {200, kToken};
    CHECK(world.find().keys.token == "machine's");
  }
  SECTION("what is missing is named") {
    world.environment.erase("AZURE_TENANT_ID");
    CHECK_THAT(error_of<UsageError>([&] { world.find(); }), Says({"AZURE_TENANT_ID"}));
    world = in_a_pod();
    world.environment.erase("AZURE_CLIENT_ID");
    CHECK_THAT(error_of<UsageError>([&] { world.find(); }), Says({"AZURE_CLIENT_ID"}));
    world = in_a_pod();
    world.files.clear();
    CHECK_THAT(error_of<SystemError>([&] { world.find(); }), Says({"/token"}));
  }
  SECTION("a refusal has Entra ID's number and no word more") {
    world.answers[kEntra] = {
        401, R"({"error":"invalid_client","error_description":"AADSTS700213: No match for hush"})"};
    const std::string told = error_of([&] { world.find(); });
    CHECK_THAT(told, Says({kEntra, "401 AADSTS700213", "federated credential"}));
    CHECK(told.find("hush") == std::string::npos);
    CHECK(told.find("head.body.sig") == std::string::npos);
  }
}

TEST_CASE("azure keys: a token is renewed before it runs out") {
  World world;
  FakeClock clock;
  const auto seconds = [&](std::chrono::seconds more) {
    return std::chrono::floor<std::chrono::seconds>((clock.now() + more).time_since_epoch())
        .count();
  };
  const auto give = [&](const char* token, std::chrono::seconds life) {
    world.answers[kMachine] = {
        200, format(R"({{"access_token":"{}","expires_on":"{}"}})", token, seconds(life))};
  };
  RenewedCredentials<AzureKeys> keys(
      "credentials for Azure", [&] { return world.find(); }, {}, clock);
  give("first", 1h);
  CHECK(keys.get().token == "first");
  give("second", 2h);
  clock.sleep(50min, {});
  CHECK(keys.get().token == "first");
  clock.sleep(6min, {});
  CHECK(keys.get().token == "second");
  // A service that is away meanwhile matters only when the token is over.
  world.answers.clear();
  clock.sleep(62min, {});
  CHECK(keys.get().token == "second");
  clock.sleep(5min, {});
  CHECK_THROWS_AS(keys.get(), Error);
}

TEST_CASE("azure keys: when a shared access signature ends") {
  CHECK(end_of_sas("sv=1&se=2026-11-21T01%3A02%3A03Z&sig=x") == parse_utc("2026-11-21T01:02:03Z"));
  CHECK(end_of_sas("se=2026-11-21T01:02:03Z") == parse_utc("2026-11-21T01:02:03Z"));
  CHECK_FALSE(end_of_sas("sv=1&sig=x"));
  CHECK_FALSE(end_of_sas("se=soon"));
}
