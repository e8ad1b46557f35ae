"""Kill -9 at random moments of a restore: what is left never starts half done, and the same command finishes it.

PGCAIRN_RANDOM_KILLS says how many (8), PGCAIRN_RANDOM_SEED repeats a run's moments as far as a clock can.
"""
import os
import random
import signal
import time

import pytest

from support import report, system
from support.moments import Moments
from support.pgcairn import result_of

COUNT = int(os.environ.get("PGCAIRN_RANDOM_KILLS", "8"))
SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
ARGUMENTS = ("--type=name", "--target=here", "--target-action=promote", "--process-max=2",
             "--limit-rate=2MiB")  # most of the time goes into the restore's own work, not into beginning and ending


@pytest.fixture
def source(make_stanza):
    """A small cluster with a tablespace, a backup, a target after it, and rows that come later."""
    stanza = make_stanza(15, segment_mib=1, autovacuum=False, shared_buffers="16MB").create()
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    cluster.rows("CREATE TABLE t AS SELECT g AS x, md5(g::text) AS s FROM generate_series(1, 3000) g")
    cluster.rows("CREATE TABLE far TABLESPACE space AS SELECT * FROM t")
    stanza.backup()
    cluster.rows("INSERT INTO t SELECT g, 'later' FROM generate_series(3001, 3100) g")
    stanza.expected = cluster.table_hashes()
    cluster.rows("SELECT pg_create_restore_point('here')")
    cluster.rows("INSERT INTO t VALUES (0, 'too late')")
    cluster.wait_for_archived()
    cluster.stop()
    return stanza


def assert_whole(stanza, target):
    """It starts, recovers to its target, and holds what was there."""
    cluster = stanza.restored(target)
    try:
        cluster.must_start().wait_ready()
        assert cluster.table_hashes() == stanza.expected
    finally:
        cluster.stop("immediate")
        stanza.clusters.remove(cluster)


@pytest.mark.slow
def test_kill_9_at_random_moments_of_a_restore(source):
    stanza, rng = source, random.Random(SEED)
    print(f"seed {SEED}")
    places = [stanza.home / "target", stanza.home / "space2"]
    arguments = ("restore", f"--pg-path={places[0]}", f"--tablespace-map=space={places[1]}", *ARGUMENTS)

    def clear():
        for place in places:
            system.remove_tree(place)
    started = time.monotonic()
    stanza.cairn.ok(*arguments)
    moments = Moments(rng, time.monotonic() - started)
    assert_whole(stanza, places[0])

    began, counts = time.monotonic(), {}

    def count(what):
        counts[what] = counts.get(what, 0) + 1
    for number in range(10 * COUNT):
        if number >= COUNT and counts.get("killed halfway"):
            break
        clear()
        process = stanza.cairn.start(*arguments)
        moments.wait()
        process.kill()
        code = result_of(process).code
        assert code in (0, -signal.SIGKILL), code
        if code == 0:
            moments.was_too_late()
            count("had finished")
            continue
        moments.was_early()
        if (places[0] / "global/pg_control").exists():
            count("killed when all was there")
            assert_whole(stanza, places[0])
            continue
        if places[0].exists() and os.listdir(places[0]):
            count("killed halfway")
            assert not stanza.restored(places[0]).start()
            stanza.clusters.pop()
        else:
            count("killed before the first file")
        for _again in range(rng.choice([0, 0, 0, 1])):  # the second try is killed, too
            process = stanza.cairn.start(*arguments)
            moments.wait()
            process.kill()
            count("killed again")
            if result_of(process).code == 0 or (places[0] / "global/pg_control").exists():
                break
        else:
            stanza.cairn.ok(*arguments)
        assert_whole(stanza, places[0])
    told = ", ".join(f"{times} {what}" for what, times in sorted(counts.items()))
    report.line(f"pg15: kill -9 at {number} random moments of a restore, seed {SEED}, in "
                        f"{time.monotonic() - began:.0f} s: {told}")
    assert counts.get("killed halfway"), f"no kill hit the restore: {told}"
