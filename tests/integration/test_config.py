"""Configuration that is not in the data directory: in the backup, and back with restore --config-to."""
import os
import pathlib
import shutil
import stat

import pytest

from support import compare, system
from support.stanza import refused

SETTINGS = {"config_file": "postgresql.conf", "hba_file": "pg_hba.conf", "ident_file": "pg_ident.conf"}


def move_configuration(stanza):
    """Put the cluster's configuration beside it, as Debian does, with files that it includes; start it from there."""
    cluster = stanza.cluster
    cluster.stop()
    etc = system.make_dir(stanza.home / "etc", 0o755)
    for name in SETTINGS.values():
        shutil.move(cluster.data / name, etc / name)
    with open(etc / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write(f"data_directory = '{cluster.data}'\nhba_file = '{etc}/pg_hba.conf'\n"
                   f"ident_file = '{etc}/pg_ident.conf'\ninclude_dir 'conf.d'\ninclude_if_exists 'none.conf'\n")
    system.make_dir(etc / "conf.d", 0o750)
    system.write(etc / "conf.d/10-secret.conf", "primary_conninfo = 'password=secret'\n", 0o600)
    system.write(etc / "real.conf", "work_mem = '5MB'\n")
    os.symlink("../real.conf", etc / "conf.d/20-link.conf")
    system.write(etc / "names", "postgres\n")
    with open(etc / "pg_hba.conf", "a", encoding="utf-8") as hba:
        hba.write("local @names all trust\n")
    cluster.overrides["config_file"] = etc / "postgresql.conf"
    cluster.must_start()
    return etc


def below(directory, path):
    return pathlib.Path(f"{directory}{path}")


def same_file(one, other):
    left, right = os.stat(one), os.stat(other)
    return (pathlib.Path(one).read_bytes() == pathlib.Path(other).read_bytes() and left.st_uid == right.st_uid
            and stat.S_IMODE(left.st_mode) == stat.S_IMODE(right.st_mode))


@pytest.mark.slow
def test_a_debian_cluster_comes_back_with_its_configuration(stanza):
    cluster = stanza.cluster
    etc = move_configuration(stanza)
    extra = system.make_dir(stanza.home / "extra")
    system.write(extra / "key.pem", "a key\n", 0o600)
    stanza.cairn.tables["stanza.main"]["include-path"] = [str(extra)]
    stanza.cairn.save()
    first = stanza.backup()
    assert first["outside"] == {"config-file": str(etc / "postgresql.conf"), "hba-file": str(etc / "pg_hba.conf"),
                                "ident-file": str(etc / "pg_ident.conf"), "files": 7, "unreadable": []}
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    system.write(etc / "conf.d/10-secret.conf", "work_mem = '6MB'\n", 0o600)
    second = stanza.backup(type="incr")
    assert second["outside"] == first["outside"]
    cluster.wait_for_archived()

    conf = stanza.home / "conf"
    live = compare.tree_state(etc)
    plan = stanza.try_restore(stanza.home / "copy", f"--config-to={conf}", "--dry-run", "--output=json").json["restore"]
    assert plan["config"] == {"to": str(conf), "files": 7, "settings": [
        {"name": setting, "was": str(etc / name), "location": f"{conf}{etc / name}"} for setting, name in SETTINGS.items()]}
    assert not conf.exists()
    text = stanza.try_restore(stanza.home / "copy", f"--config-to={conf}", "--dry-run").out
    assert f"7 files from outside of the data directory to {conf}" in text
    copy = stanza.restore("copy", f"--config-to={conf}")
    assert compare.tree_state(etc) == live
    assert stat.S_IMODE(conf.stat().st_mode) == 0o700
    for name in ("postgresql.conf", "pg_hba.conf", "names", "conf.d/10-secret.conf", "conf.d/20-link.conf"):
        assert same_file(etc / name, below(conf, etc / name)), name
    assert not below(conf, etc / "conf.d/20-link.conf").is_symlink()
    assert stat.S_IMODE(below(conf, etc / "conf.d").stat().st_mode) == 0o750
    assert same_file(extra / "key.pem", below(conf, extra / "key.pem"))

    # Started as the last lines of the output say.
    copy.overrides.update({setting: below(conf, etc / name) for setting, name in SETTINGS.items()}, data_directory=copy.data)
    copy.must_start().wait_ready()
    assert copy.sql("SHOW work_mem") == "5MB" and copy.sql("SELECT x FROM t") == "1"
    assert copy.sql("SHOW config_file") == f"{conf}{etc}/postgresql.conf"
    assert copy.sql("SHOW data_directory") == str(copy.data)
    copy.stop()

    stanza.restore("old", f"--config-to={stanza.home / 'old-conf'}", f"--set={first['label']}")
    assert "secret" in below(stanza.home / "old-conf", etc / "conf.d/10-secret.conf").read_text()


@pytest.mark.parametrize("conf_d", ["conf.d", "{etc}/conf.d"], ids=["relative", "absolute"])
def test_an_included_directory_comes_back_even_if_nothing_is_in_it(stanza15, conf_d):
    """Debian's default: the server does not start without it."""
    etc = move_configuration(stanza15)
    for file in (etc / "conf.d").iterdir():
        file.unlink()
    config = etc / "postgresql.conf"
    config.write_text(config.read_text().replace("include_dir 'conf.d'", f"include_dir '{conf_d.format(etc=etc)}'"))
    stanza15.backup()
    stanza15.cluster.wait_for_archived()
    drill = stanza15.cairn.run("drill", f"--drill-path={stanza15.home / 'drill'}")
    assert drill.code == 0 and ": GOOD" in drill.out, drill
    conf = stanza15.home / "conf"
    copy = stanza15.restore("copy", f"--config-to={conf}")
    assert stat.S_IMODE(below(conf, etc / "conf.d").stat().st_mode) == 0o750
    copy.overrides.update({setting: below(conf, etc / name) for setting, name in SETTINGS.items()}, data_directory=copy.data)
    copy.must_start().wait_ready()


def test_what_is_said_where_the_configuration_stays_outside(stanza15):
    etc = move_configuration(stanza15)
    stanza15.backup()
    result = stanza15.try_restore(stanza15.home / "copy")
    assert result.code == 0 and f"config_file was {etc}/postgresql.conf, outside of the data directory: not restored" in result.out
    assert "--config-to=DIR restores them" in result.out and "config_file must name one" in result.out
    assert f"-c config_file={etc}/postgresql.conf -c data_directory={stanza15.home / 'copy'}" in result.out
    assert not (stanza15.home / "copy/postgresql.conf").exists()
    plan = stanza15.try_restore(stanza15.home / "dry", "--dry-run", "--output=json").json["restore"]
    assert plan["config"]["to"] is None and plan["config"]["files"] == 0
    assert [one["location"] for one in plan["config"]["settings"]] == [None, None, None]


def test_a_backup_without_configuration_outside_leaves_the_place_alone(backed_up):
    assert backed_up.backups()[0]["outside"]["files"] == 0
    conf = backed_up.home / "conf"
    result = backed_up.try_restore(backed_up.home / "copy", f"--config-to={conf}")
    assert result.code == 0 and "--config-to is not used" in result.out, result
    assert not conf.exists()
    empty = system.make_dir(backed_up.home / "empty")
    backed_up.backup(f"--include-path={empty}")
    result = backed_up.try_restore(backed_up.home / "second", f"--config-to={conf}")
    assert result.code == 0 and "--config-to is not used" not in result.out, result
    assert below(conf, empty).is_dir()


def test_what_cannot_be_read_is_a_warning_and_remembered(stanza15):
    etc = move_configuration(stanza15)
    hidden, absent = etc / "conf.d/10-secret.conf", stanza15.home / "absent"
    os.chown(hidden, 0, 0)
    hidden.chmod(0o600)
    if os.geteuid() != 0:
        hidden.chmod(0)
    backup, err = stanza15.backup_aloud(f"--include-path={absent}")
    said = {str(hidden): "Permission denied", str(absent): "No such file or directory"}
    assert {file["path"]: file["cause"] for file in backup["outside"]["unreadable"]} == said
    shown = stanza15.cairn.ok("info").out
    plan = stanza15.try_restore(stanza15.home / "copy", "--dry-run").out
    for path, cause in said.items():
        assert f"not in the backup: \"{path}\" ({cause})" in err
        assert f"NOT IN THE BACKUP: {path} ({cause})" in shown
        assert f"not in the backup: {path} ({cause})" in plan


def test_configuration_goes_only_where_nothing_is(stanza15):
    move_configuration(stanza15)
    stanza15.backup()
    stanza15.cluster.create_tablespace("space", stanza15.home / "space")
    stanza15.backup()
    target, taken = stanza15.home / "target", system.make_dir(stanza15.home / "taken")
    system.write(taken / "file", "precious")
    before = compare.tree_state(taken)
    mapped = f"--tablespace-map=space={stanza15.home / 'new'}"
    refused(stanza15, target, f"--config-to={taken}", mapped, saying=["is not empty", "--config-to"])
    refused(stanza15, target, f"--config-to={taken / 'file'}", mapped, saying=["exists"])
    refused(stanza15, target, f"--config-to={target / 'conf'}", mapped, saying=["is in"])
    refused(stanza15, target, f"--config-to={stanza15.home}", mapped, saying=["holds the data directory"])
    os.symlink(stanza15.home, stanza15.home / "round")
    refused(stanza15, target, f"--config-to={stanza15.home / 'round/target'}", mapped, saying=["is also the data directory"])
    assert compare.tree_state(taken) == before and not target.exists() and not (stanza15.home / "new").exists()


def test_an_interrupted_restore_begins_its_configuration_anew(stanza15):
    etc = move_configuration(stanza15)
    label = stanza15.backup()["label"]
    pack = stanza15.packs(label)[-1]
    content = pack.read_bytes()
    pack.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    conf, target = stanza15.home / "conf", stanza15.home / "target"
    assert stanza15.try_restore(target, f"--config-to={conf}").code == 4
    assert below(conf, etc).is_dir() and (target / "pgcairn.restore").exists()
    pack.write_bytes(content)
    assert stanza15.try_restore(target, f"--config-to={conf}").code == 0
    assert same_file(etc / "postgresql.conf", below(conf, etc / "postgresql.conf"))


# --- the configuration alone ---------------------------------------------------------------------------------------------

def lines_after(text, words):
    """The lines of a shell that are printed below a line with these words."""
    lines = text.split(words, 1)[1].splitlines()[1:]
    return [line.strip() for line in lines[:next((i for i, line in enumerate(lines) if not line.startswith("  ")), len(lines))]]


def test_the_configuration_alone_comes_back_and_is_put_in_place_by_what_is_printed(stanza15):
    """Beside the running server, and on a host that lacks it."""
    etc = move_configuration(stanza15)
    system.write(etc / "start.conf", "auto\n", 0o644)
    system.write(etc / "environment", "", 0o644)
    system.make_dir(stanza15.cluster.data / "site")
    system.write(stanza15.cluster.data / "site/own.conf", "", 0o600)
    system.write(stanza15.cluster.data / "site/other", "", 0o600)
    first = stanza15.backup()
    system.write(etc / "names", "newer\n")
    last = stanza15.backup(type="incr")
    live = compare.tree_state(etc)
    conf = stanza15.home / "only"
    for words in (["--only=config"], ["--only=config", f"--config-to={conf}", "--delta"],
                  ["--only=config", f"--config-to={conf}", "--type=immediate"],
                  ["--only=data", f"--config-to={conf}"]):
        assert stanza15.cairn.run("restore", *words).code == 2
    refused = stanza15.cairn.run("restore", "--only=config", f"--config-to={etc}")
    assert refused.code == 1 and "is not empty" in refused.err and compare.tree_state(etc) == live
    inside = stanza15.cairn.run("restore", "--only=config", f"--config-to={stanza15.cluster.data / 'here'}")
    assert inside.code == 2 and "is in" in inside.err, inside

    shown = stanza15.cairn.ok("restore", "--only=config", f"--config-to={conf}", "--dry-run", "--output=json").json["restore-config"]
    in_data = [file["was"] for file in shown["files"] if file["in-data-directory"]]
    assert in_data == [str(stanza15.cluster.data / name) for name in ("postgresql.auto.conf", "site/own.conf")]
    assert shown["backup"]["label"] == last["label"] and len(shown["files"]) == 10 and shown["absent"] == []
    assert not conf.exists()
    beside = stanza15.cairn.ok("restore", "--only=config", f"--config-to={conf}").out
    assert stat.S_IMODE(conf.stat().st_mode) == 0o700
    assert lines_after(beside, "Compare, with") == [f"diff -r {etc} {below(conf, etc)}"]
    names = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "names", "start.conf", "environment", "conf.d/10-secret.conf")
    for name in names:
        assert same_file(etc / name, below(conf, etc / name)), name
    assert stat.S_IMODE(below(conf, etc).stat().st_mode) == 0o755
    data = below(conf, stanza15.cluster.data)
    assert sorted(path.name for path in data.iterdir()) == ["postgresql.auto.conf", "site"] and not (data / "site/other").exists()

    shutil.rmtree(conf)
    moved = stanza15.home / "moved"
    os.rename(etc, moved)
    done = stanza15.cairn.ok("restore", "--only=config", f"--config-to={conf}").out
    copies = lines_after(done, "with")
    assert copies == [f"cp -a {below(conf, etc)} {etc.parent}"]
    system.run(["sh", "-c", copies[0]])
    for name in names:
        assert same_file(moved / name, etc / name), name
    assert done.endswith(f"pgcairn --config={stanza15.cairn.config} restore\n")

    # The newest backup has lost its packs: the one before it has the configuration, too.
    shutil.rmtree(stanza15.repo / "main/data" / last["label"] / "pack")
    shutil.rmtree(conf)
    older = stanza15.cairn.ok("restore", "--only=config", f"--config-to={conf}")
    assert f"backup {last['label']} in repository \"local\" is skipped" in older.out, older
    assert below(conf, etc / "names").read_text() == "postgres\n"
    shutil.rmtree(conf)
    assert stanza15.cairn.run("restore", "--only=config", f"--config-to={conf}", f"--set={last['label']}").code == 4
    assert stanza15.cairn.run("restore", "--only=config", f"--config-to={conf}", "--set=20200101-000000F").code == 10
    assert stanza15.cairn.ok("restore", "--only=config", f"--config-to={conf}", f"--set={first['label']}")


def test_a_restore_to_its_own_place_says_what_of_the_configuration_is_missing(stanza15):
    etc = move_configuration(stanza15)
    stanza15.backup()
    stanza15.cluster.wait_for_archived()
    stanza15.cluster.stop()
    there = stanza15.cairn.ok("restore", "--delta", "--archive-mode=off").out
    assert f"config_file was {etc}/postgresql.conf, outside of the data directory: stays as it is on this host" in there
    assert "this host has no" not in there and "Before the server is started" not in there
    assert "Then:\n- archiving is off" in there and "psql -c 'ALTER SYSTEM RESET archive_mode'" in there
    os.rename(etc, stanza15.home / "moved")
    missing = stanza15.cairn.ok("restore", "--delta").out
    assert missing.splitlines()[1].startswith(f"  note        this host has no {etc}/postgresql.conf"), missing
    assert (f"Before the server is started:\n- this host has no {etc}/postgresql.conf; get the server's configuration with\n"
            f"    pgcairn --config={stanza15.cairn.config} restore --only=config --config-to=/root/config\n") in missing
    assert f"pgcairn --config={stanza15.cairn.config} check && " in missing
    os.rename(stanza15.home / "moved", etc)
    stanza15.cluster.must_start().wait_ready()
    (etc / "pg_ident.conf").chmod(0)
    assert stanza15.backup()["outside"]["unreadable"]
    stanza15.cluster.wait_for_archived()
    stanza15.cluster.stop()
    (etc / "pg_ident.conf").unlink()
    lacking = stanza15.cairn.ok("restore", "--delta").out
    assert f"neither this host nor the backup has {etc}/pg_ident.conf: write it again" in lacking
    assert "this host has no" not in lacking and "--only=config" not in lacking
    new = stanza15.home / "new"
    replaced = stanza15.cairn.ok("restore", f"--pg-path={new}", "--replace").out
    assert f"the configuration of pgcairn still names {stanza15.cluster.data}: set pg-path to {new}" in replaced
