#include "verbs/help_texts.hpp"

#include <pgcairn/common/error.hpp>

namespace pgcairn::command {

namespace {

/// Texts below begin on a line of their own.
constexpr std::string_view lines(std::string_view raw) {
  return raw.substr(1);
}

constexpr HelpText kTexts[] = {
    {"stanza-create", lines(R"(
Creates the repositories that do not exist yet and, in each of them, the stanza for this
cluster. Needs the data directory; the server need not run. Running it again changes nothing.
A stanza that belongs to another cluster is refused.
)"),
     lines(R"(
pgcairn stanza-create
pgcairn --stanza=main --repo=local stanza-create
)"),
     lines(R"(
   13  the stanza belongs to another cluster, or PostgreSQL's version is not supported
)")},
    {"archive-push", lines(R"(
PostgreSQL runs this command for each finished WAL file; PATH is %p. It returns when the file
is durable in every repository. Pushing the same file again succeeds; different content under
the same name is refused.
)"),
     lines(R"(
archive_command = 'pgcairn --stanza=main archive-push "%p"'
pgcairn --stanza=main archive-push pg_wal/000000010000000000000003
)"),
     lines(R"(
    0  the file is durable in every repository
    1  anything else; PostgreSQL keeps the file and tries again
)")},
    {"archive-get", lines(R"(
A recovering PostgreSQL runs this command; NAME is %f, DEST is %p. It tries the repositories
in order and writes DEST completely or not at all. restore writes this command into
restore_command.
)"),
     lines(R"(
restore_command = 'pgcairn --stanza=main archive-get %f "%p"'
pgcairn --stanza=main archive-get 000000010000000000000003 /tmp/segment
)"),
     lines(R"(
    0  fetched
    1  certainly in no repository; on a standby (standby.signal) also: ask again later
  200  could not find out, or a gap in the archive: recovery must stop, not end early
  143  ended by SIGTERM (128 + the signal's number)
)")},
    {"backup", lines(R"(
Copies the running cluster, checks its pages, and waits for the WAL that makes the copy
consistent. A backup is listed only when it is complete and can be restored.
)"),
     lines(R"(
pgcairn backup
pgcairn --stanza=main --repo=local --start-fast --process-max=4 backup
)"),
     lines(R"(
    3  done, with warnings: damaged pages, a branch that was left, or expire failed
   13  PostgreSQL cannot be reached, is not supported, or is not the stanza's cluster
)")},
    {"check", lines(R"(
Connects to the server, compares its identity with pg-path and the stanza, reads its archive
settings, writes a restore point, switches WAL, and waits until the segment is in every
repository. On a standby, looks for the last segment before its restartpoint instead.
)"),
     lines(R"(
pgcairn check
pgcairn --stanza=main --archive-timeout=10s --output=json check
)"),
     lines(R"(
    1  the segment did not arrive in every repository in time
   13  PostgreSQL cannot be reached, does not archive, or is not the stanza's cluster
)")},
    {"info", lines(R"(
Shows, for each stanza and repository, the backups, the times that they can be restored to,
known damage, and the archived WAL. The members of --output=json are stable: later versions
only add to them; see pgcairn-info(1).
)"),
     lines(R"(
pgcairn info
pgcairn --stanza=main --set=20261121-010203F info
pgcairn --stanza=main --output=json info
)"),
     lines(R"(
    1  a repository could not be read: the output may be incomplete
)")},
    {"report", lines(R"(
Writes one self-contained HTML page: what info shows, and the history of sizes, durations,
verify runs and drills.
)"),
     lines(R"(
pgcairn --file=/var/www/html/backups.html report
pgcairn --stanza=main report > main.html
)"),
     lines(R"(
    1  a repository could not be read: the page may be incomplete
)")},
    {"health", lines(R"(
Compares the age, number and size of backups, the archiver, free space, the last verify and
drill, stops and leases with the health keys of the configuration. Changes nothing, and is
cheap enough to run every minute. Without --stanza, covers all stanzas of the configuration.
A check that cannot be made is unknown, never ok.
)"),
     lines(R"(
pgcairn health
pgcairn --stanza=main --output=nagios health
)"),
     lines(R"(
    1  something is unknown: a repository or the server could not be read
    3  warnings
    4  critical; with --output=nagios: 0 ok, 1 warning, 2 critical, 3 unknown
)")},
    {"metrics", lines(R"(
Writes what health measures in Prometheus' text format, for node_exporter's textfile
collector. With --file, writes the file completely or not at all, readable by all users.
)"),
     lines(R"(
pgcairn --file=/var/lib/prometheus/node-exporter/pgcairn.prom metrics
pgcairn --stanza=main metrics
)"),
     ""},
    {"restore", lines(R"(
Chooses the backup for the target, proves that the archive has the WAL to reach it, shows the
plan, and only then changes the data directory, which must be empty or absent. Start the
restored server as usual: it replays WAL up to the target. With a --pg-path other than the
configured one, the result is an isolated copy, which reaches neither archive nor original.
)"),
     lines(R"(
pgcairn --dry-run restore
pgcairn restore --type=time --target="2026-11-21 02:41:07+00" --target-action=promote
pgcairn restore --type=standby --recovery-option=primary_conninfo="host=primary user=repl"
pgcairn restore --set=20261121-010203F --pg-path=/srv/copy --tablespace-map=fast=/srv/fast
)"),
     lines(R"(
    2  wrong usage or configuration, or no backup reaches the target; nothing was touched
    4  an object in the repository is damaged; it is named
   10  no such backup
)")},
    {"verify", lines(R"(
Reads the markers and manifests of the repositories and compares what they name with what is
stored: packs, and WAL from the oldest backup on. Level full also opens every frame. Names
every damaged object, with the backups and files that need it. Records the result in the
repository: restore and the next incremental backup skip damaged backups.
)"),
     lines(R"(
pgcairn verify
pgcairn --stanza=main --level=full --process-max=4 verify
pgcairn verify --level=full --sample=5%
pgcairn verify --level=full --max-duration=1h
)"),
     lines(R"(
    1  a repository could not be read: the result may be incomplete
    4  something is damaged or missing; it is named
)")},
    {"drill", lines(R"(
Restores a backup into a separate directory, starts a private server on it, recovers, runs
pg_amcheck and the queries of drill-sql, then stops the server and removes everything again.
Records the result in the repository. Does not touch the live cluster, its directory, port or
archive.
)"),
     lines(R"(
pgcairn --stanza=main --drill-path=/srv/drill drill
pgcairn drill --type=time --target="1 hour ago" --foreign-keys
pgcairn drill --keep --drill-sql="shop: SELECT count(*) > 0 FROM orders"
)"),
     lines(R"(
    2  wrong usage or configuration, or no backup reaches the target; nothing was touched
    4  the backup could not be restored or recovered, or the restored cluster is not good
   10  no such backup
   11  another drill is running in the directory
   13  the programs of the backup's version of PostgreSQL were not found
)")},
    {"repo-ls", lines(R"(
Lists the folder PATH of the repository, or its top level; with --recursive, all objects
below. Shows each object with its size in bytes and the time at which it was stored. When
several repositories are configured, --repo is required.
)"),
     lines(R"(
pgcairn repo-ls
pgcairn --repo=away repo-ls main/backup
pgcairn repo-ls -r main/data/20261121-010203F
)"),
     lines(R"(
   10  no such repository, folder or object
)")},
    {"repo-get", lines(R"(
Writes the content of an object to standard output, or to FILE, which must not exist: the WAL
file, the lines of a manifest part, the JSON of a document, or the contents of a pack's frames
one after the other (--index lists the frames). The content is decrypted, decompressed and
checked; --raw writes the stored bytes.
)"),
     lines(R"(
pgcairn repo-get main/backup/20261121-010203F.json
pgcairn repo-get main/data/20261121-010203F/manifest/00000000 | grep PG_VERSION
pgcairn --index repo-get main/data/20261121-010203F/pack/00000000
)"),
     lines(R"(
    4  the object is damaged: discard what was written
   10  no such repository or object
)")},
    {"repo-copy", lines(R"(
Copies a backup from one repository to another, with everything that it needs: packs,
including those of older backups, manifest, WAL to the end of the archive, holds and
annotations. Checks every frame on the way. Skips what the target already has, so running it
again continues an interrupted copy. The target lists the backup only when the copy is
complete; meanwhile, backup and expire cannot run there.
)"),
     lines(R"(
pgcairn --from=local --to=away --dry-run repo-copy
pgcairn --stanza=main --from=local --to=away --set=20261121-010203F repo-copy
)"),
     lines(R"(
    4  something that the backup needs is damaged or missing; nothing is listed
   11  a backup or an expire is running at the target
   13  the stanza of the target belongs to another cluster
)")},
    {"stop", lines(R"(
Makes backup, archive-push, check, expire, repo-copy, stanza-create and stanza-upgrade fail
until "pgcairn start": on this host, or with --all-hosts in the repositories, for every host.
Commands that already run are not ended.
)"),
     lines(R"(
pgcairn --stanza=main stop
pgcairn --stanza=main --all-hosts --reason="moving the repository" stop
)"),
     ""},
    {"start", lines(R"(
Ends a stop, on this host or with --all-hosts in the repositories.
)"),
     lines(R"(
pgcairn --stanza=main start
pgcairn --stanza=main --all-hosts start
)"),
     ""},
    {"stanza-upgrade", lines(R"(
Adds the cluster in the data directory to the stanza, after pg_upgrade. Backups and WAL of the
earlier version stay. A cluster of the same or an earlier version is refused without --force.
)"),
     lines(R"(
pgcairn --stanza=main stanza-upgrade
)"),
     lines(R"(
   11  the stanza is stopped
   13  the cluster is not an upgrade of the stanza's
)")},
    {"stanza-delete", lines(R"(
Removes everything that the repositories hold of the stanza. This cannot be undone. Asks for
the stanza's name, unless --force is given. Refused while a backup is held or another command
is running in the stanza.
)"),
     lines(R"(
pgcairn --stanza=old --dry-run stanza-delete
pgcairn --stanza=old stanza-delete
)"),
     lines(R"(
   11  another command is running in the stanza, or a backup is held
)")},
    {"expire", lines(R"(
Removes from every repository the backups that no retention setting keeps, the packs that no
remaining backup needs, and the WAL that none needs. Each backup is complete in itself and is
removed alone. The newest backup, the last good one and held backups stay. Without retention
settings, removes nothing. backup runs expire when it is done.
)"),
     lines(R"(
pgcairn expire --dry-run
pgcairn expire --keep-daily=7 --keep-weekly=4 --keep-monthly=12 --dry-run
pgcairn --stanza=main --set=20261121-010203F expire
)"),
     lines(R"(
    4  the record of a hold or of a verify run is damaged: nothing was removed
   11  a backup is running: the error says where and since when
)")},
    {"hold", lines(R"(
Protects a backup from expire and stanza-delete, in every repository that has it, until unhold
releases it or the time of --until has come.
)"),
     lines(R"(
pgcairn hold 20261121-010203F --reason="audit 2026"
pgcairn hold 20261121-010203F --reason="before the migration" --until=90d
)"),
     lines(R"(
   10  no repository has this backup
   11  an expire is running that may not see the hold
)")},
    {"unhold", lines(R"(
Releases all holds of a backup, in every repository.
)"),
     lines(R"(
pgcairn unhold 20261121-010203F
)"),
     lines(R"(
   10  the backup is not held
)")},
    {"annotate", lines(R"(
Adds notes to a backup; info shows them. Setting a KEY again replaces its text; an empty text
removes the note.
)"),
     lines(R"(
pgcairn annotate 20261121-010203F ticket=OPS-123 "why=before the migration"
pgcairn annotate 20261121-010203F ticket=
)"),
     lines(R"(
   10  no repository has this backup
)")},
    {"key-list", lines(R"(
Lists the key slots of the repositories. Needs no key.
)"),
     lines(R"(
pgcairn key-list
pgcairn --repo=s3 --output=json key-list
)"),
     lines(R"(
   10  no such repository
)")},
    {"key-add", lines(R"(
Adds a key slot to an encrypted repository: another passphrase or key opens it, too. Stored
data is not written again. Asks for a passphrase at the terminal unless an option or the
environment names the new secret.
)"),
     lines(R"(
pgcairn --repo=s3 key-add --label="Ada's safe"
pgcairn --repo=s3 key-add --new-key-file=/etc/pgcairn/next.key
)"),
     lines(R"(
   12  the key of [repo.NAME] opens no slot
)")},
    {"key-remove", lines(R"(
Removes a key slot: its passphrase or key no longer opens the repository. The last slot and
the slot that the configuration opens cannot be removed.
)"),
     lines(R"(
pgcairn --repo=s3 key-list
pgcairn --repo=s3 key-remove 0
)"),
     lines(R"(
   12  the key of [repo.NAME] opens no slot
)")},
    {"key-rotate", lines(R"(
Adds a key slot for a new passphrase or key, tests it, and removes the slot that the
configuration opens. Afterwards, the configuration of every host must name the new secret.
)"),
     lines(R"(
pgcairn --repo=s3 key-rotate --new-passphrase-file=/etc/pgcairn/next.passphrase
)"),
     lines(R"(
   12  the key of [repo.NAME] opens no slot
)")},
    {"help", lines(R"(
Lists the commands, or shows the help of one.
)"),
     lines(R"(
pgcairn help
pgcairn help restore
)"),
     ""},
    {"version", lines(R"(
Shows the version.
)"),
     lines(R"(
pgcairn version
pgcairn --output=json version
)"),
     ""},
};

}  // namespace

const std::string_view kSharedExitStatus =
    "    0  done\n"
    "    1  failed\n"
    "    2  wrong usage or configuration; nothing was touched\n"
    "    3  done, with warnings to read\n"
    "    4  damage found\n"
    "   10  no such repository, stanza or backup\n"
    "   11  locked by another run\n"
    "   12  the repository is encrypted, and the key is missing or wrong\n"
    "   13  PostgreSQL unreachable, unsupported, or not this stanza's cluster\n"
    "  130  interrupted\n";

const HelpText& help_text_of(std::string_view verb) {
  for (const HelpText& text : kTexts) {
    if (text.verb == verb) return text;
  }
  PGCAIRN_ASSERT(!"every verb has a help text");
}

}  // namespace pgcairn::command
