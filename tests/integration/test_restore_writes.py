"""What a restore may write to: only the places that its plan names, whatever stands in its way or in the repository.

PGCAIRN_WRITES_SEED repeats a run's choices.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import threading

import pytest

from support import compare, manifests, system
from support.pgcairn import Result, result_of

SEED = os.environ.get("PGCAIRN_WRITES_SEED") or str(random.SystemRandom().randrange(10**6))
ROUNDS = int(os.environ.get("PGCAIRN_WRITES_ROUNDS", "5"))
MARK = "pgcairn.restore"


@pytest.fixture
def rng():
    print(f"seed {SEED}")
    return random.Random(SEED)


@pytest.fixture
def source(stanza15):
    """A backup with a tablespace, and what was copied of it."""
    cluster = stanza15.cluster
    cluster.create_tablespace("fast", stanza15.home / "fast")
    cluster.sql("CREATE TABLE t TABLESPACE fast AS SELECT n, repeat('x', 100) AS v FROM generate_series(1, 2000) n")
    stanza15.space = cluster.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'")
    stanza15.label = stanza15.backup()["label"]
    cluster.wait_for_archived()
    cluster.stop()
    return stanza15


@pytest.fixture
def canary(home):
    """A tree that belongs to nobody's cluster; what of it has changed is asked for at the end of each round."""
    folder = system.make_dir(home / "canary", 0o755)
    for name in ("one", "base", "sub/deep"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"the only copy of {name}\n")
    (folder / "PG_15_202209061").mkdir()
    (folder / "PG_15_202209061/16384").write_text("another cluster's\n")
    return folder


def users():
    """As whom to restore: the server's user, and root where that is allowed."""
    return ("server", "root") if os.geteuid() == 0 else ("server",)


def restore(stanza, user, target, *args):
    done = system.run(stanza.cairn.command("restore", f"--pg-path={target}", "--archive-mode=off", *args), check=False,
                      as_server=user == "server")
    return Result(done.returncode, done.stdout, done.stderr)


def check_closed(target):
    """Nothing but the server's user may read or write, and nothing gives rights away."""
    owner = system.server_user()
    for path in [target, *pathlib.Path(target).rglob("*")]:
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            continue
        allowed = 0o750 if stat.S_ISDIR(info.st_mode) or not path.name.endswith("label") else 0o640
        assert stat.S_IMODE(info.st_mode) & ~allowed == 0, f"{path} has mode {stat.S_IMODE(info.st_mode):o}"
        assert (info.st_uid, info.st_gid) == (owner.pw_uid, owner.pw_gid), f"{path} belongs to {info.st_uid}:{info.st_gid}"


# --- what an unsealed repository says -------------------------------------------------------------------------------


def hostile_changes(rng, canary, space):
    """[(words, change)]: changes of a manifest by which a restore could be led elsewhere."""
    def becomes_link(files):
        victim = rng.choice([f for f in files if not f["path"].startswith("/") and f.get("type") != "link"])
        below = victim["path"] + "/"
        files[:] = [f for f in files if not f["path"].startswith(below) and f is not victim]
        files.append({"path": victim["path"], "type": "link", "target": str(rng.choice((canary, canary / "one", canary / "new")))})

    def new_link(files):
        folder = rng.choice([f["path"] for f in files if f.get("type") == "dir" and not f["path"].startswith("/")])
        files.append({"path": f"{folder}/zz", "type": "link", "target": str(canary)})

    def unknown_tablespace(files):
        files.append({"path": "pg_tblspc/99999", "type": "link", "target": str(canary)})
        files.append({"path": "pg_tblspc/99999/PG_15_202209061", "type": "dir"})

    def beside_the_tablespace(files):
        files.append({"path": f"pg_tblspc/{space}/evil", "size": 0, "time": 0})

    def the_mark(files):
        files.append({"path": MARK, "size": 0, "time": 0})

    def outside_link(files):
        files.append({"path": "/etc", "type": "dir"})
        files.append({"path": "/etc/zz", "type": "link", "target": str(canary)})

    return [becomes_link, becomes_link, new_link, unknown_tablespace, beside_the_tablespace, the_mark, outside_link]


def test_links_of_a_manifest_that_are_no_tablespaces_are_refused(source, canary, home, rng):
    before = compare.tree_state(canary)
    original = source.manifests(source.label)[0].read_bytes()
    for number in range(ROUNDS):
        change = rng.choice(hostile_changes(rng, canary, source.space))
        manifests.rewrite(source, source.label, change)
        target = home / f"hostile{number}"
        for user in users():
            said = restore(source, user, target, f"--tablespace-map-all={home}/maps{number}", f"--config-to={home}/conf{number}")
            assert said.code == 4 and "the manifest has" in said.err, (change.__name__, said)
            assert not target.exists() and not (home / f"maps{number}").exists()
        assert source.cairn.run("verify").code == 4
        assert compare.tree_state(canary) == before, change.__name__
        part = source.manifests(source.label)[0]
        part.unlink()
        system.write(part, original, 0o640)


def test_modes_and_owners_of_a_manifest_are_not_believed(source, home, rng):
    def change(files):
        for file in files:
            if file.get("type") == "link":
                continue
            if rng.random() < 0.3:
                file["mode"] = f"{rng.choice((0o4755, 0o2770, 0o1777, 0o6777, 0o666, 0o777, 0o000, 0o400)):04o}"
            if rng.random() < 0.2:
                file["user"], file["group"] = rng.choice((("root", "root"), ("nobody", "nogroup"), ("no such user", "root")))
    manifests.rewrite(source, source.label, change)
    for user in users():
        target = home / f"modes-{user}"
        said = restore(source, user, target, f"--tablespace-map-all={home}/spaces-{user}", "--type=immediate")
        assert said.code == 0, said
        check_closed(target)
        check_closed(home / f"spaces-{user}/fast")
        restored = source.restored(target)
        restored.must_start()
        assert restored.sql("SELECT count(*) FROM t") == "2000"
        restored.stop()


# --- marks ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can restore what others marked")
def test_a_mark_that_somebody_else_wrote_proves_nothing(source, canary, home, rng):
    before = compare.tree_state(canary)
    for number in range(3):
        writer = rng.choice(("nobody", "postgres"))
        target = system.make_dir(home / f"marked{number}", 0o777)
        mark = target / MARK
        mark.write_text(f"forged\nParts of it are in:\n{canary}\n{canary}/PG_15_202209061\n")
        shutil.chown(mark, writer, writer if writer == "postgres" else "nogroup")
        (target / "rest").write_text("of an interrupted restore\n")
        delta = rng.choice(([], ["--delta"]))
        said = restore(source, "root", target, f"--tablespace-map-all={home}/space{number}", *delta)
        assert compare.tree_state(canary) == before, (writer, delta)
        if writer == "nobody":
            assert said.code == 1 and (target / "rest").exists(), said
        else:
            assert said.code == 0 and "content stays" in said.out + said.err and not (target / "rest").exists(), said


# --- mount points ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(kind, path, home):
    """A file system of that kind at path."""
    owner = system.server_user()
    if kind == "tmpfs":
        system.mount("-t", "tmpfs", "-o", f"size=64m,uid={owner.pw_uid},gid={owner.pw_gid},mode=750", "none", path)
    elif kind == "bind":
        bound = home / f"bound-{random.randrange(10**9)}"
        system.make_dir(bound)
        system.mount("--bind", bound, path)
    else:
        image = home / f"image-{random.randrange(10**9)}"
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        system.mount("-o", "loop", image, path)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_foreign_file_systems_are_left_alone_and_postgresqls_own_are_used(source, home, rng):
    target = home / "mounts"
    assert restore(source, "server", target, f"--tablespace-map-all={home}/spaces", "--type=immediate").code == 0
    control = (target / "global/pg_control").read_bytes()
    for number in range(ROUNDS):
        own = rng.choice(("pg_wal", "pg_stat_tmp", "base", "pg_wal/archive_status"))
        depth = rng.randrange(4)
        foreign = target / rng.choice(("", "base", "log", "pg_wal")) / "/".join(("dumps", "more", "x y", "z")[:depth + 1])
        kinds = [rng.choice(("tmpfs", "bind", "ext4")) for _ in range(2)]
        user, resumes = rng.choice(users()), rng.random() < 0.4
        told = f"seed {SEED} round {number}: {own} is {kinds[0]}, {foreign} is {kinds[1]}, by {user}, {resumes=}"
        with contextlib.ExitStack() as stack:
            saved = home / f"saved{number}"
            subprocess.run(["cp", "-a", str(target / own), str(saved)], check=True)
            stack.enter_context(mounted(kinds[0], target / own, home))
            subprocess.run(["cp", "-a", f"{saved}/.", str(target / own)], check=True)
            foreign.mkdir(parents=True)
            for folder in [foreign, *foreign.parents]:
                if folder == target:
                    break
                system.own(folder)
            stack.enter_context(mounted(kinds[1], foreign, home))
            system.write(foreign / "last.dump", "the only copy\n")
            system.write(target / own / "extra", "not in the backup\n")
            before = compare.tree_state(foreign)
            args = ["--delta"]
            if resumes:  # what an interrupted restore left, without --delta: all is wiped
                (target / "global/pg_control").unlink()
                system.write(target / MARK, "Parts of it are in:\n" + f"{home}/spaces/fast/PG_15_202209061\n", 0o600)
                args = []
            if user == "root":
                shutil.chown(target / MARK, 0, 0) if resumes else None
            plan = restore(source, user, target, f"--tablespace-map-all={home}/spaces", "--dry-run", *args)
            said = restore(source, user, target, f"--tablespace-map-all={home}/spaces", "--type=immediate", *args)
            assert compare.tree_state(foreign) == before, told
            assert said.code == 0, (told, said)
            assert str(foreign) in plan.out + plan.err and "it stays, with all" in plan.out + plan.err, (told, plan)
            assert not (target / own / "extra").exists(), told
            for point in (target / own, foreign):
                subprocess.run(["mountpoint", "-q", str(point)], check=True)
            assert (target / "global/pg_control").read_bytes() == control, told
            restored = source.restored(target)
            restored.must_start()
            assert restored.sql("SELECT count(*) FROM t") == "2000", told
            restored.stop()
        shutil.rmtree(target)
        shutil.rmtree(home / "spaces")
        assert restore(source, "server", target, f"--tablespace-map-all={home}/spaces", "--type=immediate").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_foreign_file_system_where_the_backup_has_content_is_refused_first(stanza15, home):
    system.make_dir(stanza15.cluster.data / "dumps")
    system.write(stanza15.cluster.data / "dumps/last.dump", "old\n")
    stanza15.backup()
    stanza15.cluster.stop()
    data = stanza15.cluster.data
    with mounted("tmpfs", data / "dumps", home):
        system.write(data / "dumps/last.dump", "new\n")
        before = compare.tree_state(data)
        said = stanza15.cairn.run("restore", "--delta")
        assert said.code == 1 and "unmount it" in said.err and f"{data}/dumps" in said.err, said
        assert compare.tree_state(data) == before
    assert stanza15.cairn.run("restore", "--delta").code == 0
    assert (data / "dumps/last.dump").read_text() == "old\n"


# --- links on the way ------------------------------------------------------------------------------------------------


def test_pg_path_that_is_a_chain_of_links_has_the_directorys_mode(stanza15, home, rng):
    cluster = stanza15.cluster
    cluster.stop()
    mode = rng.choice((0o700, 0o750))
    real = cluster.data.with_name("real")
    cluster.data.rename(real)
    links = [real]
    for number in range(rng.randrange(1, 4)):
        link = stanza15.home / f"link{number}"
        link.symlink_to(links[-1])
        links.append(link)
    cluster.data.symlink_to(links[-1])
    real.chmod(mode)
    cluster.must_start()
    stanza15.backup()
    cluster.wait_for_archived()
    copy = stanza15.restore("copy")
    assert stat.S_IMODE(copy.data.stat().st_mode) == mode
    assert stat.S_IMODE((copy.data / "postgresql.auto.conf").stat().st_mode) == mode & 0o640
    copy.must_start()
    copy.stop()
    cluster.stop()
    real.chmod(0o2770)  # a server refuses that; the restore brings one that starts
    assert stanza15.cairn.run("restore", "--delta", "--archive-mode=off").code == 0
    assert stat.S_IMODE(real.stat().st_mode) == mode and cluster.data.is_symlink()
    cluster.must_start()


def exchange(one, other):
    """Swap two names in one step (renameat2 with RENAME_EXCHANGE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)


def test_directories_that_are_swapped_for_links_meanwhile_lead_nowhere(source, canary, home, rng):
    target = home / "race"
    spaces = home / "spaces"
    assert restore(source, "server", target, f"--tablespace-map-all={spaces}", "--type=immediate").code == 0
    for name in os.listdir(target):  # what a restore writes or removes is there beside the canaries, too
        if (target / name).is_dir() and name != "pg_tblspc":
            shutil.copytree(target / name, canary / name, dirs_exist_ok=name != "base", symlinks=True) if name != "base" else None
    for path in (canary, *canary.rglob("*")):
        os.chmod(path, 0o777 if path.is_dir() else 0o666)
    before = compare.tree_state(canary)
    for number in range(ROUNDS):
        user = rng.choice(users())
        for extra in ("global/extra", "pg_xact/extra", "pg_wal/extra/deep", "junk/deep/er"):
            (target / extra).parent.mkdir(exist_ok=True, parents=True)
            (target / extra).write_text("x") if not (target / extra).exists() else None
        subprocess.run(["chown", "-hR", f"{system.server_user().pw_uid}:{system.server_user().pw_gid}", str(target)], check=False)
        folder = target / rng.choice(("global", "pg_xact", "pg_wal", "pg_multixact", "junk", "."))
        trap = home / f"trap{number}"
        trap.symlink_to(canary / folder.name if (canary / folder.name).exists() and folder != target else canary)
        stop = threading.Event()

        def swap():
            while not stop.is_set():
                exchange(folder, trap)
        racer = threading.Thread(target=swap)
        racer.start()
        try:
            for _ in range(3):
                said = restore(source, user, target, f"--tablespace-map-all={spaces}", "--type=immediate", "--delta")
                assert said.code in (0, 1, 2), (folder, user, said)
        finally:
            stop.set()
            racer.join()
        assert compare.tree_state(canary) == before, f"seed {SEED} round {number}: {folder.name} by {user}"
        if folder.is_symlink():
            exchange(folder, trap)
        trap.unlink() if trap.is_symlink() else None
        said = restore(source, "root" if os.geteuid() == 0 else "server", target, f"--tablespace-map-all={spaces}",
                       "--type=immediate", "--delta")
        if said.code == 1 and "is not a data directory" in said.err:
            # The racer put the directory in place that a restore had left for one of its own: the cluster is in two.
            assert folder in (target, target / "global"), (folder, said)  # where what tells a data directory is
            for place in (target, spaces):
                system.remove_tree(place)
            said = restore(source, "server", target, f"--tablespace-map-all={spaces}", "--type=immediate")
        assert said.code == 0, said


# --- backups --------------------------------------------------------------------------------------------------------


def test_tablespaces_made_while_a_backup_copies_are_in_the_marker(stanza15, home):
    """The copying is slow, and base has more than is read ahead; what comes in path order after it is copied later."""
    cluster = stanza15.cluster
    cluster.create_large()
    process = stanza15.start_held_backup(rate="32MiB")
    cluster.create_tablespace("late", home / "late")
    cluster.sql("CREATE TABLE l TABLESPACE late AS SELECT 1 AS x")
    cluster.sql("CHECKPOINT")
    process.send_signal(signal.SIGCONT)
    assert result_of(process).code == 0
    label = stanza15.labels()[-1]
    copied = {e["path"].split("/")[1] for e in manifests.entries(stanza15, label)
              if e.get("path", "").startswith("pg_tblspc/") and e.get("type") == "link"}
    marker = json.loads(stanza15.marker(label).read_text().splitlines()[0])
    assert {str(space["oid"]) for space in marker["tablespaces"]} == copied
    assert copied, "the tablespace came too late to be copied"
    cluster.wait_for_archived()
    live = compare.tree_state(home / "late")
    # Replay would create it at its original place: no isolated copy may do that.
    refused = stanza15.try_restore(home / "copy", f"--tablespace-map-all={home}/maps")
    assert refused.code == 2 and "during backup" in refused.err and not (home / "copy").exists(), refused
    cluster.stop()
    copy = stanza15.restore("copy", "--replace", f"--tablespace-map-all={home}/maps")
    assert os.readlink(copy.data / "pg_tblspc" / copied.pop()) == f"{home}/maps/late"
    assert compare.tree_state(home / "late") == live
