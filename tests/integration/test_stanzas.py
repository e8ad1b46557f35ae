"""The life of a stanza: upgraded to a later major version, stopped and started, deleted."""
import os
import pty
import select
import subprocess

import pytest

from support import system
from support.cluster import PgCluster


def successor(stanza, install):
    """What pg_upgrade leaves: a cluster of a later version in a directory of its own, which archives as before."""
    stanza.cluster.stop()
    cluster = stanza.track(PgCluster.create(install, stanza.home / f"data{install.version}", stanza.sockets))
    cluster.configure(archive_mode=True, archive_command=stanza.archive_command())
    stanza.point_at(cluster)
    return cluster.must_start()


def state_path(stanza):
    """A place for what this host remembers that the server's user may write to."""
    path = stanza.home / "state"
    stanza.cairn.tables["global"]["state-path"] = path
    stanza.cairn.save()
    return path


# --- stanza-upgrade ----------------------------------------------------------------------------------------------------

def test_an_upgraded_cluster_goes_on_in_its_stanza(make_stanza, installations, target):
    stanza = make_stanza(15).create()
    stanza.cluster.rows("CREATE TABLE t AS SELECT 15 AS x")
    old_label = stanza.backup()["label"]
    successor(stanza, installations[18])
    refused = stanza.cairn.run("backup", "--type=incr", "--start-fast")
    assert refused.code == 13 and "is not a cluster of stanza" in refused.err, refused
    assert "stanza-upgrade" in refused.err, refused
    upgraded = stanza.cairn.ok("stanza-upgrade", "--output=json").json["repositories"]
    assert [(one["added"], len(one["before"])) for one in upgraded] == [(True, 1)]
    again = stanza.cairn.ok("stanza-upgrade", "--output=json").json["repositories"]
    assert [one["added"] for one in again] == [False]

    new_cluster = stanza.clusters[-1]
    new_cluster.rows("CREATE TABLE t AS SELECT 18 AS x")
    backup = stanza.backup(type="incr")
    assert backup["type"] == "full"  # nothing of the old version can be built on
    new_cluster.rows("INSERT INTO t VALUES (19)")
    new_cluster.stop()
    stanza.install = installations[18]
    assert stanza.restore("new").must_start().rows("SELECT x FROM t ORDER BY 1") == [["18"], ["19"]]
    stanza.install = installations[15]
    old = stanza.restore("old", f"--set={old_label}")
    assert old.must_start().sql("SELECT x FROM t") == "15"


def test_another_cluster_of_the_same_version_is_no_upgrade(make_stanza, installations):
    stanza = make_stanza(15).create()
    successor(stanza, installations[15])
    result = stanza.cairn.run("stanza-upgrade")
    assert result.code == 13 and "not an upgrade" in result.err and "--force" in result.err, result
    assert stanza.cairn.run("backup", "--start-fast").code == 13
    stanza.cairn.ok("stanza-upgrade", "--force")
    assert stanza.backup()["type"] == "full"


def test_no_stanza_to_upgrade(make_stanza):
    stanza = make_stanza(15)
    assert stanza.cairn.run("stanza-upgrade").code == 10
    stanza.create()
    assert "already in" in stanza.cairn.ok("stanza-upgrade").out


# --- stop, start -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("where", ["here", "all hosts"])
def test_nothing_is_written_while_a_stanza_is_stopped(backed_up, where, target):
    stanza, flags = backed_up, ["--all-hosts"] if where == "all hosts" else []
    state = state_path(stanza)
    words = ["moving house", *(["all hosts", "--all-hosts start"] if flags else ["on this host", f'{state}/main.stop'])]
    assert "is stopped" in stanza.cairn.ok("stop", "--reason=moving house", *flags).out
    assert "already" in stanza.cairn.ok("stop", *flags).out
    segment = stanza.cluster.switch_wal()
    before = sorted(stanza.repo.rglob("*"))
    for command in (["backup", "--start-fast"], ["check"], ["archive-push", stanza.cluster.data / "pg_wal" / segment]):
        result = stanza.cairn.run(*command)
        assert result.code == (1 if command[0] == "archive-push" else 11), result
        for word in words:
            assert word in result.err, result
    stanza.restore("restored")  # what only reads goes on
    stanza.cairn.ok("verify", "--level=full")
    assert stanza.info()["repositories"][0]["backups"]
    written = set(stanza.repo.rglob("*")) - set(before)
    assert not [path for path in written if path.is_file() and "/record/" not in str(path)], written

    started = stanza.cairn.ok("start", "--output=json", *flags).json
    assert started["stopped"] is False and started["all-hosts"] is bool(flags)
    assert "was not stopped" in stanza.cairn.ok("start", *flags).out
    stanza.cairn.ok("check")
    stanza.backup()


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_one_repository_is_not_stopped_on_this_host_alone(backed_up, verb):
    state = state_path(backed_up)
    refused = backed_up.cairn.run(verb, "--repo=local")
    assert refused.code == 2 and "--all-hosts" in refused.err and not (state / "main.stop").exists(), refused
    backed_up.cairn.ok(verb, "--repo=local", "--all-hosts")


def test_a_stop_on_this_host_that_cannot_be_read_is_no_leave(backed_up):
    state = state_path(backed_up)
    backed_up.cairn.ok("stop")
    os.chmod(state, 0)
    try:
        result = backed_up.cairn.run("backup", "--start-fast")
    finally:
        os.chmod(state, 0o700)
    assert result.code != 0 and str(state) in result.err, result


def test_a_stop_that_cannot_be_written_is_told(backed_up, home):
    folder = system.make_dir(home / "ro")
    with system.read_only(folder):
        backed_up.cairn.tables["global"]["state-path"] = folder / "state"
        backed_up.cairn.save()
        result = backed_up.cairn.run("stop")
    assert result.code == 1 and "state-path" in result.err, result


# --- stanza-delete -----------------------------------------------------------------------------------------------------

def test_a_deleted_stanza_is_gone(backed_up):
    stanza = backed_up
    content = stanza.cairn.ok("stanza-delete", "--dry-run", "--output=json").json
    assert content["removed"] is False
    assert content["repositories"][0]["backups"] == [stanza.label] and content["repositories"][0]["wal-files"] > 1
    refused = stanza.cairn.run("stanza-delete")
    assert refused.code == 2 and "--force" in refused.err, refused
    assert stanza.labels() == [stanza.label]
    stanza.cluster.stop()
    assert stanza.cairn.ok("stanza-delete", "--force", "--output=json").json["removed"] is True
    left = [path.relative_to(stanza.repo) for path in stanza.repo.rglob("*") if path.is_file() and path.parent.name != ".reserve"]
    assert sorted(str(path).rsplit("/", 1)[0] for path in left) == ["lease/main", "pgcairn.json", "pgcairn.proof"]
    assert stanza.cairn.run("stanza-delete", "--force").code == 10
    assert stanza.cairn.run("backup").code == 10
    stanza.cluster.must_start()
    stanza.create()
    stanza.backup()


def asked(stanza, answer):
    """Run stanza-delete on a terminal and answer its question."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(stanza.cairn.command("stanza-delete"), stdin=end, stdout=subprocess.PIPE, stderr=end, text=True,
                               start_new_session=True, **system.identity())
    os.close(end)
    said = ""
    while "to go on: " not in said:
        ready, _, _ = select.select([terminal], [], [], 180)
        assert ready, said
        said += os.read(terminal, 4096).decode()
    os.write(terminal, f"{answer}\n".encode())
    out, _ = process.communicate(timeout=180)
    os.close(terminal)
    return process.returncode, said, out


def test_the_name_is_asked_for(backed_up):
    stanza = backed_up
    stanza.cluster.stop()
    code, said, _ = asked(stanza, "mian")
    assert code == 2 and "backups" in said and stanza.labels() == [stanza.label]
    code, _, out = asked(stanza, "main")
    assert code == 0 and "removed" in out
    assert stanza.cairn.run("stanza-delete", "--force").code == 10


def test_a_stanza_at_work_is_not_deleted(stanza15):
    stanza15.cluster.create_large(mebibytes=32)
    process = stanza15.start_slow_backup()
    result = stanza15.cairn.run("stanza-delete", "--force")
    process.kill()
    process.wait()
    assert result.code == 11 and "backup by process" in result.err, result


def test_a_stanza_that_is_in_no_configuration_any_more(backed_up):
    stanza = backed_up
    stanza.cluster.stop()
    section = stanza.cairn.tables.pop("stanza.main")
    stanza.cairn.tables["stanza.other"] = section
    stanza.cairn.save()
    assert stanza.cairn.run("--stanza=mian", "stanza-delete", "--force").code == 10
    stanza.cairn.ok("--stanza=main", "stanza-delete", "--force")


# --- misspelt ----------------------------------------------------------------------------------------------------------

def test_a_misspelt_stanza_is_named_with_the_right_one(backed_up):
    """By all verbs: those that need it in the configuration, and those that look into the repository."""
    stanza = backed_up
    meant = 'did you mean "main"?'
    for verb in (["health"], ["metrics"], ["expire"], ["check"], ["restore", "--dry-run"], ["verify"],
                 ["hold", stanza.label, "--reason=x"], ["drill"], ["stop", "--all-hosts"], ["stanza-upgrade"]):
        result = stanza.cairn.run("--stanza=mian", *verb)
        assert result.code in (2, 10) and meant in result.err, (verb, result)
    shown = stanza.cairn.run("--stanza=mian", "info")
    assert shown.code == 10 and meant in shown.err, shown
    assert meant in stanza.cairn.run("--stanza=mian", "info", "--output=json").out.replace('\\"', '"')
    deleted = stanza.cairn.run("--stanza=mian", "stanza-delete", "--force")
    assert deleted.code == 10 and meant in deleted.err, deleted
    # This host does not know the stanza: it is in the repository alone.
    stanza.cairn.tables["stanza.other"] = stanza.cairn.tables.pop("stanza.main")
    stanza.cairn.save()
    shown = stanza.cairn.run("--stanza=mian", "info")
    assert shown.code == 10 and meant in shown.err, shown
    # One that is configured and not made yet is not misspelt.
    stanza.cairn.tables["stanza.mian"] = stanza.cairn.tables.pop("stanza.other")
    stanza.cairn.save()
    assert "did you mean" not in stanza.cairn.run("--stanza=mian", "info").err
