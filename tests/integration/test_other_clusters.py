"""What is another cluster's on the same host: no restore empties, changes or overlays it, whatever links say."""
import os
import random

import pytest

from support import compare, system
from test_server_stopped import run_apart

SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
STOPPED = "--server-is-stopped"
TARGET = ("--type=immediate", "--target-action=promote")


@pytest.fixture
def chance():
    print(f"PGCAIRN_RANDOM_SEED={SEED}")
    return random.Random(SEED)


def new_tablespace(stanza, name, table_rows=1000):
    """A tablespace with a table, all of it on disk."""
    location = stanza.cluster.create_tablespace(name, stanza.home / name)
    stanza.cluster.rows(f"CREATE TABLE {name}_t TABLESPACE {name} AS SELECT generate_series(1, {table_rows}) AS i")
    stanza.cluster.rows("CHECKPOINT")
    stanza.cluster.wait_for_archived()
    return location


def cloned(stanza):
    """A copy by hand of the stanza's cluster, as from a snapshot, which the configuration then names."""
    clone = stanza.home / "clone"
    system.run(["cp", "-a", stanza.cluster.data, clone])
    (clone / "postmaster.pid").unlink(missing_ok=True)
    stanza.cairn.tables["stanza.main"]["pg-path"] = clone
    stanza.cairn.save()
    return clone


def test_a_tablespace_that_the_backup_does_not_have_is_emptied_only_by_name(stanza15, chance):
    stanza, cluster = stanza15, stanza15.cluster
    stanza.backup()
    late = [new_tablespace(stanza, name) for name in ("late", "later")]
    expected = cluster.table_hashes()
    cluster.stop()
    cloned(stanza)
    empty = system.make_dir(stanza.home / "never")
    own, others = chance.sample(late, 2)
    ways = [[], [f"--remove-tablespace={own}"], [f"--remove-tablespace={own}", f"--remove-tablespace={empty}"],
            [f"--remove-tablespace={others.parent}"]]
    chance.shuffle(ways)
    places = (stanza.home / "clone", cluster.data, *late)
    before = [compare.tree_state(place) for place in places]
    for named in ways:
        refused = stanza.cairn.run("restore", "--delta", *chance.choice(([], ["--dry-run"])), *TARGET, *named)
        assert refused.code == 1 and f'"{others}"' in refused.err and f"--remove-tablespace={others}" in refused.err, refused
        assert (f'"{own}"' in refused.err) == (f"--remove-tablespace={own}" not in named), refused
        assert [compare.tree_state(place) for place in places] == before, named
    # Both ways out: the option for what is its own, for the other no link.
    for link in (stanza.home / "clone/pg_tblspc").iterdir():
        if os.readlink(link) == str(others):
            link.unlink()
    said = stanza.cairn.ok("restore", "--delta", "--output=json", *TARGET, f"--remove-tablespace={own}", f"--remove-tablespace={empty}")
    assert any(f'"{empty}", where nothing is removed' in note for note in said.json["restore"]["notes"])
    assert os.listdir(next(own.iterdir())) == []
    assert compare.tree_state(others) == before[places.index(others)]
    # And once more: what was named is gone.
    assert stanza.cairn.run("restore", "--delta", *TARGET, f"--remove-tablespace={own}").code == 0
    gone = f"{'late' if own.name == 'late' else 'later'}_t"
    cluster.must_start().wait_ready()
    cluster.rows(f"DROP TABLE {gone}")
    assert cluster.table_hashes() == {name: rows for name, rows in expected.items() if not name.endswith(f".{gone}")}


def test_removing_a_tablespace_has_to_be_said_rightly(stanza15):
    stanza15.backup()
    for args, said in ((["--remove-tablespace=/srv/x"], "needs --delta"), (["--delta", "--remove-tablespace=x"], "absolute path")):
        refused = stanza15.cairn.run("restore", *args)
        assert refused.code == 2 and said in refused.err, refused


def test_the_tablespaces_of_a_live_server_are_not_restored_into(stanza15, chance):
    stanza, cluster = stanza15, stanza15.cluster
    space = new_tablespace(stanza, "space")
    stanza.backup()
    late = new_tablespace(stanza, "late")
    hollow = cluster.create_tablespace("hollow", stanza.home / "hollow")  # no files: as good as an empty place
    clone = cloned(stanza)
    by_link = stanza.home / "by-link"
    by_link.symlink_to(hollow)
    elsewhere = stanza.home / "elsewhere"
    ways = [["--delta"],
            ["--delta", f"--tablespace-map=space={elsewhere}", f"--remove-tablespace={space}", f"--remove-tablespace={late}"],
            ["--delta", f"--tablespace-map=space={hollow}", f"--remove-tablespace={space}"],
            [f"--pg-path={stanza.home / 'copy'}", f"--tablespace-map=space={chance.choice((hollow, by_link))}"],
            [f"--pg-path={stanza.home / 'copy'}", "--replace", f"--tablespace-map=space={chance.choice((hollow, by_link))}"]]
    chance.shuffle(ways)
    places = (clone, space, late, hollow)
    before = [compare.tree_state(place) for place in places]
    for way in ways:
        refused = stanza.cairn.run("restore", *TARGET, *way, STOPPED, *chance.choice(([], ["--dry-run"])))
        if "--delta" in way or "--replace" in way:
            assert refused.code == 1 and f'of the server in "{cluster.data}" (process ' in refused.err, (way, refused)
        else:  # the clone, which the copy is made of, has the links, too
            assert refused.code == 2 and "of the original" in refused.err, (way, refused)
        assert [compare.tree_state(place) for place in places] == before and not (stanza.home / "copy").exists(), way
    assert cluster.sql("SELECT count(*) FROM late_t") == cluster.sql("SELECT count(*) FROM space_t") == "1000"
    # The original itself, stopped: all is its own.
    cluster.stop()
    stanza.cairn.tables["stanza.main"]["pg-path"] = cluster.data
    stanza.cairn.save()
    args = [f"--remove-tablespace={late}", "--discard-wal"]  # what the archiver was refused
    assert stanza.cairn.run("restore", "--delta", *TARGET, *args).code == 0
    assert cluster.must_start().wait_ready().sql("SELECT count(*) FROM space_t") == "1000"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes process spaces")
def test_a_server_that_cannot_be_seen_is_known_by_its_open_files(stanza15, chance):
    stanza, cluster = stanza15, stanza15.cluster
    space = new_tablespace(stanza, "space")
    stanza.backup()
    late = new_tablespace(stanza, "late")
    clone = cloned(stanza)
    used = chance.choice((space, late))
    for folder in (space, late):
        if folder != used:
            next(link for link in (clone / "pg_tblspc").iterdir() if os.readlink(link) == str(folder)).unlink()
    args = [f"--remove-tablespace={late}"] if used == late else []
    args += [f"--tablespace-map=space={stanza.home / 'elsewhere'}"] if used == late else []
    cluster.rows("CHECKPOINT")
    session = cluster.start_sql(f"BEGIN; INSERT INTO {used.name}_t VALUES (0); COMMIT; SELECT pg_sleep(600)")
    system.wait_until(lambda: cluster.answers(f"SELECT count(*) FROM {used.name}_t") == "1001", what="the session's row")
    before = [compare.tree_state(place) for place in (clone, used)]
    refused = run_apart(stanza, "restore", "--delta", *TARGET, STOPPED, *args)
    session.kill()
    session.wait()
    assert refused.returncode == 1 and "open for writing" in refused.stderr and f'"{used}" is another' in refused.stderr, refused
    assert [compare.tree_state(place) for place in (clone, used)] == before


def test_nothing_is_restored_into_another_clusters_data_directory(stanza15, chance):
    stanza, cluster = stanza15, stanza15.cluster
    new_tablespace(stanza, "space")
    stanza.backup()
    link = stanza.home / "link"
    link.symlink_to(cluster.data)
    other = stanza.home / "other"  # stopped, or a restore of it was interrupted
    for folder in (other, other / "base", other / "global"):
        system.make_dir(folder)
    system.write(other / "PG_VERSION", "18\n")
    system.write(other / chance.choice(("global/pg_control", "pgcairn.restore")), "x")
    target = stanza.home / "target"
    free = f"--tablespace-map=space={stanza.home / 'free'}"
    for inside in (cluster.data, link, other):
        inside /= chance.choice(("new", "base/new", "global/new/deeper"))
        ways = [[f"--pg-path={inside}", free], [f"--pg-path={target}", f"--tablespace-map=space={inside}"],
                [f"--pg-path={target}", free, f"--link-map=pg_wal={inside}"], [f"--pg-path={target}", free, f"--config-to={inside}"]]
        chance.shuffle(ways)
        for way in ways:
            refused = stanza.cairn.run("restore", *TARGET, *way)
            said = "is in the data directory of another cluster" if other in inside.parents else "is in the original's data directory"
            assert refused.code == 2 and said in refused.err, (way, refused)
            assert not inside.exists() and not target.exists() and not (stanza.home / "free").exists(), way
    # PostgreSQL only warns of a tablespace in the directory itself.
    stanza.cairn.ok("restore", *TARGET, f"--pg-path={target}", f"--tablespace-map=space={target / 'inside'}")
    stanza.cairn.ok("restore", *TARGET, f"--pg-path={target}", f"--tablespace-map=space={target / 'inside'}", "--delta")


def test_a_disk_that_is_not_mounted_is_noted(stanza15, chance):
    stanza = stanza15
    new_tablespace(stanza, "space")
    stanza.backup()
    disk = system.make_dir(stanza.home / "disk")

    def notes(*args):
        plan = stanza.cairn.ok("restore", *TARGET, f"--pg-path={stanza.home / 'target'}", "--output=json", "--dry-run", *args)
        return [note for note in plan.json["restore"]["notes"] if "is not there and will be made" in note]

    def mount_of(path):
        return path if os.path.ismount(path) else mount_of(path.parent)

    def look():
        missing = disk / "ts"
        below = missing / chance.choice(("space", "deep/er"))
        expected = [f'"{missing}" is not there and will be made on the file system of "{mount_of(disk)}": is a disk not mounted?']
        kinds = [[f"--tablespace-map=space={below}"], [f"--tablespace-map-all={missing}"],
                 [f"--tablespace-map=space={below}", f"--link-map=pg_wal={missing}/wal"]]
        assert notes(*chance.choice(kinds)) == expected
        assert notes(f"--tablespace-map=space={missing}") == []
    look()
    if os.geteuid() == 0:
        with system.small_filesystem(disk, 64):
            look()
