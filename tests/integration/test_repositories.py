"""Several stanzas in one repository, several repositories for one stanza, and repositories that can only be read."""
import os
import time

import pytest

from support import compare, system


# --- two stanzas ----------------------------------------------------------------------------------------------------


def test_two_stanzas_share_a_repository(make_stanza):
    """Their segments have the same names, and nothing of one is ever taken for the other's."""
    one = make_stanza(15).create()
    two = make_stanza(18, stanza="other", repo=one.repo).create()
    labels = {}
    for stanza, rows in ((one, 10), (two, 20)):
        stanza.cluster.rows(f"CREATE TABLE t AS SELECT generate_series(1, {rows}) AS x")
        labels[stanza.name] = stanza.backup()["label"]
        stanza.cluster.wait_for_archived()
    shared = {path.name for path in one.wal_objects()} & {path.name for path in two.wal_objects()}
    assert [name for name in shared if len(name) == 24], "the stanzas have no segment's name in common"

    # Each configuration knows its own stanza; the repository knows both.
    found = {stanza["name"]: stanza for stanza in one.cairn.ok("info", "--output=json").json["stanzas"]}
    assert {name: [b["label"] for b in stanza["repositories"][0]["backups"]] for name, stanza in found.items()} == {
        name: [label] for name, label in labels.items()}
    assert [s["name"] for s in one.cairn.ok("--stanza=other", "info", "--output=json").json["stanzas"]] == ["other"]

    # The wrong stanza is refused, by every verb that would write.
    before = compare.tree_state(one.repo / "other")
    segment = one.cluster.data / "pg_wal" / one.cluster.switch_wal()
    for args in (["archive-push", segment], ["backup", "--start-fast"], ["stanza-create"]):
        refused = one.cairn.run("--stanza=other", f"--pg-path={one.cluster.data}", *args)
        assert refused.code == (1 if args[0] == "archive-push" else 13), refused
    assert compare.tree_state(one.repo / "other") == before

    for stanza, rows in ((one, "10"), (two, "20")):
        stanza.cluster.stop()
        assert stanza.restore().must_start().wait_ready().sql("SELECT count(*) FROM t") == rows


# --- two repositories -----------------------------------------------------------------------------------------------


@pytest.fixture
def doubled(make_stanza):
    """A stanza with the repositories "local" and "second"."""
    stanza = make_stanza(15)
    stanza.second = system.make_dir(stanza.home / "repo2", 0o750)
    stanza.cairn.tables["repo.second"] = {"type": "posix", "path": stanza.second}
    stanza.cairn.save()
    stanza.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    return stanza.create()


def objects(repo):
    return {str(path.relative_to(repo)): path.stat().st_size for path in (repo / "main/wal").rglob("*") if path.is_file()}


def labels_by_repository(stanza):
    return {r["name"]: [b["label"] for b in r["backups"]] for r in stanza.info()["repositories"]}


def test_wal_goes_to_both_and_a_backup_to_one(doubled):
    first = doubled.backup()["label"]
    assert labels_by_repository(doubled) == {"local": [first], "second": []}
    doubled.cluster.rows("INSERT INTO t VALUES (2)")
    # In another repository a label of the same second would be free.
    system.wait_until(lambda: time.strftime("%Y%m%d-%H%M%S", time.gmtime()) > first[:15], what="the next second")
    second = doubled.backup("--repo=second")["label"]
    assert labels_by_repository(doubled) == {"local": [first], "second": [second]}
    doubled.cluster.wait_for_archived()
    assert objects(doubled.repo) == objects(doubled.second)

    # The best backup for the target is chosen wherever it is; --repo asks one repository only.
    target = doubled.home / "target"
    plan = doubled.cairn.ok("restore", f"--pg-path={target}", "--dry-run", "--output=json").json["restore"]
    assert (plan["repository"], plan["backup"]["label"]) == ("second", second)
    plan = doubled.cairn.ok("restore", f"--pg-path={target}", "--dry-run", "--output=json", "--repo=local").json["restore"]
    assert (plan["repository"], plan["backup"]["label"]) == ("local", first)
    doubled.cluster.stop()
    assert doubled.restore("two").must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"
    # Two backups of one second have one label, each in its repository.
    named = doubled.restore("one", "--repo=local", f"--set={first}", "--type=immediate", "--target-action=promote")
    assert named.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1"


def test_wal_that_one_repository_lost_comes_from_the_other(doubled):
    backup = doubled.backup()
    doubled.cluster.rows("INSERT INTO t VALUES (2)")
    doubled.cluster.wait_for_archived()
    doubled.cluster.stop()
    doubled.wal_object(backup["wal-start"]).unlink()
    restored = doubled.restore()
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"


def test_a_destination_that_is_wrong_is_no_repositorys_failure(doubled):
    segment = doubled.cluster.wait_for_archived()
    for place in (doubled.home, doubled.home / "absent/x"):
        result = doubled.cairn.run("archive-get", segment, place)
        assert result.code not in (0, 1) and str(place) in result.err and "repositor" not in result.err, result


def test_one_of_two_repositories_breaks(doubled):
    cluster = doubled.cluster
    doubled.backup("--repo=second")
    # The backup history file may still be on its way: the archiver would fail on that one, for ever.
    cluster.wait_for_archived()
    doubled.repo.chmod(0o000)
    cluster.rows("INSERT INTO t VALUES (2)")
    name = cluster.switch_wal()
    system.wait_until(lambda: cluster.sql("SELECT last_failed_wal FROM pg_stat_archiver") == name,
                      what="archive-push to fail")
    said = cluster.log_text()
    assert f"{name} is not in every repository" in said and 'repository "local"' in said
    assert 'repository "second"' not in said
    assert any(name in path for path in objects(doubled.second))  # the good one has it all the same
    shown = doubled.cairn.run("info", "--output=json")
    assert shown.code == 1
    assert {r["name"]: r["status"]["code"] for r in shown.json["stanzas"][0]["repositories"]} == {"local": 1, "second": 0}

    # What is whole can be restored. At the end of the archive nobody knows whether "local" has more: the server stops.
    restored = doubled.restore()
    assert not restored.start()
    assert "exit code 200" in restored.log_text() and "archive recovery complete" not in restored.log_text()

    doubled.repo.chmod(0o750)
    cluster.wait_for_archived()
    assert objects(doubled.repo) == objects(doubled.second)
    cluster.stop()
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"


# --- reading only ---------------------------------------------------------------------------------------------------


def test_a_repository_that_can_only_be_read(stanza15):
    """Whatever reads works; whatever writes says what to do and changes nothing in the cluster."""
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    label = stanza15.backup()["label"]
    cluster.rows("INSERT INTO t VALUES (2)")
    cluster.wait_for_archived()
    with system.read_only(stanza15.repo):
        for args in (["backup", "--start-fast"], ["archive-push", cluster.data / "pg_wal" / cluster.switch_wal()]):
            result = stanza15.cairn.run(*args)
            assert result.code == 1 and "Read-only file system" in result.err and "for writing" in result.err, result
        stanza15.cairn.ok("stanza-create")  # nothing to do
        assert "pg_backup_start" not in cluster.log_text()
        assert stanza15.labels() == [label]
        restored = stanza15.restore()
        assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"
    stanza15.backup()
    assert len(stanza15.labels()) == 2


def test_a_repository_that_somebody_else_owns(stanza15):
    if os.geteuid() != 0:
        pytest.skip("giving files to another user needs root")
    stanza15.backup()
    stanza15.cluster.wait_for_archiver()
    for path in (stanza15.repo, *stanza15.repo.rglob("*")):
        os.chown(path, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)
    result = stanza15.cairn.run("backup", "--start-fast")
    assert result.code == 1 and "Permission denied" in result.err and "the user that runs pgcairn" in result.err, result
    assert len(stanza15.labels()) == 1
    assert stanza15.restore().must_start().wait_ready().sql("SELECT 1") == "1"
