#include "settings/options.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <set>

namespace pgcairn::command {

namespace {

constexpr unsigned kShell = on_command_line | in_environment;
constexpr unsigned kCluster = kShell | in_stanza;
constexpr unsigned kTuning = kShell | in_global | in_stanza;
constexpr unsigned kPerRepository = kTuning | in_repo;
constexpr std::int64_t kMostKept = 9'999'999;

constexpr unsigned kConfig = in_global | in_stanza;

constexpr std::string_view kStanzaVerbs =
    "backup check restore verify drill expire hold unhold annotate archive-push archive-get info "
    "report repo-copy "
    "health metrics stanza-create stanza-upgrade stanza-delete stop start";
constexpr std::string_view kClusterVerbs =
    "backup check restore drill archive-push archive-get stanza-create stanza-upgrade health "
    "metrics";
constexpr std::string_view kRepositoryVerbs =
    "backup check restore verify drill expire hold unhold annotate archive-get info report health "
    "repo-ls repo-get metrics stanza-create stanza-upgrade stanza-delete stop start key-list "
    "key-add "
    "key-remove key-rotate";
constexpr std::string_view kResultVerbs =
    "backup check restore verify drill expire hold unhold annotate info repo-ls repo-copy "
    "stanza-create stanza-upgrade stanza-delete stop start key-list key-add key-remove key-rotate "
    "version";
constexpr std::string_view kNewKeyVerbs = "key-add key-rotate";
constexpr std::string_view kServerVerbs = "backup check health metrics";

// name, kind, places, verbs, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"config", ValueKind::path, kShell, "*", "FILE", "/etc/pgcairn/pgcairn.toml", "", 0, 0,
     "read the configuration from FILE"},
    {"stanza", ValueKind::text, kShell, kStanzaVerbs, "NAME", "", "", 0, 0,
     "the cluster's name in the configuration (default: the only one)"},
    {"repo", ValueKind::text, kShell, kRepositoryVerbs, "NAME", "", "", 0, 0,
     "use only this repository, or several: names separated by commas, or all"},
    {"from", ValueKind::text, kShell, "repo-copy", "NAME", "", "", 0, 0,
     "the repository that has the backup"},
    {"to", ValueKind::text, kShell, "repo-copy", "NAME", "", "", 0, 0,
     "the repository to copy it to"},
    {"recursive", ValueKind::flag, on_command_line, "repo-ls", "", "false", "", 0, 0,
     "list all objects below the folder; also -r"},
    {"raw", ValueKind::flag, on_command_line, "repo-get", "", "false", "", 0, 0,
     "write the bytes as they are stored"},
    {"index", ValueKind::flag, on_command_line, "repo-get", "", "false", "", 0, 0,
     "of a pack: list its frames and what they hold, as JSON"},
    {"process-max", ValueKind::number, kTuning, "backup restore verify drill repo-copy", "N", "2",
     "", 1, 999, "number of worker threads"},
    {"limit-rate", ValueKind::size, kPerRepository, "backup restore verify drill repo-copy", "SIZE",
     "", "", 0, 0,
     "most bytes a second to, and from, each repository, such as 50MiB (default: no limit)"},
    {"compress-type", ValueKind::choice, kTuning, "backup archive-push", "TYPE", "zst",
     "zst|lz4|gz|none", 0, 0, "compression of new data"},
    {"compress-level", ValueKind::number, kTuning, "backup archive-push", "N", "", "", -7, 22,
     "compression level: zst -7 to 22, lz4 0 to 12, gz 1 to 9"},
    {"archive-timeout", ValueKind::duration, kTuning, "backup check", "TIME", "60s", "", 0, 0,
     "how long to wait for WAL to arrive in the archive"},
    {"wal", ValueKind::choice, kTuning, "backup", "HOW", "archive", "archive|copy", 0, 0,
     "copy: the backup stores the WAL that it needs itself, without an archive"},
    {"start-fast", ValueKind::flag, kTuning, "backup", "", "false", "", 0, 0,
     "ask the server for an immediate checkpoint"},
    {"resume", ValueKind::flag, kTuning, "backup expire", "", "true", "", 0, 0,
     "reuse (expire: keep) what an interrupted backup has stored (the default)"},
    {"type", ValueKind::choice, kShell, "backup", "TYPE", "incr", "full|incr|diff", 0, 0,
     "full copies everything, incr what changed since the last backup, diff since the last full "
     "one"},
    {"delta", ValueKind::flag, kShell, "backup", "", "false", "", 0, 0,
     "compare every page with the last backup, without using WAL summaries"},
    {"include-path", ValueKind::paths, on_command_line | in_stanza, "backup", "PATH", "", "", 0, 0,
     "also back up this file or directory outside the data directory; repeatable"},
    {"expire-auto", ValueKind::flag, kTuning, "backup", "", "true", "", 0, 0,
     "run expire afterwards, if there are retention settings (the default)"},
    {"retention-full", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last N full backups, or those of N days, and all backups made since the first of "
     "them"},
    {"retention-full-type", ValueKind::choice, kPerRepository, "expire", "UNIT", "count",
     "count|time", 0, 0, "what retention-full counts: backups, or days"},
    {"retention-diff", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep only the differential and incremental backups made since the Nth last full or "
     "differential one"},
    {"retention-archive", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep all WAL since the Nth last full backup that stays (default: since the oldest backup)"},
    {"retention-archive-type", ValueKind::choice, kPerRepository, "expire", "UNIT", "full",
     "full|diff|incr|time", 0, 0, "what retention-archive counts: backups of this type, or days"},
    {"keep-last", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last N backups"},
    {"keep-within", ValueKind::span, kPerRepository, "expire", "SPAN", "", "", 1, 0,
     "keep backups at most SPAN older than the newest, such as 14d, 2w, 6mo, 1y"},
    {"keep-hourly", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N hours that have one"},
    {"keep-daily", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N days that have one"},
    {"keep-weekly", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N weeks that have one; weeks begin on Monday"},
    {"keep-monthly", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N months that have one"},
    {"keep-yearly", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep the last backup of each of the last N years that have one"},
    {"keep-min", ValueKind::number, kPerRepository, "expire", "N", "", "", 1, kMostKept,
     "keep at least N good backups, whatever the other rules say"},
    {"keep-min-age", ValueKind::span, kPerRepository, "expire", "SPAN", "", "", 0, 0,
     "never remove a backup less than SPAN older than the newest"},
    {"retention-timezone", ValueKind::text, kPerRepository, "expire", "ZONE", "UTC", "", 0, 0,
     "the time zone in which hours, days, weeks, months and years begin, such as Europe/Berlin"},
    {"reason", ValueKind::text, on_command_line, "hold", "TEXT", "", "", 0, 0,
     "why the backup is held; required"},
    {"until", ValueKind::text, on_command_line, "hold", "TIME", "", "", 0, 0,
     "when the hold ends: a time, or a span from now such as 12h, 90d, 6mo (default: when it is "
     "released)"},
    {"set", ValueKind::text, kShell, "restore drill", "LABEL", "", "", 0, 0,
     "restore this backup (default: chosen for the target)"},
    {"set", ValueKind::text, kShell, "verify", "LABEL", "", "", 0, 0, "verify only this backup"},
    {"set", ValueKind::text, kShell, "expire", "LABEL", "", "", 0, 0,
     "remove this backup, and no other"},
    {"set", ValueKind::text, kShell, "info", "LABEL", "", "", 0, 0, "show this backup in full"},
    {"set", ValueKind::text, kShell, "repo-copy", "LABEL", "", "", 0, 0,
     "copy this backup (default: the newest)"},
    {"level", ValueKind::choice, kShell, "verify", "LEVEL", "quick", "quick|full", 0, 0,
     "quick checks that every object exists with its size; full also opens every frame"},
    {"sample", ValueKind::percent, kShell, "verify", "PERCENT", "100%", "", 1, 100,
     "level full: open only this share of the packs and WAL segments, chosen at random"},
    {"max-duration", ValueKind::duration, kShell, "verify", "TIME", "", "", 0, 0,
     "level full: stop opening objects after TIME; the next run continues there"},
    {"drill-path", ValueKind::path, kCluster, "drill", "DIR", "", "", 0, 0,
     "restore below DIR, which must be empty, absent, or left by an earlier drill"},
    {"keep", ValueKind::flag, on_command_line, "drill", "", "false", "", 0, 0,
     "keep the restored cluster; the next drill fetches only what differs"},
    {"foreign-keys", ValueKind::flag, kTuning, "drill", "", "false", "", 0, 0,
     "look for rows that violate a foreign key"},
    {"drill-sql", ValueKind::list, on_command_line | in_stanza, "drill", "QUERY", "", "", 0, 0,
     "also run this query: \"DATABASE: STATEMENT => ANSWER\"; repeatable"},
    {"drill-timeout", ValueKind::duration, kTuning, "drill", "TIME", "24h", "", 0, 0,
     "time limit of the drill"},
    {"drill-sandbox", ValueKind::choice, kTuning, "drill", "HOW", "auto", "auto|required|off", 0, 0,
     "isolate the server from the host in namespaces: where possible, always, or never"},
    {"pg-bin", ValueKind::path, kCluster, "restore drill", "DIR", "", "", 0, 0,
     "the directory of PostgreSQL's programs (default: where packages install them, PATH)"},
    {"record", ValueKind::flag, kTuning, "verify drill", "", "true", "", 0, 0,
     "record the result in the repository (the default)"},
    {"accept-damage", ValueKind::flag, on_command_line, "restore drill", "", "false", "", 0, 0,
     "with --set: restore a backup that verify found damaged"},
    {"type", ValueKind::choice, kShell, "restore", "TYPE", "default",
     "default|immediate|time|xid|lsn|name|standby|preserve|none", 0, 0, "where recovery ends"},
    {"type", ValueKind::choice, kShell, "drill", "TYPE", "default",
     "default|immediate|time|xid|lsn|name", 0, 0, "where recovery ends"},
    {"target", ValueKind::text, kShell, "restore drill", "TARGET", "", "", 0, 0,
     "the time, transaction, LSN or restore point to recover to"},
    {"target-exclusive", ValueKind::flag, kShell, "restore drill", "", "false", "", 0, 0,
     "stop just before the target (time, xid, lsn)"},
    {"target-action", ValueKind::choice, kShell, "restore", "ACTION", "", "pause|promote|shutdown",
     0, 0, "what the server does at the target (default: its own, pause)"},
    {"target-timeline", ValueKind::text, kShell, "restore drill", "TIMELINE", "latest", "", 0, 0,
     "the timeline to follow: a number, current, or latest"},
    {"archive-mode", ValueKind::choice, kShell, "restore", "MODE", "preserve", "preserve|off", 0, 0,
     "off: the restored server does not archive its WAL"},
    {"replace", ValueKind::flag, on_command_line, "restore", "", "false", "", 0, 0,
     "with --pg-path: the restored cluster replaces its original, and is not an isolated copy"},
    {"allow-tablespace", ValueKind::list, on_command_line, "restore archive-get", "DIR", "", "", 0,
     0, "replay may create a tablespace in DIR, which belongs to this copy; repeatable"},
    {"guard", ValueKind::text, on_command_line, "archive-get", "LSN[,LSN]", "", "", 0, 0,
     "refuse WAL that creates a tablespace elsewhere; restore writes this for a copy"},
    {"accept-gap", ValueKind::text, on_command_line, "restore archive-get", "SEGMENT", "", "", 0, 0,
     "recovery may end at SEGMENT, which is missing although later segments exist"},
    {"recovery-option", ValueKind::map, on_command_line, "restore", "KEY=VALUE", "", "", 0, 0,
     "set KEY for the restored server, such as primary_conninfo; repeatable"},
    {"tablespace-map", ValueKind::map, on_command_line, "restore", "OLD=NEW", "", "", 0, 0,
     "put tablespace OLD (name, oid or path) into directory NEW; repeatable"},
    {"db-include", ValueKind::list, on_command_line, "restore", "NAME", "", "", 0, 0,
     "restore the content of this database only; repeatable"},
    {"db-exclude", ValueKind::list, on_command_line, "restore", "NAME", "", "", 0, 0,
     "restore this database without its content, to be dropped; repeatable"},
    {"tablespace-map-all", ValueKind::path, kShell, "restore", "DIR", "", "", 0, 0,
     "put each tablespace into a directory with its name below DIR"},
    {"link-map", ValueKind::map, on_command_line, "restore", "PATH=DEST", "", "", 0, 0,
     "put PATH of the data directory (such as pg_wal) at DEST, with a symbolic link; repeatable"},
    {"link-all", ValueKind::flag, kShell, "restore", "", "false", "", 0, 0,
     "restore the symbolic links of the data directory as links"},
    {"delta", ValueKind::flag, on_command_line, "restore", "", "false", "", 0, 0,
     "restore over the cluster's existing directory, and fetch only what differs"},
    {"remove-tablespace", ValueKind::list, on_command_line, "restore", "DIR", "", "", 0, 0,
     "with --delta: empty DIR, a tablespace of this cluster that is newer than the backup; "
     "repeatable"},
    {"server-is-stopped", ValueKind::flag, on_command_line, "restore", "", "false", "", 0, 0,
     "confirm that no server uses the directory, in any container or on any host, where restore "
     "cannot prove it"},
    {"config-to", ValueKind::path, kShell, "restore", "DIR", "", "", 0, 0,
     "restore files from outside the data directory into DIR"},
    {"dry-run", ValueKind::flag, kShell, "restore expire repo-copy stanza-delete", "", "false", "",
     0, 0, "show the plan and change nothing"},
    {"allow-mass-removal", ValueKind::flag, on_command_line, "expire", "", "false", "", 0, 0,
     "allow the rules to remove most of the backups"},
    {"force", ValueKind::flag, on_command_line, "stanza-delete", "", "false", "", 0, 0,
     "do not ask for the stanza's name"},
    {"force", ValueKind::flag, on_command_line, "stanza-upgrade", "", "false", "", 0, 0,
     "add the cluster although its version is not later: it replaces the other one"},
    {"all-hosts", ValueKind::flag, on_command_line, "stop start", "", "false", "", 0, 0,
     "for every host, in the repositories, instead of only this host"},
    {"reason", ValueKind::text, on_command_line, "stop", "TEXT", "", "", 0, 0,
     "why; shown by the commands that the stop refuses"},
    {"pg-path", ValueKind::path, kCluster, kClusterVerbs, "DIR", "", "", 0, 0,
     "the data directory of the cluster"},
    {"pg-host", ValueKind::text, kCluster, kServerVerbs, "HOST", "", "", 0, 0,
     "connect over TCP to this host"},
    {"pg-socket-path", ValueKind::path, kCluster, kServerVerbs, "DIR", "", "", 0, 0,
     "connect through the socket in DIR (default: libpq's)"},
    {"pg-port", ValueKind::number, kCluster, kServerVerbs, "PORT", "", "", 1, 65535,
     "port of the server (default: libpq's, 5432)"},
    {"pg-user", ValueKind::text, kCluster, "backup check drill health metrics", "NAME", "", "", 0,
     0, "connect as this role (default: libpq's)"},
    {"pg-database", ValueKind::text, kCluster, kServerVerbs, "NAME", "", "", 0, 0,
     "connect to this database (default: libpq's, or postgres)"},
    {"file", ValueKind::path, on_command_line, "report metrics", "FILE", "", "", 0, 0,
     "write to FILE, as a whole or not at all (default: standard output)"},
    {"label", ValueKind::text, on_command_line, kNewKeyVerbs, "TEXT", "", "", 0, 0,
     "the label of the new key slot in key-list"},
    {"new-passphrase-file", ValueKind::path, on_command_line, kNewKeyVerbs, "FILE", "", "", 0, 0,
     "the new slot's passphrase is the first line of FILE"},
    {"new-key-file", ValueKind::path, on_command_line, kNewKeyVerbs, "FILE", "", "", 0, 0,
     "the new slot's key is in FILE: 32 bytes, or 64 hexadecimal digits"},
    {"new-key-command", ValueKind::text, on_command_line, kNewKeyVerbs, "COMMAND", "", "", 0, 0,
     "COMMAND prints the new slot's key"},
    {"new-passphrase", ValueKind::text, in_environment, kNewKeyVerbs, "TEXT", "", "", 0, 0,
     "the new slot's passphrase (default: asked for at the terminal)"},
    {"output", ValueKind::choice, kShell, "health", "FORMAT", "text", "text|json|nagios|prometheus",
     0, 0, "format of the result on standard output"},
    {"output", ValueKind::choice, kShell, kResultVerbs, "FORMAT", "text", "text|json", 0, 0,
     "format of the result on standard output"},
    {"log-level", ValueKind::choice, kShell | in_global, "*", "LEVEL", "",
     "error|warn|info|detail|debug", 0, 0,
     "least important lines to log (default: info; warn for archive-push, archive-get)"},
    {"log-format", ValueKind::choice, kShell | in_global, "*", "FORMAT", "text", "text|json", 0, 0,
     "format of the log on standard error"},
    {"state-path", ValueKind::path, kShell | in_global, "*", "DIR", "/var/spool/pgcairn", "", 0, 0,
     "directory for stops and other state of this host"},
    {"help", ValueKind::flag, on_command_line, "*", "", "", "", 0, 0, "show help; also -h"},
    {"version", ValueKind::flag, on_command_line, "*", "", "", "", 0, 0, "show the version"},
    // The limits of health; "0", "0%" and the like: no check.
    {"health-backup-age-warn", ValueKind::duration, kConfig, "", "", "26h", "", 0, 0,
     "age of the newest backup"},
    {"health-backup-age-critical", ValueKind::duration, kConfig, "", "", "50h", "", 0, 0,
     "age of the newest backup"},
    {"health-backup-count-warn", ValueKind::number, kConfig, "", "", "1", "", 0, 1'000'000,
     "fewest backups"},
    {"health-backup-count-critical", ValueKind::number, kConfig, "", "", "1", "", 0, 1'000'000,
     "fewest backups"},
    {"health-wal-lag-warn", ValueKind::size, kConfig, "", "", "256MiB", "", 0, 0,
     "WAL not archived yet"},
    {"health-wal-lag-critical", ValueKind::size, kConfig, "", "", "1GiB", "", 0, 0,
     "WAL not archived yet"},
    {"health-free-space-warn", ValueKind::percent, kConfig, "", "", "20%", "", 0, 100,
     "least free space of repositories and of pg_wal"},
    {"health-free-space-critical", ValueKind::percent, kConfig, "", "", "10%", "", 0, 100,
     "least free space of repositories and of pg_wal"},
    {"health-size-change-warn", ValueKind::percent, kConfig, "", "", "400%", "", 0, 1'000'000,
     "size of the newest backup against the median of its type, either way"},
    {"health-size-change-critical", ValueKind::percent, kConfig, "", "", "0%", "", 0, 1'000'000,
     "size of the newest backup against the median of its type, either way"},
    {"health-verify-age-warn", ValueKind::duration, kConfig, "", "", "8d", "", 0, 0,
     "time since the last verify"},
    {"health-verify-age-critical", ValueKind::duration, kConfig, "", "", "32d", "", 0, 0,
     "time since the last verify"},
    {"health-drill-age-warn", ValueKind::duration, kConfig, "", "", "32d", "", 0, 0,
     "time since the last drill"},
    {"health-drill-age-critical", ValueKind::duration, kConfig, "", "", "93d", "", 0, 0,
     "time since the last drill"},
    // Keys of [repo.NAME].
    {"type", ValueKind::choice, in_repo, "", "", "", "posix|s3|azure|gcs", 0, 0,
     "the kind of store"},
    {"path", ValueKind::path, in_repo, "", "", "", "", 0, 0,
     "the directory of the repository, or the prefix of its keys in a bucket"},
    {"encryption", ValueKind::choice, in_repo, "", "", "", "aes-256-gcm|none", 0, 0,
     "encryption of the repository (default: aes-256-gcm where a key is set or the type is not "
     "posix)"},
    {"key-passphrase", ValueKind::text, in_repo | in_environment, "", "", "", "", 0, 0,
     "the passphrase that opens a key slot"},
    {"key-passphrase-file", ValueKind::path, in_repo, "", "", "", "", 0, 0,
     "a file whose first line is the passphrase"},
    {"key-file", ValueKind::path, in_repo, "", "", "", "", 0, 0,
     "a file with the key that opens a slot: 32 bytes, or 64 hexadecimal digits"},
    {"key-command", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "command that prints such a key"},
    {"ca-file", ValueKind::path, in_repo, "", "", "", "", 0, 0,
     "CA certificates to check the store's certificate against (default: the system's)"},
    {"tls-verify", ValueKind::flag, in_repo, "", "", "true", "", 0, 0,
     "whether to check the certificate of the store"},
    {"io-timeout", ValueKind::duration, in_repo, "", "", "30s", "", 0, 0,
     "how long to wait for a silent store before a request is sent again"},
    {"allow-http", ValueKind::flag, in_repo, "", "", "false", "", 0, 0,
     "whether an endpoint may use HTTP without TLS"},
    {"proxy", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "http://HOST:PORT of a proxy (default: https_proxy of the environment)"},
    {"s3-bucket", ValueKind::text, in_repo, "", "", "", "", 0, 0, "the bucket"},
    {"s3-region", ValueKind::text, in_repo, "", "", "us-east-1", "", 0, 0, "its region"},
    {"s3-endpoint", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "https://HOST[:PORT] (default: Amazon's of the region)"},
    {"s3-uri-style", ValueKind::choice, in_repo, "", "", "host", "host|path", 0, 0,
     "whether the bucket is named in the host or in the path of URLs"},
    {"s3-key", ValueKind::text, in_repo, "", "", "", "", 0, 0, "access key"},
    {"s3-key-secret", ValueKind::text, in_repo, "", "", "", "", 0, 0, "its secret"},
    {"s3-token", ValueKind::text, in_repo, "", "", "", "", 0, 0, "session token of the key"},
    {"s3-credential-process", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "command that prints these credentials as JSON"},
    {"s3-profile", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "profile of the shared credentials file"},
    {"s3-storage-class", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "storage class of new objects"},
    {"s3-sse", ValueKind::choice, in_repo, "", "", "", "AES256|aws:kms", 0, 0,
     "how the store encrypts new objects"},
    {"s3-kms-key-id", ValueKind::text, in_repo, "", "", "", "", 0, 0, "KMS key for s3-sse"},
    {"s3-sse-customer-key-file", ValueKind::path, in_repo, "", "", "", "", 0, 0,
     "file with a key of 32 bytes, for encryption with a customer key (SSE-C)"},
    {"s3-tags", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "tags of new objects: KEY=VALUE,..."},
    {"s3-requester-pays", ValueKind::flag, in_repo, "", "", "false", "", 0, 0,
     "whether the requester pays for requests"},
    {"gcs-bucket", ValueKind::text, in_repo, "", "", "", "", 0, 0, "the bucket"},
    {"gcs-endpoint", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "https://HOST[:PORT] (default: Google's)"},
    {"gcs-key-file", ValueKind::path, in_repo, "", "", "", "", 0, 0,
     "JSON file: the key of a service account, or a workload identity federation"},
    {"gcs-token", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "access token; valid for an hour at most"},
    {"gcs-user-project", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "project that pays for requests (requester pays)"},
    {"gcs-storage-class", ValueKind::choice, in_repo, "", "", "",
     "STANDARD|NEARLINE|COLDLINE|ARCHIVE", 0, 0, "storage class of new objects"},
    {"gcs-kms-key", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "projects/P/locations/L/keyRings/R/cryptoKeys/K that encrypts new objects"},
    {"azure-account", ValueKind::text, in_repo, "", "", "", "", 0, 0, "the storage account"},
    {"azure-container", ValueKind::text, in_repo, "", "", "", "", 0, 0, "the container"},
    {"azure-key", ValueKind::text, in_repo, "", "", "", "", 0, 0, "a key of the account"},
    {"azure-sas-token", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "shared access signature of the container"},
    {"azure-client-id", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "client ID of the managed identity to use"},
    {"azure-access-tier", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "access tier of new objects: Hot, Cool or Cold (default: the account's)"},
    {"azure-endpoint", ValueKind::text, in_repo, "", "", "", "", 0, 0,
     "https://HOST[:PORT] (default: the account's own)"},
    {"azure-endpoint-suffix", ValueKind::text, in_repo, "", "", "core.windows.net", "", 0, 0,
     "suffix of the account's host name"},
    {"azure-uri-style", ValueKind::choice, in_repo, "", "", "host", "host|path", 0, 0,
     "whether the account is named in the host or in the path of URLs"},
};

}  // namespace

std::span<const Option> all_options() {
  return kOptions;
}

bool takes(const Option& option, std::string_view verb) {
  if (option.verbs == "*") return true;
  const auto verbs = split(option.verbs, ' ');
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

const Option* find_option(std::string_view name, std::string_view verb) {
  for (const Option& option : kOptions) {
    if (option.name == name && (option.places & kShell) != 0 && takes(option, verb)) return &option;
  }
  return nullptr;
}

const Option* find_key(std::string_view name, Place place) {
  for (const Option& option : kOptions) {
    if (option.name == name && (option.places & place) != 0) return &option;
  }
  return nullptr;
}

std::string verbs_taking(std::string_view name) {
  std::vector<std::string> verbs;
  for (const Option& option : kOptions) {
    if (option.name != name || (option.places & on_command_line) == 0) continue;
    for (std::string& verb : split(option.verbs, ' ')) verbs.push_back(std::move(verb));
  }
  std::string text;
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if (i != 0) text += i + 1 == verbs.size() ? " and " : ", ";
    text += verbs[i];
  }
  return text;
}

bool depends_on_verb(std::string_view name) {
  std::set<std::string_view> choices;
  for (const Option& option : kOptions) {
    if (option.name == name && (option.places & in_environment) != 0)
      choices.insert(option.choices);
  }
  return choices.size() > 1;
}

std::vector<std::string> option_names(unsigned places) {
  std::vector<std::string> names;
  for (const Option& option : kOptions) {
    const std::string name(option.name);
    if ((option.places & places) == 0) continue;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::string environment_name(std::string_view option) {
  std::string name = "PGCAIRN_";
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

}  // namespace pgcairn::command
