"""Databases: what --db-include and --db-exclude leave out starts and can be dropped; one that moves makes a backup begin again."""
import os
import pathlib
import signal

import pytest

from support import system
from support.pgcairn import result_of
from test_restore_targets import refusal


@pytest.mark.slow
def test_databases_that_are_left_out_start_and_can_be_dropped(stanza):
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    for name in ("one", "two"):
        cluster.rows(f"CREATE DATABASE {name}")
        cluster.rows("CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 30000) g", name)
        cluster.rows("CREATE TABLE s TABLESPACE space AS SELECT 1 AS x", name)
    stanza.backup()
    cluster.rows("INSERT INTO t SELECT g, 'after' FROM generate_series(1, 5000) g", "two")
    cluster.rows("INSERT INTO t SELECT g, 'after' FROM generate_series(1, 5000) g", "one")
    cluster.wait_for_archived()
    expected = {name: value for name, value in cluster.table_hashes().items() if name.startswith("one.")}

    whole = stanza.try_restore(stanza.home / "dry", "--dry-run", "--output=json", f"--tablespace-map-all={stanza.home}/s")
    sizes = []
    for number, args in enumerate((["--db-include=one"], ["--db-exclude=two"])):
        args += [f"--tablespace-map-all={stanza.home}/spaces{number}"]
        plan = stanza.try_restore(stanza.home / "dry", "--dry-run", "--output=json", *args).json["restore"]
        assert plan["left-out-databases"] == ["two"]
        assert plan["write-bytes"] < whole.json["restore"]["write-bytes"]
        restored = stanza.restore(f"r{number}", *args)
        oid = cluster.sql("SELECT oid FROM pg_database WHERE datname = 'two'")
        files = [path for path in (restored.data / "base" / oid).iterdir() if path.name.isdigit()]
        assert files and all(path.stat().st_blocks == 0 for path in files)
        assert any(path.stat().st_size for path in files)
        assert (restored.data / "base" / oid / "PG_VERSION").read_text().strip() == str(cluster.version)
        restored.must_start().wait_ready()
        assert restored.answers("SELECT 1") == "1"
        with pytest.raises(AssertionError, match="pg_filenode.map"):
            restored.rows("SELECT 1", "two")
        restored.rows("DROP DATABASE two")
        assert {k: v for k, v in restored.table_hashes().items() if k.startswith("one.")} == expected
        restored.stop()
        restored.checksums()
        sizes.append(plan["write-bytes"])
    assert sizes[0] == sizes[1]


def test_names_that_cannot_be_left_out_are_refused(stanza15):
    stanza15.cluster.rows("CREATE DATABASE one")
    stanza15.backup()
    assert "did you mean \"one\"" in refusal(stanza15, "--db-exclude=onne", code=2)
    for name in ("postgres", "template0", "template1"):
        assert "always come back" in refusal(stanza15, f"--db-exclude={name}", code=2)
    assert "by --db-include and by --db-exclude" in refusal(stanza15, "--db-include=one", "--db-exclude=one", code=2)


@pytest.mark.slow
def test_a_database_that_is_moved_while_it_is_copied_makes_the_backup_begin_again(stanza):
    """pg_basebackup succeeds here, and what it made is restored without the database's PG_VERSION."""
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    for name in ("moved", "renamed", "gone"):
        cluster.rows(f"CREATE DATABASE {name}")
    cluster.create_large()

    def backup_with(*statements):
        process = stanza.start_held_backup("--no-resume", rate="32MiB")
        for statement in statements:
            cluster.rows(statement)
        process.send_signal(signal.SIGCONT)
        return result_of(process)
    spoilt = backup_with("ALTER DATABASE moved SET TABLESPACE space")
    assert spoilt.code == 0 and 'database "moved" was created or moved by copying files' in spoilt.err and "begins again" in spoilt.err, spoilt
    assert len(stanza.labels()) == 1 and stanza.lease() is None
    good = backup_with("ALTER DATABASE renamed RENAME TO other", "DROP DATABASE gone", "CREATE DATABASE fresh TABLESPACE space",
                       "ALTER DATABASE fresh SET TABLESPACE pg_default")
    assert good.code == 0, good
    restored = stanza.restore("restored", f"--tablespace-map-all={stanza.home}/spaces").must_start().wait_ready()
    assert restored.databases() == cluster.databases()
    assert [restored.sql("SELECT 1", name) for name in ("moved", "other", "fresh")] == ["1"] * 3


def has_open(process, folder):
    """Does the process read a file below the folder?"""
    for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if os.readlink(link).startswith(f"{folder}/"):
                return True
        except FileNotFoundError:  # closed meanwhile
            pass
    return False


@pytest.mark.slow
def test_a_tablespace_that_came_and_went_makes_the_backup_begin_again(stanza15):
    """What was copied of it belongs to no tablespace that a restore could place."""
    cluster, space = stanza15.cluster, system.make_dir(stanza15.home / "space")
    cluster.create_large()
    process = stanza15.start_held_backup("--no-resume", rate="32MiB")
    cluster.rows(f"CREATE TABLESPACE brief LOCATION '{space}'")
    cluster.rows("SET default_tablespace = brief; CREATE TABLE far (s text); ALTER TABLE far ALTER s SET STORAGE plain;"
                 " INSERT INTO far SELECT repeat('x', 8000) FROM generate_series(1, 16384)")
    cluster.rows("CHECKPOINT")
    process.send_signal(signal.SIGCONT)
    system.wait_until(lambda: process.poll() is not None or has_open(process, space), what="the backup to copy the tablespace", pause=0.001)
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None, result_of(process)
    cluster.rows("DROP TABLE far")
    cluster.rows("DROP TABLESPACE brief")
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code == 0 and "does not know such a tablespace" in result.err and "begins again" in result.err, result
    expected = cluster.table_hashes()
    restored = stanza15.restore().must_start().wait_ready()
    assert restored.table_hashes() == expected and not os.listdir(restored.data / "pg_tblspc")


@pytest.mark.slow
@pytest.mark.parametrize("version", (13, 16))
def test_a_tablespace_that_goes_before_it_is_copied_makes_the_backup_begin_again(make_stanza, version):
    """Replay of what was written in it ends where the server extends the visibility map of a relation without a directory."""
    stanza = make_stanza(version).create()
    cluster, space = stanza.cluster, system.make_dir(stanza.home / "space")
    cluster.create_large()  # more than is read ahead is in base, which comes first
    cluster.rows(f"CREATE TABLESPACE brief LOCATION '{space}'")
    cluster.rows("CREATE TABLE far TABLESPACE brief AS SELECT generate_series(1, 1000) x")
    cluster.rows("VACUUM far")
    process = stanza.start_held_backup("--no-resume", rate="32MiB")
    cluster.rows("DELETE FROM far WHERE x = 5")  # clears a bit of the visibility map
    cluster.rows("DROP TABLE far")
    cluster.rows("DROP TABLESPACE brief")
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code == 0 and '("brief") was dropped before it was copied' in result.err and "begins again" in result.err, result
    restored = stanza.restore("restored", "--type=immediate", "--target-action=promote").must_start().wait_ready()
    assert not os.listdir(restored.data / "pg_tblspc")


def test_a_tablespace_that_is_being_dropped_is_waited_for(stanza15):
    """DROP TABLESPACE takes its link away first, and the server cannot tell the places of tablespaces until it has committed."""
    cluster = stanza15.cluster
    cluster.create_tablespace("brief", stanza15.home / "space")
    (link,) = (cluster.data / "pg_tblspc").iterdir()
    link.unlink()
    process = stanza15.cairn.start("backup", "--type=full", "--start-fast")
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcairn' AND state = 'idle' AND query ~ 'tablespace_location'"
    system.wait_until(lambda: cluster.sql(asked) == "1" or process.poll() is not None, what="the question for tablespaces", pause=0.02)
    process.send_signal(signal.SIGSTOP)  # it does not ask for ever
    cluster.rows("DROP TABLESPACE brief")
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code == 0 and len(stanza15.labels()) == 1, result


def test_a_tablespace_without_its_link_is_said(stanza15):
    stanza15.cluster.create_tablespace("lost", stanza15.home / "space")
    (link,) = (stanza15.cluster.data / "pg_tblspc").iterdir()
    link.unlink()
    result = stanza15.cairn.run("backup")
    assert result.code == 13 and f"pg_tblspc/{link.name}" in result.err and "put the link of the tablespace back" in result.err, result
