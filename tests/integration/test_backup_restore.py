"""Backup and restore of real clusters: what comes back is what was there at the target."""
import datetime
import math
import os

import pytest

from support import compare, system
from support.cluster import UTC_NOW, Load


def assert_sound(cluster):
    """PostgreSQL's own checks over every page, heap and index; leaves the cluster stopped."""
    cluster.amcheck()
    cluster.stop()
    cluster.checksums()


def fill(cluster):
    """Two databases, indexes of several kinds, toasted values, an unlogged table."""
    cluster.pgbench_init(scale=4)
    cluster.rows("CREATE DATABASE second")
    cluster.rows("CREATE TABLE long AS SELECT g, repeat(md5(g::text), 200) AS t FROM generate_series(1, 2000) g", "second")
    cluster.rows("CREATE TABLE kinds AS SELECT g AS n, md5(g::text) AS t, point(g, -g) AS p FROM generate_series(1, 20000) g")
    for index in ("USING btree (n)", "USING hash (t)", "USING gist (p)", "USING brin (n)"):
        cluster.rows(f"CREATE INDEX ON kinds {index}")
    cluster.rows("CREATE UNLOGGED TABLE fleeting AS SELECT generate_series(1, 1000) AS g")


@pytest.mark.slow
def test_under_load_to_the_end_of_the_archive(stanza):
    fill(stanza.cluster)
    with Load(stanza.cluster) as load:
        stanza.backup()
        load.goes_on()
    stanza.cluster.wait_for_archived()
    expected = stanza.cluster.table_hashes()
    expected["postgres.public.fleeting"] = stanza.cluster.sql("SELECT '0:' || md5('')")  # unlogged: there, and empty
    stanza.cluster.stop()

    restored = stanza.restore().must_start().wait_ready()
    assert restored.table_hashes() == expected
    assert_sound(restored)


@pytest.mark.slow
def test_under_load_to_a_time(stanza):
    """The load never ends: the target lies between transactions that were committed right before and after it."""
    cluster = stanza.cluster
    fill(cluster)
    with Load(cluster) as load:
        stanza.backup()
        load.goes_on()
        expected, target = cluster.moment()
        load.goes_on()
        cluster.rows("DROP TABLE kinds")
        cluster.rows("CREATE TABLE later (x int)", "second")
        cluster.wait_for_archived()
    assert cluster.table_hashes()["postgres.public.pgbench_history"] != expected["postgres.public.pgbench_history"]

    restored = stanza.restore("restored", "--type=time", f"--target={target}", "--target-action=promote")
    restored.must_start().wait_ready()
    assert {name: value for name, value in restored.table_hashes().items() if name in expected} == expected
    assert len(expected) == 5 and restored.tables("second") == ["public.long"]
    assert restored.sql("SELECT count(*) FROM fleeting") == "0"  # unlogged: there, and empty
    assert_sound(restored)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


@pytest.mark.slow
def test_to_some_seconds_ago(stanza15):
    """Which moment that is depends on when the command runs; what it says of it is what comes back."""
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t (x int)")
    stanza15.backup()
    committed = []  # (not before, not after)
    while len(committed) < 3 or committed[-1][0] - committed[0][0] < datetime.timedelta(seconds=6):
        before = now()
        cluster.rows(f"INSERT INTO t VALUES ({len(committed)})")
        committed.append((before, now()))
    cluster.wait_for_archived()

    middle = committed[len(committed) // 2][0]
    ago = math.ceil((now() - middle).total_seconds())
    before = now()
    said = stanza15.try_restore(stanza15.home / "restored", "--type=time", f"--target={ago} seconds ago", "--target-action=promote",
                                "--output=json")
    assert said.code == 0, said
    target = datetime.datetime.fromisoformat(said.json["restore"]["target-time"].replace("Z", "+00:00"))
    assert before <= target + datetime.timedelta(seconds=ago) <= now()
    rows = stanza15.restored(stanza15.home / "restored").must_start().wait_ready().sql("SELECT count(*) FROM t")
    assert sum(last <= target for _, last in committed) <= int(rows) <= sum(first <= target for first, _ in committed)


def test_target_action_pause_stays_in_recovery_at_the_target(stanza15):
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza15.backup()
    cluster.rows("INSERT INTO t VALUES (2)")
    target = cluster.sql(UTC_NOW)
    cluster.rows("INSERT INTO t VALUES (3)")
    cluster.wait_for_archived()

    restored = stanza15.restore("restored", "--type=time", f"--target={target}", "--target-action=pause").must_start()
    system.wait_until(lambda: restored.answers("SELECT pg_get_wal_replay_pause_state()") == "paused", what="the pause")
    assert restored.sql("SELECT count(*) FROM t") == "2"


def test_target_action_shutdown_stops_the_server_at_the_target(stanza15):
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza15.backup()
    target = cluster.sql(UTC_NOW)
    cluster.rows("INSERT INTO t VALUES (2)")
    cluster.wait_for_archived()

    restored = stanza15.restore("restored", "--type=time", f"--target={target}", "--target-action=shutdown")
    restored.start()
    system.wait_until(lambda: restored.pid() is None, what="the server to shut itself down")
    assert "recovery stopping before commit" in restored.log_text() and "shutdown at recovery target" in restored.log_text()


def test_type_immediate_ends_at_the_backup(stanza):
    cluster = stanza.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza.backup()
    cluster.rows("INSERT INTO t VALUES (2)")
    cluster.wait_for_archived()

    restored = stanza.restore("restored", "--type=immediate", "--target-action=promote").must_start().wait_ready()
    assert restored.sql("SELECT count(*) FROM t") == "1"


def test_the_newest_backup_before_the_target_is_chosen_and_set_names_one(stanza15):
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    first = stanza15.backup()
    cluster.rows("INSERT INTO t VALUES (2)")
    target = cluster.sql(UTC_NOW)
    cluster.rows("INSERT INTO t VALUES (3)")
    second = stanza15.backup()
    assert first["label"] < second["label"] and stanza15.labels() == [first["label"], second["label"]]
    cluster.wait_for_archived()

    to_time = stanza15.restore("to-time", "--type=time", f"--target={target}", "--target-action=promote")
    assert to_time.must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"
    named = stanza15.restore("named", f"--set={first['label']}", "--type=immediate", "--target-action=promote")
    assert named.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1"
    latest = stanza15.restore("latest", "--set=latest", "--type=immediate", "--target-action=promote")
    assert latest.must_start().wait_ready().sql("SELECT count(*) FROM t") == "3"


def test_two_tablespaces_are_remapped(stanza):
    cluster = stanza.cluster
    one = cluster.create_tablespace("one", stanza.home / "one")
    two = cluster.create_tablespace("two", stanza.home / "two")
    cluster.rows("CREATE TABLE in_one TABLESPACE one AS SELECT g, md5(g::text) FROM generate_series(1, 30000) g")
    cluster.rows("CREATE TABLE in_two TABLESPACE two AS SELECT g, md5(g::text) FROM generate_series(1, 30000) g")
    cluster.rows("CREATE DATABASE there TABLESPACE two")
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x", "there")
    stanza.backup()
    cluster.wait_for_archived()
    expected = cluster.table_hashes()
    cluster.stop()
    before = compare.tree_state(one), compare.tree_state(two)

    new_one, new_two = stanza.home / "new-one", stanza.home / "new-two"
    restored = stanza.restore("restored", f"--tablespace-map=one={new_one}", f"--tablespace-map={two}={new_two}")
    links = {os.readlink(link) for link in (restored.data / "pg_tblspc").iterdir()}
    assert links == {str(new_one), str(new_two)}
    restored.must_start().wait_ready()
    assert restored.table_hashes() == expected
    assert {os.readlink(link) for link in (restored.data / "pg_tblspc").iterdir()} == links
    assert_sound(restored)
    assert (compare.tree_state(one), compare.tree_state(two)) == before


def test_a_quiescent_source_equals_its_restored_directory(make_stanza, postgres):
    stanza = make_stanza(postgres.version, autovacuum=False).create()
    cluster = stanza.cluster
    cluster.pgbench_init(scale=2)
    cluster.create_tablespace("space", stanza.home / "space")
    cluster.rows("CREATE TABLE far TABLESPACE space AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g")
    cluster.rows("CREATE TABLE empty (x int)")
    system.write(cluster.data / "a note.txt", "not PostgreSQL's, and yet part of the directory\n", 0o600)
    system.make_dir(cluster.data / "empty folder")
    cluster.rows("VACUUM FREEZE")
    cluster.rows("CHECKPOINT")
    stanza.backup()

    restored = stanza.restore("restored", f"--tablespace-map=space={stanza.home / 'space2'}")
    assert compare.differences(cluster.data, restored.data) == []
    for folder in compare.EMPTIED:
        names = os.listdir(restored.data / folder)
        assert names == [] or folder == "pg_wal" and set(names) <= {"archive_status", "summaries"}, folder
    settings = (restored.data / "postgresql.auto.conf").read_text()
    assert settings.startswith((cluster.data / "postgresql.auto.conf").read_text())
    assert "restore_command" in settings
    assert (restored.data / "recovery.signal").exists() and not (restored.data / "standby.signal").exists()


def test_what_a_backup_must_leave_out(stanza):
    cluster = stanza.cluster
    left_out = ["base/pgsql_tmp/pgsql_tmp1.0", "global/pg_internal.init.7", "postgresql.auto.conf.tmp",
                "current_logfiles.tmp", "pg_replslot/slot/state", "pg_notify/0042", "base/5/t3_99999", "backup_manifest",
                "core", "core.4711", "standby.signal", "postmaster.opts", "base/5/.DS_Store", "base/5/pg_internal.init",
                "pg_dynshmem/mmap.1", "pg_serial/0001", "pg_snapshots/1", "pg_subtrans/0042", "pg_stat_tmp/global.stat",
                "pg_wal/archive_status/000000010000000000000099.ready"]
    for name in left_out:
        path = cluster.data / name
        if not path.parent.exists():
            system.make_dir(path.parent)
        system.write(path, b"left over")
    kept = ["core.kept", "base/5/core", "base/5/standby.signal", "corefile"]
    for name in kept:
        system.write(cluster.data / name, b"not what it looks like")
    cluster.rows("CREATE UNLOGGED TABLE fleeting AS SELECT generate_series(1, 1000) AS g")
    relative, _ = cluster.relation_path("fleeting")
    stanza.backup()

    restored = stanza.restore()
    assert [name for name in left_out if (restored.data / name).exists()] == []
    assert [name for name in kept if not (restored.data / name).exists()] == []
    assert not (restored.data / relative).exists()
    assert (restored.data / f"{relative}_init").exists()


@pytest.mark.parametrize("options", [
    ["--compress-type=none"], ["--compress-type=lz4"], ["--compress-type=gz", "--compress-level=6"],
    ["--compress-type=zst", "--compress-level=1"], ["--process-max=1"], ["--process-max=5"]], ids=" ".join)
def test_every_codec_and_number_of_workers(stanza15, options):
    cluster = stanza15.cluster
    cluster.pgbench_init()
    backup = stanza15.backup(*options)
    cluster.wait_for_archived()
    assert backup["files"] > 900 and backup["read-bytes"] > 20 << 20
    ratio = backup["stored-bytes"] / backup["read-bytes"]
    assert 0.9 < ratio < 1.1 if "--compress-type=none" in options else ratio < 0.6
    restored = stanza15.restore("restored", *[o for o in options if o.startswith("--process-max")])
    assert restored.must_start().wait_ready().table_hashes() == cluster.table_hashes()


def test_info_shows_what_backup_said(stanza):
    said = stanza.backup()
    info = stanza.info()
    repository = info["repositories"][0]
    assert info["status"]["code"] == 0
    assert (repository["name"], repository["type"], repository["status"]["code"]) == ("local", "posix", 0)
    cluster = repository["clusters"][0]
    assert cluster["system-id"] == stanza.cluster.system_id() == said["system-id"]
    assert cluster["pg-version"] == stanza.install.version == said["pg-version"]
    assert stanza.shows(said)
    assert said["type"] == "full" and said["label"].endswith("F") and said["timeline"] == 1
    assert said["start-time"] <= said["stop-time"] and said["stop-time"].endswith("Z")
    assert said["page-error-count"] == 0 and said["page-errors"] == []
    wal = repository["wal"]
    assert wal["first"] <= said["wal-start"] <= said["wal-stop"] <= wal["last"] and wal["segments"] >= 1
    text = stanza.cairn.ok("info").out
    assert said["label"] in text and "main" in text


def test_restore_dry_run_touches_nothing(stanza15):
    backup = stanza15.backup()
    target = stanza15.home / "planned"
    result = stanza15.try_restore(target, "--dry-run")
    assert result.code == 0 and backup["label"] in result.out + result.err
    assert not target.exists()


def test_the_repository_is_closed_to_others(stanza15):
    stanza15.backup()
    stanza15.cluster.wait_for_archiver()
    for path in stanza15.repo.rglob("*"):
        assert path.stat().st_mode & 0o7777 == (0o750 if path.is_dir() else 0o640), path


def test_a_restored_cluster_can_be_backed_up_and_restored_again(stanza15):
    """The new timeline shares the archive with the old one."""
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza15.backup()
    cluster.wait_for_archived()
    cluster.stop()
    again = stanza15.restore("again", "--replace")
    stanza15.point_at(again)
    again.must_start().wait_ready()
    again.rows("INSERT INTO t VALUES (2)")
    second = stanza15.backup()
    assert second["timeline"] == 2
    again.wait_for_archived()
    third = stanza15.restore("third").must_start().wait_ready()
    assert third.sql("SELECT count(*) FROM t") == "2"


def test_a_backup_that_waits_for_a_checkpoint_says_so(stanza15):
    """Also in a log; and not when it need not wait."""
    stanza15.cluster.configure(checkpoint_timeout="30s", checkpoint_completion_target=0)
    stanza15.cluster.reload()
    waiting = stanza15.cairn.ok("backup")
    assert "takes at most about 30s (checkpoint_timeout); --start-fast asks for one at once" in waiting.err, waiting
    assert "checkpoint" not in stanza15.cairn.ok("backup", "--start-fast").err
