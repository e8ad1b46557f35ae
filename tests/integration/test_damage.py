"""Objects in the repository that are missing, cut off, changed or in another's place. A restore stops before it harms
the target and names the object; what is whole stays of use."""
import shutil

import pytest

from support import compare, damage, system
from support.stanza import assert_cannot_start, refused

DAMAGE_FOUND = 4


@pytest.fixture
def two(backed_up):
    """A stanza with two backups, `label` and `other`, and WAL behind both."""
    backed_up.cluster.rows("INSERT INTO t VALUES (2)")
    backed_up.other = backed_up.backup()["label"]
    backed_up.cluster.wait_for_archived()
    return backed_up


def needed_segment(stanza, label):
    return next(backup["wal-start"] for backup in stanza.backups() if backup["label"] == label)


OBJECTS = {
    "pack": lambda stanza, label: stanza.packs(label)[0],
    "manifest": lambda stanza, label: stanza.manifests(label)[0],
    "marker": lambda stanza, label: stanza.marker(label),
    "wal": lambda stanza, label: stanza.wal_object(needed_segment(stanza, label)),
}
HARMS = {
    "missing": lambda one, other: damage.remove(one),
    "truncated": lambda one, other: damage.truncate(one),
    "empty": lambda one, other: system.write(one, b""),
    "changed": lambda one, other: damage.flip(one),
    "swapped": damage.swap,
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_a_harmed_object_is_named_before_it_does_harm(two, target, kind, harm):
    one, other = (OBJECTS[kind](two, label) for label in (two.label, two.other))
    whole = one.read_bytes()
    HARMS[harm](one, other)

    options = (f"--set={two.label}", "--type=immediate", "--target-action=promote")
    result = two.try_restore(target, "--dry-run", *options)
    if result.code == 0:  # to find it takes reading every byte, which is the restore's work
        assert kind == "pack" and harm in ("changed", "swapped")
        result = two.try_restore(target, *options)
        assert_cannot_start(two, target)
    else:
        refused(two, target, *options)
    name = one.name if kind == "wal" else str(one.relative_to(two.repo))
    if (kind, harm) == ("marker", "missing"):  # there is no such backup, as far as anybody knows
        assert result.code == 10 and two.label in result.err and two.label not in two.labels()
    else:
        assert name in result.err, result
        assert result.code == (1 if (kind, harm) == ("wal", "missing") else DAMAGE_FOUND), result

    if harm == "swapped":
        damage.swap(one, other)
    else:
        one.unlink(missing_ok=True)
        system.write(one, whole)
    assert two.try_restore(target, *options).code == 0  # into what the failed run left
    assert two.restored(target).must_start().wait_ready().sql("SELECT count(*) FROM t") == "1"


@pytest.mark.parametrize("where", [0.02, 0.9])
def test_a_flipped_bit_anywhere_in_a_pack_is_found(backed_up, target, where):
    harmed = max(backed_up.packs(backed_up.label), key=lambda path: path.stat().st_size)
    damage.flip(harmed, int(harmed.stat().st_size * where))
    result = backed_up.try_restore(target)
    assert result.code == DAMAGE_FOUND and str(harmed.relative_to(backed_up.repo)) in result.err, result
    assert_cannot_start(backed_up, target)


def test_one_damaged_full_does_not_spoil_the_other(two):
    shutil.rmtree(two.repo / "main/data" / two.label)
    restored = two.restore("restored", f"--set={two.other}")
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"


def test_a_damaged_marker_hides_no_other_backup(two, target):
    damage.flip(two.marker(two.other))
    name = str(two.marker(two.other).relative_to(two.repo))
    shown = two.cairn.run("info", "--output=json")
    repository = shown.json["stanzas"][0]["repositories"][0]
    assert shown.code == 1 and repository["status"]["code"] == 1 and name in repository["status"]["message"], shown
    assert [backup["label"] for backup in repository["backups"]] == [two.label]
    assert two.label in two.cairn.run("info").out

    # The end of "the latest backup" is not known, but to the end of the archive an older one leads as well.
    refused(two, target, "--type=immediate", saying=[name], codes=(DAMAGE_FOUND,))
    result = two.try_restore(target)
    assert result.code == 0 and name in result.err and two.label in result.out, result
    assert two.restored(target).must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"


@pytest.mark.parametrize("harm", ["missing", "truncated", "changed"])
def test_without_the_document_that_makes_it_a_repository_nothing_is_done(backed_up, target, harm):
    one = backed_up.repo / "pgcairn.json"
    HARMS[harm](one, None)
    before = compare.tree_state(backed_up.repo)
    code = 10 if harm == "missing" else DAMAGE_FOUND
    assert refused(backed_up, target, saying=[] if harm == "missing" else ["pgcairn.json"]).code == code
    assert backed_up.cairn.run("backup", "--start-fast").code == code
    got = backed_up.cairn.run("archive-get", "0000000100000000000000FE", target / "RECOVERYXLOG")
    assert got.code == 200, got  # not in an archive that is not known to be the right one: not certain
    assert compare.tree_state(backed_up.repo) == before


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_backup_can_be_restored_without_the_stanzas_identity(backed_up, harm):
    """It keeps other clusters out; what is already in the repository does not need it."""
    identity, = (backed_up.repo / "cluster/main").iterdir()
    HARMS[harm](identity, None)
    restored = backed_up.restore("restored", "--type=immediate", "--target-action=promote")
    if harm == "missing":
        assert backed_up.cairn.run("backup", "--start-fast").code == 10
        assert refused(backed_up, backed_up.home / "t", "--set=20200101-000000F", saying=["no stanza"]).code == 10
        # What the archive lacks may be in the right stanza: the server stops instead of promoting itself.
        assert not restored.start() and 'there is no stanza "main"' in restored.log_text()
        backed_up.cairn.ok("stanza-create")
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1"
