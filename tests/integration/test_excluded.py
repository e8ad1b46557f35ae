"""What is in a data directory and not PostgreSQL's: left out, or a file that stops the backup with its owner's name."""
import os

import pytest

from support import system

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files that the server's user cannot read")


@pytest.fixture
def with_key(backed_up):
    """A stanza with a file of root in its data directory, and what a backup of it says."""
    key = system.write(backed_up.cluster.data / "root.key", "secret", 0o600)
    os.chown(key, 0, 0)
    backed_up.key = key
    return backed_up


def test_an_unreadable_file_is_named_with_its_owner_and_the_ways_out(with_key):
    result = with_key.cairn.run("backup")
    assert result.code == 1 and f'cannot open "{with_key.key}": Permission denied' in result.err, result
    assert f'it belongs to root: chown {system.server_user().pw_uid}:{system.server_user().pw_gid} "{with_key.key}"' in result.err
    assert 'exclude = ["root.key"]' in result.err
    with_key.key.unlink()
    directory = with_key.cluster.data / "base" / "keep"
    directory.mkdir(mode=0o700)
    result = with_key.cairn.run("backup")
    assert result.code == 1 and "it belongs to root" in result.err and "exclude" not in result.err, result


def test_what_is_excluded_is_said_and_a_restore_leaves_it_alone(with_key):
    cluster = with_key.cluster
    system.make_dir(cluster.data / "notes")
    system.write(cluster.data / "notes/file", "1")
    with_key.cairn.tables["stanza.main"]["exclude"] = ["root.key", "notes/", "never"]
    with_key.cairn.save()
    backup, err = with_key.backup_aloud()
    assert backup["excluded"] == ["notes", "root.key"] and 'excluded from the backup: "notes"' in err
    assert "excluded    notes, root.key" in with_key.cairn.ok("backup", "--start-fast").out
    assert "excluded: notes, root.key" in with_key.cairn.ok("info").out
    cluster.wait_for_archived()
    plan = with_key.try_restore(with_key.home / "copy", "--dry-run").out
    assert "not in the backup: root.key (excluded)" in plan and "not in the backup: notes (excluded)" in plan
    copy = with_key.restore("copy")
    assert not (copy.data / "notes").exists() and not (copy.data / "root.key").exists()
    copy.must_start().wait_ready()
    copy.stop()

    cluster.stop()
    system.write(cluster.data / "stray", "1")
    result = with_key.cairn.ok("restore", "--delta")
    assert "not in the backup: notes (excluded; what is there stays as it is)" in result.out
    assert with_key.key.read_text() == "secret" and (cluster.data / "notes/file").exists()
    assert not (cluster.data / "stray").exists()


@pytest.mark.parametrize("path, why", [("base", "PostgreSQL needs"), ("pg_wal/", "PostgreSQL needs"), ("PG_VERSION", "PostgreSQL needs"),
                                       ("global/pg_control", "PostgreSQL needs"), ("/etc", "relative to it"), ("../x", "relative to it")])
def test_what_postgresql_needs_cannot_be_excluded(stanza15, path, why):
    result = stanza15.cairn.run("backup", f"--exclude={path}")
    assert result.code == 2 and why in result.err, result
    assert stanza15.backups() == []


def test_lost_and_found_is_not_the_clusters(backed_up):
    cluster = backed_up.cluster
    place = cluster.create_tablespace("space", backed_up.home / "space")
    for folder in (cluster.data, cluster.data / "base", cluster.data / "pg_wal", backed_up.home / "space"):
        (folder / "lost+found").mkdir(mode=0o700)
    assert place is None or place
    backed_up.backup()
    cluster.wait_for_archived()
    copy = backed_up.restore("copy", f"--tablespace-map-all={backed_up.home / 'spaces'}")
    assert not list(copy.data.glob("**/lost+found"))
