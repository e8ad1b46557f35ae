"""Where recovery ends: at its target or at the end of the archive, whatever the archive does meanwhile.

Each test chooses its version, its place and its moment at random; the seed is printed. What the server has at the end
is compared with what was committed.
"""
import os
import random
import re

import pytest

from support import damage, system
from support.cluster import shell_quote

VERSIONS = (13, 14, 15, 16, 17, 18, 19)
WITH_BASEBACKUP = (15, 17, 18, 19)  # of which the rig has it
ROWS = "SELECT coalesce(string_agg(x::text, ',' ORDER BY x), 'none') FROM t"
MOST_REQUESTS = 12

# restore_command: counts the requests, and takes the repository away at the chosen one.
WRAPPER = """#!/bin/sh
count=$(cat {count}); echo $((count + 1)) > {count}
[ "$count" -ge {at} ] && [ -e {armed} ] && chmod 000 {repo}
signals=$(ls recovery.signal standby.signal 2>/dev/null | tr '\\n' ' ')
{command}
code=$?
echo "$1 [$signals] $code" >> {log}
exit $code
"""


@pytest.fixture
def rng():
    seed = int(os.environ.get("PGCAIRN_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"PGCAIRN_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def some_stanza(make_stanza, rng):
    """Of a version at random, with a table and a backup."""
    stanza = make_stanza(rng.choice(VERSIONS)).create()
    print(f"PostgreSQL {stanza.install.version}")
    stanza.cluster.rows("CREATE TABLE t (x int)")
    stanza.backup()
    return stanza


def fill(stanza, first, last):
    """A row in each of some segments; their names."""
    names = []
    for x in range(first, last + 1):
        stanza.cluster.rows(f"INSERT INTO t VALUES ({x})")
        names.append(stanza.cluster.wait_for_archived())
    return names


def numbers(first, last):
    return ",".join(str(x) for x in range(first, last + 1)) or "none"


def get_command(stanza):
    return f"{stanza.cairn.binary} --config={stanza.cairn.config} --stanza=main archive-get"


class Away:
    """A restore_command that loses its repository at a request."""

    def __init__(self, stanza, cluster):
        self.stanza, self.cluster = stanza, cluster
        self.folder = system.make_dir(stanza.home / f"{cluster.data.name}.away")
        self.log, self.armed = self.folder / "log", self.folder / "armed"
        cluster.overrides["restore_command"] = f"{self.folder}/get %f %p"

    def at(self, request, armed=True):
        system.write(self.folder / "count", "0")
        system.write(self.log, "")
        if armed:
            self.arm()
        command = f'{get_command(self.stanza)} "$1" "$2"'
        # A new file: the server may be running the old one.
        new = system.write(self.folder / "new", WRAPPER.format(count=self.folder / "count", at=request, armed=self.armed, log=self.log,
                                                               repo=self.stanza.repo, command=command), 0o755)
        new.rename(self.folder / "get")

    def arm(self):
        system.write(self.armed, "")

    def back(self):
        self.armed.unlink(missing_ok=True)
        self.stanza.repo.chmod(0o750)

    def requests(self):
        return self.log.read_text().splitlines()


def timeline(cluster):
    return int(cluster.sql("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"), 16)


def promoted(cluster):
    cluster.rows("SELECT pg_promote(true, 60)")
    system.wait_until(lambda: cluster.answers("SELECT pg_is_in_recovery()") == "f", what="the end of recovery")


@pytest.mark.slow
def test_a_promotion_needs_no_store_at_any_of_its_requests(some_stanza, rng):
    stanza = some_stanza
    fill(stanza, 1, 2)
    parent = 1
    for at in range(5):
        standby = stanza.restore(f"standby{at}", "--type=standby")
        standby.configure(primary_conninfo="", hot_standby="on")
        away = Away(stanza, standby)
        away.at(0, armed=False)
        standby.must_start()
        system.wait_until(lambda: standby.answers(ROWS) == "1,2", what="the standby to catch up")
        away.at(at)
        promoted(standby)
        print("store away from", at, away.requests())
        assert "FATAL" not in standby.log_text()
        assert standby.sql(ROWS) == "1,2" and timeline(standby) == parent + 1
        assert not (standby.data / "standby.signal").exists()
        assert any(line.startswith("00000001.history []") for line in away.requests())
        away.back()
        standby.stop()
        restarted = standby.must_start().wait_ready()
        assert timeline(restarted) == parent + 1 and restarted.sql(ROWS) == "1,2"
        restarted.stop()


@pytest.mark.slow
def test_a_recovery_ends_at_its_target_whenever_the_store_goes_away(some_stanza, rng):
    stanza = some_stanza
    fill(stanza, 1, 2)
    stanza.cluster.rows("SELECT pg_create_restore_point('here')")
    fill(stanza, 666, 667)
    stanza.cluster.stop()
    at = stopped = 0
    while at < MOST_REQUESTS:
        cluster = stanza.restore(f"at{at}", "--type=name", "--target=here", "--target-action=promote")
        away = Away(stanza, cluster)
        away.at(at)
        came_up = cluster.start()
        system.wait_until(lambda: not cluster.pid() or cluster.answers("SELECT pg_is_in_recovery()") == "f", what="recovery to end")
        print("store away from", at, came_up, away.requests())
        if not cluster.pid():
            stopped += 1
            assert (cluster.data / "recovery.signal").exists(), cluster.log_text()
            away.back()
            cluster.must_start().wait_ready()
        asked = len(away.requests())
        assert cluster.sql(ROWS) == "1,2" and timeline(cluster) == 2
        away.back()
        cluster.stop()
        if asked <= at:
            break
        at += 1
    assert stopped > 0


@pytest.mark.slow
def test_a_new_standby_waits_for_the_store_before_it_chooses_a_branch(some_stanza):
    stanza = some_stanza
    fill(stanza, 1, 1)
    standby = stanza.restore("standby", "--type=standby")
    standby.configure(primary_conninfo="", hot_standby="on")
    away = Away(stanza, standby)
    away.at(0)
    assert not standby.start()
    assert (standby.data / "standby.signal").exists()
    away.back()
    standby.must_start()
    system.wait_until(lambda: standby.answers(ROWS) == "1", what="the standby to catch up")


def test_a_hole_stops_recovery_until_it_is_accepted(some_stanza, rng):
    """The segment goes after the plan, which therefore cannot name it."""
    stanza = some_stanza
    names = fill(stanza, 1, 6)
    stanza.cluster.stop()
    hole = rng.randrange(0, len(names) - 1)
    restored = stanza.restore()
    taken = stanza.wal_object(names[hole])
    damage.remove(taken)
    print("hole", names[hole])
    restored.start()
    system.wait_until(lambda: restored.pid() is None, what="the server to stop by itself")
    log = restored.log_text()
    assert f"{names[hole]} is missing in the archive, while {names[hole + 1]} is there" in log
    assert "selected new timeline" not in log and (restored.data / "recovery.signal").exists()

    refusal = stanza.try_restore(stanza.home / "again", "--dry-run")
    assert refusal.code == 10 and f"--accept-gap={names[hole]}" in refusal.err
    other = names[hole][:-1] + ("0" if names[hole][-1] != "0" else "1")
    assert stanza.try_restore(stanza.home / "again", "--dry-run", f"--accept-gap={other}").code == 10
    accepted = stanza.restore("again", f"--accept-gap={names[hole]}")
    assert accepted.must_start().wait_ready().sql(ROWS) == numbers(1, hole)


def test_a_standby_waits_at_a_hole_and_says_so(some_stanza, rng):
    stanza = some_stanza
    names = fill(stanza, 1, 5)
    stanza.cluster.stop()
    hole = rng.randrange(0, len(names) - 1)
    standby = stanza.restore("standby", "--type=standby")
    standby.configure(primary_conninfo="", hot_standby="on")
    taken = stanza.wal_object(names[hole])
    content = taken.read_bytes()
    damage.remove(taken)
    standby.must_start()
    system.wait_until(lambda: f"{names[hole]} is missing in the archive" in standby.log_text(), what="the hole to be named")
    system.wait_until(lambda: standby.answers(ROWS) == numbers(1, hole), what="what comes before it")
    system.write(taken, content)
    system.wait_until(lambda: standby.answers(ROWS) == numbers(1, 5), what="the standby to go on")
    system.wait_until(lambda: standby.log_text().count("is missing") == standby.log_text().count(f"{names[hole]} is missing"),
                      what="no other hole")
    assert standby.sql("SELECT pg_is_in_recovery()") == "t"


def test_a_target_just_before_a_hole_is_reached(some_stanza, rng):
    """A server reads ahead of its target, into the hole."""
    stanza = some_stanza
    names = fill(stanza, 1, 5)
    stanza.cluster.stop()
    hole = rng.randrange(1, len(names) - 1)
    damage.remove(stanza.wal_object(names[hole]))
    plan = stanza.try_restore(stanza.home / "dry", "--dry-run", "--output=json", f"--accept-gap={names[hole]}").json["restore"]
    restored = stanza.restore("restored", "--type=lsn", f"--target={plan['wal']['last-lsn']}", "--target-action=promote")
    assert restored.must_start().wait_ready().sql(ROWS) == numbers(1, hole)


def test_only_the_directory_that_it_runs_in_says_what_recovers(some_stanza, rng):
    """On the host of a standby, which is what the configuration names, a copy with a hand-made restore_command."""
    stanza = some_stanza
    standby = stanza.restore("standby", "--type=standby")
    names = fill(stanza, 1, 4)
    stanza.cluster.stop()
    copy = stanza.restore("copy")
    stanza.point_at(standby)
    copy.overrides["restore_command"] = f'{get_command(stanza)} %f "%p"'
    lost = rng.choice(names)
    stanza.wal_object(lost).chmod(0o000)
    copy.start()
    system.wait_until(lambda: copy.pid() is None, what="the copy to stop")
    assert "selected new timeline" not in copy.log_text() and (copy.data / "recovery.signal").exists()
    stanza.wal_object(lost).chmod(0o640)
    assert copy.must_start().wait_ready().sql(ROWS) == numbers(1, 4)


LEFT = {
    "recovery_target": "immediate",
    "recovery_target_name": "before the migration",
    "recovery_target_time": "2021-01-01 00:00:00+00",
    "recovery_target_xid": "3",
    "recovery_target_lsn": "0/1",
}


def test_what_an_earlier_recovery_left_behind_decides_nothing(make_stanza, rng):
    stanza = make_stanza(rng.choice(VERSIONS)).create()
    cluster = stanza.cluster
    print(f"PostgreSQL {stanza.install.version}")
    left = dict([rng.choice(list(LEFT.items()))])
    left["recovery_target_inclusive"] = "off"
    left["recovery_target_action"] = rng.choice(["shutdown", "promote", "pause"])
    left["recovery_min_apply_delay"] = "1h"
    left["recovery_end_command"] = "exit 1"
    if stanza.install.version <= 15:
        left["promote_trigger_file"] = cluster.data / "PG_VERSION"
    where = rng.choice(["postgresql.conf", "include", "ALTER SYSTEM"])
    print(left, where)
    if where == "include":
        system.write(cluster.data / "left.conf", "".join(f"{name} = {shell_quote(str(value))}\n" for name, value in left.items()))
        cluster.configure(include="left.conf")
    elif where == "postgresql.conf":
        cluster.configure(**{name: str(value) for name, value in left.items()})
    else:
        for name, value in left.items():
            cluster.rows(f"ALTER SYSTEM SET {name} = {shell_quote(str(value))}")
    cluster.restart()
    cluster.rows("CREATE TABLE t (x int)")
    stanza.backup()
    fill(stanza, 1, 1)
    cluster.rows("SELECT pg_create_restore_point('before the migration')")
    fill(stanza, 2, 2)
    cluster.rows("SELECT pg_create_restore_point('wanted')")
    lsn = cluster.sql("SELECT pg_current_wal_insert_lsn()")
    fill(stanza, 3, 3)
    cluster.stop()
    for name, args, rows in [("end", [], "1,2,3"),
                             ("immediate", ["--type=immediate", "--target-action=promote"], "none"),
                             ("name", ["--type=name", "--target=wanted", "--target-action=promote"], "1,2"),
                             ("lsn", ["--type=lsn", f"--target={lsn}", "--target-action=promote"], None)]:
        restored = stanza.restore(name, *args)
        restored.must_start().wait_ready()
        if rows is not None:
            assert restored.sql(ROWS) == rows, restored.log_text()
        else:
            assert restored.sql(ROWS) in ("1,2", "1,2,3")
        restored.stop()


@pytest.mark.slow
def test_immediate_where_the_archive_ends_with_a_standbys_backup(make_stanza, rng):
    stanza = make_stanza(rng.choice(WITH_BASEBACKUP)).create()
    cluster = stanza.cluster
    print(f"PostgreSQL {stanza.install.version}")
    cluster.rows("CREATE TABLE t (x int)")
    cluster.rows("INSERT INTO t VALUES (1)")
    standby = cluster.make_standby(stanza.home / "standby", archive_mode="off")
    cluster.rows("CHECKPOINT")
    if rng.random() < 0.5:
        cluster.rows("INSERT INTO t VALUES (2)")
    rows = cluster.sql(ROWS)
    cluster.switch_wal()
    system.wait_until(lambda: standby.sql("SELECT pg_last_wal_replay_lsn()") == cluster.sql("SELECT pg_current_wal_flush_lsn()"),
                      what="the standby to replay all")
    standby.rows("CHECKPOINT")
    stanza.point_at(standby)
    backup = stanza.backup()
    print(backup["start-lsn"], backup["stop-lsn"])
    standby.stop()
    cluster.stop("immediate")
    for path in stanza.wal_objects():
        segment = path.name[:24]
        if re.fullmatch("[0-9A-F]{24}", segment) and segment > backup["wal-stop"]:
            path.unlink()
    restored = stanza.restore("restored", "--type=immediate", "--target-action=promote")
    assert restored.must_start().wait_ready().sql(ROWS) == rows
