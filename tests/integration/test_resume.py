"""A backup that is interrupted leaves packs; the next one of its kind uses them again, where they still fit and are whole."""
import json
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from support import damage, system
from support.pgcairn import result_of

# Slow enough to be stopped on the way, fast enough to be waited for: a pack is 16 MiB.
SLOWLY = ("--limit-rate=12MiB", "--process-max=1")
READER = pathlib.Path(__file__).parents[1] / "reader" / "pgcairn_reader.py"
# Rows that no codec makes smaller, so that packs of 16 MiB fill.
ROWS = ("INSERT INTO {0} SELECT i, (SELECT decode(string_agg(md5(i::text || j), ''), 'hex') FROM generate_series(1, 60) j)"
        " FROM generate_series({1}, {2}) i")
FULL_ROWS = 60000  # 67 MB


class Case:
    """A cluster with a large table and no other changes than the test's."""

    def __init__(self, make_stanza, version=15, **settings):
        if version >= 17:
            settings["summarize_wal"] = True
        self.stanza = make_stanza(version, autovacuum=False, checkpoint_timeout="1h", max_wal_size="2GB", **settings).create()
        self.cluster = self.stanza.cluster
        self.data = self.stanza.repo / "main" / "data"
        self.restores = 0
        self.sql("CREATE TABLE t (i int PRIMARY KEY, b bytea)")

    def sql(self, *statements):
        for statement in statements:
            self.cluster.rows(statement)

    def fill(self, first, last):
        self.sql(ROWS.format("t", first, last), "VACUUM FREEZE t", "CHECKPOINT")

    def stored_packs(self):
        return [path for path in self.data.glob("*/pack/*") if path.name[0] != "."]

    def interrupted(self, packs, number=signal.SIGKILL, type="full"):
        """Begin a backup and stop it when it has stored so many packs; its label."""
        labels = {path.name for path in self.data.glob("*")}
        enough = len(self.stored_packs()) + packs
        process = self.stanza.cairn.start("backup", f"--type={type}", "--start-fast", *SLOWLY)
        system.wait_until(lambda: len(self.stored_packs()) >= enough or process.poll() is not None, what="packs", pause=0.01)
        process.send_signal(number)
        result = result_of(process)
        assert result.code == (130 if number == signal.SIGTERM else -number), result
        label, = {path.name for path in self.data.glob("*")} - labels
        assert label not in self.stanza.labels()
        return label

    def packs_of(self, label):
        return [path for path in self.stored_packs() if path.parts[-3] == label]

    def check(self, backup):
        """Restore it and compare; have the independent reader check it, too."""
        self.cluster.wait_for_archived()
        label = backup["label"]
        read = subprocess.run([sys.executable, READER, "check", self.stanza.repo, self.stanza.name, label], capture_output=True,
                              text=True, check=False, timeout=300)
        assert read.returncode == 0, read.stderr
        self.restores += 1
        restored = self.stanza.restore(f"r{self.restores}", f"--set={label}", "--type=immediate", "--target-action=promote")
        restored.must_start().wait_ready()
        assert restored.table_hashes() == self.cluster.table_hashes()
        restored.stop()
        restored.checksums()
        system.remove_tree(restored.data)

    def named(self, label):
        """The labels whose packs the backup's marker names."""
        marker = json.loads(self.stanza.marker(label).read_text().splitlines()[0])
        return {packs["backup"] for packs in marker["packs"]}


def sizes(paths):
    return sum(path.stat().st_size for path in paths)


@pytest.fixture
def case(make_stanza):
    made = Case(make_stanza)
    made.fill(1, FULL_ROWS)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_an_interrupted_full_backup_is_resumed_once(case, number):
    interrupted = case.interrupted(2, number)
    left = sizes(case.packs_of(interrupted))
    case.sql("UPDATE t SET b = '' WHERE i % 1000 = 0", "CREATE TABLE later AS SELECT generate_series(1, 1000) AS x", "CHECKPOINT")

    backup, said = case.stanza.backup_aloud()
    assert f"backup {interrupted} was interrupted" in said
    resumed, = backup["resumed"]
    assert resumed["backup"] == interrupted and resumed["packs"] >= 2
    # Each of the pages that fill those packs takes at most its own size there; a tenth may have changed, or be no page.
    assert resumed["bytes"] > 0.9 * left
    assert backup["stored-bytes"] < backup["cluster-bytes"] - 0.9 * left
    assert backup["read-bytes"] >= backup["cluster-bytes"]
    assert case.stanza.labels() == [backup["label"]] and case.stanza.backups()[0]["resumed"] == [resumed]
    assert case.named(backup["label"]) == {backup["label"], interrupted}
    case.check(backup)

    # What a listed backup names is no leftover: two full backups share nothing.
    second = case.stanza.backup()
    assert second["resumed"] == [] and case.named(second["label"]) == {second["label"]}
    shutil.rmtree(case.data / interrupted)
    shutil.rmtree(case.data / backup["label"])
    case.check(second)


@pytest.mark.slow
def test_interrupted_again_and_again(case):
    """The third run takes over from both that came before; incrementals build on what it names."""
    first = case.interrupted(2)
    second = case.interrupted(1)
    backup, _ = case.stanza.backup_aloud()
    assert {one["backup"] for one in backup["resumed"]} == {first, second}, backup
    case.check(backup)
    case.sql("UPDATE t SET b = '' WHERE i % 1000 = 1")
    incremental = case.stanza.backup(type="incr")
    assert incremental["resumed"] == [] and incremental["stored-bytes"] < 10 << 20
    assert {first, second} < case.named(incremental["label"])
    case.check(incremental)


@pytest.mark.slow
def test_no_resume(case):
    interrupted = case.interrupted(1)
    backup, said = case.stanza.backup_aloud("--no-resume")
    assert backup["resumed"] == [] and interrupted not in said and case.named(backup["label"]) == {backup["label"]}
    # It is older than a backup that was completed: whether that one named it need not be known.
    later = case.stanza.backup()
    assert later["resumed"] == [] and case.named(later["label"]) == {later["label"]}


@pytest.mark.slow
@pytest.mark.parametrize("harm", [damage.flip, damage.truncate, damage.remove], ids=["changed", "truncated", "missing"])
def test_a_damaged_pack_of_a_leftover_is_not_used(case, harm):
    interrupted = case.interrupted(2)
    one, *others = sorted(case.packs_of(interrupted))
    harm(one)
    backup, said = case.stanza.backup_aloud()
    assert (f"pack 0 of interrupted backup {interrupted} is not used" in said) == (harm is not damage.remove), said
    assert backup["resumed"][0]["packs"] == len(others)
    case.check(backup)


@pytest.mark.slow
def test_a_leftover_of_another_stanza_is_not_touched(case, make_stanza):
    interrupted = case.interrupted(1)
    other = make_stanza(15, stanza="other", repo=case.stanza.repo).create()
    backup = other.backup()
    assert backup["resumed"] == []
    assert case.stanza.backup()["resumed"][0]["backup"] == interrupted


@pytest.mark.slow
@pytest.mark.parametrize("version", [15, 18], ids=["compare", "summaries"])
def test_an_interrupted_incremental_is_resumed(make_stanza, version):
    case = Case(make_stanza, version)
    case.fill(1, 1000)
    full = case.stanza.backup()
    case.fill(1001, FULL_ROWS)
    interrupted = case.interrupted(2, type="incr")
    assert interrupted.startswith(full["label"])
    left = sizes(case.packs_of(interrupted))
    case.sql("UPDATE t SET b = '' WHERE i % 1000 = 0", "CHECKPOINT")
    backup = case.stanza.backup(type="incr")
    assert backup["method"] == ("summaries" if version >= 17 else "compare")
    resumed, = backup["resumed"]
    assert resumed["backup"] == interrupted and resumed["bytes"] > 0.9 * left
    assert case.named(backup["label"]) >= {backup["label"], interrupted}
    case.check(backup)
    assert case.stanza.backup(type="diff")["resumed"] == []
