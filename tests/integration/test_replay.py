"""What only replay shows: a backup is listed, its pages are good, and no server gets over its WAL. Each kind at random; the seed
of a run is printed, and $PGCAIRN_REPLAY_SEED repeats it."""
import os
import random
import re
import signal

import pytest

from support import system, truth
from support.pgcairn import result_of
from test_drill import drill

SEED = int(os.environ.get("PGCAIRN_REPLAY_SEED", random.randrange(1_000_000)))


@pytest.fixture
def chance(request):
    print(f"PGCAIRN_REPLAY_SEED={SEED}")
    return random.Random(f"{SEED}/{request.node.name}")


# --- unlogged relations -------------------------------------------------------------------------------------------------

# How an index of an unlogged table comes to be without an init fork for a while.
BUILDS = {
    "create": "CREATE INDEX slow ON {table} (waits(i))",
    "concurrently": "CREATE INDEX CONCURRENTLY slow ON {table} (waits(i))",
    "reindex": "REINDEX INDEX slow",
    "rewrite": "ALTER TABLE {table} ALTER j TYPE bigint",
}
# An immutable function that waits for whoever holds the lock.
WAITS = """CREATE FUNCTION waits(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
'BEGIN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1); RETURN $1; END'"""


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("persistence", ("UNLOGGED", ""), ids=("unlogged", "logged"))
def test_an_index_that_is_built_longer_than_the_backup_runs(make_stanza, postgres, chance, build, persistence):
    """It is there when the backup begins, and has no init fork when it ends. Of a logged table it must come back."""
    stanza = make_stanza(postgres.version).create()
    cluster = stanza.cluster
    space = chance.choice(("pg_default", "space"))
    cluster.create_tablespace("space", stanza.home / "space")
    cluster.rows(WAITS)
    cluster.rows(f"CREATE {persistence} TABLE u (i int, j int) TABLESPACE {space}")
    cluster.rows("INSERT INTO u SELECT i, i FROM generate_series(1, 300) i")
    if build in ("reindex", "rewrite"):
        cluster.rows("CREATE INDEX slow ON u (waits(i))")
    holder = cluster.start_sql("SELECT pg_advisory_lock(1), pg_sleep(600)")
    system.wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == "1", what="the lock")
    builder = cluster.start_sql(BUILDS[build].format(table="u"))
    system.wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1", what="the build")
    if chance.random() < 0.5:
        cluster.rows("CREATE TABLE other AS SELECT 1 AS x")
    backup = stanza.backup()
    cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    holder.wait()
    assert builder.wait() == 0
    cluster.rows("CREATE TABLE later AS SELECT 7 AS x; CHECKPOINT")
    cluster.wait_for_archived()
    assert drill(stanza, f"--drill-path={stanza.home / 'drill'}", f"--pg-bin={stanza.install.bin}", "--no-record")["good"]
    for kind in (["--type=default"], ["--type=immediate", "--target-action=promote"]):
        restored = stanza.restore("copy" + kind[0][7:], f"--tablespace-map-all={stanza.home}/maps{kind[0][7:]}", *kind).must_start().wait_ready()
        count = "SELECT count(*) FROM u"
        if "default" in kind[0]:
            assert restored.sql("SELECT x FROM later") == "7"
            assert restored.sql("SET enable_seqscan = off; SELECT count(*) FROM u WHERE waits(i) > 0").splitlines()[-1] == ("0" if persistence else "300")
        assert restored.sql(count) == ("0" if persistence else "300"), backup
        restored.rows("INSERT INTO u SELECT 1, 1")
        restored.stop()


# --- databases ----------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_databases_that_are_copied_moved_and_dropped_while_a_backup_runs(make_stanza, postgres, chance):
    """Whatever happens, a backup that is listed has all databases with all they had, and most are listed."""
    stanza = make_stanza(postgres.version, max_wal_size="2GB").create()
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    for name in ("d0", "d1", "d2"):
        cluster.rows(f"CREATE DATABASE {name}")
        cluster.rows("CREATE TABLE t AS SELECT i FROM generate_series(1, 2000) i", name)
    cluster.create_large(mebibytes=64)
    copied = "STRATEGY file_copy" if postgres.version >= 15 else ""
    for number in range(2):
        process = stanza.start_held_backup()
        names = [name for name in cluster.databases() if name.startswith("d")]
        done = []
        for _ in range(chance.randrange(2, 6)):
            name, new = chance.choice(names), f"d{number}{len(done)}"
            what = chance.choice(("copy", "copy", "drop", "move", "there and back"))
            if what == "copy":
                cluster.rows(f"CREATE DATABASE {new} TEMPLATE {name} {chance.choice((copied, copied, ''))} TABLESPACE {chance.choice(('space', 'pg_default'))}")
                names.append(new)
            elif what == "drop" and len(names) > 1:
                cluster.rows(f"DROP DATABASE {name}")
                names.remove(name)
            else:
                here = cluster.sql(f"SELECT spcname FROM pg_tablespace s JOIN pg_database d ON s.oid = dattablespace WHERE datname = '{name}'")
                there = "space" if here == "pg_default" else "pg_default"
                for place in (there, here) if what == "there and back" else (there,):
                    cluster.rows(f"ALTER DATABASE {name} SET TABLESPACE {place}")
            done.append(f"{what} {name}")
        process.send_signal(signal.SIGCONT)
        result = result_of(process)
        print(done, "again" if "begins again" in result.err else "at once")
        assert result.code == 0, (done, result)
        restored = stanza.restore(f"r{number}", "--type=immediate", "--target-action=promote", f"--tablespace-map-all={stanza.home}/maps{number}")
        restored.must_start().wait_ready()
        assert restored.databases() == cluster.databases()
        for name in names:
            assert restored.sql("SELECT count(*) FROM t", name) == "2000", (done, name)
        restored.stop()
        system.remove_tree(restored.data)


# --- settings -----------------------------------------------------------------------------------------------------------

LIMITS = {"max_connections": 120, "max_worker_processes": 19, "max_wal_senders": 17, "max_prepared_transactions": 9,
          "max_locks_per_transaction": 99}


@pytest.mark.slow
def test_settings_that_were_raised_after_the_backup(make_stanza, postgres, chance):
    stanza = make_stanza(postgres.version, max_connections=60).create()
    cluster = stanza.cluster
    stanza.backup()
    raised = dict(chance.sample(sorted(LIMITS.items()), chance.randrange(1, 6)))
    cluster.configure(**raised)
    cluster.restart()
    cluster.rows("CREATE TABLE later AS SELECT 7 AS x")
    for _ in range(chance.randrange(3)):
        cluster.switch_wal()
    cluster.wait_for_archived()
    plan = stanza.try_restore(stanza.home / "dry", "--dry-run").out
    assert all(f"{name} = {value}" in plan for name, value in raised.items()), (raised, plan)
    restored = stanza.restore("copy").must_start().wait_ready()
    assert restored.sql("SELECT x FROM later") == "7"
    assert {name: restored.sql(f"SHOW {name}") for name in raised} == {name: str(value) for name, value in raised.items()}
    restored.stop()
    where = (f"--drill-path={stanza.home / 'drill'}", f"--pg-bin={stanza.install.bin}", "--no-record")
    assert drill(stanza, *where, "--drill-sql=SELECT x FROM later => 7")["good"]
    # In its own place, where not all WAL is read.
    records = list((stanza.repo / "record/main").glob("*-limits-*"))
    assert records, "archive-push saw the note"


@pytest.mark.slow
def test_a_time_with_wal_level_minimal(make_stanza, postgres, chance):
    settings = {"summarize_wal": "off"} if postgres.version >= 17 else {}
    stanza = make_stanza(postgres.version, **settings).create()
    cluster = stanza.cluster
    cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 100) i")
    old = stanza.backup()["label"]
    cluster.rows("CREATE TABLE before AS SELECT 1 AS x")
    if chance.random() < 0.5:
        cluster.switch_wal()
    cluster.configure(wal_level="minimal", max_wal_senders=0, archive_mode="off")
    cluster.restart()
    cluster.rows("BEGIN; CREATE TABLE lost (i int); INSERT INTO lost SELECT generate_series(1, 9999); COMMIT")
    cluster.configure(wal_level="replica", max_wal_senders=10, archive_mode="on")
    cluster.restart()
    cluster.rows("CREATE TABLE after AS SELECT 1; CHECKPOINT")
    cluster.wait_for_archived()
    for args in ([], ["--type=standby"]):
        refused = stanza.try_restore(stanza.home / "copy", "--dry-run", *args)
        assert refused.code == 1 and "wal_level=minimal" in refused.err, refused
    lsn = re.search(r"--target=(\S+) --target-exclusive", refused.err)[1]
    where = (f"--drill-path={stanza.home / 'drill'}", f"--pg-bin={stanza.install.bin}", "--no-record")
    assert "wal_level=minimal" in drill(stanza, *where, code=4)["findings"][0]
    restored = stanza.restore("copy", "--type=lsn", f"--target={lsn}", "--target-exclusive", "--target-action=promote").must_start().wait_ready()
    assert restored.sql("SELECT count(*) FROM before, t") == "100" and restored.sql("SELECT to_regclass('lost') IS NULL") == "t"
    restored.stop()
    stanza.backup()  # a newer one is on the other side
    newer = stanza.restore("newer").must_start().wait_ready()
    assert newer.sql("SELECT count(*) FROM lost") == "9999"
    assert stanza.try_restore(stanza.home / "dry", "--dry-run", f"--set={old}").code == 1


# --- prepared transactions ----------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_prepared_transactions_do_not_hold_up_a_drill(make_stanza, postgres, chance):
    stanza = make_stanza(postgres.version, max_prepared_transactions=9).create()
    cluster = stanza.cluster
    locked = chance.choice(("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "ALTER TABLE t ADD COLUMN j int", "TRUNCATE t CASCADE", "DROP TABLE t CASCADE"))
    cluster.rows("CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000); CREATE TABLE free AS SELECT 5 AS x")
    cluster.rows("CREATE TABLE child (i int REFERENCES t)")
    system.run([stanza.install.tool("psql"), "-X", *cluster.connection(), "-c", f"BEGIN; {locked}; PREPARE TRANSACTION 'held'"])
    stanza.backup()
    cluster.wait_for_archived()
    where = (f"--drill-path={stanza.home / 'drill'}", f"--pg-bin={stanza.install.bin}", "--no-record")
    result = drill(stanza, *where, "--foreign-keys", "--drill-sql=SELECT x FROM free => 5")
    assert result["good"] and any('"held"' in note for note in result["notes"]), result
    if postgres.version >= 14:
        assert any("public.t" in note and "locked" in note for note in result["notes"]), result
    blocked = drill(stanza, *where, "--drill-sql=SELECT count(*) FROM t => 1000", code=1)
    assert not blocked["good"] and blocked["findings"] == [] and "lock timeout" in blocked["unproved"][0], blocked
