"""Restores to every kind of target: what comes back is what was true there, or the plan refuses and touches nothing."""
import calendar
import time

import pytest

from support import compare, system

UTC_NOW = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"


class History:
    """A cluster with a backup in the middle of its life, and what was true at some moments after it."""

    def __init__(self, stanza):
        self.stanza, self.cluster = stanza, stanza.cluster
        self.cluster.rows("CREATE TABLE t (x int PRIMARY KEY, s text)")
        self.put(1)
        self.first = stanza.backup()["label"]
        self.put(2)
        self.early_point = self.point("early")
        self.second = stanza.backup()["label"]
        self.put(3)
        self.time = self.cluster.sql(UTC_NOW)
        self.lsn = self.cluster.sql("SELECT pg_current_wal_insert_lsn()")
        self.xid = self.put(4)
        self.late_point = self.point("late")
        self.put(5)
        self.cluster.wait_for_archived()

    def put(self, x):
        """Insert a row; return the number of the transaction."""
        return self.cluster.sql(
            f"INSERT INTO t VALUES ({x}, repeat('{x}', 5000)) RETURNING pg_current_xact_id()")

    def point(self, name):
        self.cluster.rows(f"SELECT pg_create_restore_point('{name}')")
        return name

    def restored(self, name, *args):
        restored = self.stanza.restore(name, *args).must_start().wait_ready()
        rows = restored.sql("SELECT string_agg(x::text, '' ORDER BY x) FROM t WHERE s = repeat(x::text, 5000)")
        restored.stop()
        return rows


@pytest.fixture
def history(stanza):
    return History(stanza)


@pytest.fixture
def history15(stanza15):
    return History(stanza15)


@pytest.mark.slow
def test_each_type_of_target_comes_back_as_it_was(history):
    promote = "--target-action=promote"
    cases = {
        "default": ("12345",),
        "immediate": ("12", "--type=immediate", promote),
        "first": ("1", "--type=immediate", promote, f"--set={history.first}"),
        "time": ("123", "--type=time", f"--target={history.time}", promote),
        "lsn-before": ("123", "--type=lsn", f"--target={history.lsn}", "--target-exclusive", promote),
        "xid": ("1234", "--type=xid", f"--target={history.xid}", promote),
        "xid-before": ("123", "--type=xid", f"--target={history.xid}", "--target-exclusive", promote),
        "name": ("1234", "--type=name", "--target=late", promote),
        "name-early": ("12", "--type=name", "--target=early", promote),
        "none": ("12", "--type=none"),
    }
    got = {name: history.restored(name, *args) for name, (_, *args) in cases.items()}
    assert got == {name: expected for name, (expected, *_) in cases.items()}


@pytest.mark.slow
def test_the_action_shutdown_stops_the_server_at_the_target(history15):
    restored = history15.stanza.restore("r", "--type=name", "--target=late", "--target-action=shutdown")
    restored.start()
    system.wait_until(lambda: restored.pid() is None, what="the server to shut itself down")
    assert "recovery stopping at restore point \"late\"" in restored.log_text()


def test_a_pause_at_a_dropped_table_is_explained(stanza15):
    """Recovery stops before the end of the transaction that drops it, which still holds its lock."""
    stanza15.create()
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza15.backup()
    xid = cluster.rows("BEGIN", "postgres", "DROP TABLE t", "SELECT pg_current_xact_id()", "COMMIT")[-1][0]
    cluster.wait_for_archived()
    target = ("--type=xid", f"--target={xid}", "--target-exclusive")
    words = "A table that was being dropped or changed at the target may be locked until then"
    said = stanza15.try_restore(stanza15.home / "paused", *target)
    assert said.code == 0 and words in said.out and "--target-action=promote" in said.out, said
    restored = stanza15.restored(stanza15.home / "paused").must_start()
    system.wait_until(lambda: restored.sql("SELECT pg_get_wal_replay_pause_state()") == "paused", what="the pause")
    assert restored.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 't'::regclass") == "1"
    restored.rows("SELECT pg_wal_replay_resume()")
    restored.wait_ready()
    assert restored.sql("SELECT x FROM t") == "1"
    assert words not in stanza15.try_restore(stanza15.home / "promoted", *target, "--target-action=promote").out


def test_preserve_keeps_the_configuration_and_leaves_recovery_to_the_operator(stanza15):
    stanza15.cluster.rows("ALTER SYSTEM SET recovery_target_name = 'mine'")
    stanza15.backup()
    before = (stanza15.cluster.data / "postgresql.auto.conf").read_bytes()
    restored = stanza15.restore("r", "--type=preserve", "--replace")
    assert (restored.data / "postgresql.auto.conf").read_bytes() == before
    assert not list(restored.data.glob("*.signal"))
    copy = stanza15.restore("copy", "--type=preserve")
    added = (copy.data / "postgresql.auto.conf").read_bytes().removeprefix(before).decode()
    assert "archive_mode = 'off'" in added and "recovery" not in added and "primary" not in added


def test_archive_mode_and_recovery_options_are_written(stanza15):
    stanza15.backup()
    restored = stanza15.restore("r", "--archive-mode=off", "--recovery-option=recovery_min_apply_delay=0",
                                "--recovery-option=log_connections=on")
    restored.overrides = {}
    restored.must_start().wait_ready()
    assert restored.sql("SHOW archive_mode") == "off"
    assert restored.sql("SHOW log_connections") == "on"


@pytest.mark.slow
@pytest.mark.parametrize("streams", (False, True), ids=("archive", "streaming"))
def test_a_standby_follows_its_primary(stanza, streams):
    primary = stanza.cluster
    primary.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza.backup()
    more = ()
    if streams:
        more = (f"--recovery-option=primary_conninfo=host={stanza.sockets} port={primary.port} user=postgres",)
    standby = stanza.restore("standby", "--type=standby", *more).must_start()
    assert standby.sql("SELECT pg_is_in_recovery()") == "t"
    primary.rows("INSERT INTO t VALUES (2)")
    if streams:
        system.wait_until(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication") == "1", what="streaming")
    else:
        primary.wait_for_archived()
    system.wait_until(lambda: standby.sql("SELECT count(*) FROM t") == "2", what="the standby to follow")
    assert standby.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == ("1" if streams else "0")


def refusal(stanza, *args, code=10):
    """Let a restore be refused into a directory that is not empty; it must be left as it was."""
    target = system.make_dir(stanza.home / "target")
    before = compare.tree_state(target)
    result = stanza.try_restore(target, *args)
    assert result.code == code, result
    assert compare.tree_state(target) == before
    assert stanza.try_restore(target, *args, "--dry-run").code == code
    target.rmdir()
    return result.err


def test_what_lies_beyond_the_archive_is_refused_with_the_nearest_that_does_not(history15):
    stanza = history15.stanza
    err = refusal(stanza, "--type=time", "--target=now")
    assert "the archive ends at 20" in err and "--type=default" in err and "pg_switch_wal" in err
    err = refusal(stanza, "--type=lsn", "--target=F/0")
    assert "before the target LSN F/0" in err
    nearest = err.split("--type=lsn --target=")[1].split()[0]
    assert history15.restored("nearest", "--type=lsn", f"--target={nearest}", "--target-action=promote") == "12345"
    err = refusal(stanza, "--type=xid", "--target=4000000000")
    assert "transaction 4000000000 is not in the archived WAL after any backup" in err
    err = refusal(stanza, "--type=name", "--target=never", f"--set={history15.first}")
    assert "restore point \"never\" is not in the archived WAL after backup" in err
    err = refusal(stanza, "--type=time", "--target=2020-01-01 00:00+00")
    assert "the earliest time that can be restored is" in err
    err = refusal(stanza, "--target-timeline=7")
    assert "timeline 7 has no history in the archive" in err
    err = refusal(stanza, "--type=lsn", "--target=0/1", f"--set={history15.second}")
    assert "without --set" in err


def test_every_target_that_nothing_reaches_is_exit_10_for_restore_and_drill(history15):
    stanza = history15.stanza
    set_second = f"--set={history15.second}"
    for args in (["--type=time", "--target=now"],  # after the end of the archived WAL
                 ["--type=time", "--target=tomorrow 10:00"],
                 ["--type=time", "--target=2020-01-01 00:00+00"],  # before the first backup
                 ["--type=time", "--target=2020-01-01 00:00+00", set_second],
                 ["--type=lsn", "--target=F/0"], ["--type=lsn", "--target=0/1"], ["--type=lsn", "--target=0/1", set_second],
                 ["--type=xid", "--target=4000000000"], ["--type=xid", "--target=4000000000", set_second],
                 ["--type=name", "--target=never"], ["--type=name", "--target=never", set_second],
                 ["--target-timeline=7"], ["--target-timeline=7", set_second],
                 ["--set=20200101-000000F"]):
        refusal(stanza, *args, code=10)
        drill = stanza.cairn.run("drill", f"--drill-path={stanza.home / 'drill'}", *args)
        assert drill.code == 10, (args, drill)


def test_a_target_in_the_future_is_refused_with_the_newest_time_that_can_be_restored(history15):
    stanza = history15.stanza
    plan = stanza.try_restore(stanza.home / "target", "--dry-run", "--output=json").json["restore"]
    for words in ("tomorrow 10:00", "2090-01-01 00:00+00"):
        err = refusal(stanza, "--type=time", f"--target={words}")
        assert "is in the future" in err and f"the newest time that can be restored is just before {plan['wal']['last-time']}" in err
        assert "pg_switch_wal" not in err  # no WAL can help


def test_what_is_understood_of_a_time_is_printed_as_an_absolute_one(history15):
    """Of words that depend on the hour, the plan (or the refusal) shows what they came to, in UTC."""
    stanza = history15.stanza
    for words, ago in (("1h ago", 3600), ("-1 hour", 3600), ("1h30min ago", 5400)):
        before = time.time() - ago
        err = refusal(stanza, "--type=time", f"--target={words}")
        shown = err.split("the target time ")[1].split("Z ")[0].split(".")[0]
        meant = calendar.timegm(time.strptime(shown, "%Y-%m-%dT%H:%M:%S"))
        assert int(before) <= meant <= time.time() - ago, (words, err)
    days = [time.gmtime()]
    midnight = refusal(stanza, "--type=time", "--target=00:00 UTC")
    days.append(time.gmtime())
    assert any(time.strftime("the target time %Y-%m-%dT00:00:00Z", day) in midnight for day in days), midnight
    assert "did you mean \"1 hour ago\"?" in refusal(stanza, "--type=time", "--target=1 hour", code=2)


def test_the_last_transaction_of_the_plan_is_the_last_that_can_be_reached(history15):
    stanza = history15.stanza
    plan = stanza.try_restore(stanza.home / "target", "--dry-run", "--output=json").json["restore"]
    last = plan["wal"]["last-time"]
    assert "not after the target" in refusal(stanza, "--type=time", f"--target={last}")
    # It is the message with which the test filled the segment, after the last row.
    assert history15.restored("all", "--type=time", f"--target={last}", "--target-exclusive",
                              "--target-action=promote") == "12345"


def test_a_gap_in_the_archive_is_named(history15):
    stanza, cluster = history15.stanza, history15.cluster
    gone = cluster.current_segment()
    cluster.wait_for_archived()
    history15.put(6)
    there = cluster.wait_for_archived()
    lsn = cluster.sql("SELECT pg_current_wal_insert_lsn()")
    stanza.wal_object(gone).unlink()
    assert f"--accept-gap={gone}" in refusal(stanza)
    accepted = f"--accept-gap={gone}"
    plan = stanza.try_restore(stanza.home / "target", "--dry-run", "--output=json", accepted).json["restore"]
    assert (plan["wal"]["missing"], plan["wal"]["after-gap"]) == (gone, there)
    assert any("GAP" in note and gone in note for note in plan["notes"])
    assert f"({gone} is missing, {there} is there)" in refusal(stanza, "--type=lsn", f"--target={lsn}")
    assert history15.restored("before-the-gap", accepted) == "12345"
