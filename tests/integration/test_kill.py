"""Kill, interrupt, crash: nothing half made is ever listed or can be started, and the next run works."""
import os
import shutil
import signal

import pytest

from support import system
from support.cluster import Load
from support.pgcairn import result_of

# System calls by which anything becomes durable or visible. Killed at the n-th of each, a program stops between
# any two steps of its protocol.
STEPS = "fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat"


def killed_at(step):
    """A command that runs another and kills it at its n-th durable step. Threads count for themselves."""
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={STEPS}", "-e", f"inject={STEPS}:signal=KILL:when={step}"]


@pytest.fixture(scope="module")
def strace():
    """Skip where processes may not be traced."""
    if system.run(["strace", "-o", "/dev/null", "true"], check=False).returncode != 0:
        pytest.skip("tracing of processes (strace) is not allowed here")


def backends_of_pgcairn(cluster):
    return int(cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcairn'"))


# --- backup ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kill_9_during_backup(stanza15):
    stanza15.cluster.pgbench_init(scale=4)
    first = stanza15.backup()["label"]
    for start in (stanza15.start_slow_backup, stanza15.start_held_backup, lambda: stanza15.start_held_backup(packs=2)):
        process = start()
        process.kill()
        assert result_of(process).code == -signal.SIGKILL
        assert stanza15.labels() == [first]
        assert stanza15.lease()  # not given back, but the next run on this host sees that its holder is dead
        system.wait_until(lambda: backends_of_pgcairn(stanza15.cluster) == 0, what="the dead run's session to end")

    second = stanza15.backup()["label"]
    assert stanza15.labels() == [first, second] and stanza15.lease() is None
    stanza15.cluster.wait_for_archived()
    restored = stanza15.restore().must_start().wait_ready()
    assert restored.table_hashes() == stanza15.cluster.table_hashes()


@pytest.mark.slow
def test_kill_9_at_each_durable_step_of_a_backup(stanza15, strace):
    """Listed means restorable, whatever step the run died at."""
    stanza15.cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    listed_after_kill = None
    for step in range(1, 200):
        known = set(stanza15.labels())
        process = stanza15.cairn.start("backup", "--type=full", "--start-fast", under=killed_at(step))
        code = result_of(process).code
        new = set(stanza15.labels()) - known
        if code == 0:
            assert len(new) == 1
            break
        if new:  # it died after its marker was there: then it must be whole
            listed_after_kill = new.pop()
        system.wait_until(lambda: backends_of_pgcairn(stanza15.cluster) == 0, what="the dead run's session to end")
    else:
        pytest.fail("the backup never came through")
    assert step > 1, "no step was hit"
    stanza15.cluster.wait_for_archived()
    for label in {listed_after_kill, stanza15.labels()[-1]} - {None}:
        restored = stanza15.restore(f"restored-{label}", f"--set={label}")
        assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1000"
        restored.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_backup_ends_cleanly(stanza, number):
    cluster = stanza.cluster
    cluster.pgbench_init(scale=4)
    process = stanza.start_held_backup()
    assert backends_of_pgcairn(cluster) == 1
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code == 130, result
    system.wait_until(lambda: backends_of_pgcairn(cluster) == 0, what="the session to end")
    assert "before pg_backup_stop was called" not in cluster.log_text()  # it was called
    assert stanza.labels() == [] and stanza.lease() is None
    stanza.backup()  # at once
    assert len(stanza.labels()) == 1


def test_a_limited_rate_holds_no_lease_back(stanza15):
    """Packs that wait for minutes: others see a lease that lives, and it is given back at once."""
    cluster = stanza15.cluster
    cluster.pgbench_init(scale=2)
    process = stanza15.cairn.start("backup", "--type=full", "--start-fast", "--limit-rate=8KiB", "--process-max=4", "--compress-type=none")
    system.wait_until(lambda: stanza15.lease() or process.poll() is not None, what="the backup's lease", pause=0.01)
    taken = stanza15.lease()
    # Its packs wait behind each other by now; a heartbeat does not.
    system.wait_until(lambda: (stanza15.lease() or {}).get("time", taken["time"]) != taken["time"] or process.poll() is not None,
                      what="the lease's next document")
    assert process.poll() is None, result_of(process)
    process.send_signal(signal.SIGTERM)
    result = result_of(process)
    assert result.code == 130 and "could not be released" not in result.err, result
    assert stanza15.labels() == [] and stanza15.lease() is None


def test_interrupted_while_it_waits_for_the_checkpoint(stanza):
    """Without --start-fast the checkpoint takes its time; the statement is cancelled in the server."""
    cluster = stanza.cluster
    checkpointer = int(cluster.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))
    os.kill(checkpointer, signal.SIGSTOP)
    process = stanza.cairn.start("backup", "--type=full")
    system.wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcairn'"
                                          " AND query ~ 'pg_backup_start' AND state = 'active'") == "1", what="the wait")
    process.send_signal(signal.SIGTERM)
    result = result_of(process)
    os.kill(checkpointer, signal.SIGCONT)
    assert result.code == 130, result
    system.wait_until(lambda: backends_of_pgcairn(cluster) == 0, what="the session to end")
    assert stanza.labels() == [] and stanza.lease() is None
    stanza.backup()


def test_a_second_backup_is_locked_out(stanza15):
    stanza15.cluster.pgbench_init(scale=4)
    process = stanza15.start_slow_backup()
    second = stanza15.cairn.run("backup", "--start-fast")
    assert second.code == 11, second
    process.send_signal(signal.SIGTERM)
    assert result_of(process).code == 130


@pytest.mark.slow
def test_the_server_crashes_during_backup(stanza15):
    stanza15.cluster.pgbench_init(scale=4)
    process = stanza15.start_held_backup()
    stanza15.cluster.crash()
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code in (1, 13), result
    assert stanza15.labels() == [] and stanza15.lease() is None
    stanza15.cluster.must_start()
    stanza15.backup()


# --- archive-push ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kill_9_at_each_durable_step_of_archive_push(make_stanza, strace):
    stanza = make_stanza(15, archiving=False, wal_keep_size="1GB").create()
    cluster = stanza.cluster
    target = system.make_dir(stanza.home / "got") / "RECOVERYXLOG"
    for step in range(1, 50):
        name = cluster.switch_wal()
        path = cluster.data / "pg_wal" / name
        code = result_of(stanza.cairn.start("archive-push", path, under=killed_at(step))).code
        target.unlink(missing_ok=True)
        got = stanza.cairn.run("archive-get", name, target)
        # Certainly absent, or there in full; never half.
        assert got.code in (0, 1) and (code != 0 or got.code == 0), got
        assert stanza.cairn.run("archive-push", path).code == 0
        assert stanza.cairn.run("archive-get", name, target).code == 0
        assert target.read_bytes() == path.read_bytes()
        if code == 0:
            break
    else:
        pytest.fail("archive-push never came through")
    assert step > 1, "no step was hit"


# --- restore --------------------------------------------------------------------------------------------------------


def assert_whole_or_not_startable(stanza, target, rows):
    """After a restore that died: no cluster, or all of it."""
    cluster = stanza.restored(target)
    if (target / "global/pg_control").exists():
        assert cluster.must_start().wait_ready().sql("SELECT count(*) FROM t") == rows
        cluster.stop()
        return True
    assert not cluster.start()
    return False


@pytest.mark.slow
def test_kill_9_at_each_durable_step_of_restore(stanza15, strace):
    stanza15.cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    stanza15.backup()
    stanza15.cluster.wait_for_archived()
    target = stanza15.home / "target"
    for step in range(1, 100):
        shutil.rmtree(target, ignore_errors=True)
        process = stanza15.cairn.start("restore", f"--pg-path={target}", under=killed_at(step))
        code = result_of(process).code
        if target.exists():
            whole = assert_whole_or_not_startable(stanza15, target, "1000")
            assert whole or code != 0
            # The same restore again: it finishes what is unfinished and leaves alone what is complete.
            again = stanza15.try_restore(target)
            assert again.code == (1 if whole else 0), again
            assert assert_whole_or_not_startable(stanza15, target, "1000")
        if code == 0:
            break
    else:
        pytest.fail("the restore never came through")
    assert step > 1, "no step was hit"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_restore_that_is_stopped_while_it_writes(stanza15, number):
    cluster = stanza15.cluster
    cluster.pgbench_init(scale=4)
    cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    stanza15.backup()
    cluster.wait_for_archived()
    stopped = 0
    for files in (1, 100, 400, 800):
        target = stanza15.home / f"target-{files}"
        process = stanza15.cairn.start("restore", f"--pg-path={target}", "--process-max=1", "--limit-rate=2MiB")
        system.wait_until(lambda: process.poll() is not None or len(list(target.rglob("*"))) >= files, what="files", pause=0.002)
        process.send_signal(number)
        code = result_of(process).code
        assert code in (0, -signal.SIGKILL if number == signal.SIGKILL else 130), code
        whole = assert_whole_or_not_startable(stanza15, target, "1000")
        assert whole == (code == 0) or number == signal.SIGKILL
        stopped += not whole
        if not whole and stopped == 1:
            assert stanza15.try_restore(target).code == 0  # the same restore again finishes it
            restored = stanza15.restored(target).must_start().wait_ready()
            assert restored.table_hashes() == cluster.table_hashes()
            restored.stop()
        shutil.rmtree(target)
    assert stopped, "every restore was faster than its signal"


@pytest.mark.parametrize("lost", [["backup_label"], ["backup_label", "recovery.signal"]], ids=" ".join)
def test_a_restored_cluster_cannot_start_without_its_backup_label(stanza, lost):
    """It would begin at the wrong checkpoint and be corrupt, without a word. Whoever removes the file "because the
    server complains" gets a server that refuses."""
    stanza.cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    stanza.backup()
    stanza.cluster.wait_for_archived()
    stanza.cluster.stop()
    restored = stanza.restore()
    kept = {name: (restored.data / name).read_bytes() for name in lost}
    for name in lost:
        (restored.data / name).unlink()
    assert not restored.start()
    assert "could not locate a valid checkpoint record" in restored.log_text() or "invalid" in restored.log_text()
    assert "database system is ready" not in restored.log_text()
    for name, content in kept.items():
        system.write(restored.data / name, content, 0o600)
    assert restored.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1000"


@pytest.mark.slow
def test_the_primary_crashes_under_load_and_the_archive_still_restores(stanza):
    """After a crash the archiver may offer again what it had already archived."""
    cluster = stanza.cluster
    cluster.pgbench_init(scale=2)
    with Load(cluster):
        stanza.backup()
        cluster.switch_wal()
        cluster.crash()
    cluster.must_start()
    cluster.wait_for_archived()
    expected = cluster.table_hashes()
    cluster.stop()
    assert stanza.restore().must_start().wait_ready().table_hashes() == expected
