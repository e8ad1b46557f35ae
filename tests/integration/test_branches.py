"""Lives of one cluster that leave each other, at random: point-in-time recoveries, old primaries that go on, clones that
archive into the same stanza, backups of any of them. A model that knows who wrote what says what a plain restore must
bring back, and that expire leaves a way to each branch.

PGCAIRN_BRANCHES says how many histories (2 without it), PGCAIRN_RANDOM_SEED repeats one.
"""
import os
import random

import pytest

from support import report, system
from support.stanza import refused

COUNT = int(os.environ.get("PGCAIRN_BRANCHES", "2"))
SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
STEPS = 5


class Life:
    """A timeline: the server on it, the rows that it has seen, and its last restore point."""

    def __init__(self, cluster, timeline, rows):
        self.cluster, self.timeline, self.rows, self.point = cluster, timeline, list(rows), None


class Lives:
    def __init__(self, stanza, rng):
        self.stanza, self.rng, self.x = stanza, rng, 0
        self.all, self.told = [], []
        stanza.create()
        stanza.cluster.rows("CREATE TABLE t (x int PRIMARY KEY)")
        self.archives(stanza.cluster)
        stanza.cluster.restart()
        first = Life(stanza.cluster, 1, [])
        self.all.append(first)
        self.back_up(first)
        self.write(first)

    def archives(self, cluster):
        cluster.overrides = {"archive_command": self.stanza.archive_command(cluster)}

    def newest(self):
        return max(self.all, key=lambda life: life.timeline)

    def run(self, life):
        if not life.cluster.pid():
            life.cluster.must_start()
        life.cluster.wait_ready()

    def write(self, life):
        """Rows, each a transaction, all of them archived."""
        self.run(life)
        for _ in range(self.rng.randint(1, 3)):
            self.x += 1
            life.cluster.rows(f"INSERT INTO t VALUES ({self.x})")
            life.rows.append(self.x)
        life.cluster.rows(f"SELECT pg_create_restore_point('after {life.timeline} {self.x}')")
        life.point = f"after {life.timeline} {self.x}"
        life.cluster.wait_for_archived()
        self.told.append(f"timeline {life.timeline} writes up to {self.x}")

    def back_up(self, life):
        self.run(life)
        self.stanza.point_at(life.cluster)
        left = life is not self.newest()
        made, said = self.stanza.backup_aloud(code=3 if left else 0, type=self.rng.choice(["full", "incr"]))
        assert ("a branch that was left" in said) == left, said
        self.told.append(f"timeline {life.timeline} is backed up: {made['label']}")

    def leave(self, parent):
        """Restore to a point of the past and promote; the old life may go on, or not."""
        keep = self.rng.random() < 0.7
        timeline = self.newest().timeline + 1
        point = parent.point
        then = list(parent.rows)
        if keep and self.rng.random() < 0.8:
            self.write(parent)
        name = f"life{timeline}"
        cluster = self.stanza.restore(name, "--replace", "--type=name", f"--target={point}", "--target-action=promote",
                                      f"--target-timeline={parent.timeline}")
        self.archives(cluster)
        cluster.must_start().wait_ready()
        life = Life(cluster, timeline, then)
        assert cluster.sql("SELECT string_agg(x::text, ',' ORDER BY x) FROM t") == ",".join(map(str, then)), self.told
        assert (cluster.data / f"pg_wal/{timeline:08X}.history").exists(), self.told
        self.all.append(life)
        self.told.append(f"timeline {timeline} leaves {parent.timeline} at \"{point}\"")
        self.write(life)
        if not keep:
            parent.cluster.stop()

    def step(self):
        life = self.rng.choice(self.all)
        what = self.rng.choice(["write", "write", "back up", "back up", "leave"])
        if what == "leave" and len(self.all) < 4:
            self.leave(life)
        elif what == "back up":
            self.back_up(life)
            self.write(life)
        else:
            self.write(life)

    def restored_rows(self, name, *args):
        cluster = self.stanza.restore(name, *args)
        cluster.must_start().wait_ready()
        rows = cluster.sql("SELECT string_agg(x::text, ',' ORDER BY x) FROM t")
        cluster.stop()
        return [int(x) for x in rows.split(",")]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(COUNT))
def test_a_plain_restore_follows_the_newest_branch_and_expire_leaves_a_way_to_each(make_stanza, number):
    report.line(f"PGCAIRN_RANDOM_SEED={SEED}")
    lives = Lives(make_stanza(15, autovacuum=False), random.Random(f"{SEED} {number}"))
    stanza = lives.stanza
    lives.leave(lives.all[0])
    for _ in range(STEPS):
        lives.step()
    told = "\n".join(lives.told)
    newest = lives.newest()
    others = [life for life in lives.all if life is not newest]
    for life in lives.all:
        life.cluster.stop()

    assert lives.restored_rows("plain") == newest.rows, told
    info = stanza.info()["repositories"][0]["branches"]
    assert [branch["timeline"] for branch in info if branch["newest"]] == [newest.timeline], told
    plan = stanza.try_restore(stanza.home / "dry", "--dry-run")
    last = max(lives.all, key=lambda life: life.rows[-1])
    shown = {branch["timeline"] for branch in info}
    for life in others:
        if life.timeline in shown:
            assert f"--target-timeline={life.timeline} follows it" in plan.out, (told, plan)
    if last is not newest:
        assert f"TIMELINE {last.timeline} HAS A LATER LAST TRANSACTION" in plan.out, (told, plan)

    # What each branch ends with can be restored after the strictest rules have had their say.
    for rule in ("--retention-full=1", "--keep-last=1"):
        result = stanza.cairn.run("expire", rule, "--allow-mass-removal")
        assert result.code == 0, (told, result)
    for life in lives.all:
        if life.timeline in shown or life is newest:
            rows = lives.restored_rows(f"on{life.timeline}", f"--target-timeline={life.timeline}")
            assert rows == life.rows, (told, life.timeline)
    assert lives.restored_rows("plain-again") == newest.rows, told


def test_a_stray_history_and_a_number_in_hexadecimal(stanza15):
    stanza = stanza15.create()
    stanza.cluster.rows("CREATE TABLE t (x int)")
    stanza.backup()
    stanza.cluster.wait_for_archived()
    stray = system.make_dir(stanza.home / "stray") / "00000012.history"
    system.write(stray, b"1\t0/1800000\tno recovery target specified\n")
    assert stanza.cairn.run("archive-push", stray).code == 0
    plan = stanza.try_restore(stanza.home / "dry", "--dry-run")
    assert plan.code == 0 and "timeline 18 (0x12) has a history in the archive" in plan.out, plan
    for written in ("18", "0x12", "00000012"):
        said = refused(stanza, stanza.home / "dry", "--dry-run", f"--target-timeline={written}", codes=[10])
        assert "timeline 18 (0x12)" in said.err, said
    said = refused(stanza, stanza.home / "dry", "--dry-run", "--target-timeline=012", codes=[2])
    assert "00000012 as in the names of its WAL files" in said.err, said


def test_an_empty_newer_branch_is_followed_only_with_a_word_about_the_other(make_stanza):
    """A restore in place was tried, and the old directory put back: all later work is on the older timeline."""
    stanza = make_stanza(15, segment_mib=1, autovacuum=False).create()
    cluster, aside = stanza.cluster, stanza.home / "aside"
    cluster.rows("CREATE TABLE t (x int)")
    stanza.backup()
    cluster.wait_for_archived()
    cluster.stop()
    system.run(["cp", "-a", cluster.data, aside])
    stanza.cairn.ok("restore", "--delta")
    cluster.must_start().wait_ready()
    # More segments than are looked at, and no transaction in them.
    for _ in range(20):
        cluster.sql("SELECT pg_logical_emit_message(false, 'test', 'nothing')")
        cluster.sql("SELECT pg_switch_wal()")
    cluster.wait_for_archiver()
    cluster.stop()
    system.remove_tree(cluster.data)
    system.run(["cp", "-a", aside, cluster.data])
    cluster.must_start().wait_ready()
    cluster.rows("INSERT INTO t VALUES (1)")
    cluster.wait_for_archived()
    plan = ("restore", f"--pg-path={stanza.home / 'dry'}", "--dry-run", "--output=json")
    note = stanza.cairn.ok(*plan).json["restore"]["notes"][0]
    assert note.startswith("TIMELINE 1 HAS A LATER LAST TRANSACTION (") and "timeline 2 (none is known)" in note, note
    assert "--target-timeline=1 follows the other" in note, note
    assert not [note for note in stanza.cairn.ok(*plan, "--target-timeline=1").json["restore"]["notes"] if "TIMELINE" in note]


def test_a_time_is_reached_though_a_long_load_commits_nothing(make_stanza):
    stanza = make_stanza(15, segment_mib=1, autovacuum=False).create()
    cluster = stanza.cluster
    cluster.rows("CREATE TABLE t (x int); CREATE TABLE big (s text)")
    stanza.backup()
    cluster.rows("INSERT INTO t VALUES (1)")
    target = cluster.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    cluster.rows("INSERT INTO t VALUES (2)")
    # 24 segments of one transaction that never ends: the server dies first.
    load = cluster.start_sql("BEGIN; INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 24000); "
                             "SELECT pg_switch_wal(), pg_sleep(600)")
    system.wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1",
                      what="the load")
    # Not wait_for_archived(), which ends a transaction.
    cluster.rows("SELECT pg_switch_wal()")
    cluster.wait_for_archiver()
    cluster.stop("immediate")
    load.kill()
    restored = stanza.restore("at", "--type=time", f"--target={target}", "--target-action=promote")
    restored.must_start().wait_ready()
    assert restored.sql("SELECT string_agg(x::text, ',') FROM t") == "1"
    refused(stanza, stanza.home / "dry", "--dry-run", "--type=time", "--target=2090-01-01 00:00:00+00", codes=[10],
            saying=["is in the future", "the newest time that can be restored"])
