"""A cluster, a repository and the configuration that joins them."""
import json
import pathlib
import shutil
import signal

from . import compare, system
from .cluster import PgCluster
from .pgcairn import Pgcairn, result_of

MISSING_BINARY = "pgcairn is not built: run scripts/build, or name the binary in PGCAIRN_BIN"


class Stanza:
    """A stanza with the repository "local", in a folder of its own; `repo` is another one's to share."""

    def __init__(self, home, install, binary, *, sockets, stanza="main", repo=None, checksums=True, archiving=True,
                 **settings):
        assert binary, MISSING_BINARY
        self.name = stanza
        self.home = pathlib.Path(home)
        self.install = install
        self.sockets = sockets
        self.repo = repo or system.make_dir(self.home / "repo", 0o750)
        self.clusters = []
        self.cluster = self.track(PgCluster.create(install, self.home / "data", sockets, checksums=checksums, **settings))
        self.cairn = Pgcairn(binary, self.home / "pgcairn.toml", {
            "global": {"process-max": 2, "compress-type": "zst", "compress-level": 3, "archive-timeout": "180s"},
            "repo.local": {"type": "posix", "path": self.repo},
            f"stanza.{stanza}": {"pg-path": self.cluster.data, "pg-port": self.cluster.port,
                            "pg-socket-path": self.sockets, "pg-user": "postgres"}})
        if archiving:
            self.cluster.configure(archive_mode=True, archive_command=self.archive_command())
        self.cluster.must_start()

    def track(self, cluster):
        """Have a cluster stopped at the end of the test."""
        self.clusters.append(cluster)
        return cluster

    def close(self):
        for cluster in reversed(self.clusters):
            cluster.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def archive_command(self, cluster=None):
        """Of a cluster that is not the configured one it says where that is."""
        where = f" --pg-path={cluster.data}" if cluster else ""
        return f"{self.cairn.binary} --config={self.cairn.config} --stanza={self.name}{where} archive-push %p"

    def point_at(self, cluster):
        """Have pgcairn take another cluster for this stanza's. The one so far, which elsewhere has a configuration of
        its own, goes on archiving."""
        if self.cluster is not cluster and self.cluster.pid():
            self.cluster.configure(archive_command=self.archive_command(self.cluster))
            self.cluster.reload()
        self.cairn.tables[f"stanza.{self.name}"].update({"pg-path": cluster.data, "pg-port": cluster.port})
        self.cairn.save()

    # --- verbs ------------------------------------------------------------------------------------------------------

    def create(self):
        self.cairn.ok("stanza-create")
        return self

    def backup(self, *args, code=0, type="full"):
        """Back up; return the object that `backup --output=json` prints about it."""
        return self.backup_aloud(*args, code=code, type=type)[0]

    def backup_aloud(self, *args, code=0, type="full"):
        """The same, and what was said meanwhile."""
        result = self.cairn.run("backup", f"--type={type}", "--start-fast", "--output=json", *args)
        assert result.code == code, result
        return result.json["backup"], result.err

    def start_slow_backup(self, rate="512KiB"):
        """Start a backup of a minute and more, however fast or busy the machine is; return its process as soon as it holds its
        lease."""
        process = self.cairn.start("backup", "--type=full", "--start-fast", "--compress-type=none", f"--limit-rate={rate}")
        system.wait_until(lambda: self.lease() or process.poll() is not None, what="the backup's lease", pause=0.01)
        assert process.poll() is None, result_of(process)
        return process

    def start_held_backup(self, *args, type="full", packs=1, rate="16MiB"):
        """Start a backup and hold its process (SIGSTOP) when it has stored so many packs, of 16 MiB each. With more to copy it is
        then seconds from its end, however fast or busy the machine is. SIGCONT lets it go on."""
        enough = len(self.all_packs()) + packs
        process = self.cairn.start("backup", f"--type={type}", "--start-fast", "--compress-type=none", "--process-max=1",
                                   f"--limit-rate={rate}", *args)
        system.wait_until(lambda: len(self.all_packs()) >= enough or process.poll() is not None, what="packs", pause=0.01)
        process.send_signal(signal.SIGSTOP)
        assert process.poll() is None, result_of(process)
        return process

    def info(self):
        """This stanza's part of `info --output=json`."""
        return next(s for s in self.cairn.ok("info", "--output=json").json["stanzas"] if s["name"] == self.name)

    def backups(self):
        return self.info()["repositories"][0]["backups"]

    def shows(self, *said):
        """Does `info` show these backups, with all that `backup` said of them, and no others? It shows more of each."""
        backups = self.backups()
        return [{name: shown[name] for name in one} for shown, one in zip(backups, said)] == list(said) and len(backups) == len(said)

    def labels(self):
        return [backup["label"] for backup in self.backups()]

    def restore(self, name="restored", *args):
        """Restore into a new folder of that name; return the cluster, not started. It is an isolated copy, and does
        not archive, unless `--replace` is among the arguments."""
        target = self.home / name
        result = self.try_restore(target, *args)
        assert result.code == 0, result
        return self.restored(target, {} if "--replace" in args else None)

    def try_restore(self, target, *args):
        return self.cairn.run("restore", f"--pg-path={target}", *args)

    def restored(self, target, overrides=None):
        return self.track(PgCluster(self.install, target, self.sockets, {"archive_mode": "off"} if overrides is None else overrides))

    # --- objects in the repository ----------------------------------------------------------------------------------

    def packs(self, label):
        return sorted((self.repo / self.name / "data" / label / "pack").iterdir())

    def all_packs(self):
        return {path for path in (self.repo / self.name / "data").glob("*/pack/*") if path.name[0] != "."}

    def marker(self, label):
        return self.repo / self.name / "backup" / f"{label}.json"

    def manifests(self, label):
        return sorted((self.repo / self.name / "data" / label / "manifest").iterdir())

    def lease(self):
        """Who is at work in this stanza, as the last document of its log says; None when nobody is."""
        for _ in range(100):  # the log's older documents are removed while we look
            documents = sorted((self.repo / "lease" / self.name).glob("*.json"))
            try:
                said = json.loads(documents[-1].read_text().splitlines()[0]) if documents else {}
            except FileNotFoundError:
                continue
            return said if said.get("state") == "held" else None
        raise AssertionError("the lease's documents change too fast to be read")

    def wal_object(self, segment):
        """The stored object of a segment, in whichever cluster's part of the archive."""
        return next((self.repo / self.name / "wal").glob(f"*/{segment[:16]}/{segment}"))

    def wal_objects(self):
        return sorted((self.repo / self.name / "wal").glob("*/*/*"))


def refused(stanza, target, *args, saying=(), codes=(1, 2, 4, 10)):
    """Try a restore that must be refused with the target as it was; return what it said. Codes: failed, a target that
    cannot be reached, damage found, no such repository, stanza or backup."""
    before = compare.tree_state(target) if target.exists() else None
    result = stanza.try_restore(target, *args)
    assert result.code in codes, result
    assert (compare.tree_state(target) if target.exists() else None) == before
    for word in saying:
        assert word in result.err, result
    return result


def assert_cannot_start(stanza, target):
    """What an aborted restore left is not a cluster."""
    assert not (target / "global/pg_control").exists()
    assert not stanza.restored(target).start()
