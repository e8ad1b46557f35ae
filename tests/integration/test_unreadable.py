"""Objects that are there and cannot be read (a bad sector, other rights, an archive class of a store): damage of that
object, which is named and passed over, and no outage of the repository. Shown with rights here, as the owner of the
repository, which these commands become."""
import contextlib

import pytest

from support import damage

DAMAGE_FOUND = 4


@pytest.fixture
def two(backed_up):
    """A stanza with two full backups, `label` and `other`, and WAL behind both."""
    backed_up.cluster.rows("INSERT INTO t VALUES (2)")
    backed_up.other = backed_up.backup()["label"]
    backed_up.cluster.wait_for_archived()
    return backed_up


@contextlib.contextmanager
def unreadable(path):
    mode = path.stat().st_mode & 0o777
    path.chmod(0)
    try:
        yield str(path)
    finally:
        path.chmod(mode)


OBJECTS = {
    "pack": lambda stanza, label: stanza.packs(label)[0],
    "manifest": lambda stanza, label: stanza.manifests(label)[0],
    "marker": lambda stanza, label: stanza.marker(label),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_one_object_of_the_newest_backup(two, target, kind):
    one = OBJECTS[kind](two, two.other)
    name = str(one.relative_to(two.repo))
    with unreadable(one):
        # An incremental backup builds on the older one, or on none, and says why.
        backup, said = two.backup_aloud(type="incr")
        assert name in said and "not used as the prior one" in said, said
        assert not backup["label"].startswith(two.other), backup
        damage.remove(two.marker(backup["label"]))

        found = two.cairn.run("verify", "--level=full", "--output=json")
        assert found.code == DAMAGE_FOUND, found
        repository = found.json["verify"]["repositories"][0]
        assert [one["object"] for one in repository["damages"]] == [name], repository
        shown = two.cairn.run("info").out
        assert two.label in shown and two.other in shown
        assert ("UNREADABLE" in shown) == (kind == "marker") and ("DAMAGED" in shown) == (kind != "marker"), shown

        # What is recorded keeps a restore from the damaged one.
        result = two.try_restore(target)
        assert result.code == 0 and two.label in result.out, result
        assert two.other in result.err, result
    assert two.restored(target).must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"


def test_a_pack_that_nobody_knew_of_ends_the_restore_of_a_named_backup(two, target):
    with unreadable(two.packs(two.other)[0]) as name:
        result = two.try_restore(target, f"--set={two.other}")
        assert result.code == DAMAGE_FOUND and name in result.err and f"backup {two.other}" in result.err, result
        assert "--set" in result.err
        result = two.try_restore(target)  # one that names none goes on from the other
        assert result.code == 0 and f"backup {two.other} is skipped" in result.err, result


def test_a_marker_keeps_only_what_its_backup_may_need(two):
    """The oldest backup's: it stays with its packs and all WAL; later ones come and go as the rules say."""
    newest = two.backup()["label"]
    with unreadable(two.marker(two.label)):
        wal = set(two.wal_objects())
        result = two.cairn.run("expire", "--keep-last=1")
        assert result.code == 3 and f"expire --set={two.label}" in result.err, result
        assert two.packs(two.label) and two.marker(two.label).exists() and wal <= set(two.wal_objects())
        assert not (two.repo / "main/data" / two.other).exists() and not two.marker(two.other).exists() and two.marker(newest).exists()
    assert two.cairn.run("verify", "--level=full").code == 0


def test_a_directory_that_cannot_be_entered_is_no_damage(two):
    folder = two.repo / "main/backup"
    with unreadable(folder):
        for verb in (("verify",), ("expire", "--keep-last=1"), ("backup", "--type=incr")):
            result = two.cairn.run(*verb)
            assert result.code == 1 and "Permission denied" in result.err + result.out, result
            assert "damaged" not in (result.err + result.out).lower(), result
    assert two.labels() == [two.label, two.other]
