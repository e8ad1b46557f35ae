"""No space left: a clear error, nothing listed that is not whole, and the next run works."""
import contextlib
import filecmp
import os

import pytest

from support import damage, system
from support.stanza import assert_cannot_start

NO_SPACE = "No space left on device"


def everything_in(folder):
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def test_a_backup_that_fills_its_repository(make_stanza):
    stanza = make_stanza(15)
    stanza.cluster.pgbench_init(scale=3)
    with system.small_filesystem(stanza.repo, 40):
        stanza.create()
        result = stanza.cairn.run("backup", "--start-fast", "--compress-type=none")
        assert result.code == 1 and NO_SPACE in result.err and "free space under" in result.err, result
        assert result.out == "" and stanza.labels() == []
        assert stanza.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcairn'") == "0"
        assert "before pg_backup_stop was called" not in stanza.cluster.log_text()

        system.resize(stanza.repo, 400)
        label = stanza.backup()["label"]  # at once: the lease that could not be given back is a dead neighbour's
        assert stanza.labels() == [label] and stanza.lease() is None
        stanza.cluster.wait_for_archived()
        expected = stanza.cluster.table_hashes()
        stanza.cluster.stop()
        assert stanza.restore().must_start().wait_ready().table_hashes() == expected


def test_archive_push_into_a_full_repository(make_stanza):
    stanza = make_stanza(15, archiving=False, wal_keep_size="1GB")
    with system.small_filesystem(stanza.repo, 16):
        stanza.create()
        got = system.make_dir(stanza.home / "got") / "RECOVERYXLOG"
        path = stanza.cluster.data / "pg_wal" / stanza.cluster.switch_wal()
        ballast = system.fill(stanza.repo)
        before = everything_in(stanza.repo)
        result = stanza.cairn.run("archive-push", path)
        assert result.code == 1 and NO_SPACE in result.err and "free space under" in result.err, result
        assert everything_in(stanza.repo) == before
        assert stanza.cairn.run("archive-get", path.name, got).code == 1  # certainly not there

        damage.remove(ballast)
        stanza.cairn.ok("archive-push", path)
        stanza.cairn.ok("archive-get", path.name, got)
        assert got.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", ["blocks", "inodes"])
def test_a_full_repository_can_be_expired(make_stanza, kind):
    """The lease, without which nothing may be removed, finds room in the reserve; so does giving up what a backup left
    that filled the disk."""
    stanza = make_stanza(15)
    stanza.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    with system.small_filesystem(stanza.repo, 400, files=300):
        stanza.create()
        made = [stanza.backup("--no-expire-auto")["label"] for _ in range(2)]
        left = system.make_dir(stanza.repo / "main/data" / f"2099{made[-1][4:]}", 0o750)
        system.write(system.make_dir(left / "pack", 0o750) / "00000000", b"left")
        stanza.cluster.rows("ALTER SYSTEM SET archive_command = 'false'")
        stanza.cluster.reload()
        if kind == "blocks":
            system.fill(stanza.repo)
        else:
            with contextlib.suppress(OSError):
                for i in range(300):
                    (stanza.repo / f"b{i}").touch()
        for _ in range(9):  # backups that fail for want of space do not use up the reserve
            assert NO_SPACE in stanza.cairn.run("backup", "--start-fast").err
        result = stanza.cairn.run("expire", "--keep-last=1", "--no-resume")
        assert result.code == 0 and stanza.labels() == made[1:], result
        assert not left.exists() and not (stanza.repo / "main/data" / made[0]).exists()
        assert stanza.cairn.run("verify", "--level=full").code == 0


def test_postgresql_keeps_what_a_full_repository_did_not_take(make_stanza):
    stanza = make_stanza(15)
    with system.small_filesystem(stanza.repo, 16):
        stanza.create()
        ballast = system.fill(stanza.repo)
        name = stanza.cluster.switch_wal()
        system.wait_until(lambda: stanza.cluster.sql("SELECT last_failed_wal FROM pg_stat_archiver"),
                          what="archive-push to fail")
        assert stanza.wal_objects() == []
        damage.remove(ballast)
        stanza.cluster.wait_for_archived()  # PostgreSQL waits up to a minute before it asks again
        assert stanza.wal_object(name).exists()


def test_a_restore_that_fills_its_target(stanza15):
    """A restore that would not fit is refused; this one finds that out while it writes, since it goes on where an
    interrupted one left off, and how much that frees is not known."""
    stanza15.cluster.pgbench_init(scale=2)
    stanza15.backup()
    stanza15.cluster.wait_for_archived()
    with system.small_filesystem(stanza15.home / "target", 24) as target:
        system.write(target / "pgcairn.restore", "an interrupted restore\n")
        result = stanza15.try_restore(target)
        assert result.code == 1 and NO_SPACE in result.err and str(target) in result.err, result
        assert_cannot_start(stanza15, target)
        system.resize(target, 400)
        assert stanza15.try_restore(target).code == 0
        assert not (target / "pgcairn.restore").exists()
        restored = stanza15.restored(target).must_start().wait_ready()
        assert restored.table_hashes() == stanza15.cluster.table_hashes()
        restored.stop()


def test_archive_get_into_a_full_data_directory(make_stanza):
    stanza = make_stanza(15, archiving=False, wal_keep_size="1GB").create()
    path = stanza.cluster.data / "pg_wal" / stanza.cluster.switch_wal()
    stanza.cairn.ok("archive-push", path)
    with system.small_filesystem(stanza.home / "full", 8) as full:
        system.fill(full)
        result = stanza.cairn.run("archive-get", path.name, "RECOVERYXLOG", cwd=full)
        assert result.code == 200 and NO_SPACE in result.err, result
        assert os.listdir(full) == ["ballast"]


def test_holes_come_back_as_holes_and_need_no_space(stanza15):
    """Sparse files, as an extension or a failed load leaves them, fit where their size does not."""
    cluster = stanza15.cluster
    mib = 1 << 20
    sizes = {"sparse": 128 * mib, "tail": 64 * mib + 100, "ends": 64 * mib}
    for name, size in sizes.items():
        system.write(cluster.data / name, b"start" * 1000)
        os.truncate(cluster.data / name, size)
    with open(cluster.data / "ends", "r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"x" * 10)
    stanza15.backup()
    with system.small_filesystem(stanza15.home / "target", 128) as target:
        result = stanza15.try_restore(target)
        assert result.code == 1 and "and the restore needs" in result.err and "--no-space-check" in result.err, result
        result = stanza15.try_restore(target, "--no-space-check")
        assert result.code == 0 and "--no-space-check restores anyway" in result.out, result
        for name, size in sizes.items():
            assert filecmp.cmp(cluster.data / name, target / name, shallow=False), name
            status = os.stat(target / name)
            assert status.st_size == size and status.st_blocks * 512 <= mib, name
        # What is where a hole belongs is overwritten.
        with open(target / "sparse", "r+b") as file:
            file.seek(4 * mib)
            file.write(b"x" * mib)
        assert stanza15.try_restore(target, "--no-space-check", "--delta").code == 0
        assert filecmp.cmp(cluster.data / "sparse", target / "sparse", shallow=False)
