"""Incremental backups by WAL summaries: after many small changes, after none, after a change of one place, and many in a row."""
import shutil

from measure import measured, mebibytes
from support import cluster as clusters
from support import system
from tools import Pgcairn
from whole import SETTINGS

TRANSACTIONS = 20_000
CHAIN = 30
# pgBackRest 2.59.1 with block incremental, pgbench scale 150, 2 cores. Debian's has none: its full backup in this run tells how
# fast the machine is.
BACKREST_FULL_S = 3.7
BACKREST_INCR_S = 4.8
BACKREST_INCR_STORED_MIB = 80


class Changes:
    def __init__(self, home, options, results):
        self.home, self.results = home, results
        self.server = clusters.PgCluster.create(
            clusters.unpacked(home, options.version), home / "data", system.make_dir(home / "s", 0o755), summarize_wal=True, **SETTINGS)
        self.server.must_start()
        # Room in each page, as in a table that has been updated for long: else every update changes a page of the index as well.
        system.run([clusters.CLIENTS / "pgbench", "-i", "-q", "-F", 90, "-s", options.scale, *self.server.connection()[:-2], "postgres"],
                   timeout=600)
        self.rows = options.scale * 32_000  # of the large table
        self.settle()
        self.tool = Pgcairn(home, self.server, options.workers)

    def settle(self):
        self.server.rows("VACUUM FREEZE")
        self.server.rows("CHECKPOINT")
        self.size = mebibytes(self.server.data / "base")

    def describe(self):
        return f"{self.size:.0f} MiB in PostgreSQL {self.server.sql('SHOW server_version')}, summarize_wal = on"

    def note(self, work, command, memory=512):
        return self.results.add(work, "pgcairn", measured(self.home, command, self.server, memory=memory))

    def backup(self, work, *args):
        measure = self.note(work, self.tool.backup(*args))
        measure["stored"] = self.tool.stored(measure)
        measure["cluster-read"] = self.tool.result(measure)["read-bytes"] / (1 << 20)
        return measure

    def pgbench(self, transactions):
        system.run([clusters.CLIENTS / "pgbench", "-n", "-c", 2, "-t", transactions // 2, *self.server.connection()[:-2], "postgres"],
                   timeout=600)

    def run(self, repeat):
        self.tool.archive_here()
        self.tool.prepare()
        self.backup("full backup (changes)", "--type=full")
        for _ in range(repeat):
            self.pgbench(TRANSACTIONS)
            self.backup(f"incr after {TRANSACTIONS} transactions", "--type=incr")
            self.backup("incr, nothing changed", "--type=incr")
            self.backup("incr --delta, nothing changed", "--type=incr", "--delta")
        # As much again in one table: what happens in one place of a large cluster.
        self.server.rows("CREATE TABLE large AS SELECT i, md5(i::text) || repeat('x', 400) AS s"
                         f" FROM generate_series(1, {self.rows}) i")
        self.settle()
        self.backup("full backup (two large tables)", "--type=full")
        for _ in range(repeat):
            self.server.rows("UPDATE large SET s = md5(s) || repeat('y', 400) WHERE i <= (SELECT max(i) / 100 FROM large)")
            self.backup("incr, 1 % of one table", "--type=incr")
        for _ in range(CHAIN):
            self.pgbench(500)
            self.backup("incr, one of a chain", "--type=incr")
        for _ in range(repeat):
            self.restore(f"restore after {CHAIN} incr")
        self.backup("full backup (after the chain)", "--type=full")
        for _ in range(repeat):
            self.restore("restore after a full")
        self.server.stop("immediate")

    def restore(self, work):
        self.note(work, self.tool.restore(self.tool.fresh("restored")), memory=self.size + 512)
        shutil.rmtree(self.home / "restored")

    def judge(self):
        results = self.results

        def median(work, what="wall"):
            return results.median(work, "pgcairn", what)
        work = f"incr after {TRANSACTIONS} transactions"
        full = results.median("full backup", "pgbackrest")
        if full is not None:
            results.judge(f"{work}, wall", median(work), 0.3 * BACKREST_INCR_S * full / BACKREST_FULL_S, "s (by pgbackrest's full)")
        print(f"{work}: {median(work, 'cluster-read'):.0f} MiB read from the cluster")
        results.judge(f"{work}, stored", median(work, "stored"), 0.2 * BACKREST_INCR_STORED_MIB, "MiB")
        results.judge("incr, nothing changed, wall", median("incr, nothing changed"), 0.3, "s")
        results.judge("incr --delta, nothing changed, wall", median("incr --delta, nothing changed"), 0.8, "s")
        one = "incr, 1 % of one table"
        results.judge(f"{one}, read by our count", median(one, "cluster-read") / self.size, 0.03, "of the cluster")
        results.judge(f"{one}, read by the kernel's", median(one, "read") / self.size, 0.03, "of the cluster")
        results.judge(f"restore after {CHAIN} incr, wall", median(f"restore after {CHAIN} incr") / median("restore after a full"), 1.3,
                      "of restore after a full")
