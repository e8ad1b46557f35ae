"""Where the parts of a restored cluster go: links, tablespaces, pg_wal on a disk of its own."""
import os
import pathlib
import shutil

import pytest

from support import compare, system
from test_restore_targets import refusal

PROMOTE = "--target-action=promote"


def linked(stanza):
    """Stop the cluster, and put pg_wal and postgresql.conf behind links as administrators do; start it again."""
    cluster = stanza.cluster
    cluster.stop()
    elsewhere = system.make_dir(stanza.home / "elsewhere")
    for name in ("pg_wal", "postgresql.conf"):
        shutil.move(cluster.data / name, elsewhere / name)
        os.symlink(elsewhere / name, cluster.data / name)
        os.lchown(cluster.data / name, system.server_user().pw_uid, system.server_user().pw_gid)
    cluster.must_start()
    return elsewhere


@pytest.mark.slow
def test_links_come_back_in_place_or_mapped_or_as_they_were(stanza):
    elsewhere = linked(stanza)
    cluster = stanza.cluster
    cluster.rows("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    stanza.backup()
    cluster.wait_for_archived()
    expected = cluster.table_hashes()

    plan = stanza.try_restore(stanza.home / "dry", "--dry-run", "--output=json").json["restore"]
    assert {link["path"]: (link["was"], link["location"]) for link in plan["links"]} == {
        "pg_wal": (str(elsewhere / "pg_wal"), None), "postgresql.conf": (str(elsewhere / "postgresql.conf"), None)}
    inside = stanza.restore("inside")
    assert not (inside.data / "pg_wal").is_symlink() and not (inside.data / "postgresql.conf").is_symlink()
    inside.must_start().wait_ready()
    assert inside.table_hashes() == expected
    inside.stop()

    wal_disk = system.make_dir(stanza.home / "wal-disk") / "pg_wal"
    mapped = stanza.restore("mapped", f"--link-map=pg_wal={wal_disk}")
    assert os.readlink(mapped.data / "pg_wal") == str(wal_disk)
    assert mapped.must_start().wait_ready().table_hashes() == expected
    assert any(name.is_file() for name in wal_disk.iterdir())
    mapped.stop()

    # On the same machine the places of the source are taken; after it is lost they are not.
    with cluster.standing_still():
        before = compare.tree_state(elsewhere)
        err = refusal(stanza, "--link-all", code=2)
        assert "of the original" in err
        assert compare.tree_state(elsewhere) == before
    cluster.stop()
    shutil.rmtree(cluster.data)
    shutil.rmtree(elsewhere)
    again = stanza.restore("again", "--link-all")
    assert os.readlink(again.data / "pg_wal") == str(elsewhere / "pg_wal")
    assert os.readlink(again.data / "postgresql.conf") == str(elsewhere / "postgresql.conf")
    assert again.must_start().wait_ready().table_hashes() == expected


def test_links_that_cannot_be_are_refused(stanza15):
    stanza15.backup()
    taken = system.make_dir(stanza15.home / "taken")
    system.write(taken / "file", "x")
    target = stanza15.home / "target"
    assert "not a file or directory of backup" in refusal(stanza15, "--link-map=pg_wall=/srv/x", code=2)
    assert f'"pg_wal" ("{target}/wal") is in the data directory' in refusal(stanza15, f"--link-map=pg_wal={target}/wal", code=2)
    assert f'"pg_wal" ("{stanza15.home}") holds the data directory' in refusal(stanza15, f"--link-map=pg_wal={stanza15.home}", code=2)
    assert "is not empty" in refusal(stanza15, f"--link-map=pg_wal={taken}", code=1)
    assert "exists" in refusal(stanza15, f"--link-map=PG_VERSION={taken / 'file'}", code=1)
    assert '"pg_wal" ("/srv/x/y") is in "base" ("/srv/x")' in refusal(stanza15, "--link-map=base=/srv/x", "--link-map=pg_wal=/srv/x/y", code=2)


@pytest.mark.slow
def test_all_tablespaces_go_below_one_directory(stanza):
    cluster = stanza.cluster
    cluster.create_tablespace("one", stanza.home / "one")
    cluster.create_tablespace('"odd/name"', stanza.home / "two")
    cluster.rows("CREATE TABLE a TABLESPACE one AS SELECT 1 AS x")
    cluster.rows('CREATE TABLE b TABLESPACE "odd/name" AS SELECT 2 AS x')
    oid = cluster.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'odd/name'")
    stanza.backup()
    cluster.wait_for_archived()
    below = system.make_dir(stanza.home / "spaces")
    restored = stanza.restore("restored", f"--tablespace-map-all={below}")
    assert {os.readlink(link) for link in (restored.data / "pg_tblspc").iterdir()} == {f"{below}/one", f"{below}/{oid}"}
    restored.must_start().wait_ready()
    assert restored.rows("SELECT a.x, b.x FROM a, b") == [["1", "2"]]
    assert "is not empty" in refusal(stanza, f"--tablespace-map-all={below}", code=1)


@pytest.mark.slow
def test_a_tablespace_in_place_stays_in_place(stanza):
    cluster = stanza.cluster
    cluster.configure(allow_in_place_tablespaces=True)
    cluster.reload()
    cluster.rows("CREATE TABLESPACE inside LOCATION ''")
    cluster.rows("CREATE TABLE t TABLESPACE inside AS SELECT 7 AS x")
    stanza.backup()
    cluster.wait_for_archived()
    restored = stanza.restore("restored", f"--tablespace-map-all={stanza.home / 'spaces'}")
    assert restored.must_start().wait_ready().sql("SELECT x FROM t") == "7"
    assert "cannot be mapped" in refusal(stanza, "--tablespace-map=inside=/srv/x", code=2)


def test_an_interrupted_restore_wipes_only_its_own_places(stanza15):
    cluster = stanza15.cluster
    space = cluster.create_tablespace("one", stanza15.home / "one")
    cluster.rows("CREATE TABLE t TABLESPACE one AS SELECT 1 AS x")
    label = stanza15.backup()["label"]
    cluster.wait_for_archived()
    pack = stanza15.packs(label)[0]
    content = pack.read_bytes()
    pack.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    target = stanza15.home / "target"
    places = [f"--tablespace-map=one={stanza15.home / 'new'}", f"--link-map=pg_wal={stanza15.home / 'wal'}"]
    assert stanza15.try_restore(target, *places).code == 4
    assert (target / "pgcairn.restore").exists()
    pack.write_bytes(content)

    # The same directory, but now the live tablespace is named: it was never a part of the restore.
    before = compare.tree_state(space)
    result = stanza15.try_restore(target)
    assert result.code == 2 and "of the original" in result.err, result
    assert compare.tree_state(space) == before
    plan = stanza15.try_restore(target, *places, "--dry-run", "--output=json").json["restore"]
    assert plan["resumes"] and any(path.startswith(str(stanza15.home / "new")) for path in plan["removes"])
    restored = stanza15.restore("target", *places)
    assert restored.must_start().wait_ready().sql("SELECT x FROM t") == "1"
    assert not pathlib.Path(target, "pgcairn.restore").exists()


def test_a_data_directory_that_is_a_link_is_one_to_every_verb(backed_up):
    """As administrators put it on another disk; pg-path and the server's own data_directory are the link."""
    cluster, cairn = backed_up.cluster, backed_up.cairn
    cluster.stop()
    real = backed_up.home / "disk"
    shutil.move(cluster.data, real)
    os.symlink(real, cluster.data)
    cluster.must_start()
    cluster.rows("INSERT INTO t VALUES (2)")
    cairn.ok("check")
    backed_up.backup(type="incr")
    cluster.wait_for_archived()
    drill = cairn.run("drill", f"--drill-path={backed_up.home / 'drill'}")
    assert drill.code == 0 and ": GOOD" in drill.out, drill
    copy = backed_up.restore("copy").must_start().wait_ready()
    assert copy.sql("SELECT count(*) FROM t") == "2"
    copy.stop()
    running = cairn.run("restore", "--delta")
    assert running.code != 0 and cluster.sql("SELECT count(*) FROM t") == "2", running
    cluster.rows("DROP TABLE t")
    cluster.stop("immediate")
    cairn.ok("restore", "--delta", "--discard-wal", "--type=immediate", "--target-action=promote")
    assert cluster.data.is_symlink() and real.stat().st_mode & 0o777 == 0o700
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT count(*) FROM t") == "2"
