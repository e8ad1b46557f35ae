"""Full backup, verify, restore, delta restore and the archive, all tools on one cluster of PostgreSQL 15."""
import shutil
import sys

from measure import measured, mebibytes
from support import cluster as clusters
from support import system
from tools import BaseBackup, Copy, PgBackRest, Pgcairn, SealedPgcairn

# Autovacuum and checkpoints on a timer would fall on one tool or the other. Segments are kept for archive-push.
SETTINGS = {"autovacuum": False, "archive_mode": True, "archive_command": "/bin/true", "checkpoint_timeout": "1d",
            "max_wal_size": "16GB", "wal_keep_size": "1GB", "shared_buffers": "512MB", "fsync": True}


class Whole:
    def __init__(self, home, options, results):
        self.home, self.results = home, results
        self.server = clusters.PgCluster.create(clusters.debian_15(), home / "data", system.make_dir(home / "s", 0o755), **SETTINGS)
        self.server.must_start().pgbench_init(options.scale)
        self.server.rows("CHECKPOINT")
        self.size = mebibytes(self.server.data / "base")
        self.tools = [kind(home, self.server, options.workers) for kind in (Pgcairn, SealedPgcairn, PgBackRest, BaseBackup, Copy)]

    def describe(self):
        backrest = system.run(["pgbackrest", "version"]).stdout.strip()
        return f"{self.size:.0f} MiB of pgbench in PostgreSQL {self.server.sql('SHOW server_version')}; {backrest}"

    def note(self, tool, work, command, big=False):
        # Changing the user makes Python fork instead of vfork: 5 ms, which `version` would be charged with.
        measure = measured(self.home, command, self.server, as_server=work != "version",
                           memory=self.size + 512 if big else 128)
        return self.results.add(work, tool.name, measure)

    def segment(self):
        """A full segment of real changes that no tool has archived yet."""
        self.server.rows("ALTER SYSTEM SET archive_command = '/bin/true'")
        self.server.reload()
        system.run([clusters.CLIENTS / "pgbench", "-n", "-c", 2, "-t", 1500, *self.server.connection()[:-2], "postgres"])
        return self.server.wait_for_archived()

    def run(self, repeat):
        self.server.wait_for_archived()
        self.first = self.server.current_segment()  # that the tools archive
        for tool in self.tools:
            tool.archive_here()
            tool.prepare()
        for _ in range(repeat):
            self.turn()
        self.server.stop("immediate")

    def turn(self):
        for tool in self.tools:
            tool.archive_here()
            measure = self.note(tool, "full backup", tool.full(), big=True)
            measure["stored"] = tool.stored(measure)
        self.fill_archives()
        for tool in self.tools:
            if tool.verify:
                self.note(tool, "verify", tool.verify(), big=True)
        for tool in self.tools:
            target = tool.fresh("restored")
            self.note(tool, "restore", tool.restore(target), big=True)
            self.must_be_a_restore(tool)
            if tool.restore_delta:
                self.note(tool, "restore --delta, identical", tool.restore_delta(target), big=True)
                self.must_be_a_restore(tool)
        shutil.rmtree(self.home / "restored")
        name = self.segment()
        for tool in self.tools:
            if tool.push:
                self.note(tool, "archive-push", tool.push(self.server.data / "pg_wal" / name))
                self.note(tool, "archive-get", tool.get(name, tool.fresh("got") / "RECOVERYXLOG"))
        for tool in self.tools:
            for _ in range(5 if tool.version else 0):
                self.note(tool, "version", tool.version())

    def fill_archives(self):
        """Each tool archives in its turn only, and what came in the turns of others would be a gap in its archive, which `verify`
        names."""
        self.server.wait_for_archived()
        names = (path.stem for path in (self.server.data / "pg_wal/archive_status").glob("*.done"))
        segments = sorted(name for name in names if len(name) == 24 and name >= self.first)
        for tool in self.tools:
            tool.archive(self.server.data / "pg_wal" / name for name in segments)

    def must_be_a_restore(self, tool):
        """A fast restore of less than everything would win."""
        source, restored = (mebibytes(folder / "base") for folder in (self.server.data, self.home / "restored"))
        if abs(source - restored) > source / 50:
            sys.exit(f"error: {tool.name} restored {restored:.0f} MiB of {source:.0f} MiB")

    def judge(self):
        results = self.results
        for work, most in (("full backup", 0.55), ("restore", 0.65), ("restore --delta, identical", 0.4), ("archive-push", 0.8)):
            results.judge(f"{work}, wall", results.ratio(work), most, "of pgbackrest's")
        results.judge("verify, wall", results.ratio("verify", other="cp + sync"), 1, "of zstd -d's")
        results.judge("full backup, sealed", results.ratio("full backup", "pgcairn sealed", "pgcairn"), 1.10, "of an unsealed one's")
        for work in ("archive-push", "archive-get"):
            extra = results.median(work, "pgcairn sealed") - results.median(work, "pgcairn")
            results.judge(f"{work}, sealing adds", extra, 0.005, "s")
        results.judge("version, wall", results.median("version", "pgcairn"), 0.010, "s")
        for work in ("full backup", "restore"):
            results.judge(f"{work}, memory", results.median(work, "pgcairn", "rss"), 128, "MiB")
