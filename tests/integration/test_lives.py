"""One system identifier, one timeline, the same positions in the log, and another life: volumes that were rolled back, copies,
restores without a new timeline. An incremental backup must not take pages from the other life, and nothing may be taken for this
one's because of its name.

One seed on each version by default. $PGCAIRN_LIFE_SEEDS has others, such as "7" or "1-20"."""
import os
import random
import shutil
import subprocess

import pytest

from support import system, truth

SEEDS = os.environ.get("PGCAIRN_LIFE_SEEDS", "1")
SETTINGS = {"autovacuum": False, "checkpoint_timeout": "1h", "max_wal_size": "1GB", "wal_recycle": False, "wal_keep_size": 0}
OTHER_LIFE = "is not this cluster's: another life of it archived its own under the same name"


def seeds():
    chosen = []
    for part in SEEDS.split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    return chosen


def settings(version):
    return {**SETTINGS, **({"summarize_wal": True} if version >= 17 else {})}


def copy_of(directory, to):
    system.remove_tree(to)
    subprocess.run(["cp", "-a", "--reflink=auto", str(directory), str(to)], check=True)
    return to


class Life:
    """A cluster without an archiver, whose data directory is copied and put back at random moments."""

    def __init__(self, stanza, seed):
        self.stanza = stanza
        self.cluster = stanza.cluster
        self.chance = random.Random(seed)
        self.story = [f"seed {seed}, PostgreSQL {self.cluster.version}"]
        self.saved = None
        self.count = 0
        self.cluster.rows("CREATE TABLE t (i int PRIMARY KEY, n numeric, s text) WITH (fillfactor = 50)")
        self.cluster.rows("INSERT INTO t SELECT g, 0, repeat(md5(g::text), 5) FROM generate_series(1, 8000) g")

    def write(self):
        """Changes in place, so that only the rows tell; sometimes what comes and goes, and none at all."""
        self.count += 1
        first = self.chance.randrange(1, 7000)
        what = self.chance.choice((
            f"UPDATE t SET n = {self.count} + random() WHERE i BETWEEN {first} AND {first + self.chance.randrange(10, 1000)}",
            f"DELETE FROM t WHERE i BETWEEN {first} AND {first + 50}",
            f"INSERT INTO t SELECT g, {self.count}, 'new' FROM generate_series({9000 + 100 * self.count}, {9090 + 100 * self.count}) g",
            "SELECT 1"))
        self.cluster.rows(what)
        for _ in range(self.chance.randrange(3)):
            self.cluster.rows("CHECKPOINT" if self.chance.random() < 0.5 else "SELECT pg_switch_wal()")
        self.story.append(what.split()[0].lower())

    def save(self):
        self.story.append("save")
        crash = self.chance.random() < 0.5
        self.cluster.stop("immediate" if crash else "fast")
        self.saved = copy_of(self.cluster.data, self.stanza.home / "saved")
        self.cluster.must_start()

    def roll_back(self):
        self.story.append("roll back")
        self.cluster.stop(self.chance.choice(("immediate", "fast")))
        copy_of(self.saved, self.cluster.data)
        self.cluster.must_start()

    def promote(self):
        """A timeline of its own: the way out that the hint names."""
        self.story.append("promote")
        self.cluster.stop()
        for status in (self.cluster.data / "pg_wal/archive_status").glob("*.ready"):
            status.rename(status.with_suffix(".done"))
        system.write(self.cluster.data / "standby.signal", b"")
        assert self.cluster.start(), self.cluster.log_text()[-2000:]
        self.cluster.rows("SELECT pg_promote()")
        self.cluster.wait_ready()

    def backup(self):
        """Returns the backup, or None where it was refused because the archive has another life's WAL, and says so."""
        kind = self.chance.choice(("incr", "incr", "diff"))
        result = self.stanza.cairn.run("backup", f"--type={kind}", "--start-fast", "--wal=copy", "--output=json")
        if result.code != 0:
            assert OTHER_LIFE in result.err and "standby.signal" in result.err, (self.story, result)
            self.story.append("refused")
            return None
        assert "do not say so" not in result.err and "missed a change" not in result.err, (self.story, result.err)
        backup = result.json["backup"]
        self.story.append(f"{backup['type']} by {backup['method']}")
        return backup

    def check(self, backup):
        expected = truth.contents(self.cluster)
        restored = truth.restored_to_its_end(self.stanza, backup)
        wrong = truth.different(expected, truth.contents(restored))
        assert not wrong, (self.story, backup["label"], backup["method"], backup["method-reason"], wrong)
        truth.check_whole(restored)
        system.remove_tree(restored.data)


@pytest.mark.slow
@pytest.mark.parametrize("postgres", (15, 17, 18, 19), indirect=True, ids=lambda version: f"pg{version}")
@pytest.mark.parametrize("seed", seeds())
def test_lives_that_share_their_names_never_mix(make_stanza, postgres, seed):
    stanza = make_stanza(postgres.version, archiving=False, **settings(postgres.version)).create()
    life = Life(stanza, seed)
    stanza.backup("--wal=copy")
    life.save()
    taken = 0
    for _ in range(5):
        life.write()
        step = life.chance.random()
        if step < 0.15:
            life.save()
        elif step < 0.55:
            life.roll_back()
            life.write()
        backup = life.backup()
        if backup is None:
            life.promote()
            backup = life.backup()
        if backup is None:  # the number of the new timeline is another life's as well: a stanza's history is no place to stay
            life.roll_back()
            break
        taken += 1
        life.check(backup)
    print("; ".join(life.story))
    assert taken > 0, life.story


@pytest.mark.slow
@pytest.mark.parametrize("postgres", (17, 18, 19), indirect=True, ids=lambda version: f"pg{version}")
def test_a_life_that_goes_on_is_proved_by_its_witness_and_by_its_wal(make_stanza, postgres):
    """Summaries are used in one life, whether the older backup's WAL is still there or not; of another life, compared."""
    stanza = make_stanza(postgres.version, **settings(postgres.version)).create()
    cluster = stanza.cluster
    life = Life(stanza, 1)
    full = stanza.backup()
    by_wal, said = stanza.backup_aloud(type="incr")
    assert by_wal["method"] == "summaries" and f"WAL segment {full['wal-stop']} is that backup's" in said, said

    def forget_wal():
        # The summarizer keeps what it has not come to.
        system.wait_until(lambda: cluster.wait_for_archived() and not (cluster.data / "pg_wal" / full["wal-stop"]).exists(),
                          what="the server to remove WAL")
    forget_wal()
    by_witness, said = stanza.backup_aloud(type="diff")
    assert by_witness["method"] == "summaries" and "the data directory has its witness" in said, said
    forget_wal()
    witness = cluster.data / "pgcairn.backups"
    kept = witness.read_bytes()
    assert [line.split()[0] for line in kept.decode().splitlines()] == [b["label"] for b in stanza.backups()]
    lies = {"none": None, "another number": kept.replace(b" ", b" 0"), "cut": kept[:20], "binary": bytes(range(256)), "a directory": ()}
    for lie, content in lies.items():
        witness.unlink() if witness.is_file() else None
        if content == ():
            witness.mkdir()
            shutil.chown(witness, "postgres", "postgres")
        elif content is not None:
            system.write(witness, content)
        unproved, said = stanza.backup_aloud(type="diff")
        assert unproved["method"] == "compare" and "of this life of the cluster" in unproved["method-reason"], (lie, said)
        shutil.rmtree(witness) if witness.is_dir() else None
        forget_wal()
    life.check(unproved)


@pytest.mark.slow
def test_a_name_in_the_archive_is_no_arrival(make_stanza, postgres):
    """The first life archived what the second one is about to write; check and backup say so, and nothing is overwritten."""
    stanza = make_stanza(postgres.version, **settings(postgres.version)).create()
    life = Life(stanza, 2)
    full = stanza.backup()
    life.save()
    for _ in range(random.randrange(1, 6)):
        life.cluster.rows("UPDATE t SET n = n + 1 WHERE i < 10")
        life.cluster.wait_for_archived()
    life.roll_back()
    life.cluster.rows("UPDATE t SET n = -1 WHERE i < 20")
    checked = stanza.cairn.run("check", "--archive-timeout=3s")
    assert checked.code == 1 and OTHER_LIFE in checked.out + checked.err, checked
    for more in ((), ("--wal=copy",)):
        refused = stanza.cairn.run("backup", "--type=incr", "--start-fast", "--archive-timeout=3s", *more)
        assert refused.code != 0 and OTHER_LIFE in refused.err and "rolled back" in refused.err, (more, refused)
    assert stanza.labels() == [full["label"]]
    life.promote()
    backup = stanza.backup(type="incr")
    assert backup["timeline"] == 2 and backup["method"] == ("compare" if postgres.version < 17 else backup["method"])
    life.check(backup)


@pytest.mark.slow
def test_a_twin_does_not_stop_the_archiver_of_the_other(make_stanza, postgres):
    """Both go on in timeline 1 from one copy; the second one's --wal=copy would take names that the first is about to write."""
    stanza = make_stanza(postgres.version, **settings(postgres.version)).create()
    first = stanza.cluster
    life = Life(stanza, 3)
    stanza.backup()
    first.stop()
    data = copy_of(first.data, stanza.home / "twin")
    first.must_start()
    twin = stanza.restored(data, {"archive_mode": "off"})
    first.rows("UPDATE t SET n = 1")
    first.wait_for_archived()
    stanza.backup(type="incr")
    twin.must_start()
    for _ in range(random.randrange(3)):
        twin.rows("UPDATE t SET n = 2 WHERE i < 100; SELECT pg_switch_wal()")
    stanza.point_at(twin)
    refused = stanza.cairn.run("backup", "--type=incr", "--start-fast", "--wal=copy")
    assert refused.code != 0 and OTHER_LIFE in refused.err, refused
    stanza.point_at(first)
    twin.stop()
    for _ in range(3):
        first.rows("UPDATE t SET n = n + 1 WHERE i < 50")
        first.wait_for_archived()
    assert first.sql("SELECT failed_count FROM pg_stat_archiver") == "0"
    life.check(stanza.backup(type="incr"))
