"""Every supported PostgreSQL, restored to every kind of target: what comes back is what was true there.

One history for each version: a backup under load, and moments after it, of which are known the time, the LSN, the
transaction, the restore point and a hash of all tables. Every cell of the table restores from that one backup.
"""
import dataclasses

import pytest

from support import report, system
from support.cluster import CLIENTS, Load
from support.stanza import Stanza

VERSIONS = (13, 14, 15, 16, 17, 18, 19)
PROMOTE = "--target-action=promote"
NOW = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"

# What pgbench keeps equal in each of its transactions, and half of one would break.
BALANCES = ("SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),"
            " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)")
HISTORY = "SELECT tid, bid, aid, delta, mtime FROM pgbench_history"

pytestmark = [pytest.mark.slow, pytest.mark.matrix]


@dataclasses.dataclass
class Moment:
    """What was true, and how to name it as a target of recovery."""
    time: str
    lsn: str
    xid: str
    name: str
    before: dict  # hashes of the tables before the transaction
    after: dict


class Past:
    """A running cluster with one backup, taken under load, and moments after it; all of it archived."""

    def __init__(self, stanza):
        self.stanza, self.cluster = stanza, stanza.cluster
        self.row = f"pg{stanza.install.version}"
        report.note(self.row, str(stanza.install))
        cluster = self.cluster
        cluster.pgbench_init()
        cluster.rows("CREATE TABLE marks (x int PRIMARY KEY, s text, p point)")
        cluster.rows("CREATE INDEX ON marks USING hash (s)")
        cluster.rows("CREATE INDEX ON marks USING gist (p)")
        cluster.rows("CREATE DATABASE second")
        cluster.rows("CREATE TABLE t AS SELECT 1 AS x", "second")
        self.marks = 0
        with Load(cluster) as load:
            self.known = self.history_rows(cluster)
            self.backup = stanza.backup()
            load.goes_on()
        self.quiet()
        self.moments = [self.moment(f"moment {number}") for number in range(3)]
        self.burst()
        cluster.wait_for_archived()
        self.final_history = self.history_rows(cluster)
        self.target = self.moments[1]

    def history_rows(self, cluster):
        return {tuple(row) for row in cluster.rows(HISTORY)}

    def quiet(self):
        """Wait until nobody but us is connected: what pgbench left may still be committing."""
        system.wait_until(lambda: self.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
                                                   "'client backend' AND pid <> pg_backend_pid()") == "0", what="quiet")

    def burst(self):
        system.run([CLIENTS / "pgbench", "-n", "-t", "30", *self.cluster.connection()[:-2], "postgres"])
        self.quiet()
        self.cluster.rows("UPDATE t SET x = x + 1", "second")

    def mark(self):
        """Write a row; return its transaction."""
        self.marks += 1
        return self.cluster.sql(f"INSERT INTO marks VALUES ({self.marks}, repeat('{self.marks}', 9000), point({self.marks}, 0))"
                                " RETURNING pg_current_xact_id()")

    def moment(self, name):
        cluster = self.cluster
        self.burst()
        before = cluster.table_hashes()
        xid = self.mark()
        after = cluster.table_hashes()
        now = cluster.sql(NOW)
        # The next record is that of the restore point, so that recovery to this LSN includes no change of a table.
        lsn = cluster.sql("SELECT pg_current_wal_insert_lsn()")
        cluster.rows(f"SELECT pg_create_restore_point('{name}')")
        return Moment(now, lsn, xid, name, before, after)

    def check_sound(self, cluster):
        """PostgreSQL's own checks; leaves the cluster stopped."""
        with_what = cluster.amcheck()
        cluster.stop()
        report.note(self.row, f"tables hashed, {with_what}, {cluster.checksums()}")

    def check_end_of_backup(self, cluster):
        """The end of a backup under load is a moment that nobody could hash: it holds whole transactions, all those
        from before, and none but those that were."""
        assert len(set(cluster.rows(BALANCES)[0])) == 1, cluster.rows(BALANCES)
        rows = self.history_rows(cluster)
        assert self.known <= rows <= self.final_history and len(rows) < len(self.final_history)
        assert cluster.sql("SELECT count(*) FROM marks") == "0" and cluster.sql("SELECT x FROM t", "second") == "1"


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def past(request, root, installations, binary, sockets):
    folder = system.make_dir(root / f"matrix{request.param}", 0o755)
    stanza = Stanza(folder, installations[request.param], binary, sockets=sockets, max_wal_size="1GB")
    yield Past(stanza.create())
    stanza.close()


@pytest.fixture
def place(past):
    """The name of a folder for the restored cluster, which is removed after the test."""
    yield "restored"
    for cluster in past.stanza.clusters[1:]:
        cluster.stop("immediate")
        system.remove_tree(cluster.data)
    del past.stanza.clusters[1:]


# Each: the arguments for a moment, and what must be there.
MOMENTS = {
    "time": (lambda m: ("--type=time", f"--target={m.time}"), "after"),
    "xid": (lambda m: ("--type=xid", f"--target={m.xid}"), "after"),
    "xid-before": (lambda m: ("--type=xid", f"--target={m.xid}", "--target-exclusive"), "before"),
    "lsn": (lambda m: ("--type=lsn", f"--target={m.lsn}"), "after"),
    "name": (lambda m: ("--type=name", f"--target={m.name}"), "after"),
}


def timeline(cluster):
    return int(cluster.sql("SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"), 16)


@pytest.mark.matrix("default")
def test_to_the_end_of_the_archive(past, place):
    restored = past.stanza.restore(place).must_start().wait_ready()
    assert restored.table_hashes() == past.cluster.table_hashes() and timeline(restored) == 2
    past.check_sound(restored)


@pytest.mark.matrix("immediate")
def test_to_the_end_of_the_backup(past, place):
    restored = past.stanza.restore(place, "--type=immediate", PROMOTE).must_start().wait_ready()
    past.check_end_of_backup(restored)
    assert timeline(restored) == 2
    past.check_sound(restored)


@pytest.mark.parametrize("target", MOMENTS)
def test_to_a_moment(past, place, target):
    arguments, state = MOMENTS[target]
    restored = past.stanza.restore(place, *arguments(past.target), PROMOTE).must_start().wait_ready()
    assert restored.table_hashes() == getattr(past.target, state) and timeline(restored) == 2
    past.check_sound(restored)


@pytest.mark.matrix("preserve")
def test_recovery_that_the_operator_sets_up(past, place):
    restored = past.stanza.restore(place, "--type=preserve")
    assert not list(restored.data.glob("*.signal"))
    system.write(restored.data / "recovery.signal", "")
    restored.configure(restore_command=f"{past.stanza.cairn.binary} --config={past.stanza.cairn.config} --stanza=main"
                       " archive-get %f %p", recovery_target_name=past.target.name, recovery_target_action="promote")
    restored.must_start().wait_ready()
    assert restored.table_hashes() == past.target.after
    past.check_sound(restored)


@pytest.mark.matrix("none")
def test_no_recovery_beyond_the_backup(past, place):
    restored = past.stanza.restore(place, "--type=none").must_start().wait_ready()
    past.check_end_of_backup(restored)
    assert timeline(restored) == 1
    past.check_sound(restored)


@pytest.mark.matrix("standby")
def test_a_standby_follows_by_archive_and_then_by_streaming(past, place):
    primary = past.cluster
    standby = past.stanza.restore(place, "--type=standby").must_start()

    def follows(by_streaming):
        """Let the primary write; the same must appear in the standby."""
        past.mark()
        if not by_streaming:
            primary.wait_for_archived()
        system.wait_until(lambda: standby.sql("SELECT count(*) FROM marks") == str(past.marks),
                          what=f"the standby to follow:\n{standby.log_text()[-2000:]}")
        assert standby.table_hashes() == primary.table_hashes()
        receivers = standby.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'")
        assert receivers == ("1" if by_streaming else "0")
    follows(by_streaming=False)
    standby.configure(primary_conninfo=f"host={past.stanza.sockets} port={primary.port} user=postgres")
    standby.reload()
    system.wait_until(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1",
                      what=f"streaming:\n{standby.log_text()[-2000:]}")
    follows(by_streaming=True)
    system.run([standby.install.bin / "pg_ctl", "promote", "-D", standby.data, "-w"])
    assert timeline(standby.wait_ready()) == 2
    past.check_sound(standby)
