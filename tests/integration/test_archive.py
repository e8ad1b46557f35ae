"""archive-push and archive-get, by hand and as PostgreSQL calls them. Exit codes decide here what a server does."""
import os
import shutil

import pytest

from support import damage, system, terminal, wal

COULD_NOT_FIND_OUT = 200


@pytest.fixture
def idle(make_stanza):
    """A stanza whose server archives nothing by itself, and keeps its segments for us."""
    return make_stanza(15, archiving=False, wal_keep_size="1GB").create()


def push(stanza, path, **kw):
    """As archive_command does: in the data directory, with a relative path."""
    return stanza.cairn.run("archive-push", path, cwd=stanza.cluster.data, **kw)


def pushed_segment(stanza):
    name = stanza.cluster.switch_wal()
    result = push(stanza, f"pg_wal/{name}")
    assert result.code == 0, result
    return name


def variant(stanza, name, data):
    """A file of that name outside the cluster, to be pushed by its absolute path."""
    folder = stanza.home / "variant"
    shutil.rmtree(folder, ignore_errors=True)
    return system.write(system.make_dir(folder) / name, data)


def fetch(stanza, name, signal_file=None, **kw):
    """archive-get as restore_command does, in a directory with that signal file: (Result, bytes or None)."""
    folder = stanza.home / "recovering"
    shutil.rmtree(folder, ignore_errors=True)
    system.make_dir(folder)
    system.make_dir(folder / "pg_wal")
    system.make_dir(folder / "global")
    control = stanza.cluster.data / "global/pg_control"  # by this a data directory is known
    system.own(shutil.copy(control, folder / "global"))
    if signal_file:
        system.write(folder / signal_file, "")
    result = stanza.cairn.run("archive-get", name, "pg_wal/RECOVERYXLOG", cwd=folder, **kw)
    target = folder / "pg_wal/RECOVERYXLOG"
    assert os.listdir(folder / "pg_wal") in ([], ["RECOVERYXLOG"])  # no temporary file is left
    return result, target.read_bytes() if target.exists() else None


# --- push -----------------------------------------------------------------------------------------------------------


def test_push_is_idempotent_and_keeps_every_byte(stanza):
    name = stanza.cluster.wait_for_archived()
    segment = fetch(stanza, name)[1]
    assert len(segment) == 16 << 20 and wal.field(segment, "system_id") == int(stanza.cluster.system_id())
    object_ = stanza.wal_object(name)
    before = object_.stat()
    again = stanza.cairn.run("archive-push", variant(stanza, name, segment))
    assert again.code == 0, again
    assert object_.stat().st_ino == before.st_ino and object_.stat().st_mtime_ns == before.st_mtime_ns


def test_push_of_different_bytes_is_refused(idle):
    name = pushed_segment(idle)
    segment = (idle.cluster.data / "pg_wal" / name).read_bytes()
    other = segment[:100] + bytes([segment[100] ^ 1]) + segment[101:]
    result = push(idle, variant(idle, name, other))
    assert result.code == 1 and name in result.err and "rolled back" in result.err
    assert fetch(idle, name)[1] == segment
    tail = segment[:-8192] + bytes([segment[-1] ^ 1]) * 8192  # behind the end of its WAL, as on another standby
    assert push(idle, variant(idle, name, tail)).code == 0
    assert fetch(idle, name)[1] == segment


@pytest.mark.parametrize("lie", ["system_id", "segment_size", "magic", "pageaddr", "short", "long", "empty"])
def test_push_refuses_what_is_not_this_clusters_segment(idle, lie):
    name = idle.cluster.switch_wal()
    segment = (idle.cluster.data / "pg_wal" / name).read_bytes()
    lies = {
        "system_id": lambda: wal.altered(segment, system_id=wal.field(segment, "system_id") + 1),
        "segment_size": lambda: wal.altered(segment, segment_size=64 << 20),
        "magic": lambda: wal.altered(segment, magic=0xD118),  # PostgreSQL 18's; this cluster is 15
        "pageaddr": lambda: wal.altered(segment, pageaddr=wal.field(segment, "pageaddr") + (16 << 20)),
        "short": lambda: segment[:-8192],
        "long": lambda: segment + bytes(8192),
        "empty": lambda: b"",
    }
    before = idle.wal_objects()
    result = push(idle, variant(idle, name, lies[lie]()))
    assert result.code == 1 and name in result.err, result
    assert idle.wal_objects() == before
    assert push(idle, f"pg_wal/{name}").code == 0  # the true one is still welcome


def test_push_takes_every_kind_of_name(idle):
    segment_name = pushed_segment(idle)
    segment = (idle.cluster.data / "pg_wal" / segment_name).read_bytes()
    files = {
        "00000002.history": b"1\t0/3000000\tno recovery target specified\n",
        f"{segment_name}.00000028.backup": b"START WAL LOCATION: 0/2000028\n",
        f"{segment_name}.partial": segment,
    }
    for name, data in files.items():
        path = variant(idle, name, data)
        assert push(idle, path).code == 0, name
        assert push(idle, path).code == 0, f"{name} again"
        assert fetch(idle, name)[1] == data
    assert fetch(idle, segment_name)[1] == segment
    changed = push(idle, variant(idle, "00000002.history", b"1\t0/5000000\tanother history\n"))
    assert changed.code == 1 and "00000002.history" in changed.err


@pytest.mark.parametrize("name", ["postgresql.conf", "0000000100000000000000ZZ", "../../etc/passwd"])
def test_push_refuses_other_names(idle, name):
    before = idle.wal_objects()
    result = push(idle, name)
    assert 1 <= result.code <= 125 and idle.wal_objects() == before


def test_push_never_exits_above_125(idle):
    name = idle.cluster.switch_wal()
    path = f"pg_wal/{name}"
    idle.repo.chmod(0o000)
    assert push(idle, path).code == 1
    idle.repo.chmod(0o750)
    assert push(idle, "pg_wal/0000000100000000000000FF").code == 1  # no such file
    idle.cairn.tables["global"]["proces-max"] = 2
    idle.cairn.save()
    assert push(idle, path).code == 0  # what it does not need must not stop it
    idle.cairn.tables["repo.local"]["pth"] = "/x"
    idle.cairn.save()
    assert 1 <= push(idle, path).code <= 125
    idle.cairn.config.unlink()
    assert 1 <= push(idle, path).code <= 125


def test_push_goes_to_every_repository_and_get_asks_every_one(idle):
    second = system.make_dir(idle.home / "repo2", 0o750)
    idle.cairn.tables["repo.second"] = {"type": "posix", "path": second}
    idle.cairn.save()
    idle.cairn.ok("stanza-create")
    name = pushed_segment(idle)
    segment = (idle.cluster.data / "pg_wal" / name).read_bytes()
    assert len(list(second.glob(f"main/wal/*/*/{name}"))) == 1 and idle.wal_object(name).exists()

    damage.remove(idle.wal_object(name))
    assert fetch(idle, name)[1] == segment
    other = idle.cluster.switch_wal()
    second.chmod(0o000)
    assert push(idle, f"pg_wal/{other}").code == 1  # durable in one of two is not durable
    result, data = fetch(idle, "0000000100000000000000FE")
    assert (result.code, data) == (COULD_NOT_FIND_OUT, None)  # one says no, the other cannot be asked
    second.chmod(0o750)
    assert push(idle, f"pg_wal/{other}").code == 0
    assert [r["name"] for r in idle.info()["repositories"]] == ["local", "second"]


# --- get ------------------------------------------------------------------------------------------------------------


def test_get_says_1_only_when_it_is_certain(idle):
    pushed_segment(idle)
    for signal_file in (None, "recovery.signal", "standby.signal"):
        for name in ("0000000100000000000000FE", "00000007.history"):
            result, data = fetch(idle, name, signal_file)
            assert (result.code, data) == (1, None), result


OBSTACLES = {
    "repository not readable": lambda s, n: s.repo.chmod(0o000),
    "repository not mounted": lambda s, n: os.rename(s.repo, s.home / "elsewhere"),
    "an empty folder instead": lambda s, n: (os.rename(s.repo, s.home / "elsewhere"), system.make_dir(s.repo)),
    "object not readable": lambda s, n: s.wal_object(n).chmod(0o000),
    "object damaged": lambda s, n: damage.flip(s.wal_object(n)),
    "object truncated": lambda s, n: damage.truncate(s.wal_object(n)),
    "object empty": lambda s, n: system.write(s.wal_object(n), b""),
    "configuration broken": lambda s, n: system.write(s.cairn.config, "[global]\nproces-max = 2\n"),
    "configuration gone": lambda s, n: s.cairn.config.unlink(),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_get_that_could_not_find_out(idle, obstacle):
    name = pushed_segment(idle)
    OBSTACLES[obstacle](idle, name)
    result, data = fetch(idle, name, "recovery.signal")
    assert (result.code, data) == (COULD_NOT_FIND_OUT, None), result
    assert result.err.strip()
    result, data = fetch(idle, name, "standby.signal")
    assert (result.code, data) == (1, None), result
    assert result.err.strip()


def test_get_refuses_a_swapped_object(idle):
    one, other = pushed_segment(idle), pushed_segment(idle)
    damage.swap(idle.wal_object(one), idle.wal_object(other))
    result, data = fetch(idle, one, "recovery.signal")
    assert (result.code, data) == (COULD_NOT_FIND_OUT, None), result
    assert one in result.err


def test_get_leaves_nothing_when_it_cannot_write(idle):
    name = pushed_segment(idle)
    folder = system.make_dir(idle.home / "closed", 0o500)
    result = idle.cairn.run("archive-get", name, "RECOVERYXLOG", cwd=folder)
    assert result.code == COULD_NOT_FIND_OUT and os.listdir(folder) == []


# --- as PostgreSQL sees it (rule: exit 1 ends a recovery, above 125 stops the server) -----------------------------------


def three_segments_after_a_backup(stanza):
    """Back up, then fill three segments with one row each. Returns their names."""
    stanza.cluster.rows("CREATE TABLE t (x int)")
    stanza.backup()
    names = []
    for x in range(3):
        stanza.cluster.rows(f"INSERT INTO t VALUES ({x})")
        names.append(stanza.cluster.wait_for_archived())
    return names


UNREACHABLE = {
    "damaged": damage.flip,
    "not readable": lambda path: path.chmod(0o000),
    "folder not readable": lambda path: path.parent.chmod(0o000),
}


@pytest.mark.parametrize("how", UNREACHABLE)
def test_recovery_stops_instead_of_promoting_when_the_archive_cannot_be_read(stanza, how):
    names = three_segments_after_a_backup(stanza)
    stanza.cluster.stop()
    restored = stanza.restore()
    UNREACHABLE[how](stanza.wal_object(names[1]))

    restored.start()
    system.wait_until(lambda: restored.pid() is None, what="the server to stop by itself")
    log = restored.log_text()
    assert "FATAL" in log and "restore" in log
    assert "archive recovery complete" not in log and "selected new timeline" not in log
    assert (restored.data / "recovery.signal").exists()


def test_recovery_goes_on_after_the_archive_is_back(stanza15):
    names = three_segments_after_a_backup(stanza15)
    stanza15.cluster.stop()
    restored = stanza15.restore()
    obstacle = stanza15.wal_object(names[1])
    obstacle.chmod(0o000)
    restored.start()
    system.wait_until(lambda: restored.pid() is None, what="the server to stop by itself")
    obstacle.chmod(0o640)
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "3"


def test_where_the_archive_ends_recovery_ends(stanza):
    names = three_segments_after_a_backup(stanza)
    stanza.cluster.stop()
    restored = stanza.restore()
    for path in stanza.wal_objects():
        if path.name >= names[2]:
            damage.remove(path)
    restored.must_start().wait_ready()
    assert restored.sql("SELECT count(*) FROM t") == "2"
    assert "archive recovery complete" in restored.log_text()


def test_a_standby_waits_while_the_archive_is_unreachable(stanza15):
    names = three_segments_after_a_backup(stanza15)
    stanza15.cluster.stop()
    standby = stanza15.restore()
    os.rename(standby.data / "recovery.signal", standby.data / "standby.signal")
    obstacle = stanza15.wal_object(names[1])
    obstacle.chmod(0o000)
    standby.must_start()
    system.wait_until(lambda: standby.answers("SELECT count(*) FROM t") == "1", what="the row before the obstacle")
    obstacle.chmod(0o640)
    system.wait_until(lambda: standby.answers("SELECT count(*) FROM t") == "3", what="the rows behind it")
    assert standby.sql("SELECT pg_is_in_recovery()") == "t"


def test_what_an_absent_file_means_is_said_at_a_terminal_only(idle):
    command = idle.cairn.command("archive-get", "0000000100000000000000FF", idle.home / "fetched")
    code, shown = terminal.run(command, cwd=idle.home)
    assert code == 1 and "the archived WAL ends before it" in shown, shown
    result = idle.cairn.run("archive-get", "0000000100000000000000FF", idle.home / "fetched", cwd=idle.home)
    assert (result.code, result.err) == (1, ""), result
