"""The way from nothing to scheduled backups, as README and the hints tell it."""
import json
import os
import re
import shlex
import subprocess

import pytest

from support import system
from support.pgcairn import Pgcairn

README = (system.CHECKOUT / "README.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


@pytest.fixture
def newcomer(make_stanza):
    """A running cluster whose archive_command names a configuration, and README's configuration for it."""
    stanza = make_stanza(15)
    text = block("toml").replace("/var/lib/postgresql/15/main", str(stanza.cluster.data))
    text = text.replace("/var/lib/postgresql/drill", str(stanza.home / "drill")).replace("/var/lib/pgcairn", str(stanza.repo))
    connection = {key: value for key, value in stanza.cairn.tables["stanza.main"].items() if key != "pg-path"}
    text += "".join(f"{key} = {json.dumps(value, default=str)}\n" for key, value in connection.items())
    text = text.replace("[global]\n", f'[global]\nstart-fast = true\nstate-path = "{stanza.cairn.state_path}"\n')
    system.write(stanza.cairn.config, text)
    return stanza


def test_the_schedule_of_the_readme_is_silent_while_all_is_well(newcomer):
    cairn = newcomer.cairn
    created = cairn.ok("stanza-create")
    assert "no retention" not in created.err, created
    cairn.ok("check")
    commands = re.findall(r"postgres  /usr/local/bin/pgcairn (.*)", block("cron"))
    assert [command.split()[-1] for command in commands] == ["backup", "verify", "drill"]
    for command in commands:
        result = cairn.ok(*shlex.split(command))
        assert (result.out, result.err) == ("", ""), (command, result)
    assert len(newcomer.labels()) == 1 and newcomer.info()["repositories"][0]["backups"][0]


def test_a_backup_to_be_safe_keeps_the_moment_before_the_mistake(newcomer):
    cairn, cluster = newcomer.cairn, newcomer.cluster
    cairn.ok("stanza-create")
    cairn.ok("backup")
    cluster.sql("CREATE TABLE precious (id int); INSERT INTO precious VALUES (1)")
    before = cluster.sql("SELECT clock_timestamp()")
    cluster.sql("DROP TABLE precious")
    said = cairn.ok("backup").err
    assert len(newcomer.labels()) == 2, said
    cairn.ok("restore", "--type=time", f"--target={before}", f"--pg-path={newcomer.home / 'again'}", "--dry-run")


def test_a_backup_says_which_ones_its_expire_removed_and_why(newcomer):
    cairn = newcomer.cairn
    text = cairn.config.read_text(encoding="utf-8")
    system.write(cairn.config, text.replace('keep-within = "7d"', ""))
    cairn.ok("stanza-create")
    cairn.ok("backup")
    [first] = newcomer.labels()
    said = cairn.ok("backup").err
    assert re.search(rf"expire removed backup {first}: \S+", said), said


def test_quiet_hides_nothing_that_is_wrong(backed_up):
    key = system.write(backed_up.cluster.data / "unreadable", "x", 0)
    if os.geteuid() == 0:
        os.chown(key, 0, 0)
    failed = backed_up.cairn.run("backup", "--quiet")
    assert failed.code == 1 and failed.err.startswith("error: cannot open") and failed.out == "", failed
    key.unlink()
    pack = backed_up.packs(backed_up.label)[0]
    pack.unlink()
    damaged = backed_up.cairn.run("verify", "--quiet")
    assert damaged.code == 4 and "DAMAGED" in damaged.out.upper(), damaged
    aloud = backed_up.cairn.ok("expire", "--quiet", "--log-level=info", "--keep-last=9")
    assert aloud.out == ""


def test_stanza_create_says_that_no_retention_is_set(stanza15):
    said = stanza15.cairn.ok("stanza-create").err
    assert 'no retention is set for repository "local"' in said and 'keep-within = "7d", keep-daily = 7' in said
    stanza15.cairn.tables["repo.local"]["keep-last"] = 3
    stanza15.cairn.save()
    assert "retention" not in stanza15.cairn.ok("stanza-create").err


@pytest.mark.skipif(os.geteuid() != 0, reason="the hint is for root")
def test_what_only_root_can_prepare_is_a_line_to_paste(make_stanza):
    stanza = make_stanza(15)
    place = stanza.home / "var"
    place.mkdir(mode=0o755)
    os.chown(place, 0, 0)
    (place / "made by root").mkdir(mode=0o755)
    config = Pgcairn(stanza.cairn.binary, stanza.home / "second.toml", {
        "global": {"state-path": place / "spool/pgcairn"},
        "repo.local": {"type": "posix", "path": place / "lib"},
        "repo.other": {"type": "posix", "path": place / "made by root"},
        "stanza.main": {"pg-path": stanza.cluster.data}})
    refused = config.run("stanza-create")
    user = system.server_user()
    assert refused.code == 1 and f'{user.pw_name} cannot create or write to "{place}/lib", ' in refused.err, refused
    line = re.search(r"install -d -o .*", refused.err).group(0)
    assert f"-o {user.pw_name} -g " in line and "-m 750" in line
    subprocess.run(["sh", "-c", line], check=True)
    config.ok("stanza-create")
    for folder in (place / "lib", place / "spool/pgcairn", place / "made by root"):
        assert folder.stat().st_uid == user.pw_uid and folder.stat().st_mode & 0o777 == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="root makes what is missing")
def test_root_makes_what_is_missing_for_the_clusters_owner(make_stanza):
    stanza = make_stanza(15)
    place = stanza.home / "var"
    place.mkdir(mode=0o755)
    os.chown(place, 0, 0)
    config = Pgcairn(stanza.cairn.binary, stanza.home / "second.toml", {
        "global": {"state-path": place / "spool/pgcairn"}, "repo.local": {"type": "posix", "path": place / "lib"},
        "stanza.main": {"pg-path": stanza.cluster.data}})
    done = system.run(config.command("stanza-create"), as_server=False, check=False)
    assert done.returncode == 0, done.stderr
    for folder in (place / "lib", place / "spool/pgcairn"):
        assert folder.stat().st_uid == system.server_user().pw_uid and folder.stat().st_mode & 0o777 == 0o750
