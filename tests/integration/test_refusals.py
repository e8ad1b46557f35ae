"""Restores that cannot succeed say so before the target directory has changed by a byte; stanzas keep their cluster."""
import os

import pytest

from support import compare, damage, system
from support.cluster import UTC_NOW, PgCluster
from support.stanza import refused


# --- the target -----------------------------------------------------------------------------------------------------


def test_a_running_postmaster(backed_up):
    cluster = backed_up.cluster
    result = backed_up.try_restore(cluster.data)
    assert result.code == 1 and str(cluster.data) in result.err, result
    assert cluster.sql("SELECT count(*) FROM t") == "1"
    assert cluster.restart().sql("SELECT count(*) FROM t") == "1"


def test_a_directory_that_is_not_empty(backed_up, target):
    system.write(target / "a file", "precious")
    refused(backed_up, target, saying=[str(target)])


def test_a_stopped_clusters_own_directory(backed_up):
    backed_up.cluster.stop()
    refused(backed_up, backed_up.cluster.data, saying=[str(backed_up.cluster.data)])


def test_a_tablespace_directory_that_is_not_empty(stanza15, target):
    stanza15.cluster.create_tablespace("space", stanza15.home / "space")
    stanza15.cluster.rows("CREATE TABLE far TABLESPACE space AS SELECT 1 AS x")
    stanza15.backup()
    stanza15.cluster.stop()
    before = compare.tree_state(stanza15.home / "space")
    refused(stanza15, target, saying=[str(stanza15.home / "space")])  # not remapped: the original is still there
    assert compare.tree_state(stanza15.home / "space") == before


def test_too_little_space(backed_up, home):
    with system.small_filesystem(home / "tiny", 8) as tiny:
        refused(backed_up, tiny, saying=[str(tiny), "free", "the restore needs"])


def test_a_target_that_is_a_file(backed_up, home):
    target = system.write(home / "file", "precious")
    result = backed_up.try_restore(target)
    assert result.code == 2 and f'"{target}" is not a directory' in result.err, result
    assert target.read_text() == "precious"


def test_two_parts_of_the_cluster_in_one_place(stanza15, target):
    cluster = stanza15.cluster
    for name in ("one", "two"):
        cluster.create_tablespace(name, stanza15.home / name)
        cluster.rows(f"CREATE TABLE t{name} TABLESPACE {name} AS SELECT 1 AS x")
    stanza15.backup()
    place = stanza15.home / "both"
    oid = cluster.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'one'")
    maps = [f"--tablespace-map=one={place}", f"--tablespace-map=two={place}"]
    refused(stanza15, target, *maps, codes=[2], saying=["is also tablespace"])
    refused(stanza15, target, f"--tablespace-map-all={place}", f"--link-map=pg_tblspc/{oid}={place}", codes=[2],
            saying=["is in a tablespace"])
    assert not place.exists()


def test_an_unknown_tablespace_in_the_map(backed_up, target):
    result = backed_up.try_restore(target, f"--tablespace-map=nosuch={target}-space")
    assert result.code in (1, 2) and "nosuch" in result.err and os.listdir(target) == []


# --- the plan -------------------------------------------------------------------------------------------------------


def test_an_unknown_backup(backed_up, target):
    refused(backed_up, target, "--set=20200101-000000F", saying=["20200101-000000F"])


def test_a_target_before_the_first_backups_end(backed_up, target):
    refused(backed_up, target, "--type=time", "--target=2001-01-01 00:00:00+00")
    assert backed_up.label in backed_up.labels()


def test_a_target_before_the_named_backups_end(backed_up, target):
    second = backed_up.backup()
    refused(backed_up, target, f"--set={second['label']}", "--type=time", f"--target={second['start-time']}",
            saying=[second["label"]])


def test_a_target_that_is_no_time(backed_up, target):
    result = backed_up.try_restore(target, "--type=time", "--target=the day before")
    assert result.code == 2 and "the day before" in result.err and os.listdir(target) == []


def gap_after_a_backup(stanza):
    """Archive three segments and take the middle one away; return its name and a time after all of them."""
    names = [stanza.cluster.wait_for_archived() for _ in range(3)]
    now = stanza.cluster.sql(UTC_NOW)
    stanza.cluster.rows("INSERT INTO t VALUES (2)")
    stanza.cluster.wait_for_archived()
    damage.remove(stanza.wal_object(names[1]))
    return names[1], now


def test_a_segment_on_the_way_to_the_target_is_missing(backed_up, target):
    """Recovery would end at the gap: refused for a target behind it, and for the end of the archive unless it is accepted."""
    before = backed_up.cluster.sql(UTC_NOW)
    backed_up.cluster.rows("INSERT INTO t VALUES (2)")
    segment, now = gap_after_a_backup(backed_up)
    back = f"bring {segment} back into the archive"
    result = refused(backed_up, target, "--type=time", f"--target={now}", saying=[segment, "target time", back])
    assert "pg_switch_wal" not in result.err  # nothing that the server still has helps
    refused(backed_up, target, saying=[f"--accept-gap={segment}"])
    plan = backed_up.cairn.ok("restore", "--dry-run", f"--pg-path={target}", f"--accept-gap={segment}").out
    assert "THE ARCHIVE HAS A GAP" in plan and segment in plan and "has no effect" not in plan
    elsewhere = ("--type=time", f"--target={before}", "--accept-gap=0000000100000000000000FF")
    assert "has no effect" in backed_up.cairn.ok("restore", "--dry-run", f"--pg-path={target}", *elsewhere).out


def test_a_gap_behind_the_target_is_no_obstacle(backed_up):
    cluster = backed_up.cluster
    cluster.rows("INSERT INTO t VALUES (2)")
    before = cluster.sql(UTC_NOW)
    cluster.rows("INSERT INTO t VALUES (3)")
    gap_after_a_backup(backed_up)
    restored = backed_up.restore("restored", "--type=time", f"--target={before}", "--target-action=promote")
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"
    restored.stop()
    restored = backed_up.restore("immediate", "--type=immediate", "--target-action=promote")
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1"


def test_the_wal_that_the_backup_itself_needs(backed_up, target):
    backup = backed_up.backups()[0]
    segment = backed_up.wal_object(backup["wal-stop"])
    content = segment.read_bytes()
    segment.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    refused(backed_up, target, codes=[4], saying=[backup["wal-stop"], "reading the WAL"])
    damage.remove(segment)
    for how in ("default", "immediate", "none", "standby"):
        refused(backed_up, target, f"--type={how}", codes=[1], saying=["the archive lacks", backup["wal-stop"], "--set"])


def test_a_time_after_which_nothing_was_committed(backed_up, target):
    refused(backed_up, target, "--type=time", "--target=now", codes=[10],
            saying=["no transaction ended in the archived WAL after backup", "--type=default"])


def test_a_timeline_that_nobody_archived(backed_up, target):
    refused(backed_up, target, "--target-timeline=7", codes=[10], saying=["no backup is on the way to timeline 7"])
    refused(backed_up, target, "--target-timeline=7", f"--set={backed_up.label}", codes=[10], saying=["timeline 7"])


def test_a_point_that_nobody_made(backed_up, target):
    backed_up.cluster.wait_for_archived()
    for args in (["--type=name", "--target=never"], ["--type=xid", "--target=4000000000"]):
        refused(backed_up, target, *args, codes=[10], saying=["is not in the archived WAL after any backup"])
        refused(backed_up, target, *args, f"--set={backed_up.label}", codes=[10],
                saying=["is not in the archived WAL after backup", "without --set"])


def test_no_backup_at_all(stanza15, target):
    refused(stanza15, target)


# --- stanzas --------------------------------------------------------------------------------------------------------


def test_stanza_create_is_idempotent(stanza15):
    before = compare.tree_state(stanza15.repo)
    assert stanza15.cairn.run("stanza-create").code == 0
    assert compare.tree_state(stanza15.repo) == before


def test_stanza_create_refuses_another_cluster(stanza15, installations, home, sockets):
    other = stanza15.track(PgCluster.create(installations[15], home / "other", sockets).must_start())
    stanza15.point_at(other)
    before = compare.tree_state(stanza15.repo)
    assert stanza15.cairn.run("stanza-create").code == 13
    assert stanza15.cairn.run("backup").code == 13
    assert compare.tree_state(stanza15.repo) == before


def test_the_data_directory_must_be_the_connected_clusters(stanza15, installations, home, sockets):
    other = stanza15.track(PgCluster.create(installations[15], home / "other", sockets).must_start())
    stanza15.cairn.tables["stanza.main"]["pg-path"] = other.data  # the port is still the first one's
    stanza15.cairn.save()
    result = stanza15.cairn.run("backup")
    assert result.code == 13 and stanza15.labels() == [], result


def test_a_stanza_or_repository_that_is_not_there(make_stanza, target):
    stanza = make_stanza(15)  # no stanza-create
    assert stanza.cairn.run("backup").code == 10
    assert stanza.try_restore(target).code == 10
    stanza.create()
    assert stanza.cairn.run("--stanza=nosuch", "backup").code in (2, 10)
    assert stanza.cairn.run("--repo=nosuch", "backup").code in (2, 10)
    assert os.listdir(target) == []


def test_an_unreachable_server(stanza15):
    stanza15.cluster.stop()
    assert stanza15.cairn.run("backup").code == 13
    assert stanza15.labels() == []
