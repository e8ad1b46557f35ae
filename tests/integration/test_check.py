"""check: what arrives is proved, and each thing that keeps it from arriving is named with what to change."""
import os
import re

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


def checked(stanza, **settings):
    """What check says after this change of the server's settings."""
    stanza.cluster.configure(**settings)
    stanza.cluster.reload()
    result = stanza.cairn.run("check", "--archive-timeout=1s")
    assert result.code == 1 and "did not reach repository \"local\"" in result.out, result
    return result.out


def let_the_archiver_fail(cluster, **settings):
    cluster.configure(**settings)
    cluster.reload()
    cluster.switch_wal()
    system.wait_until(lambda: cluster.sql("SELECT failed_count FROM pg_stat_archiver") != "0", what="a failure")


def test_an_archive_command_that_fails_before_archive_push_can_say_why(stanza15):
    let_the_archiver_fail(stanza15.cluster, archive_command=stanza15.archive_command().replace(
        "archive-push", f"--state-path={stanza15.home / 'elsewhere'} --no-such-option archive-push"))
    words = checked(stanza15)
    assert "the server's log has the output of archive_command" in words


def test_archive_push_says_why_it_failed(stanza15):
    """Its last error is kept until it succeeds."""
    stanza15.cairn.ok("check")
    folders = [place for place in (stanza15.repo / "main/wal").rglob("*") if place.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    let_the_archiver_fail(stanza15.cluster)
    words = checked(stanza15)
    for folder in folders:
        folder.chmod(0o750)
    assert "archive-push of \"pg_wal/" in words and "Permission denied" in words, words
    stanza15.cluster.wait_for_archived()
    assert stanza15.cairn.ok("check", "--output=json").json["check"]["warnings"] == []
    assert list((stanza15.cairn.state_path / "archive-push").iterdir()) == []


def test_archive_push_says_why_it_failed_before_it_had_its_settings(stanza15, make_stanza):
    """An unreadable or broken configuration, a stanza that it does not have, a wrong option: check finds the words by
    --state-path, of the server's user, also when root runs it with a configuration that root can read."""
    cluster, cairn = stanza15.cluster, stanza15.cairn
    cairn.ok("check")
    command = stanza15.archive_command()
    assert f"--config={cairn.config}" in command
    secret = system.write(stanza15.home / "secret.toml", cairn.config.read_text(), 0o600)
    os.chown(secret, 0, 0)
    broken = system.write(stanza15.home / "broken.toml", "[global\nkeep-last = 1\n")
    place = f" --state-path={cairn.state_path} archive-push"
    for changed, said in (
            (command.replace(str(cairn.config), str(secret)), "secret.toml\": Permission denied"),
            (command.replace(str(cairn.config), str(broken)), "broken.toml"),
            (command.replace("--stanza=main", "--stanza=nosuch"), "\"nosuch\""),
            (command.replace("--stanza=main", ""), "--no-such-option"),
    ):
        option = " --no-such-option" if said == "--no-such-option" else ""
        cluster.configure(archive_command=changed.replace(" archive-push", option + place))
        cluster.reload()
        failed = int(cluster.sql("SELECT failed_count FROM pg_stat_archiver"))
        cluster.switch_wal()
        system.wait_until(lambda: int(cluster.sql("SELECT failed_count FROM pg_stat_archiver")) > failed, what="a failure")
        words = checked(stanza15)
        assert re.search("archive-push( of \"[^\"]*\")? failed at", words) and said in words, words
    cluster.configure(archive_command=command)
    cluster.reload()
    cluster.wait_for_archived()
    assert cairn.ok("check", "--output=json").json["check"]["warnings"] == []


@pytest.mark.parametrize("edit, said", [
    (lambda words: "true", "archive_command runs \"true\", not pgcairn's archive-push"),
    (lambda words: "", "archive_command is empty"),
    (lambda words: words.replace("=main", "=other"), "archives into stanza \"other\", and this is stanza \"main\""),
    (lambda words: words.replace("%p", "%f"), "passes %f, the name of the file"),
    (lambda words: words.replace("%p", "pg_wal"), "passes no file to archive-push"),
    (lambda words: words.replace("archive-push", "info"), "pgcairn without its command archive-push"),
], ids=["another program", "empty", "another stanza", "%f", "no %p", "another command"])
def test_an_archive_command_that_is_wrong(stanza15, edit, said):
    """The reason, and a line that can be pasted."""
    stanza15.cluster.configure(archive_command=edit(stanza15.archive_command()))
    stanza15.cluster.reload()
    result = stanza15.cairn.run("check", "--archive-timeout=1s")
    assert result.code in (1, 13) and said in result.out + result.err, result
    assert re.search("set archive_command = 'pgcairn (--config=\\S+ )?--stanza=main archive-push \"%p\"'", result.out + result.err), result


def test_an_archive_command_that_works_and_may_not_be_meant_so(stanza15):
    """What arrives all the same is a warning."""
    script = system.write(stanza15.home / "archive.sh", f"exec {stanza15.archive_command().replace('%p', '$1')}")
    stanza15.cluster.configure(archive_command=f"sh {script} %p")
    stanza15.cluster.reload()
    result = stanza15.cairn.run("check")
    assert result.code == 3 and "note: archive_command runs \"sh\"" in result.out, result


def test_an_archive_library(stanza15):
    words = checked(stanza15, archive_library="basic_archive")
    assert "archive_library is \"basic_archive\"" in words and "set archive_library = ''" in words, words


def test_archiving_that_is_off(make_stanza):
    stanza = make_stanza(15, archiving=False).create()
    result = stanza.cairn.run("check")
    assert result.code == 13 and "archive_mode is off" in result.err and "archive-push \"%p\"" in result.err, result


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
    (stanza.repo / "pgcairn.proof").unlink()
    with system.read_only(stanza.repo):  # all that a standby's host needs
        result = stanza.cairn.run("check", *args)
    assert result.code == 3, result  # archive_mode = on on a standby is worth a note
    found = result.json["check"]
    assert found["standby"] and found["ok"] and "always" in found["warnings"][0]
    stanza.wal_object(found["segment"]).unlink()
    result = stanza.cairn.run("check", *args, "--archive-timeout=1s")
    assert result.code == 1 and "The primary archives it" in result.json["check"]["repositories"][0]["error"], result
    system.wait_until(lambda: standby.sql("SELECT 1") == "1", what="the standby")
