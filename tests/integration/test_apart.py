"""Directories that must be apart, whatever links and mounts lead to them; and directories that a restore could not write to."""
import contextlib
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from support import compare, system

SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))


@contextlib.contextmanager
def another_way(folder, home, chance):
    """Another path to the same folder: itself, through a link, with dots, or a mount of it or of what it is in."""
    kinds = ["plain", "link", "dots", "link to parent"] + (["mount", "mount of parent"] if os.geteuid() == 0 else [])
    kind = chance.choice(kinds)
    other = home / f"way{chance.randrange(10**9)}"
    mounted = None
    if kind == "plain":
        other = folder
    elif kind == "link":
        other.symlink_to(folder)
    elif kind == "link to parent":
        other.symlink_to(os.path.relpath(folder.parent, home))
        other = other / folder.name
    elif kind == "dots":
        other = pathlib.Path(f"{folder.parent}/./{folder.name}")
    else:
        mounted = system.make_dir(other)
        subprocess.run(["mount", "--bind", str(folder if kind == "mount" else folder.parent), str(other)], check=True)
        other = other / folder.name if kind == "mount of parent" else other
    try:
        yield other
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(mounted)], check=True)


def with_repository(stanza, path):
    stanza.cairn.tables["repo.local"]["path"] = path
    stanza.cairn.save()


@pytest.fixture
def source(make_stanza):
    """A cluster with a tablespace, and pg_wal behind a link; backed up."""
    print(f"PGCAIRN_RANDOM_SEED={SEED}")
    stanza = make_stanza(random.Random(SEED).choice((15, 18))).create()
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    cluster.rows("CREATE TABLE far TABLESPACE space AS SELECT 1 AS x")
    cluster.stop()
    shutil.move(cluster.data / "pg_wal", stanza.home / "wal")
    os.symlink(stanza.home / "wal", cluster.data / "pg_wal")
    cluster.must_start()
    stanza.backup()
    cluster.wait_for_archived()
    return stanza


@pytest.mark.slow
def test_a_repository_in_the_cluster_is_refused_by_every_verb(source):
    chance = random.Random(SEED)
    cluster, home = source.cluster, source.home
    for _ in range(6):
        outer = chance.choice([cluster.data, cluster.data / "base", next((home / "space").glob("PG_*")), home / "wal"])
        with another_way(outer, home, chance) as way:
            path = way / chance.choice(["backups", "not/yet/there"])
            with_repository(source, path)
            before = compare.tree_state(cluster.data / "base")
            for verb in (["stanza-create"], ["check"], ["backup"]):
                result = source.cairn.run(*verb)
                # Before there is a stanza, check and backup may say that there is none.
                assert result.code in (2, 10) if verb != ["stanza-create"] else result.code == 2, (path, result)
                if result.code == 2:
                    assert 'repository "local"' in result.err and str(path) in result.err and "path in [repo.local]" in result.err, result
            assert compare.tree_state(cluster.data / "base") == before and not os.path.lexists(path), path
    with_repository(source, source.repo)
    assert source.cairn.run("check").code == 0


def test_a_usual_layout_of_disks_is_backed_up(source):
    """Links to one file, links below each other, and a repository beside a tablespace's own directory."""
    cluster, home = source.cluster, source.home
    system.write(home / "ca", "certificate")
    system.make_dir(home / "logs") and system.make_dir(home / "logs/pg")
    for name, target in (("root.crt", home / "ca"), ("ca.crt", home / "ca"), ("log", home / "logs"), ("pg_log", home / "logs/pg")):
        (cluster.data / name).symlink_to(target)
    shutil.move(source.repo, home / "space/repo")
    with_repository(source, home / "space/repo")
    for verb in ("stanza-create", "check", "backup"):
        result = source.cairn.run(verb)
        assert result.code == 0, result


def test_a_repository_that_is_in_the_cluster_already_can_be_read_and_restored_elsewhere(source):
    cluster = source.cluster
    inside = cluster.data / "backups"
    shutil.move(source.repo, inside)
    link = source.home / "link"
    link.symlink_to(cluster.data)
    with_repository(source, link / "backups")
    assert len(source.labels()) == 1
    for verb in (["stanza-create"], ["check"], ["backup"]):
        refused = source.cairn.run(*verb)
        assert refused.code == 2 and f'which is "{inside}"' in refused.err, refused
    cluster.stop()
    held = compare.tree_state(inside)
    refused = source.cairn.run("restore", "--delta")
    assert refused.code == 2 and f'the data directory ("{cluster.data}") holds repository "local"' in refused.err, refused
    refused = source.cairn.run("drill", f"--drill-path={inside / 'drill'}")
    assert refused.code == 2 and compare.tree_state(inside) == held, refused
    copy = source.restore("copy", f"--tablespace-map=space={source.home / 'space2'}")
    assert copy.must_start().wait_ready().sql("SELECT x FROM far") == "1"


def test_what_is_reached_through_a_link_in_the_cluster_is_refused(source):
    chance = random.Random(SEED)
    cluster, home = source.cluster, source.home
    cluster.stop()
    link = chance.choice([cluster.data, cluster.data / "base", home / "wal", next((home / "space").glob("PG_*"))]) / "way"
    link.symlink_to(home)
    for key, table, path in (("path", "repo.local", link / "repo"), ("state-path", "global", link / "state")):
        before = source.cairn.tables[table].get(key)
        source.cairn.tables[table][key] = path
        source.cairn.save()
        held = compare.tree_state(cluster.data / "base")
        for verb in (["stanza-create"], ["restore", "--delta", "--dry-run"], ["restore", "--delta", "--link-all"]):
            if link.parent == home / "wal" and verb[-1] == "--dry-run":
                continue  # without --link-all, the restore leaves what pg_wal led to
            result = source.cairn.run(*verb)
            assert result.code == 2 and str(link) in result.err, (verb, result)
        assert compare.tree_state(cluster.data / "base") == held and os.path.lexists(link)
        source.cairn.tables[table][key] = before
        source.cairn.save()
    link.unlink()
    assert cluster.must_start().wait_ready().sql("SELECT x FROM far") == "1"


@pytest.mark.slow
def test_places_of_a_restore_that_overlap_are_refused(source):
    chance = random.Random(SEED)
    home = source.home
    state = source.cairn.state_path
    state.exists() or system.make_dir(state)
    target = home / "target"
    for _ in range(12):
        places = {"--tablespace-map=space=": home / "place1", "--link-map=pg_xact=": home / "place2", "--config-to=": home / "place3"}
        mover = chance.choice(list(places))
        outer = chance.choice([source.repo, target, *(path for name, path in places.items() if name != mover)])
        if mover.startswith("--tablespace") and outer == target:
            outer = source.repo  # PostgreSQL allows a tablespace in the data directory
        made = not outer.exists() and system.make_dir(outer)
        with another_way(outer, home, chance) as way:
            places[mover] = chance.choice([way, way / "below", way / "far/below"])
            # What lies beside a tablespace's own directory of a version may be anything.
            legal = mover != "--tablespace-map=space=" and outer == places["--tablespace-map=space="] and places[mover] != way
            result = source.try_restore(target, "--dry-run", *(name + str(path) for name, path in places.items()))
            assert result.code == (0 if legal else 2), (mover, places, result)
            if not legal:
                assert "each needs a directory apart from the other" in result.err, (mover, places, result)
        if made:
            outer.rmdir()
    inside = source.try_restore(source.repo / "data")
    assert inside.code == 2 and 'is in repository "local"' in inside.err and "--pg-path" in inside.err and not (source.repo / "data").exists(), inside


# --- what belongs to the original of a copy, to others, or to pgcairn itself -----------------------------------------


@pytest.mark.slow
def test_a_copy_keeps_away_from_all_places_of_its_original(source):
    """Beside the version directory of its tablespace, below its pg_wal, around them: each place of the copy, each way there."""
    chance = random.Random(SEED)
    cluster, home = source.cluster, source.home
    running = chance.choice([True, False])
    if not running:
        cluster.stop()
    target = home / "target"
    before = {place: compare.tree_state(place) for place in (home / "space", home / "wal" / "archive_status")}
    for _ in range(12):
        outer = chance.choice([cluster.data, cluster.data / "base", home / "space", home / "wal"])
        places = {"--pg-path=": target, "--tablespace-map=space=": home / "place1", "--link-map=pg_xact=": home / "place2",
                  "--config-to=": home / "place3"}
        mover = chance.choice(list(places))
        with another_way(outer, home, chance) as way:
            places[mover] = chance.choice([way / "below", way / "far/below"])
            args = [name + str(path) for name, path in places.items()]
            result = source.cairn.run("restore", *args, *chance.choice(([], ["--dry-run"])))
            assert result.code == 2 and ("of the original" in result.err or "the original's data directory" in result.err), (args, result)
            assert "nothing was touched" in result.err and not places[mover].exists() and not target.exists(), (args, result)
    assert {place: compare.tree_state(place) for place in before} == before
    # Around a place of its original: what is there would be removed with the rest.
    copy = source.restore("copy", f"--tablespace-map=space={home / 'space2'}")
    with another_way(copy.data, home, chance) as way:
        inside = system.make_dir(copy.data / "inside")
        (cluster.data / "pg_tblspc/99999").symlink_to(way / "inside")
        refused = source.try_restore(copy.data, "--delta", f"--tablespace-map=space={home / 'space2'}")
        assert refused.code == 2 and "holds tablespace 99999 of the original" in refused.err and inside.exists(), refused
        (cluster.data / "pg_tblspc/99999").unlink()
    # What takes the original's place may have its places.
    if not running:
        moved = source.try_restore(target, "--replace", "--dry-run", f"--tablespace-map=space={home / 'space/new'}")
        assert moved.code == 0, moved


def test_a_directory_with_other_files_is_no_place_for_a_tablespace(source):
    chance = random.Random(SEED)
    home = source.home
    version = next((home / "space").glob("PG_*")).name
    for _ in range(4):
        foreign = system.make_dir(home / f"foreign{chance.randrange(10**9)}")
        name = chance.choice(["important.doc", ".hidden", "PG_9.6_201608131", "data/deep"])
        system.make_dir((foreign / name).parent) if name == "data/deep" else None
        system.write(foreign / name, "not the cluster's")
        if chance.choice([True, False]):
            system.make_dir(foreign / version)
        before = compare.tree_state(foreign)
        for kind in ([f"--pg-path={home / 'target'}"], [f"--pg-path={home / 'target'}", "--replace"]):
            refused = source.cairn.run("restore", *kind, f"--tablespace-map=space={foreign}", *chance.choice(([], ["--dry-run"])))
            assert refused.code == 1 and f'it holds "{name.split("/")[0]}"' in refused.err and "nothing was touched" in refused.err, refused
            assert compare.tree_state(foreign) == before and not (home / "target").exists()
    # What the restore itself puts there is not foreign, nor what a file system has.
    shared = system.make_dir(home / "shared")
    system.make_dir(shared / "lost+found")
    system.make_dir(shared / "parts")
    args = [f"--tablespace-map=space={shared}", f"--link-map=pg_xact={shared}/parts/xact"]
    assert source.try_restore(home / "target", *args).code == 0
    # Nor what was put beside it since, when the restore is repeated; in place it never was.
    system.write(shared / "note", "of the operator")
    assert source.try_restore(home / "target", "--delta", *args).code == 0 and (shared / "note").exists()
    source.cluster.stop()
    system.write(home / "space/note", "of the operator")
    assert source.cairn.run("restore", "--delta", "--link-all").code == 0 and (home / "space/note").exists()


@pytest.mark.slow
def test_files_that_pgcairn_needs_are_not_removed_by_its_restores(source):
    """The configuration, and all files that it or the environment names, wherever a restore would remove or change them."""
    chance = random.Random(SEED)
    cluster, home = source.cluster, source.home
    cluster.stop()
    config = source.cairn.config
    outer = {"--delta": cluster.data, "--link-all": home / "wal", "tablespace": next((home / "space").glob("PG_*"))}
    for where, directory in outer.items():
        deep = system.make_dir(directory / "deep")
        for kind in chance.sample(["config", "link", "key-file", "key-passphrase-file", "environment"], 3):
            place = chance.choice([directory, deep]) / "own"
            args, environment = ["--link-all"], {}
            if kind in ("config", "link"):
                system.write(place, config.read_text())
                named = place
                if kind == "link":  # from outside to within: who removes the file leaves a link to nothing
                    named = home / f"to-config{chance.randrange(10**9)}"
                    named.symlink_to(place)
                source.cairn.config = named
            elif kind == "environment":
                system.write(place, "secret")
                environment = {chance.choice(["AWS_SHARED_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSFILE"]): str(place)}
            else:
                system.write(place, "secret")
                source.cairn.tables["repo.away"] = {"type": "posix", "path": home / "away", kind: place}
                source.cairn.save()
                args.append("--repo=local")
            for dry in (["--dry-run"], []):
                refused = source.cairn.run("restore", "--delta", *args, *dry, env=environment)
                assert refused.code == 2 and str(place) in refused.err and "move " in refused.err, (where, kind, refused)
                assert place.exists() and (cluster.data / "global/pg_control").exists(), (where, kind)
            place.unlink()
            source.cairn.config = config
            if source.cairn.tables.pop("repo.away", None):
                source.cairn.save()
    assert source.cairn.run("restore", "--delta", "--link-all").code == 0


def test_the_directory_of_drills_is_apart_for_every_verb(source):
    chance = random.Random(SEED)
    cluster, home = source.cluster, source.home
    outer = chance.choice([cluster.data, cluster.data / "base", next((home / "space").glob("PG_*")), home / "wal"])
    with another_way(outer, home, chance) as way:
        source.cairn.tables["stanza.main"]["drill-path"] = way / "drill"
        source.cairn.save()
        for verb in (["stanza-create"], ["check"], ["backup"], ["drill"]):
            refused = source.cairn.run(*verb)
            assert refused.code == 2 and "drill" in refused.err and str(way / "drill") in refused.err, (verb, refused)
    source.cairn.tables["stanza.main"]["drill-path"] = home / "drills"
    source.cairn.save()
    refused = source.try_restore(home / "drills/data", f"--tablespace-map=space={home / 'place1'}")
    assert refused.code == 2 and "the directory of drills" in refused.err and not (home / "drills").exists(), refused
    assert source.cairn.run("check").code == 0


# --- what a restore could not write to ------------------------------------------------------------------------------


class Obstacle:
    """Ways to keep a directory from being made or written to."""

    def __init__(self, place, kind):
        self.place, self.kind, self.undo = place, kind, []
        getattr(self, kind)()

    def clear(self):
        for command in reversed(self.undo):
            subprocess.run(list(map(str, command)), check=True)

    def a_parent_of_root(self):
        self.place.parent.mkdir()
        self.place.parent.chmod(0o755)

    def of_root(self):
        self.place.parent.mkdir()
        system.own(self.place.parent)
        self.place.mkdir(mode=0o755)

    def a_file(self):
        system.make_dir(self.place.parent)
        system.write(self.place, "in the way")

    def a_file_above(self):
        system.write(self.place.parent, "in the way")

    def a_link_to_nothing(self):
        system.make_dir(self.place.parent)
        self.place.symlink_to("/nonexistent/place")

    def immutable(self):
        system.make_dir(self.place.parent)
        if subprocess.run(["chattr", "+i", str(self.place.parent)], capture_output=True, check=False).returncode != 0:
            return self.read_only()
        self.undo.append(["chattr", "-i", self.place.parent])

    def read_only(self):
        self.place.parent.exists() or system.make_dir(self.place.parent)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(self.place.parent)], check=True)
        self.undo.append(["umount", "-l", self.place.parent])


OBSTACLES = ("a_parent_of_root", "of_root", "a_file", "a_file_above", "a_link_to_nothing", "immutable", "read_only")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what others may not write to")
@pytest.mark.parametrize("kind", OBSTACLES)
def test_what_cannot_be_written_is_refused_while_the_cluster_still_starts(source, kind):
    cluster = source.cluster
    cluster.stop()
    for option in ("--tablespace-map=space=", "--link-map=pg_xact=", "--config-to="):
        if option == "--config-to=":
            continue  # nothing is outside of this cluster
        place = source.home / f"above-{option.strip('-').split('=')[0]}" / "place"
        obstacle = Obstacle(place, kind)
        try:
            before = compare.tree_state(cluster.data)
            for dry in (["--dry-run"], []):
                result = source.cairn.run("restore", "--delta", f"{option}{place}", *dry)
                assert result.code in (1, 2) and str(place if kind not in ("immutable", "read_only") else place.parent) in result.err, (option, result)
                assert "please report" not in result.err and "nothing was touched" in result.err, result
                assert compare.tree_state(cluster.data) == before, option
        finally:
            obstacle.clear()
    assert cluster.must_start().wait_ready().sql("SELECT x FROM far") == "1"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what others may not write to")
def test_a_directory_in_the_cluster_that_is_not_ours(source):
    cluster = source.cluster
    cluster.stop()
    chance = random.Random(SEED)
    folders = [path for path in cluster.data.rglob("*") if path.is_dir() and not path.is_symlink()]
    victim = chance.choice(folders)
    owner = victim.stat()
    os.chown(victim, 0, 0)
    for dry in (["--dry-run"], []):
        result = source.cairn.run("restore", "--delta", *dry)
        assert result.code == 1 and str(victim) in result.err and (cluster.data / "global/pg_control").exists(), (victim, result)
    os.chown(victim, owner.st_uid, owner.st_gid)
    assert cluster.must_start().wait_ready().sql("SELECT x FROM far") == "1"


def test_a_data_directory_that_is_a_link_to_nothing(source):
    source.cluster.stop()
    gone = source.home / "gone"
    source.cluster.data.rename(gone)
    source.cluster.data.symlink_to("/nonexistent/data")
    for verb in ("restore", "stanza-create", "check", "backup"):
        result = source.cairn.run(verb)
        assert result.code not in (0, 3) and str(source.cluster.data) in result.err and "please report" not in result.err, result
    source.cluster.data.unlink()
    gone.rename(source.cluster.data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_too_few_inodes(source):
    tiny = system.make_dir(source.home / "tiny")
    user = system.server_user()
    system.mount("-t", "tmpfs", "-o", f"nr_inodes=100,mode=700,uid={user.pw_uid},gid={user.pw_gid}", "tmpfs", tiny)
    try:
        result = source.try_restore(tiny, f"--tablespace-map=space={source.home / 'space2'}", "--dry-run")
        assert result.code == 1 and "more files (inodes)" in result.err, result
    finally:
        subprocess.run(["umount", "-l", str(tiny)], check=True)
