"""Histories with branches: promotions, second promotions, clones that archive where they should not."""
import os
import shutil

import pytest

from support import damage, system
from support.stanza import refused
from support.cluster import UTC_NOW
from test_restore_targets import refusal

PROMOTE = "--target-action=promote"


class Branches:
    """A cluster, and clusters restored from its backups that are promoted and archive into the same stanza."""

    def __init__(self, stanza):
        self.stanza, self.primary = stanza, stanza.cluster
        self.primary.rows("CREATE TABLE t (x int PRIMARY KEY)")
        self.primary.rows("INSERT INTO t VALUES (1)")
        self.backup = stanza.backup()["label"]
        self.primary.rows("INSERT INTO t VALUES (2)")
        self.primary.rows("SELECT pg_create_restore_point('two')")
        self.primary.rows("INSERT INTO t VALUES (3)")
        self.primary.wait_for_archived()

    def promoted(self, name, *args, archives=True):
        """Restore, promote, and let the new primary archive what it writes."""
        cluster = self.stanza.restore(name, *args, *(["--replace"] if archives else []))
        if archives:
            cluster.overrides = {"archive_command": f"{self.stanza.cairn.binary} --config={self.stanza.cairn.config} "
                                 f"--stanza=main --pg-path={cluster.data} archive-push %p"}
        return cluster.must_start().wait_ready()

    def rows(self, cluster):
        return cluster.sql("SELECT string_agg(x::text, ',' ORDER BY x) FROM t")

    def timeline(self, cluster):
        return int(cluster.sql("SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"), 16)

    def plan(self, *args):
        result = self.stanza.try_restore(self.stanza.home / "dry", "--dry-run", "--output=json", *args)
        assert result.code == 0, result
        return result.json["restore"]


@pytest.fixture
def branches(stanza15):
    return Branches(stanza15)


@pytest.mark.slow
@pytest.mark.parametrize("version", (13, 15, 18))
@pytest.mark.parametrize("crash", (False, True))
def test_what_was_prepared_in_the_segment_of_the_switch(make_stanza, version, crash):
    """Replay of the checkpoint at a switch of timelines reads an open prepared transaction again, from pg_wal, in the old timeline's
    segment; the archive gave the server the new timeline's of that number."""
    stanza = make_stanza(version, segment_mib=1, max_prepared_transactions=5).create()
    branches = Branches(stanza)
    primary = branches.primary
    primary.rows("BEGIN; INSERT INTO t VALUES (4); PREPARE TRANSACTION 'open'")
    if crash:
        primary.crash()
        primary.must_start().wait_ready()
    primary.rows("SELECT pg_create_restore_point('prepared')")
    primary.wait_for_archived()
    primary.stop()
    second = branches.promoted("second", "--type=name", "--target=prepared", PROMOTE)
    assert branches.timeline(second) == 2
    second.rows("INSERT INTO t VALUES (20)")
    second.wait_for_archived()
    second.stop()
    standby = stanza.restore("standby", "--type=standby")
    placed = [name for name in os.listdir(standby.data / "pg_wal") if len(name) == 24]
    assert len(placed) == 1 and placed[0].startswith("00000001"), placed
    # It is archived already, and perhaps only in part.
    assert os.listdir(standby.data / "pg_wal/archive_status") == [f"{placed[0]}.done"]
    standby.must_start()
    system.wait_until(lambda: standby.answers("SELECT count(*) FROM t WHERE x = 20") == "1", what="the row of timeline 2")
    standby.stop()
    third = branches.promoted("third")
    third.rows("COMMIT PREPARED 'open'")
    assert branches.rows(third) == "1,2,3,4,20"


def test_damage_of_the_old_timelines_segment_of_a_switch_is_no_obstacle(branches):
    """Recovery asks for it only where something was prepared."""
    segment = branches.primary.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    stanza = branches.stanza
    second = branches.promoted("second", "--type=name", "--target=two", PROMOTE)
    second.rows("INSERT INTO t VALUES (20)")
    second.wait_for_archived()
    second.stop()
    switch = branches.plan()["path"][0]["until"]
    old = branches.primary.sql(f"SELECT pg_walfile_name('{switch}')")
    assert old < segment and stanza.wal_object(f"00000002{old[8:]}").exists()
    damage.flip(stanza.wal_object(old), -100)
    target = stanza.home / "latest"
    result = stanza.try_restore(target)
    assert result.code == 0 and f"{old} is not put into pg_wal" in result.err, result
    latest = stanza.restored(target).must_start().wait_ready()
    assert branches.rows(latest) == "1,2,20"


@pytest.mark.slow
def test_a_promotion_is_followed_and_the_old_timeline_can_be_named(stanza):
    branches = Branches(stanza)
    branches.primary.stop()
    second = branches.promoted("second", "--type=name", "--target=two", PROMOTE)
    assert branches.timeline(second) == 2
    second.rows("INSERT INTO t VALUES (20)")
    second.wait_for_archived()
    second.stop()

    plan = branches.plan()
    assert [span["timeline"] for span in plan["path"]] == [1, 2] and plan["path"][1]["until"] is None
    latest = branches.promoted("latest", archives=False)
    assert (branches.rows(latest), branches.timeline(latest)) == ("1,2,20", 3)
    old = branches.promoted("old", "--target-timeline=1", archives=False)
    assert branches.rows(old) == "1,2,3"
    current = branches.promoted("current", "--target-timeline=current", archives=False)
    assert branches.rows(current) == "1,2,3"
    # Promoted once more: a backup taken on timeline 2 goes on to it.
    second.must_start()
    stanza.cluster = second
    system.run(["sed", "-i", f"s#^pg-path.*#pg-path = \"{second.data}\"#;s#^pg-port.*#pg-port = {second.port}#",
                stanza.cairn.config])
    backup = stanza.backup()
    assert backup["timeline"] == 2
    assert branches.plan()["backup"]["label"] == backup["label"]
    assert "timeline 1" in refusal(stanza, "--target-timeline=1", f"--set={backup['label']}")


@pytest.mark.slow
def test_a_second_promotion_from_the_same_backup_is_another_branch(branches):
    one = branches.promoted("one", "--type=name", "--target=two", PROMOTE)
    one.rows("INSERT INTO t VALUES (20)")
    one.wait_for_archived()
    one.stop()
    two = branches.promoted("two", "--type=name", "--target=two", "--target-timeline=1", PROMOTE)
    assert branches.timeline(two) == 3
    two.rows("INSERT INTO t VALUES (30)")
    two.wait_for_archived()
    two.stop()

    results = {}
    for timeline in (1, 2, 3, "latest"):
        cluster = branches.promoted(f"on-{timeline}", f"--target-timeline={timeline}", archives=False)
        results[timeline] = branches.rows(cluster)
        cluster.stop()
    assert results == {1: "1,2,3", 2: "1,2,20", 3: "1,2,30", "latest": "1,2,30"}


@pytest.mark.slow
def test_the_newest_branch_is_followed_and_one_with_a_later_transaction_is_pointed_out(branches):
    """A clone archived into its original's stanza, which goes on and is backed up."""
    stanza = branches.stanza
    clone = branches.promoted("clone", "--type=name", "--target=two", PROMOTE)
    clone.rows("INSERT INTO t VALUES (20)")
    clone.wait_for_archived()
    clone.stop()
    stanza.cairn.tables["global"]["retention-full"] = 1
    stanza.cairn.save()
    made, said = stanza.backup_aloud(code=3)
    assert "a branch that was left" in said and "nothing was expired" in said
    assert "the archive has WAL of timeline 2, and timeline 2 left timeline 1 at" in said
    newer = made["label"]
    assert stanza.labels() == [branches.backup, newer]
    age = f"the newest backup of the newest timeline, {branches.backup}, ended "
    assert age in stanza.cairn.run("health").out and f"; {newer} is on a branch that was left" in stanza.cairn.run("health").out
    branches.primary.rows("INSERT INTO t VALUES (4)")
    branches.primary.wait_for_archived()

    plan = branches.plan()
    assert plan["backup"]["label"] == branches.backup and [span["timeline"] for span in plan["path"]] == [1, 2]
    assert any("TIMELINE 1 HAS A LATER LAST TRANSACTION" in note and "--target-timeline=1" in note
               for note in plan["notes"]), plan["notes"]
    assert [(branch["timeline"], branch["newest"]) for branch in plan["branches"]] == [(2, True), (1, False)]
    assert plan["branches"][0]["last-time"] < plan["branches"][1]["last-time"]
    assert stanza.info()["repositories"][0]["branches"] == plan["branches"]
    assert "LATER" in stanza.cairn.ok("info").out
    named = branches.plan(f"--set={newer}")  # no other backup was looked at
    assert [(branch["timeline"], branch["reachable"]) for branch in named["branches"]] == [(2, None), (1, True)]
    assert branches.rows(branches.promoted("latest", archives=False)) == "1,2,20"
    assert branches.plan("--target-timeline=1")["backup"]["label"] == newer
    assert branches.rows(branches.promoted("original", "--target-timeline=1", archives=False)) == "1,2,3,4"
    err = refusal(stanza, "--target-timeline=2", f"--set={newer}")
    assert "before the backup's end" in err and "without --set" in err
    # A standby is told the timeline: its own "latest" would lead it to the clone's.
    standby = stanza.restore("standby", "--type=standby", "--target-timeline=1").must_start()
    assert branches.rows(standby) == "1,2,3,4"
    assert standby.sql("SHOW recovery_target_timeline") == "current"


def test_a_clone_that_promoted_cannot_overwrite_what_its_source_archived(branches):
    """Two clusters of one history: what the second one archives under a taken name is refused, and said."""
    stanza = branches.stanza
    segment = branches.primary.wait_for_archived()
    before = stanza.wal_object(segment).read_bytes()
    clone = branches.promoted("clone", "--type=none", "--archive-mode=off", archives=False)
    assert branches.timeline(clone) == 1  # no archive recovery, so no timeline of its own
    while clone.switch_wal() < segment:
        pass
    result = stanza.cairn.run("archive-push", f"--pg-path={clone.data}", f"pg_wal/{segment}")
    assert result.code == 1 and "the two agree up to 0/" in result.err and "archive_mode=off" in result.err, result
    assert stanza.wal_object(segment).read_bytes() == before


@pytest.mark.slow
def test_a_promoted_clone_does_not_mix_with_the_timeline_of_another(branches):
    """Two clones were promoted to the same number, the first archived: what the second one pushes there is refused."""
    stanza = branches.stanza
    first = branches.promoted("first", "--type=name", "--target=two", PROMOTE)
    first.rows("INSERT INTO t VALUES (20)")
    segment = first.wait_for_archived()
    first.stop()
    before = {path: path.read_bytes() for path in stanza.wal_objects()}
    history = next((stanza.repo / "main/wal").glob("*/00000002.history"))
    before[history] = history.read_bytes()

    # Without an archive to look into it takes the number that it finds free.
    second = branches.promoted("second", "--type=none", "--archive-mode=off", archives=False)
    second.rows("SELECT 1")
    second.stop()
    (second.data / "standby.signal").touch()
    system.own(second.data / "standby.signal")
    second.overrides["restore_command"] = "false"
    second.must_start()
    second.rows("SELECT pg_promote()")
    second.wait_ready()
    assert branches.timeline(second) == 2
    second.rows("INSERT INTO t VALUES (30)")
    while second.switch_wal() < segment:
        pass
    for name, said in ((segment, "archive_mode=off"), ("00000002.history", "give each a stanza of its own")):
        result = stanza.cairn.run("archive-push", f"--pg-path={second.data}", f"pg_wal/{name}")
        assert result.code == 1 and said in result.err and name in result.err, result
    assert {path: path.read_bytes() for path in before} == before
    assert branches.rows(branches.promoted("latest", archives=False)) == "1,2,20"


@pytest.mark.slow
def test_a_time_on_a_side_branch_is_refused_with_the_timeline_that_reaches_it(branches):
    stanza, primary = branches.stanza, branches.primary
    clone = branches.promoted("clone", "--type=name", "--target=two", PROMOTE)
    clone.rows("INSERT INTO t VALUES (20)")
    clone.wait_for_archived()
    clone.stop()
    primary.rows("INSERT INTO t VALUES (4)")
    target = primary.sql(UTC_NOW)
    primary.rows("INSERT INTO t VALUES (5)")
    primary.wait_for_archived()

    err = refusal(stanza, "--type=time", f"--target={target}", "--target-timeline=latest")
    assert "the archive ends at" in err and "timeline 1 reaches it: try --target-timeline=1" in err, err
    old = branches.promoted("old", "--type=time", f"--target={target}", "--target-timeline=1", PROMOTE, archives=False)
    assert branches.rows(old) == "1,2,3,4"


@pytest.mark.slow
def test_a_partial_that_alone_holds_the_tail_is_recovered_from(branches):
    stanza, primary = branches.stanza, branches.primary
    standby = stanza.track(primary.make_standby(stanza.home / "standby", archive_mode="always",
                           archive_command=f"{stanza.cairn.binary} --config={stanza.cairn.config} --stanza=main "
                                           f"--pg-path={stanza.home / 'standby'} archive-push %p"))
    primary.wait_for_archived()
    primary.rows("INSERT INTO t VALUES (4)")
    tail = primary.current_segment()
    system.wait_until(lambda: standby.sql("SELECT count(*) FROM t") == "4", what="the standby to follow")
    primary.crash()
    standby.rows("SELECT pg_promote()")
    standby.wait_ready()
    standby.rows("INSERT INTO t VALUES (5)")
    last = standby.switch_wal()
    system.wait_until(lambda: any(path.name == last for path in stanza.wal_objects()), what="the new timeline's WAL")
    standby.stop()
    assert not any(path.name == tail for path in stanza.wal_objects())
    shutil.rmtree(primary.data)

    plan = branches.plan("--target-timeline=1")
    assert plan["wal"]["partial"] == f"{tail}.partial" and any(".partial" in note for note in plan["notes"])
    assert branches.rows(branches.promoted("old", "--target-timeline=1", archives=False)) == "1,2,3,4"
    assert branches.rows(branches.promoted("latest", archives=False)) == "1,2,3,4,5"


def test_an_unreadable_history_keeps_latest_from_being_a_guess(branches):
    history = branches.stanza.repo / "main" / "wal"
    folder = next(history.iterdir())
    system.write(folder / "00000002.history", b"not an object")
    # Without WAL it is no branch.
    plan = branches.plan()
    assert any("timeline 2 has a history in the archive" in note and "not followed" in note for note in plan["notes"])
    system.write(system.make_dir(folder / "0000000200000000") / "000000020000000000000042", b"not an object either")
    refused(branches.stanza, branches.stanza.home / "dry", "--dry-run", codes=[1],
            saying=["the history of timeline 2", "cannot be read", "--target-timeline=1"])
    plan = branches.plan("--target-timeline=1")
    assert any("00000002.history could not be read" in note for note in plan["notes"])
