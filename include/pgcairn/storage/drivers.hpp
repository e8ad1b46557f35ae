#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/storage/driver.hpp>
#include <pgcairn/storage/fence.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::storage {

/// Objects as files below `root` (0640, directories 0750, both less the umask). put: temporary file
/// beside the target, write, fsync, rename without replacing, fsync the directory and every
/// directory that was made. Unfinished files begin with '.', so they are not keys and never listed;
/// remove() clears those that a crash left, and directories that became empty. A file system
/// without rename-no-replace or hard links is refused by name.
///
/// `root` (not its parents) is made by the first put; until then there are no objects. So a disk
/// that is not mounted looks like a repository without objects: the caller that must know
/// first reads an object that has to exist (pgcairn.json). From the first time that the driver sees
/// `root` on, it holds it open and works in it, whatever becomes of its name; and it throws where
/// it would answer "absent", "stored" or "removed" while another directory, or none, is there:
/// a file system that was unmounted (lazily, too) or mounted over, a repository that was made
/// again.
///
/// `uses_reserve`: which keys find room on a full file system, where a reserve (a megabyte below
/// ".reserve") is given up for them; the first put of a process makes what is missing of it.
/// Without it there is no reserve.
///
/// A name below `root` that could not be part of a key ("lost+found") is skipped. An object
/// cannot stand where a part of another key does ("a" and "a/b"): that throws, naming the file.
using UsesReserve = std::function<bool(std::string_view key)>;
std::unique_ptr<Driver> make_posix(std::filesystem::path root, UsesReserve uses_reserve = {});

// Drivers of stores across a network keep the credentials that a service lent them in the file
// `kept_credentials`, for the next command; empty: nowhere.

/// How a store across the network is reached.
struct NetworkSettings {
  std::filesystem::path ca_file;  // empty: the system's certificates
  bool verify_tls = true;
  milliseconds io_timeout{30'000};  // how long the store may say nothing
  std::string proxy;                // "http://host:port"; empty: the environment's
};

/// Where credentials for S3 are looked for, in this order.
struct S3Credentials {
  std::string access_key;  // from the configuration, with secret_key
  std::string secret_key;
  std::string session_token;
  std::string process;  // a command that prints them as JSON
  std::string profile;  // of the shared credentials file; empty: AWS_PROFILE, or "default"
};

/// A bucket of S3, or of a store that speaks its language.
struct S3Settings {
  std::string bucket;
  std::string prefix;  // of all keys: "" or "a/b/"
  std::string region = "us-east-1";
  std::string endpoint;     // "https://host:port"; empty: AWS's of the region
  bool path_style = false;  // the bucket's name is in the path instead of the host's name
  std::string storage_class;
  std::string encryption;  // "", "AES256" or "aws:kms"
  std::string kms_key;
  std::filesystem::path
      customer_key_file;  // 32 bytes that the store encrypts with and forgets (SSE-C)
  std::vector<std::pair<std::string, std::string>> tags;
  bool requester_pays = false;
  S3Credentials credentials;
  NetworkSettings network;
};

/// Objects in a bucket. put: one signed request with If-None-Match, so that the store decides which
/// of two writers won; the hash of the body is signed, so that the store refuses bytes that changed
/// on the way. Needs a store that keeps If-None-Match (AWS, Ceph, MinIO, R2; not B2).
std::unique_ptr<Driver> make_s3(S3Settings settings, std::filesystem::path kept_credentials = {});

/// A bucket of Google Cloud Storage.
struct GcsSettings {
  std::string bucket;
  std::string prefix;  // of all keys: "" or "a/b/"
  std::string endpoint = "https://storage.googleapis.com";
  std::filesystem::path key_file;  // credentials as JSON; empty: see find_gcs_token()
  std::string token;               // an access token, instead of other credentials
  std::string user_project;        // that pays for the requests; empty: the bucket's
  std::string storage_class;       // empty: the bucket's
  std::string kms_key;             // empty: the bucket's
  NetworkSettings network;
};

/// Objects in a bucket, by the JSON API. put: one request with ifGenerationMatch=0, so that the
/// store decides which of two writers won, and with the CRC-32C of the body, so that it refuses
/// bytes that changed on the way.
std::unique_ptr<Driver> make_gcs(GcsSettings settings, std::filesystem::path kept_credentials = {});

/// Where credentials for Azure are looked for before the environment and the machine's identity.
struct AzureCredentials {
  std::string key;        // of the account, base64
  std::string sas_token;  // a shared access signature
  std::string client_id;  // of an identity; empty: AZURE_CLIENT_ID, or the machine's only one
};

/// A container of Azure Blob Storage.
struct AzureSettings {
  std::string account;
  std::string container;
  std::string prefix;    // of all keys: "" or "a/b/"
  std::string endpoint;  // "https://host:port"; empty: the account's own
  std::string endpoint_suffix = "core.windows.net";
  bool path_style = false;  // the account's name is in the path instead of the host's name
  std::string access_tier;  // "", "Hot", "Cool" or "Cold"
  AzureCredentials credentials;
  NetworkSettings network;
};

/// Objects as block blobs in a container. put: one request with If-None-Match and the MD5 of the
/// body, so that the store decides which of two writers won and refuses bytes that changed on the
/// way. Needs an account without hierarchical namespace.
std::unique_ptr<Driver> make_azure(AzureSettings settings,
                                   std::filesystem::path kept_credentials = {});

/// Objects in memory, for tests.
std::unique_ptr<Driver> make_memory();

/// Repeats what failed with TransientError, with growing, jittered delay, until `deadline` has
/// passed since the call began. A store that says when it is to be asked again is not asked before,
/// unless the deadline comes first. list() goes on behind the last key visited. A stop ends the
/// waiting between attempts with Interrupted; the first attempt is always made, so that a run that
/// is stopped can still tidy up.
///
/// The first wait of a run is told. Once a call has waited to its deadline in vain, the following
/// ones make one attempt each, until one succeeds.
///
/// The answer to a put can be lost although the object was stored, and something on the way may
/// send a request twice. So when a repeated put finds the key taken, or one that must not find it
/// so (IfExists::fail), the stored bytes are read: equal ones count as created by this call.
/// Writers that must know which of them won (leases) therefore put bytes that differ.
struct RetryPolicy {
  milliseconds first_delay{100};
  milliseconds longest_delay{10'000};
  milliseconds deadline{120'000};
};
/// The delay before attempt `attempt` (1 = first repeat): first_delay doubled each time up to
/// longest_delay, of which `jitter` in [0, 1) decides the upper half. Pure.
milliseconds retry_delay(const RetryPolicy& policy, unsigned attempt, double jitter);
std::unique_ptr<Driver> with_retry(std::unique_ptr<Driver> inner, RetryPolicy policy,
                                   std::stop_token stop, Clock& clock = system_clock());

/// Passes at most `bytes_per_second` of bodies through in each direction (0: no limit), over all
/// threads. A put waits before it is sent, a get after it was received. A key that `is_urgent`
/// never waits: it is for small objects on which others rely in time, and the rest waits longer for
/// them.
std::unique_ptr<Driver> with_throttle(std::unique_ptr<Driver> inner, std::uint64_t bytes_per_second,
                                      std::stop_token stop,
                                      std::function<bool(std::string_view)> is_urgent = {},
                                      Clock& clock = system_clock());

/// Tells one object that cannot be read from a store that does not answer. When a get or a stat
/// fails, the object `always_there` is read, and the failing one asked for once more: when that one
/// is given and this one is not, it throws UnreadableError (unreadable_error.hpp), which is damage
/// of the one object. All else passes through as it is; so does what may pass (TransientError), and
/// what this machine lacks.
std::unique_ptr<Driver> with_unreadable(std::unique_ptr<Driver> inner, std::string always_there);

/// Asks `fence` before each remove, and before each put, of keys that are `fenced`. To be wrapped
/// around the store itself: what a retry sends later is asked for again.
std::unique_ptr<Driver> with_fence(
    std::unique_ptr<Driver> inner, std::shared_ptr<Fence> fence,
    std::function<bool(std::string_view operation, std::string_view key)> is_fenced);

/// Asks `fault` before each operation ("put", "get", "stat", "list" with the prefix as key, and
/// "remove" for each key); what it throws is the operation's failure. For tests.
using Fault = std::function<void(std::string_view operation, std::string_view key)>;
std::unique_ptr<Driver> with_faults(std::unique_ptr<Driver> inner, Fault fault);

}  // namespace pgcairn::storage
