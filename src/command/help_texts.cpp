#include "help_texts.hpp"

#include <pgcairn/common/error.hpp>

namespace pgcairn::command {

namespace {

constexpr HelpText kTexts[] = {
    {"stanza-create",
     "Makes the repositories that do not exist yet, and in each the stanza for this cluster. Needs "
     "the\n"
     "data directory, not a running server. Run again it changes nothing; a stanza that belongs "
     "to\n"
     "another cluster is refused.\n",
     "pgcairn stanza-create\n"
     "pgcairn --stanza=main --repo=local stanza-create\n",
     "   13  the stanza belongs to another cluster, or PostgreSQL's version is not supported\n"},
    {"archive-push",
     "PostgreSQL runs it for each finished WAL file: PATH is %p. Returns when the file is durable "
     "in\n"
     "every repository. The same file again succeeds; other content under its name is refused.\n",
     "archive_command = 'pgcairn --stanza=main archive-push \"%p\"'\n"
     "pgcairn --stanza=main archive-push pg_wal/000000010000000000000003\n",
     "    0  the file is durable in every repository\n"
     "    1  anything else; PostgreSQL keeps the file and tries again\n"},
    {"archive-get",
     "A recovering PostgreSQL runs it: NAME is %f, DEST is %p. Tries the repositories in order "
     "and\n"
     "writes DEST as a whole or not at all. restore sets restore_command so.\n",
     "restore_command = 'pgcairn --stanza=main archive-get %f \"%p\"'\n"
     "pgcairn --stanza=main archive-get 000000010000000000000003 /tmp/segment\n",
     "    0  fetched\n"
     "    1  certainly in no repository; on a standby (standby.signal) also: ask again later\n"
     "  200  could not find out, or a hole in the archive: recovery must stop, not end early\n"
     "  143  ended by SIGTERM (128 + the signal's number)\n"},
    {"backup",
     "Copies the cluster while it runs, checks its pages, and waits for the WAL that makes the "
     "copy\n"
     "consistent. A backup is listed only when it is complete and can be restored.\n",
     "pgcairn backup\n"
     "pgcairn --stanza=main --repo=local --start-fast --process-max=4 backup\n",
     "    3  done, but pages of the cluster are damaged; they are named\n"
     "   13  PostgreSQL cannot be reached, is not supported, or is not the stanza's cluster\n"},
    {"check",
     "Connects to the server, compares its identity with pg-path and the stanza, reads its "
     "archive\n"
     "settings, writes a restore point, switches WAL, and waits until the segment is in every\n"
     "repository. On a standby, the last segment before its restartpoint is looked for instead.\n",
     "pgcairn check\n"
     "pgcairn --stanza=main --archive-timeout=10s --output=json check\n",
     "    1  the segment did not arrive in every repository in time\n"
     "   13  PostgreSQL cannot be reached, does not archive, or is not the stanza's cluster\n"},
    {"info",
     "Shows for each stanza and repository the backups, to which times they can be restored, what "
     "is\n"
     "known to be wrong with them, and the archived WAL. With --output=json in a form that stays; "
     "see\n"
     "pgcairn-info(1).\n",
     "pgcairn info\n"
     "pgcairn --stanza=main --set=20261121-010203F info\n"
     "pgcairn --stanza=main --output=json info\n",
     "    1  a repository could not be read: what is shown may not be all\n"},
    {"report",
     "Writes what info shows, and how sizes, durations, verify and drill went over time, as one "
     "HTML\n"
     "page that needs nothing else.\n",
     "pgcairn --file=/var/www/html/backups.html report\n"
     "pgcairn --stanza=main report > main.html\n",
     "    1  a repository could not be read: what is shown may not be all\n"},
    {"health",
     "Looks at the age, count and size of backups, at the archiver, at free space, at the last "
     "verify\n"
     "and drill, at stops and leases, and compares them with the health keys of the configuration. "
     "It\n"
     "changes nothing and is cheap enough for every minute. Without --stanza all stanzas of the\n"
     "configuration are looked at. What cannot be found out is unknown, never ok.\n",
     "pgcairn health\n"
     "pgcairn --stanza=main --output=nagios health\n",
     "    1  something is not known: a repository or the server could not be read\n"
     "    3  warnings\n"
     "    4  critical; with --output=nagios: 0 ok, 1 warning, 2 critical, 3 unknown\n"},
    {"metrics",
     "Writes what health measures in Prometheus' text format, for node_exporter's textfile "
     "collector.\n"
     "With --file the file appears as a whole, readable for all.\n",
     "pgcairn --file=/var/lib/prometheus/node-exporter/pgcairn.prom metrics\n"
     "pgcairn --stanza=main metrics\n",
     ""},
    {"restore",
     "Chooses the backup for the target, proves that the WAL to get there is in the archive, shows "
     "its\n"
     "plan, and only then touches the data directory, which must be empty or absent. The restored\n"
     "server is then started as usual and replays WAL up to the target. With another --pg-path "
     "than\n"
     "the configured one it is an isolated copy, which reaches neither archive nor original.\n",
     "pgcairn --dry-run restore\n"
     "pgcairn restore --type=time --target=\"2026-11-21 02:41:07+00\" --target-action=promote\n"
     "pgcairn restore --type=standby --recovery-option=primary_conninfo=\"host=primary "
     "user=repl\"\n"
     "pgcairn restore --set=20261121-010203F --pg-path=/srv/copy --tablespace-map=fast=/srv/fast\n",
     "    4  an object in the repository is damaged; it is named\n"
     "   10  no such backup, or none that reaches the target\n"},
    {"verify",
     "Reads what the markers and manifests of the repositories name and compares it with what is\n"
     "there: packs, and the WAL from the oldest backup on. At level full every frame is opened.\n"
     "Every damaged object is named, with the backups and files that need it. What was found is "
     "recorded\n"
     "in the repository: restore and the next incremental backup pass over what is damaged.\n",
     "pgcairn verify\n"
     "pgcairn --stanza=main --level=full --process-max=4 verify\n"
     "pgcairn verify --level=full --sample=5%\n"
     "pgcairn verify --level=full --max-duration=1h\n",
     "    1  a repository could not be read: what is said may not be all\n"
     "    4  something is damaged or missing; it is named\n"},
    {"drill",
     "Restores a backup into a directory of its own, starts a private server on it, recovers, "
     "runs\n"
     "pg_amcheck and the queries of drill-sql, stops it and takes all away again. The outcome is\n"
     "recorded in the repository. The live cluster, its directory, port and archive are not "
     "touched.\n",
     "pgcairn --stanza=main --drill-path=/srv/drill drill\n"
     "pgcairn drill --type=time --target=\"1 hour ago\" --foreign-keys\n"
     "pgcairn drill --keep --drill-sql=\"shop: SELECT count(*) > 0 FROM orders\"\n",
     "    4  the backup could not be restored or recovered, or what came out is not good\n"
     "   10  no such backup, or none that reaches the target\n"
     "   11  another drill is at work in the directory\n"
     "   13  the programs of the backup's version of PostgreSQL were not found\n"},
    {"repo-ls",
     "Lists what is in PATH, a folder of the repository, or in the repository itself; with\n"
     "--recursive all objects below. Objects are shown with their size in bytes and the time at "
     "which\n"
     "they were stored. When several repositories are configured, --repo has to name one.\n",
     "pgcairn repo-ls\n"
     "pgcairn --repo=away repo-ls main/backup\n"
     "pgcairn repo-ls -r main/data/20261121-010203F\n",
     "   10  there is no such repository, folder or object\n"},
    {"repo-get",
     "Writes what an object holds to standard output, or to FILE, which must not exist: of WAL "
     "the\n"
     "file, of a part of a manifest its lines, of a document its JSON, of a pack the content of "
     "its\n"
     "frames one after the other (--index: what these are). It is decrypted, decompressed and "
     "checked;\n"
     "--raw gives the bytes as they are stored.\n",
     "pgcairn repo-get main/backup/20261121-010203F.json\n"
     "pgcairn repo-get main/data/20261121-010203F/manifest/00000000 | grep PG_VERSION\n"
     "pgcairn --index repo-get main/data/20261121-010203F/pack/00000000\n",
     "    4  the object is damaged: what was written is of no use\n"
     "   10  there is no such repository or object\n"},
    {"repo-copy",
     "Copies a backup with all that it needs from one repository to another: its packs, also those "
     "of\n"
     "older backups, its manifest, its WAL as far as the archive goes, its holds and annotations. "
     "Every\n"
     "frame is checked on its way. What is there already is passed over, so that a copy that was\n"
     "interrupted goes on; until it is done no backup is listed. Expire and backup at the target "
     "wait.\n",
     "pgcairn --from=local --to=away --dry-run repo-copy\n"
     "pgcairn --stanza=main --from=local --to=away --set=20261121-010203F repo-copy\n",
     "    4  something that the backup needs is damaged or missing; nothing is listed\n"
     "   11  a backup or an expire is at work at the target\n"
     "   13  the stanza of the target belongs to another cluster\n"},
    {"stop",
     "Refuses backup, archive-push and all else that writes, from now on, until it is started "
     "again:\n"
     "on this host, or in the repositories for every host. What runs already is not ended.\n",
     "pgcairn --stanza=main stop\n"
     "pgcairn --stanza=main --all-hosts --reason=\"moving the repository\" stop\n",
     ""},
    {"start", "Allows again what was stopped, on this host or in the repositories.\n",
     "pgcairn --stanza=main start\n"
     "pgcairn --stanza=main --all-hosts start\n",
     ""},
    {"stanza-upgrade",
     "Adds the cluster in the data directory to the stanza, after pg_upgrade. Backups and WAL of "
     "the\n"
     "earlier version stay. A cluster of no later version is refused, unless --force.\n",
     "pgcairn --stanza=main stanza-upgrade\n",
     "   11  the stanza is stopped\n"
     "   13  the cluster is no upgrade of the stanza's\n"},
    {"stanza-delete",
     "Removes all that the repositories hold of the stanza; nothing brings it back. Asks for the\n"
     "stanza's name, unless --force. Refused while a backup is held or a command is at work.\n",
     "pgcairn --stanza=old --dry-run stanza-delete\n"
     "pgcairn --stanza=old stanza-delete\n",
     "   11  another command is at work in the stanza, or a backup is held\n"},
    {"expire",
     "Removes from every repository the backups that no retention setting keeps, the packs that "
     "no\n"
     "remaining backup names, and WAL that none needs. Each backup is complete in itself and goes\n"
     "alone. The newest backup, the last good one and those that are held stay. Without any "
     "setting\n"
     "nothing is removed. backup does this when it is done.\n",
     "pgcairn expire --dry-run\n"
     "pgcairn expire --keep-daily=7 --keep-weekly=4 --keep-monthly=12 --dry-run\n"
     "pgcairn --stanza=main --set=20261121-010203F expire\n",
     "    4  a hold or a verdict is damaged: nothing was removed\n"
     "   11  a backup is running: it says where and since when\n"},
    {"hold",
     "Keeps a backup whatever the retention says, in every repository that has it, until it is\n"
     "released or the time has come.\n",
     "pgcairn hold 20261121-010203F --reason=\"audit 2026\"\n"
     "pgcairn hold 20261121-010203F --reason=\"before the migration\" --until=90d\n",
     "   10  no repository has such a backup\n"
     "   11  an expire is at work that may not see the hold\n"},
    {"unhold", "Releases all holds of a backup, in every repository.\n",
     "pgcairn unhold 20261121-010203F\n", "   10  the backup is not held\n"},
    {"annotate",
     "Puts notes on a backup; info shows them. The latest text of a KEY counts, an empty one "
     "takes\n"
     "it away.\n",
     "pgcairn annotate 20261121-010203F ticket=OPS-123 \"why=before the migration\"\n"
     "pgcairn annotate 20261121-010203F ticket=\n",
     "   10  no repository has such a backup\n"},
    {"key-list", "Shows the key slots of the repositories: what opens them. Needs no key.\n",
     "pgcairn key-list\npgcairn --repo=s3 --output=json key-list\n",
     "   10  there is no repository\n"},
    {"key-add",
     "Lets another passphrase or key open an encrypted repository, beside those that do. Nothing "
     "else is\n"
     "written again. A passphrase is asked for at the terminal unless something else is said.\n",
     "pgcairn --repo=s3 key-add --label=\"Ada's safe\"\n"
     "pgcairn --repo=s3 key-add --new-key-file=/etc/pgcairn/next.key\n",
     "   12  the key of [repo.NAME] opens no slot\n"},
    {"key-remove",
     "Lets the passphrase or key of a slot open the repository no more. Neither the last slot goes "
     "nor\n"
     "the one that the configuration opens.\n",
     "pgcairn --repo=s3 key-list\npgcairn --repo=s3 key-remove 0\n",
     "   12  the key of [repo.NAME] opens no slot\n"},
    {"key-rotate",
     "Adds a slot for a new passphrase or key, tries it, and removes the slot that the "
     "configuration\n"
     "opens. Then the configuration has to name the new one, on every host.\n",
     "pgcairn --repo=s3 key-rotate --new-passphrase-file=/etc/pgcairn/next.passphrase\n",
     "   12  the key of [repo.NAME] opens no slot\n"},
    {"help", "Shows the commands, or all about one.\n", "pgcairn help\npgcairn help restore\n", ""},
    {"version", "Shows the version.\n", "pgcairn version\npgcairn --output=json version\n", ""},
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
