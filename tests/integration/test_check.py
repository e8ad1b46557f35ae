"""check: what arrives is proved, and each thing that keeps it from arriving is named with what to change."""
import pytest

from support import system


@pytest.mark.slow
def test_a_working_archive(stanza):
    result = stanza.cairn.ok("check", "--output=json").json["check"]
    assert result["ok"] and not result["standby"] and result["warnings"] == []
    assert result["pg-version"] == stanza.cluster.version and result["system-id"] == stanza.cluster.system_id()
    assert stanza.wal_object(result["segment"]).exists()
    assert [one["name"] for one in result["repositories"]] == ["local"]
    again = stanza.cairn.ok("check")
    assert "arrived after" in again.out and "repository local" in again.out


def test_an_archive_command_that_fails(stanza15):
    stanza15.cluster.configure(archive_command="false")
    stanza15.cluster.reload()
    stanza15.cluster.switch_wal()
    system.wait_until(lambda: stanza15.cluster.sql("SELECT failed_count FROM pg_stat_archiver") != "0", what="a failure")
    result = stanza15.cairn.run("check", "--archive-timeout=1s")
    assert result.code == 1 and "did not reach repository \"local\"" in result.out, result
    assert "the server's log has the output of archive_command" in result.out


def test_an_archive_command_that_archives_elsewhere(stanza15):
    stanza15.cluster.configure(archive_command="true")
    stanza15.cluster.reload()
    result = stanza15.cairn.run("check", "--archive-timeout=1s")
    assert result.code == 1 and "archive_command may name another stanza" in result.out, result
    assert "archive_command is 'true'" in result.out


def test_archiving_that_is_off(make_stanza):
    stanza = make_stanza(15, archiving=False).create()
    result = stanza.cairn.run("check")
    assert result.code == 13 and "archive_mode is off" in result.err and "archive-push %p" in result.err, result


def test_what_does_not_belong_together(stanza15, make_stanza):
    other = make_stanza(15)
    result = stanza15.cairn.run("check", f"--pg-port={other.cluster.port}")
    assert result.code == 13 and "system identifier" in result.err, result
    result = other.cairn.run("check")
    assert result.code == 10 and "stanza-create" in result.err, result
    stanza15.cluster.stop()
    assert stanza15.cairn.run("check").code == 13


@pytest.mark.slow
def test_a_standby_is_checked_by_what_its_primary_archived(stanza):
    primary = stanza.cluster
    primary.wait_for_archived()
    standby = stanza.track(primary.make_standby(stanza.home / "standby"))
    args = (f"--pg-path={standby.data}", f"--pg-port={standby.port}", "--output=json")
    result = stanza.cairn.run("check", *args)
    assert result.code == 3, result  # archive_mode = on on a standby is worth a note
    found = result.json["check"]
    assert found["standby"] and found["ok"] and "always" in found["warnings"][0]
    stanza.wal_object(found["segment"]).unlink()
    result = stanza.cairn.run("check", *args, "--archive-timeout=1s")
    assert result.code == 1 and "The primary archives it" in result.json["check"]["repositories"][0]["error"], result
    system.wait_until(lambda: standby.sql("SELECT 1") == "1", what="the standby")
