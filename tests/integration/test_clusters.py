"""Clusters that are not laid out like most: segment size, directories elsewhere, modes, names, who runs what."""
import os
import stat

import pytest

from support import compare, system


def assert_comes_back(stanza, *args):
    """Back up, restore, start: the same contents. Returns the restored cluster, running."""
    cluster = stanza.cluster
    stanza.backup()
    cluster.wait_for_archived()
    expected = cluster.table_hashes()
    cluster.stop()
    restored = stanza.restore("restored", *args).must_start().wait_ready()
    assert restored.table_hashes() == expected
    return restored


@pytest.mark.parametrize("version, mebibytes", [(15, 64), (18, 1)])
def test_wal_segments_of_another_size(make_stanza, version, mebibytes):
    stanza = make_stanza(version, segment_mib=mebibytes).create()
    stanza.cluster.pgbench_init()
    assert_comes_back(stanza)
    assert len(stanza.wal_objects()) >= (1 if mebibytes == 64 else 10)


def test_wal_in_a_directory_elsewhere(make_stanza, postgres, home):
    """pg_wal is a link; the restored cluster gets a directory of its own and leaves the old one alone."""
    wal = system.make_dir(home / "wal")
    stanza = make_stanza(postgres.version, initdb=[f"--waldir={wal}"]).create()
    assert (stanza.cluster.data / "pg_wal").is_symlink()
    stanza.cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 100) AS x")
    stanza.backup()
    stanza.cluster.wait_for_archived()
    stanza.cluster.stop()
    before = compare.tree_state(wal)
    restored = stanza.restore()
    assert stat.S_ISDIR(os.lstat(restored.data / "pg_wal").st_mode)
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "100"
    assert compare.tree_state(wal) == before


def test_access_for_the_group(make_stanza):
    stanza = make_stanza(15, initdb=["--allow-group-access"]).create()
    restored = assert_comes_back(stanza)
    restored.stop()
    for path, source in compare.entries(stanza.cluster.data).items():
        if stat.S_ISDIR(source.st_mode):
            assert stat.S_IMODE(os.lstat(restored.data / path).st_mode) == 0o750, path
    for name in ("", "base", "PG_VERSION", "global/pg_control", "postgresql.auto.conf", "backup_label.old"):
        mode = stat.S_IMODE(os.lstat(restored.data / name).st_mode)
        assert mode == (0o750 if (restored.data / name).is_dir() else 0o640), name


def test_tablespaces_in_directories_with_odd_names(make_stanza, postgres, home):
    stanza = make_stanza(postgres.version).create()
    old, new = home / "old place \\ 100% é", home / "new place \\ 100% é"
    stanza.cluster.create_tablespace('"odd name"', old)
    stanza.cluster.rows('CREATE TABLE t TABLESPACE "odd name" AS SELECT generate_series(1, 100) AS x')
    restored = assert_comes_back(stanza, f"--tablespace-map=odd name={new}")
    assert [os.readlink(link) for link in (restored.data / "pg_tblspc").iterdir()] == [str(new)]
    shown = stanza.cairn.ok("restore", f"--pg-path={home / 't'}", "--dry-run", "--output=json",
                            f"--tablespace-map=odd name={home / 'third'}").json["restore"]
    assert shown["tablespaces"][0]["name"] == "odd name"


def owners_and_modes(root):
    """{path: (owner, group, mode)} of all that a restore brings back as it was; what it makes itself belongs to the
    owner of the directory."""
    made = ("backup_label", "tablespace_map", "recovery.signal", "postgresql.auto.conf")
    return {path: (info.st_uid, info.st_gid, oct(info.st_mode)) for path, info in compare.entries(root).items()
            if not compare.allowed(path, compare.RESTORE_DIFFERS) or path in made}


@pytest.mark.parametrize("by_root", [True, False], ids=["root", "owner"])
def test_owners_and_modes_come_back(stanza15, by_root):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    cluster, user = stanza15.cluster, system.server_user()
    cluster.create_tablespace("space", stanza15.home / "space")
    cluster.rows("CREATE TABLE t TABLESPACE space AS SELECT generate_series(1, 100) AS x")
    foreign, closed = cluster.data / "foreign.conf", system.make_dir(cluster.data / "closed", 0o750)
    system.write(foreign, "# root's, and readable\n", 0o644)
    os.chown(foreign, 0, 0)
    system.write(closed / "secret", "closed", 0o400)
    stanza15.backup()
    expected = owners_and_modes(cluster.data)
    cluster.wait_for_archived()
    cluster.stop()
    assert expected["foreign.conf"] == (0, 0, "0o100644") and expected["closed/secret"][2] == "0o100400"
    target = stanza15.home / "target"
    system.run(stanza15.cairn.command("restore", f"--pg-path={target}", f"--tablespace-map=space={stanza15.home / 'new'}"),
               as_server=not by_root)
    found = owners_and_modes(target)
    made = {path: found.pop(path) for path in ("backup_label", "tablespace_map", "recovery.signal")}
    assert set(made.values()) == {(user.pw_uid, user.pw_gid, "0o100600")}
    # All files belong to the server's user, who may write them; what was another's is closed to others.
    for path in ("foreign.conf", "closed/secret"):
        assert found.pop(path) == (user.pw_uid, user.pw_gid, "0o100600")
        del expected[path]
    links = [path for path, (_, _, mode) in expected.items() if mode.startswith("0o12")]
    for path in links:  # PostgreSQL makes them anew at its first start
        del expected[path], found[path]
    assert len(links) == 1 and found == expected
    assert os.stat(target).st_uid == os.stat(stanza15.home / "new").st_uid == user.pw_uid
    restored = stanza15.restored(target)
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "100"


def test_many_small_files_and_databases(stanza15):
    """More files than wait in the copier at a time, and bundles of small ones in order."""
    cluster = stanza15.cluster
    cluster.rows("DO $$ BEGIN FOR i IN 1..1500 LOOP EXECUTE format('CREATE TABLE t%s (x int PRIMARY KEY)', i);"
                 " EXECUTE format('INSERT INTO t%s VALUES (%s)', i, i); END LOOP; END $$")
    for name in ("a", "b"):
        cluster.rows(f"CREATE DATABASE {name}")
    restored = assert_comes_back(stanza15)
    assert len(restored.tables()) == 1500 and restored.databases() == ["a", "b", "postgres", "template1"]
