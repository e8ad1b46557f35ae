"""The tools that are compared: each as the commands that it is run with."""
import json
import os
import shutil

from measure import mebibytes
from support import pgcairn as cairn
from support import system


class Tool:
    """One way to do it. What a tool does not offer is None."""

    archive_command = "/bin/true"
    full = incr = restore = restore_delta = verify = push = get = version = None

    def __init__(self, home, server, workers):
        self.home, self.server, self.workers = home, server, workers

    def prepare(self):
        """Once, before anything is measured."""

    def fresh(self, name):
        """An empty folder of that name; what was in it before is removed."""
        shutil.rmtree(self.home / name, ignore_errors=True)
        return system.make_dir(self.home / name)

    def archive(self, segments):
        """Take what is not in the tool's archive yet. Not measured."""

    def archive_here(self):
        self.server.rows(f"ALTER SYSTEM SET archive_command = '{self.archive_command}'")
        self.server.reload()


class Archive(Tool):
    """A tool that keeps WAL."""

    def __init__(self, home, server, workers):
        super().__init__(home, server, workers)
        self.archived = set()

    def archive(self, segments):
        for segment in segments:
            if segment.name not in self.archived:
                system.run(self.push(segment))
                self.archived.add(segment.name)


def shell(text):
    return ["/bin/sh", "-euc", text]


class Pgcairn(Archive):
    name = "pgcairn"

    def __init__(self, home, server, workers, **keys):
        super().__init__(home, server, workers)
        folder = self.name.replace(" ", "-")
        self.repo = system.make_dir(home / f"{folder}-repo", 0o750)
        self.cairn = cairn.Pgcairn(cairn.install_binary(system.make_dir(home / folder, 0o755)), home / f"{folder}.toml", {
            "global": {"process-max": workers, "compress-type": "zst", "compress-level": 3, "state-path": home / f"{folder}-state"},
            "repo.local": {"type": "posix", "path": self.repo, **keys},
            "stanza.main": {"pg-path": server.data, "pg-port": server.port, "pg-socket-path": server.sockets,
                            "pg-user": "postgres"}})
        self.archive_command = " ".join(self.cairn.command("--stanza=main", "archive-push", "%p"))

    def prepare(self):
        self.cairn.ok("stanza-create")

    def backup(self, *args):
        return self.cairn.command("backup", "--start-fast", "--output=json", *args)

    def full(self):
        return self.backup("--type=full")

    def incr(self):
        return self.backup("--type=incr")

    def stored(self, measure):
        """MiB that a backup added to the repository, WAL not counted."""
        return mebibytes(self.repo / "main/data" / self.result(measure)["label"])

    @staticmethod
    def result(measure):
        return json.loads(measure.output)["backup"]

    def restore(self, target, *args):
        return self.cairn.command("restore", f"--pg-path={target}", *args)

    def restore_delta(self, target):
        return self.restore(target, "--delta")

    def verify(self):
        return self.cairn.command("verify", "--level=full", "--no-record")

    def push(self, segment):
        return self.cairn.command("archive-push", segment)

    def get(self, name, target):
        return self.cairn.command("archive-get", name, target)

    def version(self):
        return [self.cairn.binary, "version"]


class SealedPgcairn(Pgcairn):
    """The same with an encrypted repository."""

    name = "pgcairn sealed"

    def __init__(self, home, server, workers):
        super().__init__(home, server, workers, **{"key-passphrase-file": system.write(home / "passphrase", "bench\n", 0o600)})


class PgBackRest(Archive):
    name = "pgbackrest"

    def __init__(self, home, server, workers):
        super().__init__(home, server, workers)
        self.repo = system.make_dir(home / "pgbackrest-repo", 0o750)
        for folder in ("spool", "lock", "log"):
            system.make_dir(home / folder)
        self.config = system.write(home / "pgbackrest.conf", f"""[global]
repo1-path={self.repo}
process-max={workers}
compress-type=zst
compress-level=3
repo1-bundle=y
repo1-retention-full=100
start-fast=y
spool-path={home / "spool"}
lock-path={home / "lock"}
log-path={home / "log"}
log-level-file=off

[main]
pg1-path={server.data}
pg1-port={server.port}
pg1-socket-path={server.sockets}
pg1-user=postgres
""")
        self.archive_command = " ".join(self.command("archive-push", "%p"))

    def command(self, *args):
        return ["pgbackrest", f"--config={self.config}", "--stanza=main", *map(str, args)]

    def prepare(self):
        system.run(self.command("stanza-create"))

    def full(self):
        return self.command("--type=full", "backup")

    def incr(self):
        return self.command("--type=incr", "backup")

    def stored(self, _):
        backups = self.repo / "backup/main"
        return mebibytes(backups / os.readlink(backups / "latest"))

    def restore(self, target):
        return self.command(f"--pg1-path={target}", "restore")

    def restore_delta(self, target):
        return self.command(f"--pg1-path={target}", "--delta", "restore")

    def verify(self):
        return self.command("verify")

    def push(self, segment):
        return self.command("archive-push", segment)

    def get(self, name, target):
        return self.command("archive-get", name, target)

    def version(self):
        return ["pgbackrest", "version"]


class BaseBackup(Tool):
    name = "pg_basebackup"

    def full(self):
        self.target = self.fresh("basebackup")
        return [self.server.install.bin / "pg_basebackup", "-D", self.target, *self.server.connection()[:-2],
                "-Ft", "-X", "none", "-c", "fast", f"--compress=server-zstd:level=3,workers={self.workers}"]

    def stored(self, _):
        return mebibytes(self.target)

    def restore(self, target):
        return shell(f"zstd -dc {self.target}/base.tar.zst | tar -xf - -C {target} && sync -f {target}")

    def version(self):
        return [self.server.install.bin / "pg_basebackup", "--version"]


class Copy(Tool):
    name = "cp + sync"

    def full(self):
        self.target = self.fresh("copy")
        return shell(f"cp -a {self.server.data}/. {self.target} && sync -f {self.target}")

    def stored(self, _):
        return mebibytes(self.target)

    def restore(self, target):
        return shell(f"cp -a {self.target}/. {target} && sync -f {target}")

    def verify(self):
        """The floor: what pgcairn verifies, read and decompressed, and compared with nothing."""
        return shell(f"find {self.home}/pgcairn-repo -type f -not -name '*.json' -not -path '*/.reserve/*' | xargs -n 1 -P {self.workers} zstd -dcq > /dev/null")

    def push(self, segment):
        target = self.fresh("copy-wal")
        return shell(f"cp {segment} {target}/s && sync {target}/s {target}")

    def get(self, name, target):
        return ["cp", self.server.data / "pg_wal" / name, target]
