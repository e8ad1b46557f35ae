"""What every store across a network has to show, whatever its kind: its driver's contract, faults that pass, requests counted."""
import itertools
import os
import random
import subprocess

from . import system
from .faulty_proxy import FAULTS

TESTS = system.CHECKOUT / "build/dev/tests/pgcairn-tests"


def keep_the_contract(environment, tests="[contract]"):
    """Run the C++ tests of what every driver promises on the store that `environment` tells of. What the whole contract came to is kept
    for scripts/contract-table."""
    done = subprocess.run([TESTS, tests, "-r", "junit"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=900,
                          check=False)
    if tests == "[contract]":
        results = system.CHECKOUT / "build/test-results/contract"
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{environment['PGCAIRN_TEST_STORE']}.xml").write_text(done.stdout)
    assert done.returncode == 0, done.stdout
    assert 'failures="0"' in done.stdout and done.stdout.count("<testcase") >= (16 if tests == "[contract]" else 1), done.stdout


def every_fault_passes_by(proxied):
    """Each request may fail when it is made first, in every way that the proxy knows; nothing is lost and nothing doubled."""
    seed = int(os.environ.get("PGCAIRN_TEST_SEED", random.randrange(1 << 32)))
    print(f"PGCAIRN_TEST_SEED={seed}")
    dice = random.Random(seed)
    order = itertools.cycle(dice.sample(FAULTS, len(FAULTS)))

    def plan(method, path, count):
        return None if count > 0 or dice.random() > 0.5 else next(order)

    cluster = proxied.cluster
    cluster.rows("CREATE TABLE t AS SELECT g AS x, md5(g::text) AS y FROM generate_series(1, 200000) g")
    proxied.proxy.plan = plan
    proxied.cairn.tables["repo.local"]["io-timeout"] = "2s"  # for those that stall
    proxied.cairn.save()
    label = proxied.backup()["label"]
    cluster.rows("UPDATE t SET y = 'new' WHERE x <= 1000")
    later = proxied.backup(type="incr")
    assert proxied.labels() == [label, later["label"]]
    proxied.cairn.ok("verify", "--level=full", "--log-level=detail")
    _, moment = cluster.moment()
    cluster.switch_wal()
    cluster.wait_for_archived()
    restored = proxied.restore("restored", "--type=time", f"--target={moment}", "--target-action=promote").must_start()
    assert restored.rows("SELECT count(*), count(*) FILTER (WHERE y = 'new') FROM t") == [["200000", "1000"]]
    assert set(FAULTS) <= set(proxied.proxy.happened), proxied.proxy.happened


def requests_are_counted(proxied, writes=lambda method, path: method == "PUT"):
    """A backup writes its packs and little more; WAL is one request a segment."""
    cluster, proxy = proxied.cluster, proxied.proxy
    cluster.pgbench_init(3)
    cluster.switch_wal()
    cluster.wait_for_archived()
    proxy.requests.clear()
    backup = proxied.backup()
    packs = proxied.cairn.ok("verify", "--output=json").json["verify"]["repositories"][0]["packs"]
    of_backup = [path for method, path in proxy.requests if writes(method, path) and "/wal/" not in path]
    assert len(of_backup) <= packs + 7, of_backup  # and the lease's documents, the manifest, the marker, the record of verify
    segment = cluster.switch_wal()
    cluster.wait_for_archived()
    # What the archiver knows of the repository is a moment old.
    (proxied.cairn.state_path / "recall/local").unlink(missing_ok=True)
    cluster.switch_wal()
    cluster.wait_for_archived()
    target = proxied.home / "segment"
    proxy.requests.clear()
    proxied.cairn.ok("archive-get", segment, target)
    assert len(proxy.requests) == 1 and proxy.requests[0][0] == "GET" and segment in proxy.requests[0][1], proxy.requests
    target.unlink()
    proxy.requests.clear()
    segment = cluster.switch_wal()
    cluster.wait_for_archived()
    assert all(writes(method, path) for method, path in proxy.requests) and len(proxy.requests) == len(set(proxy.requests)), proxy.requests
    assert [path for _, path in proxy.requests if segment in path]
    proxied.cairn.ok("archive-get", segment, target)
    assert target.stat().st_size == 16 << 20 and backup["stored-bytes"] > 0
