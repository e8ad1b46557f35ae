"""health and metrics on a real server: what goes wrong is found, what cannot be asked is unknown, and monitoring can
read it. Limits and levels are in the C++ tests; JSON results are checked against their schema (support/schemas.py)."""
import re
import signal
import subprocess

import pytest

from support import records, system
from support.pgcairn import result_of

LEVELS = {0: "ok", 1: "unknown", 3: "warning", 4: "critical"}


def health(stanza):
    """{(check, repository): level} of the findings that are not ok; the exit status is held against the worst."""
    result = stanza.cairn.run("health", "--output=json")
    assert LEVELS[result.code] == result.json["level"] == result.json["stanzas"][0]["level"], result
    return {(one["check"], one["repository"]): one["level"] for one in result.json["stanzas"][0]["findings"]
            if one["level"] != "ok"}


def promtool(text):
    """Check metrics as Prometheus would; it complains of style, too."""
    tool = system.CHECKOUT / "build/rig/promtool"
    assert tool.exists(), "there is no promtool: run scripts/install-deps test"
    done = subprocess.run([str(tool), "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "" and done.stdout == "", done


def metrics(text):
    """{name{labels}: value}"""
    promtool(text)
    return {key: float(value) for key, value in re.findall(r"^(\w+\{.*\}) (\S+)$", text, re.M)}


@pytest.fixture
def watched(stanza15):
    stanza15.cairn.tables["stanza.main"].update({"health-wal-lag-warn": "1MiB", "health-wal-lag-critical": "40MiB",
                                                 "health-free-space-warn": "0%", "health-free-space-critical": "0%"})
    stanza15.cairn.save()
    return stanza15


def test_a_stanza_from_its_first_day_on(watched):
    cluster = watched.cluster
    assert health(watched) == {("restorable", "local"): "critical", ("backup-count", "local"): "critical",
                               ("backup-age", "local"): "critical", ("wal-lag", "local"): "unknown"}
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    label = watched.backup()["label"]
    cluster.wait_for_archived()
    assert health(watched) == {}
    before = {path: path.stat().st_mtime_ns for path in watched.repo.rglob("*")}
    assert watched.cairn.ok("health").out.startswith("stanza main: ok: to ")
    line = watched.cairn.ok("health", "--output=nagios").out
    assert re.fullmatch(r"PGCAIRN OK - main is well \| .*'main/local backup-age'=[0-9.]+s;93600;180000 .*\n", line), line
    assert {path: path.stat().st_mtime_ns for path in watched.repo.rglob("*")} == before  # it only looks

    # The archiver fails, and then falls behind.
    cluster.configure(archive_command="/bin/false")
    cluster.reload()
    failing = cluster.switch_wal()
    cluster.switch_wal()
    system.wait_until(lambda: cluster.sql("SELECT last_failed_wal FROM pg_stat_archiver") == failing, what="a failure")
    assert health(watched) == {("archiver", None): "warning", ("wal-lag", "local"): "warning"}
    line = watched.cairn.run("health", "--output=nagios")
    assert line.code == 1 and line.out.startswith("PGCAIRN WARNING - main: archiver: fails with " + failing), line
    cluster.switch_wal()
    assert health(watched)[("wal-lag", "local")] == "critical"
    assert watched.cairn.run("health", "--output=nagios").code == 2
    cluster.configure(archive_command=watched.archive_command())
    cluster.reload()
    cluster.wait_for_archived()
    assert health(watched) == {}

    # What other runs have found out and decided.
    records.verify(watched, [label], damaged=[label], days_ago=9)
    records.drill(watched, label, days_ago=40)
    stop = records.add(watched, "stop", reason="moving")
    assert health(watched) == {("restorable", "local"): "critical", ("verify", "local"): "critical",
                               ("drill", "local"): "warning", ("stop", "local"): "warning"}
    records.add(watched, "release", records=[stop])
    records.verify(watched, [label], days_ago=8.5)
    records.drill(watched, label)
    assert health(watched) == {("verify", "local"): "warning"}
    records.verify(watched, [label])
    assert health(watched) == {}

    # Nobody answers: one finding of the server, the rest as before.
    cluster.stop()
    assert health(watched) == {("server", None): "unknown"}
    assert watched.cairn.run("health", "--output=nagios").code == 3
    watched.repo.chmod(0)
    assert health(watched) == {("server", None): "unknown", ("repository", "local"): "unknown"}
    watched.repo.chmod(0o750)


def test_a_server_that_went_back_is_critical_at_once(watched):
    """As when its volume was rolled back: the archive is ahead of it."""
    cluster, saved = watched.cluster, watched.home / "saved"
    watched.backup()
    cluster.stop()
    subprocess.run(["cp", "-a", str(cluster.data), str(saved)], check=True)
    cluster.must_start()
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    cluster.wait_for_archived()
    assert health(watched) == {}
    cluster.stop("immediate")
    system.remove_tree(cluster.data)
    saved.rename(cluster.data)
    cluster.must_start()
    assert health(watched) == {("branch", "local"): "critical", ("wal-lag", "local"): "unknown"}


def test_a_lease_that_was_left_behind(watched):
    watched.cluster.create_large(mebibytes=32)
    watched.backup()
    process = watched.start_slow_backup()
    assert health(watched) == {}
    process.send_signal(signal.SIGKILL)
    result_of(process)
    assert health(watched) == {("lease", "local"): "warning"}


def test_metrics(backed_up):
    backed_up.cluster.wait_for_archived()
    records.verify(backed_up, [backed_up.label], days_ago=2)
    records.drill(backed_up, backed_up.label, days_ago=3)
    folder = system.make_dir(backed_up.home / "collector", 0o755)
    file = folder / "pgcairn.prom"
    backed_up.cairn.ok("metrics", f"--file={file}")
    assert [path.name for path in folder.iterdir()] == ["pgcairn.prom"]
    assert file.stat().st_mode & 0o777 == 0o644  # another user collects it
    known = metrics(file.read_text())
    one = 'stanza="main",repository="local"'
    assert known[f"pgcairn_backups{{{one}}}"] == 1
    assert 0 < known[f"pgcairn_backup_age_seconds{{{one}}}"] < 600
    assert known[f"pgcairn_wal_lag_bytes{{{one}}}"] < 1 << 24
    assert known[f"pgcairn_drill_good{{{one}}}"] == 1
    assert 1 < known[f"pgcairn_verify_age_seconds{{{one}}}"] / 86400 < 3
    assert known['pgcairn_server_reachable{stanza="main"}'] == 1
    assert known['pgcairn_archived_segments_total{stanza="main"}'] > 0
    assert known[f'pgcairn_health_status{{{one},check="backup-age"}}'] == 0
    assert metrics(backed_up.cairn.ok("metrics").out).keys() == known.keys()
    assert metrics(backed_up.cairn.run("health", "--output=prometheus").out).keys() == known.keys()

    # What is no longer known is left out, and the file is still valid.
    backed_up.cluster.stop()
    backed_up.cairn.ok("metrics", f"--file={file}")
    less = metrics(file.read_text())
    assert less['pgcairn_server_reachable{stanza="main"}'] == 0
    assert f"pgcairn_wal_lag_bytes{{{one}}}" not in less and less.keys() < known.keys()
    # Where the file cannot be written, the old one stays.
    before = file.read_text()
    with system.read_only(folder):
        refused = backed_up.cairn.run("metrics", f"--file={file}")
        assert refused.code == 1 and "Read-only file system" in refused.err, refused
    assert file.read_text() == before


def test_all_stanzas_of_the_configuration(make_stanza):
    """One that was never created is not passed over."""
    stanza = make_stanza(15).create()
    stanza.backup()
    stanza.cluster.wait_for_archived()
    stanza.cairn.tables["stanza.other"] = {"pg-path": stanza.home / "nowhere", "pg-port": 1, "pg-socket-path": stanza.home}
    stanza.cairn.tables["global"].update({"health-free-space-warn": "0%", "health-free-space-critical": "0%"})
    stanza.cairn.save()
    result = stanza.cairn.run("health", "--output=json")
    levels = {one["name"]: one["level"] for one in result.json["stanzas"]}
    assert (result.code, levels) == (1, {"main": "ok", "other": "unknown"}), result
    assert stanza.cairn.run("health", "--stanza=main").code == 0
    assert 'stanza="other"' in stanza.cairn.ok("metrics").out
    promtool(stanza.cairn.ok("metrics").out)


def test_a_stop_on_this_host_is_told(watched):
    watched.backup()
    watched.cluster.wait_for_archived()
    watched.cairn.tables["global"]["state-path"] = watched.home / "state"  # which stanza-create has made
    watched.cairn.save()
    watched.cairn.ok("stop", "--reason=moving <house>")
    result = watched.cairn.run("health")
    assert result.code == 3 and re.search("WARNING +stop: stopped on this host at .*: moving <house>", result.out), result
    watched.cairn.ok("start")
    assert health(watched) == {}
