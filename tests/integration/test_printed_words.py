"""What is printed can be typed: commands after a restore and in hints, and the plan beside a running server."""
import re
import shlex

import pytest

from support import compare, system

PG_CTL = "/usr/lib/postgresql/15/bin/pg_ctl"


@pytest.fixture
def backed_up(stanza15):
    stanza15.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza15.backup()
    stanza15.cluster.wait_for_archived()
    return stanza15


def typed(line, cwd="/"):
    """Run a printed line as the server's user would type it, without a terminal."""
    return system.run(["sh", "-c", line.strip()], cwd=cwd)


def line_with(text, word):
    lines = [line for line in text.splitlines() if word in line]
    assert len(lines) == 1, text
    return lines[0].strip()


def start_line(text):
    return line_with(text, f"  {PG_CTL} -D ")


def sql_of(cluster, data, query):
    """Ask the server of a data directory, wherever it listens."""
    pid = (data / "postmaster.pid").read_text().splitlines()
    cluster.port, cluster.sockets = int(pid[3]), pid[4]
    return cluster.sql(query)


# --- the plan beside a running server -----------------------------------------------------------------------------------

def test_a_dry_run_beside_the_running_server_shows_the_plan_and_how_to_stop_it(backed_up):
    cluster, cairn = backed_up.cluster, backed_up.cairn
    before = compare.tree_state(cluster.data / "global")
    for args in ([], ["--delta"], ["--type=immediate"]):
        dry = cairn.ok("restore", "--dry-run", *args)
        lines = dry.out.splitlines()
        assert lines[0].startswith("restore of stanza main") and any(line.startswith("  fetch ") for line in lines), dry
        assert lines[-2:] == ["dry run: nothing was touched",
                              f"stop the server first: {PG_CTL} -D {cluster.data} -m fast stop"]
        assert ("this is the plan with --delta" in lines[1]) == ("--delta" not in args), dry
    shown = cairn.ok("restore", "--dry-run", "--output=json").json["restore"]
    assert shown["server-runs"] and shown["delta"] and shown["dry-run"]
    assert cluster.pid() and compare.tree_state(cluster.data / "global") == before
    for args in ([], ["--server-is-stopped", "--dry-run"]):  # only a plan is shown beside it, and no lie believed
        refused = cairn.run("restore", "--delta", *args)
        assert refused.code == 1 and "PostgreSQL is running" in refused.err and cluster.pid()

    typed(lines[-1].partition(": ")[2])
    assert cluster.pid() is None
    done = cairn.ok("restore", "--delta").out
    typed(start_line(done))
    assert sql_of(cluster, cluster.data, "SELECT x FROM t") == "1"


def test_a_drill_tells_the_plan_how_long_a_restore_takes(backed_up):
    plan = ("restore", "--dry-run", f"--pg-path={backed_up.home / 'copy'}")
    assert "takes       not known: no drill has measured it" in backed_up.cairn.ok(*plan).out
    backed_up.cairn.ok("drill", f"--drill-path={backed_up.home / 'drill'}")
    assert re.search(r"takes       about \S+ to restore.*, by the drill of 20\d\d-", backed_up.cairn.ok(*plan).out)


# --- commands that start servers ----------------------------------------------------------------------------------------

def test_a_copys_port_is_not_the_originals_that_is_down(backed_up):
    """Neither that, nor one that somebody listens on; and the copy leaves the original's pid file alone."""
    cluster, cairn = backed_up.cluster, backed_up.cairn
    pid_file = backed_up.home / "live.pid"
    system.write(pid_file, "the original's")
    cluster.stop()
    cluster.configure(external_pid_file=str(pid_file), port=cluster.port)
    copy = backed_up.home / "copy"
    done = cairn.ok("restore", f"--pg-path={copy}").out
    port = int(line_with(done, "its port is").rpartition(" ")[2].rstrip("."))
    assert port > cluster.port
    start = start_line(done)
    assert start == f"{PG_CTL} -D {copy} -l {copy}/start.log start"
    restored = backed_up.restored(copy)
    typed(start)
    assert sql_of(restored, copy, "SELECT x FROM t") == "1" and restored.port == port
    other = backed_up.home / "other"
    shown = cairn.ok("restore", "--dry-run", f"--pg-path={other}", "--output=json").json["restore"]["isolation"]["port"]
    assert int(shown) not in (cluster.port, port)
    restored.stop()
    assert pid_file.read_text() == "the original's"


def test_what_a_drill_keeps_is_started_by_the_command_that_it_prints(backed_up):
    folder = backed_up.home / "kept"
    said = backed_up.cairn.ok("drill", f"--drill-path={folder}", "--keep").out
    start = start_line(said)
    assert start.startswith(f"{PG_CTL} -D {folder}/data -o ") and start.endswith(f" -l {folder}/data/start.log start")
    kept = backed_up.restored(folder / "data")
    typed(start)
    assert sql_of(kept, folder / "data", "SELECT x FROM t") == "1" and kept.port != backed_up.cluster.port
    assert (kept.sql("SHOW archive_mode"), kept.sql("SHOW listen_addresses") or "") == ("off", "")


# --- commands in hints --------------------------------------------------------------------------------------------------

def test_a_command_in_a_hint_has_the_options_of_this_run(backed_up):
    cairn = backed_up.cairn
    target = backed_up.home / "target"
    refused = cairn.run("restore", "--stanza=main", "--repo=local", "--set=20200101-000000F", f"--pg-path={target}")
    assert refused.code == 10
    command = re.search(r'"pgcairn ([^"]*)"', refused.err)[1]
    assert shlex.split(command) == [f"--config={cairn.config}", "--stanza=main", "--repo=local", "info"]
    assert backed_up.labels()[0] in typed(f"{cairn.binary} {command}").stdout
