"""What is another cluster's on the same host: no restore empties, changes or overlays it, whatever links say."""
import os
import random
import shutil

import pytest

from support import compare, system

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
