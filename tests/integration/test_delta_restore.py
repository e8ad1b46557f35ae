"""restore --delta: what is right in the directory stays, the rest is made right, and nobody else's files are touched."""
import os
import random
import shutil
import signal
import time

import pytest

from support import compare, damage, report, system
from support.moments import Moments
from support.pgcairn import result_of
from support.stanza import assert_cannot_start, refused

SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
KILLS = int(os.environ.get("PGCAIRN_RANDOM_KILLS", "8"))
TARGET = ("--type=immediate", "--target-action=promote")


class Source:
    """A cluster with a tablespace and one backup; restores of it go to one directory."""

    def __init__(self, stanza):
        self.stanza, self.cluster = stanza, stanza.cluster
        self.cluster.create_tablespace("space", stanza.home / "space")
        self.cluster.rows("CREATE TABLE t AS SELECT g AS x, md5(g::text) AS s FROM generate_series(1, 20000) g")
        self.cluster.rows("CREATE TABLE far TABLESPACE space AS SELECT * FROM t")
        self.cluster.rows("CHECKPOINT")
        self.t = self.cluster.sql("SELECT pg_relation_filepath('t')")
        self.far = self.cluster.sql("SELECT pg_relation_filepath('far')")
        self.expected = self.cluster.table_hashes()
        self.label = stanza.backup()["label"]
        self.cluster.wait_for_archived()
        self.target, self.space = stanza.home / "target", stanza.home / "space2"
        self.base = ("restore", f"--pg-path={self.target}", f"--tablespace-map=space={self.space}", "--output=json",
                     f"--set={self.label}")

    def restore(self, *args):
        """Restore into the directory; return what the JSON says."""
        return self.stanza.cairn.ok(*self.base, *(args or TARGET)).json["restore"]

    def delta(self, *args):
        return self.restore("--delta", *(args or TARGET))

    def like_new(self):
        """A restore into an empty place, to compare with."""
        place, space = self.stanza.home / "new", self.stanza.home / "space3"
        system.remove_tree(place), system.remove_tree(space)
        self.stanza.cairn.ok("restore", f"--pg-path={place}", f"--tablespace-map=space={space}", f"--set={self.label}", *TARGET)
        return place

    def assert_like_new(self):
        """The directory is, byte for byte, what a restore into an empty one makes."""
        assert compare.differences(self.like_new(), self.target, allow=("tablespace_map", "postgresql.auto.conf")) == []
        assert set(compare.entries(self.target)) == set(compare.entries(self.stanza.home / "new"))
        assert os.readlink(next((self.target / "pg_tblspc").iterdir())) == str(self.space)

    def assert_starts(self):
        cluster = self.stanza.restored(self.target)
        try:
            cluster.must_start().wait_ready()
            assert cluster.table_hashes() == self.expected
        finally:
            cluster.stop()
            self.stanza.clusters.remove(cluster)


@pytest.fixture
def source(make_stanza):
    return Source(make_stanza(15, segment_mib=1, autovacuum=False, shared_buffers="16MB").create())


def overwrite(path, offset, data):
    """Change bytes of a file in place."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def tree(*places):
    return [compare.tree_state(place) for place in places]


def test_an_identical_directory_costs_reading_it_and_next_to_nothing_else(source):
    first = source.restore()
    assert first["delta"] is False and first["result"]["compared-bytes"] == 0
    assert first["result"]["written-bytes"] == first["write-bytes"]
    before = {path: info.st_mtime_ns for path, info in compare.entries(source.target).items()}
    again = source.delta()
    result = again["result"]
    assert again["delta"] is True
    # pg_control and postgresql.auto.conf, whose settings of recovery are not those of the backup.
    assert 0 < result["written-bytes"] <= 8192 + 4096, result
    assert result["compared-bytes"] > 0.99 * first["write-bytes"] - 65536
    # Two frames and the packs' indexes.
    assert result["fetched-bytes"] < first["result"]["fetched-bytes"] / 10, (result, first["result"])
    after = {path: info.st_mtime_ns for path, info in compare.entries(source.target).items()}
    assert before[source.t] == after[source.t] and before[source.far] == after[source.far]
    source.assert_like_new()
    source.assert_starts()


def test_only_the_pages_that_differ_are_written(source):
    source.restore()
    for path, block in ((source.t, 3), (source.t, 4), (source.t, 90), (source.far, 17)):
        overwrite(source.target / path, block * 8192 + 100, b"changed")
    result = source.delta()["result"]
    assert 4 * 8192 < result["written-bytes"] <= 4 * 8192 + 8192 + 4096, result
    source.assert_like_new()


def test_files_that_are_missing_short_long_or_strange_become_right(source):
    source.restore()
    target = source.target
    os.unlink(target / source.t)
    os.truncate(target / source.far, 5 * 8192 + 77)
    victims = sorted(path for path in (target / "base/1").iterdir() if path.stat().st_size >= 16384)
    overwrite(victims[0], victims[0].stat().st_size, b"x" * 10000)  # too long
    os.unlink(victims[1])
    system.make_dir(victims[1])  # a directory instead of a file
    system.write(victims[1] / "inside", "x")
    os.unlink(victims[2])
    os.symlink(victims[0], victims[2])  # a link instead of a file
    os.link(victims[3], source.stanza.home / "other-name")
    overwrite(victims[3], 0, b"damage")  # under both names
    shutil.rmtree(target / "pg_xact")
    system.write(target / "pg_xact", "a file instead of a directory")
    os.chmod(victims[4], 0o644)
    os.chmod(target / "base/1", 0o755)
    empty = next(path for path in (target / "base/1").iterdir() if path.stat().st_size == 0)
    system.write(empty, "not empty", 0o600)
    for name in ("pg_multixact", "global"):
        os.rename(target / name, source.stanza.home / name)
        os.symlink(source.stanza.home / name, target / name)  # a link instead of a directory
    aside = tree(source.stanza.home / "global")
    source.delta()
    source.assert_like_new()
    assert (source.stanza.home / "other-name").read_bytes()[:6] == b"damage"
    assert tree(source.stanza.home / "global") == aside
    source.assert_starts()


def test_what_does_not_belong_goes_and_the_plan_says_so(source):
    source.restore()
    target = source.target
    for folder in (target / "base/1", target / "pg_wal", target, next(source.space.iterdir())):
        system.write(folder / "stray", "x" * 1000)
    for name in ("standby.signal", "backup_label.old"):
        system.write(target / name, "")
    extra = system.make_dir(target / "base/424242")
    for i in range(100):
        system.write(extra / str(i), "x" * 10)
    os.symlink("/etc/passwd", target / "pg_notify/link")
    system.write(source.space / "PG_14_202107181", "another version's")
    plan = source.delta("--dry-run", *TARGET)
    assert plan["result"] is None and (target / "standby.signal").exists()
    # Those of above, and backup_label, tablespace_map and recovery.signal, which are written anew.
    expected = 4 + 2 + 101 + 1 + 3
    assert plan["remove-files"] == expected and plan["remove-bytes"] > 5000, plan
    assert str(extra) in plan["removes"] and str(extra / "1") not in plan["removes"]
    text = source.stanza.cairn.ok(*(arg for arg in source.base if "json" not in arg), "--delta", "--dry-run", *TARGET).out
    assert f"{expected} files, links and directories" in text and str(extra) in text
    assert source.delta()["result"]["removed-files"] == expected
    os.unlink(source.space / "PG_14_202107181")  # was left alone
    source.assert_like_new()
    assert os.path.exists("/etc/passwd")
    source.assert_starts()


def test_another_directory_is_refused_untouched(source):
    stanza = source.stanza
    target = system.make_dir(stanza.home / "foreign")
    arguments = (f"--tablespace-map=space={stanza.home / 'space9'}", "--delta", *TARGET)
    system.write(target / "letter", "mine")
    refused(stanza, target, *arguments, saying=["has no PG_VERSION", "hint"])
    system.write(target / "PG_VERSION", "15\n")
    refused(stanza, target, *arguments, saying=["has no global/pg_control"])
    shutil.rmtree(target)
    system.run([stanza.install.bin / "initdb", "-D", target, "-A", "trust", "--no-sync"])
    refused(stanza, target, *arguments, saying=["belongs to system identifier"])
    # Without --delta it is named where it would help, and only there.
    source.restore()
    assert "--delta" not in refused(stanza, target, *arguments[:1], *TARGET).err
    assert "--delta" in refused(stanza, source.target, *arguments[:1], *TARGET).err
    # A server that runs.
    with stanza.cluster.standing_still():
        refused(stanza, stanza.cluster.data, "--delta", *TARGET, saying=["is running"])
    # A tablespace's place that nothing of the directory leads to.
    place = system.make_dir(stanza.home / "taken")
    inside = system.make_dir(place / next(source.space.iterdir()).name)
    system.write(inside / "file", "mine")
    before = tree(place, source.space)
    refused(stanza, source.target, f"--tablespace-map=space={place}", "--delta", *TARGET, saying=["is not empty"])
    assert tree(place, source.space) == before


def test_a_copied_directory_does_not_lead_to_the_originals_tablespaces(source):
    stanza = source.stanza
    source.cluster.stop()
    system.run(["cp", "-a", source.cluster.data, source.target])
    before = tree(stanza.home / "space")
    refused(stanza, source.target, "--delta", *TARGET, saying=["of the original"])
    plan = source.delta()
    assert any("its content stays" in note for note in plan["notes"])
    assert tree(stanza.home / "space") == before
    source.assert_like_new()


def test_links_and_pg_wal_elsewhere(source):
    stanza, target = source.stanza, source.target
    wal_disk = system.make_dir(stanza.home / "wal-disk") / "pg_wal"
    linked = f"--link-map=pg_wal={wal_disk}"
    source.restore(linked, *TARGET)
    source.assert_starts()
    assert any(path.is_file() for path in wal_disk.iterdir())
    # What the old cluster wrote must not be replayed.
    source.delta(linked, *TARGET)
    assert os.readlink(target / "pg_wal") == str(wal_disk)
    assert sorted(path.name for path in wal_disk.iterdir()) == ["archive_status"]
    # In a copy, only the operator knows whose the place is; without the link, a directory is what is wanted.
    system.write(wal_disk / "kept", "x")
    refused(stanza, target, "--delta", *source.base[2:-2], f"--set={source.label}", *TARGET, saying=["--link-map=pg_wal=DIR", str(wal_disk)])
    os.unlink(target / "pg_wal")
    source.delta()
    source.assert_like_new()
    assert (wal_disk / "kept").exists()
    # And back: a directory where the link is to be; the place is the directory's no longer.
    assert "is not empty" in stanza.cairn.run(*source.base, "--delta", linked, *TARGET).err
    shutil.rmtree(wal_disk)
    source.delta(linked, *TARGET)
    assert os.readlink(target / "pg_wal") == str(wal_disk)
    source.assert_starts()


def test_pg_wal_stays_on_its_own_disk(backed_up):
    cluster = backed_up.cluster
    cluster.wait_for_archived()
    cluster.stop()
    wal_disk = backed_up.home / "wal-disk"
    shutil.move(cluster.data / "pg_wal", wal_disk)
    os.symlink(wal_disk, cluster.data / "pg_wal")
    plan = backed_up.cairn.ok("restore", "--delta", "--dry-run").out
    assert f'pg_wal stays a link to "{wal_disk}"' in plan
    backed_up.cairn.ok("restore", "--delta")
    assert os.readlink(cluster.data / "pg_wal") == str(wal_disk)
    assert sorted(path.name for path in wal_disk.iterdir()) == ["archive_status"]
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT x FROM t") == "1" and any(path.is_file() for path in wal_disk.iterdir())
    cluster.stop()

    # Interrupted, and finished without --delta: what is there is wiped, but not where it is.
    control = cluster.data / "global/pg_control"
    os.rename(control, f"{control}.pgcairn.tmp")
    system.write(cluster.data / "pgcairn.restore", f"cut off\nParts of it are in:\n{wal_disk}\n")
    finished = backed_up.cairn.ok("restore").out
    assert "removes what an interrupted restore left there" in finished and f'pg_wal stays a link to "{wal_disk}"' in finished
    assert os.readlink(cluster.data / "pg_wal") == str(wal_disk)
    assert sorted(path.name for path in wal_disk.iterdir()) == ["archive_status"]
    cluster.must_start().wait_ready()
    cluster.stop()

    # Its disk is lost: nobody but the operator knows where WAL may go.
    shutil.rmtree(wal_disk)
    for args in ((), ("--dry-run",)):
        lost = backed_up.cairn.run("restore", "--delta", *args)
        assert lost.code == 2 and "is its disk mounted?" in lost.err and "--link-map=pg_wal=DIR" in lost.err, lost
    assert (cluster.data / "global/pg_control").exists()
    backed_up.cairn.ok("restore", "--delta", f"--link-map=pg_wal={backed_up.home / 'other-disk'}")
    assert os.readlink(cluster.data / "pg_wal") == str(backed_up.home / "other-disk")
    os.unlink(cluster.data / "pg_wal")
    backed_up.cairn.ok("restore", "--delta")
    assert not (cluster.data / "pg_wal").is_symlink()
    cluster.must_start().wait_ready()


def test_an_older_backup_over_a_newer_cluster_in_place(make_stanza):
    """The stanza's own directory, after a busy life: also a tablespace and a database that are new since."""
    stanza = make_stanza(15, segment_mib=1, autovacuum=False, shared_buffers="16MB").create()
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    cluster.rows("CREATE TABLE t AS SELECT g AS x, md5(g::text) AS s FROM generate_series(1, 20000) g")
    cluster.rows("CREATE TABLE shrinks AS SELECT * FROM t")
    cluster.rows("CREATE TABLE far TABLESPACE space AS SELECT * FROM t")
    label = stanza.backup()["label"]
    expected = cluster.table_hashes()
    cluster.rows("SELECT pg_create_restore_point('here')")
    cluster.rows("UPDATE t SET s = s || 'new'")
    cluster.rows("DELETE FROM shrinks WHERE x > 10")
    cluster.rows("VACUUM shrinks")
    cluster.rows("DROP TABLE far")
    cluster.rows("CREATE DATABASE more")
    cluster.create_tablespace("late", stanza.home / "late")
    cluster.rows("CREATE TABLE later TABLESPACE late AS SELECT * FROM t")
    cluster.wait_for_archived()
    err = stanza.cairn.run("restore", "--delta").err
    assert "is running" in err
    cluster.stop()
    late = next((stanza.home / "late").iterdir())
    arguments = ("restore", "--delta", "--type=name", "--target=here", "--target-action=promote", f"--set={label}",
                 "--output=json")
    # The link alone does not say whose the new tablespace is.
    before = tree(cluster.data, stanza.home / "late")
    refused = stanza.cairn.run(*arguments)
    assert refused.code == 1 and f'"{stanza.home / "late"}"' in refused.err and f"--remove-tablespace={stanza.home / 'late'}" in refused.err
    assert tree(cluster.data, stanza.home / "late") == before
    arguments = (*arguments, f"--remove-tablespace={stanza.home / 'late'}")
    plan = stanza.cairn.ok(*arguments, "--dry-run").json["restore"]
    assert plan["remove-files"] > 250 and str(late) in plan["removes"], plan  # the new database
    # Damage that shows only when half is done: nothing starts, and the mark knows what is still to be emptied.
    # All over the packs: a delta restore reads only what it lacks, wherever that came to stand.
    for pack in stanza.packs(label):
        damage.flip_throughout(pack)
    assert stanza.cairn.run(*arguments).code == 4
    assert_cannot_start(stanza, cluster.data)
    assert str(late) in (cluster.data / "pgcairn.restore").read_text()
    for pack in stanza.packs(label):
        damage.flip_throughout(pack)
    plan = stanza.cairn.ok(*arguments).json["restore"]
    assert plan["resumes"] is True
    assert os.listdir(late) == []
    assert sorted(path.name for path in (cluster.data / "pg_wal").iterdir()) == ["archive_status"]
    cluster.overrides["archive_mode"] = "off"
    cluster.must_start().wait_ready()
    assert cluster.table_hashes() == expected
    cluster.amcheck()
    cluster.stop()
    # Past the creation of the tablespace: the server makes it again, in an empty place.
    assert stanza.cairn.run("restore", "--delta", "--type=default", f"--set={label}", "--target-timeline=1").code == 0
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT count(*) FROM later") == "20000"
    assert cluster.sql("SELECT count(*) FROM t WHERE s LIKE '%new'") == "20000"


def test_a_tablespace_that_was_made_again_in_its_directory(make_stanza):
    """It has another OID since the backup; by its place it is this cluster's own, and becomes what it was."""
    stanza = make_stanza(15, segment_mib=1, autovacuum=False).create()
    cluster, space = stanza.cluster, stanza.home / "space"
    cluster.create_tablespace("first", space)
    cluster.rows("CREATE TABLE far TABLESPACE first AS SELECT generate_series(1, 5000) x")
    label, expected, links = stanza.backup()["label"], cluster.table_hashes(), os.listdir(cluster.data / "pg_tblspc")
    cluster.rows("SELECT pg_create_restore_point('here')")
    cluster.rows("DROP TABLE far")
    cluster.rows("DROP TABLESPACE first")
    cluster.rows(f"CREATE TABLESPACE second LOCATION '{space}'")
    cluster.rows("CREATE TABLE other TABLESPACE second AS SELECT generate_series(1, 100) x")
    cluster.wait_for_archived()
    cluster.stop()
    assert os.listdir(cluster.data / "pg_tblspc") != links
    arguments = ("restore", "--delta", f"--set={label}", "--type=name", "--target=here", "--target-action=promote")
    stanza.cairn.ok(*arguments)
    assert os.listdir(cluster.data / "pg_tblspc") == links
    cluster.overrides["archive_mode"] = "off"
    cluster.must_start().wait_ready()
    assert cluster.table_hashes() == expected


def test_a_standby_and_databases_left_out(source):
    source.restore()
    source.assert_starts()
    source.delta("--type=standby")
    standby = source.stanza.restored(source.target)
    standby.must_start()
    assert standby.sql("SELECT pg_is_in_recovery()") == "t" and standby.table_hashes() == source.expected
    standby.stop()
    source.cluster.rows("CREATE DATABASE big")
    source.cluster.rows("CREATE TABLE b AS SELECT generate_series(1, 50000)", "big")
    label = source.stanza.backup()["label"]
    path = source.cluster.sql("SELECT pg_relation_filepath('b')", "big")
    source.base = (*source.base[:-1], f"--set={label}")
    source.delta()
    assert os.stat(source.target / path).st_blocks > 0
    source.delta("--db-exclude=big", *TARGET)
    assert os.stat(source.target / path).st_blocks == 0 and os.stat(source.target / path).st_size > 0
    source.delta()
    source.label = label
    source.assert_like_new()


def shown_command(said, cairn):
    """The command that a refusal or a plan shows for WAL that the archive lacks."""
    line = next(line for line in said.splitlines() if "archive it first: " in line)
    command = line.partition("archive it first: ")[2].partition("; or give it up")[0]
    assert "--config=" in command, command
    return command.replace("pgcairn --config", f"{cairn.binary} --config")


def test_unarchived_wal_of_a_copy_is_named(source):
    """A copy's WAL belongs in no archive: it may go."""
    source.restore()
    segment = "000000010000000000000099"
    system.write(source.target / f"pg_wal/archive_status/{segment}.ready", "")
    assert not any("pg_wal holds WAL" in note for note in source.delta("--dry-run", *TARGET)["notes"])  # there is none
    system.write(source.target / "pg_wal" / segment, "x")
    note = source.delta("--dry-run", *TARGET)["notes"][0]
    assert note.startswith(f"pg_wal holds WAL that the archive lacks and the restore removes: {segment}; "), note
    source.delta()


@pytest.mark.parametrize("archiver", ["works", "is stuck"])
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_unarchived_wal_is_lost_only_on_demand(backed_up, how, archiver):
    """What was committed last is in pg_wal only, after a crash in a segment without a status file."""
    cluster, cairn = backed_up.cluster, backed_up.cairn
    cluster.sql("INSERT INTO t VALUES (2)")
    cluster.wait_for_archived()
    if archiver == "is stuck":
        cluster.configure(archive_command="false")
        cluster.reload()
        cluster.sql("INSERT INTO t VALUES (3); SELECT pg_switch_wal()")
        cluster.sql("INSERT INTO t VALUES (4)")
        cluster.sql("SELECT pg_switch_wal()")
    cluster.sql("INSERT INTO t VALUES (5)")
    unfinished = cluster.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    total = cluster.sql("SELECT sum(x) FROM t")
    cluster.stop(how)
    cluster.configure(archive_command=backed_up.archive_command())
    base = ("restore", "--delta", "--server-is-stopped")
    if (how, archiver) == ("fast", "works"):
        assert "the archive lacks" not in cairn.ok(*base, "--dry-run").out
    else:
        before = compare.tree_state(cluster.data)
        for args in ((), ("--type=immediate",), ("--type=preserve",)):
            refused = cairn.run(*base, *args)
            assert refused.code == 2 and "pg_wal holds WAL that the archive lacks" in refused.err, refused
            assert "--discard-wal" in refused.err and unfinished in refused.err, refused
            assert (f"{unfinished} (unfinished)" in refused.err) == (how == "immediate"), refused
        plan = cairn.ok(*base, "--dry-run").out
        assert plan.splitlines()[1].split(None, 1)[1].startswith("THE RESTORE WILL BE REFUSED: pg_wal holds WAL"), plan
        standby = cairn.ok(*base, "--dry-run", "--type=standby").out
        assert "pg_wal holds WAL" in standby and "REFUSED" not in standby, standby
        given_up = cairn.ok(*base, "--dry-run", "--discard-wal").out
        assert "it is given up, by --discard-wal" in given_up, given_up
        assert compare.tree_state(cluster.data) == before
        system.run(["bash", "-c", shown_command(refused.err, cairn)])
        assert compare.tree_state(cluster.data) == before
        assert "the archive lacks" not in cairn.ok(*base, "--dry-run").out
    cairn.ok(*base)
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT sum(x) FROM t") == total


def test_unarchived_wal_is_given_up(backed_up):
    cluster, cairn = backed_up.cluster, backed_up.cairn
    cluster.wait_for_archived()
    cluster.sql("INSERT INTO t VALUES (2)")
    cluster.stop("immediate")
    assert cairn.run("restore", "--delta").code == 2
    assert cairn.run("restore", "--discard-wal").code == 2
    cairn.ok("restore", "--delta", "--discard-wal")
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT sum(x) FROM t") == "1"


def test_space_is_asked_only_for_what_is_missing(source):
    disk = source.stanza.home / "disk"
    with system.small_filesystem(disk, 64):
        source.target = disk / "target"
        source.base = ("restore", f"--pg-path={source.target}", *source.base[2:])
        source.restore()
        need = os.stat(source.target / source.t).st_size
        used = shutil.disk_usage(disk).used
        system.resize(disk, (used >> 20) + 1)
        source.delta()
        os.unlink(source.target / source.t)
        system.write(source.target / "fill", b"x" * shutil.disk_usage(disk).free)
        plan = source.delta("--dry-run", *TARGET)  # what goes makes room
        assert plan["remove-bytes"] >= need and plan["space"][0]["needed-bytes"] >= need
        os.unlink(source.target / "fill")
        fill = system.write(disk / "fill", b"x" * (shutil.disk_usage(disk).free - 65536))
        before = tree(source.target)
        result = source.stanza.cairn.run(*source.base, "--delta", *TARGET)
        assert result.code == 1 and "the restore needs" in result.err, result
        assert tree(source.target) == before
        os.unlink(fill)
        source.delta()
        source.assert_like_new()


def test_an_interrupted_restore_is_finished_and_other_places_are_emptied(source):
    """With --delta what an interrupted restore wrote is kept, and what it wrote elsewhere is removed."""
    source.restore()
    control = source.target / "global/pg_control"
    os.rename(control, f"{control}.pgcairn.tmp")
    system.write(source.target / "pgcairn.restore", f"cut off\nParts of it are in:\n{next(source.space.iterdir())}\n")
    elsewhere = source.stanza.home / "space4"
    old, source.space = source.space, elsewhere
    source.base = tuple(arg.replace("space2", "space4") for arg in source.base)
    plan = source.delta()
    assert plan["resumes"] is True and plan["delta"] is True
    size = os.stat(source.target / source.far).st_size
    assert size <= plan["result"]["written-bytes"] <= size + 65536
    assert list(next(old.iterdir()).iterdir()) == []
    source.assert_like_new()


@pytest.mark.slow
def test_kill_9_at_random_moments_of_a_delta_restore(source):
    """In place, over a cluster that went on: whenever it is cut off, the directory starts as it was before or not at all, and
    the same command finishes it."""
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    stanza, target = source.stanza, source.target
    source.restore()
    older = stanza.restored(target)
    older.must_start().wait_ready()
    older.rows("UPDATE t SET s = s || 'other'")
    older.rows("CREATE DATABASE more")
    older.rows("DROP TABLE far")
    diverged = older.table_hashes()
    older.stop()
    stanza.clusters.remove(older)
    saved = [(target, stanza.home / "saved"), (source.space, stanza.home / "saved-space")]
    for place, copy in saved:
        system.run(["cp", "-a", place, copy])

    def put_back():
        for place, copy in saved:
            system.remove_tree(place)
            system.run(["cp", "-a", copy, place])
    arguments = (*source.base, "--delta", *TARGET)
    started = time.monotonic()
    stanza.cairn.ok(*arguments)
    moments = Moments(rng, time.monotonic() - started)
    source.assert_starts()
    counts = {}
    for number in range(10 * KILLS):
        if number >= KILLS and counts.get("halfway"):
            break
        put_back()
        process = stanza.cairn.start(*arguments)
        moments.wait()
        process.kill()
        code = result_of(process).code
        assert code in (0, -signal.SIGKILL), code
        moments.was_too_late() if code == 0 else moments.was_early()
        whole = (target / "global/pg_control").exists()
        moment = "finished" if code == 0 else "whole" if whole else "halfway"
        counts[moment] = counts.get(moment, 0) + 1
        cluster = stanza.restored(target)
        came_up = cluster.start()
        assert came_up == whole
        if came_up:
            cluster.wait_ready()
            assert cluster.table_hashes() in (source.expected, diverged)
        cluster.stop("immediate")
        stanza.clusters.remove(cluster)
        stanza.cairn.ok(*arguments)
        source.assert_starts()
    told = ", ".join(f"{times} {what}" for what, times in sorted(counts.items()))
    report.LINES.append(f"pg15: kill -9 at {number} random moments of a delta restore, seed {SEED}: {told}")
    assert counts.get("halfway"), f"no kill hit the restore: {told}"
