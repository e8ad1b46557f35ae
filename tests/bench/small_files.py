"""Two hundred thousand files of one page."""
import os
import shutil

from measure import measured
from support import cluster as clusters
from support import system
from tools import PgBackRest, Pgcairn
from whole import SETTINGS

FILES = 200_000
FIRST = 10_000_000  # relation file numbers that no relation of the cluster has


class SmallFiles:
    def __init__(self, home, options, results):
        self.home, self.results = home, results
        self.server = clusters.PgCluster.create(clusters.debian_15(), home / "data", system.make_dir(home / "s", 0o755),
                                                checksums=False, **SETTINGS)
        self.server.must_start()
        self.folder = self.server.data / "base" / self.server.sql("SELECT oid FROM pg_database WHERE datname = 'postgres'")
        for number in range(FIRST, FIRST + FILES):
            self.write(number, number)
        os.sync()
        self.tools = [kind(home, self.server, options.workers) for kind in (Pgcairn, PgBackRest)]

    def write(self, number, content):
        """A page with a header that holds, and rows that compress about as pages do."""
        header = (bytes(8) + bytes(2) + bytes(2) + (24).to_bytes(2, "little") + (4096).to_bytes(2, "little")
                  + (8192).to_bytes(2, "little") + (0x2004).to_bytes(2, "little") + bytes(4))
        rows = b"".join(f"{content} row {row} ".encode().ljust(64, b".") for row in range(64))
        path = self.folder / str(number)
        path.write_bytes(header + bytes(4096 - len(header)) + rows)
        system.own(path)

    def describe(self):
        return f"{FILES} files of 8 KiB in PostgreSQL {self.server.sql('SHOW server_version')}"

    def note(self, tool, work, command):
        return self.results.add(work, tool.name, measured(self.home, command, self.server, memory=4096))

    def run(self, repeat):
        for tool in self.tools:
            tool.archive_here()
            tool.prepare()
        for turn in range(repeat):
            for tool in self.tools:
                tool.archive_here()
                self.note(tool, "full backup, small files", tool.full())
            self.write(FIRST + turn, -turn)
            for tool in self.tools:
                tool.archive_here()
                self.note(tool, "incr, one small file changed", tool.incr())
            for tool in self.tools:
                self.note(tool, "restore, small files", tool.restore(tool.fresh("restored")))
            shutil.rmtree(self.home / "restored")
        self.server.stop("immediate")

    def judge(self):
        for work, most in (("full backup, small files", 0.5), ("incr, one small file changed", 0.3), ("restore, small files", 0.8)):
            self.results.judge(f"{work}, wall", self.results.ratio(work), most, "of pgbackrest's")
