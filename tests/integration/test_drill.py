"""drill: a good backup is called good, each kind of spoilt one is not, and the live cluster is left alone."""
import itertools
import json
import math
import os
import pathlib
import signal
import subprocess
import time

import pytest

from support import compare, damage, system
from support.pgcairn import result_of
from support.stanza import Stanza
from test_config import move_configuration

FOREIGN_KEY = """
CREATE TABLE parent (a int, b text, PRIMARY KEY (a, b));
CREATE TABLE child (id int PRIMARY KEY, a int, b text, CONSTRAINT "of Parent" FOREIGN KEY (a, b) REFERENCES parent);
INSERT INTO parent SELECT n, 'x' FROM generate_series(1, 100) n;
INSERT INTO child SELECT n, 1 + n % 100, 'x' FROM generate_series(1, 500) n;
INSERT INTO child VALUES (1000, NULL, 'y');
"""


@pytest.fixture(scope="module")
def servers(root, installations, binary, sockets):
    """A stanza of each version, made when it is asked for; all tests of a version share it."""
    made = {}

    def of(version):
        if version not in made:
            home = system.make_dir(root / f"drill{version}", 0o755)
            # Without checksums a spoilt page is copied without a word.
            made[version] = stanza = Stanza(home, installations[version], binary, sockets=sockets, checksums=False).create()
            space = system.make_dir(home / "space")
            stanza.cluster.rows(f"CREATE TABLESPACE apart LOCATION '{space}'")
            stanza.cluster.rows("CREATE TABLE there TABLESPACE apart AS SELECT generate_series(1, 1000)")
            for statement in FOREIGN_KEY.strip().split("\n"):
                stanza.cluster.rows(statement)
            stanza.cairn.tables["stanza.main"].update({"drill-path": home / "drill", "pg-bin": stanza.install.bin})
            stanza.cairn.save()
            stanza.first = stanza.backup()["label"]
            stanza.cluster.rows("CREATE TABLE later AS SELECT 42 AS answer")
            stanza.cluster.wait_for_archived()
        return made[version]
    yield of
    for stanza in made.values():
        stanza.close()


@pytest.fixture
def stanza15(servers):
    return servers(15)


def drill(stanza, *args, code=0):
    result = stanza.cairn.run("drill", "--output=json", *args)
    assert result.code == code, result
    return result.json["drill"]


def records(stanza):
    """Oldest first by the time in each: names tell only the second, and two drills may end in one."""
    found = [json.loads(path.read_text().splitlines()[0]) for path in (stanza.repo / "record/main").glob("*-drill-*")]
    return sorted(found, key=lambda record: record["time"].rstrip("Z"))


def servers_in(folder):
    """Processes that work below the folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in os.readlink(process / "cwd"):
                found.append(process.name)
        except OSError:
            pass
    return found


@pytest.mark.parametrize("version", (15, 17, 18))
def test_a_good_backup_is_good(servers, version):
    stanza = servers(version)
    archive = {path.name for path in stanza.wal_objects()}
    live = [compare.tree_state(folder) for folder in (stanza.cluster.data / "global", stanza.home / "space")]
    result = drill(stanza, "--foreign-keys", "--drill-sql=SELECT answer = 42 FROM later",
                   f"--drill-sql=SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'apart' => {stanza.home}/drill/tablespaces/apart",
                   "--drill-sql=SELECT count(*) FROM there => 1000",
                   "--drill-sql=template1: SELECT 1 + 1 => 2")
    assert result["good"] and result["findings"] == result["notes"] == [] and result["started"]
    assert result["backup"] == stanza.first and result["repository"] == "local"
    assert result["amcheck"] and result["databases"] == 2 and result["relations"] > 500
    assert result["foreign-keys"] == 1 and result["queries"] == 4
    assert result["wal-bytes"] > 0 and result["last-transaction"] and result["restore-seconds"] > 0
    # Nothing is left, nothing was archived, and the live cluster is as it was.
    assert not (stanza.home / "drill").exists() and servers_in(stanza.home / "drill") == []
    assert {path.name for path in stanza.wal_objects()} == archive
    assert [compare.tree_state(folder) for folder in (stanza.cluster.data / "global", stanza.home / "space")] == live
    record = records(stanza)[-1]
    assert record["backup"] == stanza.first and record["good"] and record["wal-bytes"] == result["wal-bytes"]


def test_a_target_and_a_directory_that_is_kept(stanza15):
    """The second drill fetches only what differs."""
    kept = stanza15.home / "kept"
    first = drill(stanza15, f"--drill-path={kept}", "--keep", "--type=immediate",
                  "--drill-sql=SELECT to_regclass('later') IS NULL")
    assert first["good"] and first["kept-in"] == str(kept) and (kept / "data/PG_VERSION").exists()
    assert servers_in(kept) == []
    again = drill(stanza15, f"--drill-path={kept}", "--drill-sql=SELECT answer FROM later => 42")
    assert again["good"] and again["fetched-bytes"] < first["fetched-bytes"] / 2
    assert list(kept.iterdir()) == []  # it was there before this drill


def test_configuration_that_leads_to_the_live_cluster(make_stanza):
    """As Debian has it: outside, naming the live data directory, hba_file and pid file, and libraries."""
    stanza = make_stanza(15).create()
    etc = move_configuration(stanza)
    pid_file = stanza.home / "live.pid"
    system.write(etc / "conf.d/30-live.conf", f"external_pid_file = '{pid_file}'\nssl = on\nlisten_addresses = '127.0.0.1'\n"
                 "shared_preload_libraries = 'nowhere, auto_explain'\nsynchronous_standby_names = 'someone'\n")
    stanza.backup()
    stanza.cluster.wait_for_archived()
    result = drill(stanza, f"--drill-path={stanza.home / 'drill'}", "--drill-sql=SHOW work_mem => 5MB",
                   "--drill-sql=SHOW shared_preload_libraries => auto_explain",
                   "--drill-sql=SELECT current_setting('external_pid_file') || current_setting('synchronous_standby_names') = 'external.pid'",
                   "--drill-sql=SHOW hba_file => " + str(stanza.home / "drill/server/hba.conf"), code=1)
    assert result["findings"] == [] and ['"nowhere"' in one for one in result["unproved"]] == [True], result
    assert not pid_file.exists() and stanza.cluster.pid()


def test_answers_that_are_wrong(stanza15):
    stanza15.cairn.tables["stanza.main"]["drill-sql"] = ["SELECT count(*) FROM child => 7", "SELECT 1 FROM nowhere"]
    stanza15.cairn.save()
    try:
        told = stanza15.cairn.run("drill", "--no-record")
    finally:
        del stanza15.cairn.tables["stanza.main"]["drill-sql"]
        stanza15.cairn.save()
    assert told.code == 4 and "NOT GOOD" in told.out, told
    assert '"SELECT count(*) FROM child" gives 501 instead of 7' in told.out
    assert "nowhere" in told.out


@pytest.fixture
def spoilt(stanza15):
    """The server, to be spoilt before a backup that goes with the test."""
    made = []

    def back_up():
        made.append(stanza15.backup()["label"])
        stanza15.cluster.wait_for_archived()
        return made[-1]
    stanza15.back_up = back_up
    yield stanza15
    stanza15.cluster.rows("DROP TABLE IF EXISTS spoilt CASCADE")
    for label in made:
        stanza15.marker(label).unlink()


def test_a_row_without_its_parent(spoilt):
    spoilt.cluster.rows("CREATE TABLE spoilt (LIKE child INCLUDING ALL)")
    spoilt.cluster.rows('ALTER TABLE spoilt ADD CONSTRAINT "to Parent" FOREIGN KEY (a, b) REFERENCES parent')
    spoilt.cluster.rows("SET session_replication_role = replica; INSERT INTO spoilt VALUES (1, 7, 'nobody'), (2, NULL, 'y')")
    label = spoilt.back_up()
    assert drill(spoilt, "--no-record")["good"]  # not asked
    result = drill(spoilt, "--foreign-keys", code=4)
    assert result["findings"] == ['foreign key "to Parent" of public.spoilt in database postgres: 1 rows lack theirs']
    record = records(spoilt)[-1]
    assert record["backup"] == label and not record["good"] and record["findings"] == result["findings"]


def test_an_index_out_of_step(spoilt):
    cluster = spoilt.cluster
    cluster.rows("CREATE TABLE spoilt (id int); CREATE INDEX spoilt_id ON spoilt (id); INSERT INTO spoilt SELECT generate_series(1, 100)")
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'spoilt_id'::regclass"
    cluster.rows(ready.format("false"))
    cluster.rows("INSERT INTO spoilt VALUES (777)")
    cluster.rows(ready.format("true"))
    spoilt.back_up()
    result = drill(spoilt, "--no-record", code=4)
    assert any("spoilt_id" in finding for finding in result["findings"]), result


def test_a_damaged_page(spoilt):
    """A cluster without checksums does not notice by itself."""
    cluster = spoilt.cluster
    cluster.rows("CREATE TABLE spoilt AS SELECT generate_series(1, 1000) AS id")
    cluster.rows("CHECKPOINT")
    _, path = cluster.relation_path("spoilt")
    cluster.stop()
    page = bytearray(path.read_bytes())
    page[24:26] = b"\xff\xff"  # the first line pointer leads out of the page
    path.write_bytes(page)
    cluster.must_start()
    spoilt.back_up()
    result = drill(spoilt, "--no-record", code=4)
    assert any("spoilt" in finding for finding in result["findings"]), result


def test_wal_that_is_missing(spoilt):
    """What the backup needs, and what comes after it."""
    label = spoilt.back_up()
    spoilt.cluster.rows("CREATE TABLE spoilt AS SELECT 1")
    gap = spoilt.cluster.wait_for_archived()
    spoilt.cluster.rows("INSERT INTO spoilt VALUES (2)")
    spoilt.cluster.wait_for_archived()
    aside = spoilt.home / "aside"
    backup = next(b for b in spoilt.backups() if b["label"] == label)
    for segment, words in ((gap, "later WAL cannot be replayed"), (backup["wal-stop"], "the archive lacks")):
        wal = spoilt.wal_object(segment)
        wal.rename(aside)
        try:
            result = drill(spoilt, code=4)
        finally:
            aside.rename(wal)
        assert any(segment in finding and words in finding for finding in result["findings"]), result
        assert records(spoilt)[-1]["backup"] == label and not records(spoilt)[-1]["good"]


def test_a_pack_that_is_missing(spoilt):
    label = spoilt.back_up()
    pack = spoilt.packs(label)[0]
    pack.rename(spoilt.home / "aside")
    result = drill(spoilt, f"--set={label}", code=4)
    assert result["backup"] == label and "the pack is missing" in result["findings"][0] and not result["started"]
    assert records(spoilt)[-1]["backup"] == label
    # As a restore does, one that names no backup passes over it.
    result = drill(spoilt, "--no-record")
    assert result["backup"] != label and any(label in note and "skipped" in note for note in result["notes"])


def test_wal_that_is_spoilt(spoilt):
    """A segment that can be fetched and not replayed: archived so, with all its checks."""
    spoilt.back_up()
    spoilt.cluster.rows("CREATE TABLE spoilt AS SELECT generate_series(1, 20000)")
    last = spoilt.cluster.wait_for_archived()
    spoilt.cluster.rows("INSERT INTO spoilt VALUES (0)")
    spoilt.cluster.wait_for_archived()
    wal = spoilt.wal_object(last)
    whole = wal.read_bytes()
    segment = bytearray(subprocess.run(["zstd", "-dc"], input=whole, stdout=subprocess.PIPE, check=True).stdout)
    segment[8192 * 5:8192 * 6] = bytes(8192)
    wal.unlink()
    spoiled = system.write(spoilt.home / last, bytes(segment))
    try:
        spoilt.cairn.ok("archive-push", spoiled)
        result = drill(spoilt, "--no-record", code=4)
    finally:
        wal.unlink()
        system.write(wal, whole)
    assert any("cannot be replayed" in finding or "log ends" in finding for finding in result["findings"]), result


def test_what_is_refused(stanza15):
    home = stanza15.home
    inside = stanza15.cluster.data / "inside"
    linked = home / "linked"
    linked.symlink_to(stanza15.cluster.data)
    foreign = system.make_dir(home / "foreign")
    system.write(foreign / "letter", "dear")
    for path, words in ((stanza15.cluster.data, "is also the data directory"), (inside, "is in the data directory"), (home, "holds"),
                        (linked / "inside", "is in the data directory"), (home / "space/inside", "is in tablespace"), (stanza15.repo / "x", "is in repository"),
                        (foreign, "is not empty"), (home / ("long" * 25), "too long")):
        before = compare.tree_state(stanza15.cluster.data / "global")
        refused = stanza15.cairn.run("drill", f"--drill-path={path}")
        assert refused.code == 2 and words in refused.err, refused
        assert compare.tree_state(stanza15.cluster.data / "global") == before
    assert (foreign / "letter").exists() and not inside.exists()
    for wrong, code, words in ((["--pg-bin=/nonexistent"], 13, "the programs of PostgreSQL 15 were not found"),
                               (["--type=standby"], 2, "--type"), (["--set=20200101-000000F"], 10, "20200101-000000F")):
        refused = stanza15.cairn.run("drill", *wrong)
        assert refused.code == code and words in refused.err, refused
    assert not (home / "drill").exists()


def test_recovery_that_takes_too_long(stanza15):
    """One limit for all of it, and no word against the backup."""
    began = time.monotonic()
    drill(stanza15, "--no-record")
    long_enough = math.ceil(4 * (time.monotonic() - began))  # to get to the query
    result = drill(stanza15, f"--drill-timeout={long_enough}s", "--drill-sql=SELECT pg_sleep(1000)", code=1)
    assert result["findings"] == [] and "did not finish within" in result["unproved"][0] and not result["good"], result
    assert not any("pg_sleep" in str(record) for record in records(stanza15))
    early = stanza15.cairn.run("drill", "--drill-timeout=0s", "--no-record")
    assert early.code == 1 and "did not finish within" in early.out + early.err, early
    assert servers_in(stanza15.home / "drill") == []


def test_root_drills_as_the_owner(stanza15):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    done = system.run(stanza15.cairn.command("drill", "--no-record"), check=False, as_server=False)
    assert done.returncode == 0 and "running as" in done.stderr and "GOOD" in done.stdout, done


@pytest.mark.parametrize("how", (signal.SIGTERM, signal.SIGKILL))
def test_an_interrupted_drill_leaves_no_server(stanza15, how):
    """It is interrupted while a query runs that never ends."""
    folder = stanza15.home / "drill"
    process = stanza15.cairn.start("drill", "--drill-sql=SELECT pg_sleep(1000)", "--no-record")
    system.wait_until(lambda: servers_in(folder) or process.poll() is not None, what="the drill's server", pause=0.02)
    log = folder / "server/postgresql.log"
    if how == signal.SIGTERM:
        system.wait_until(lambda: log.exists() and "ready to accept" in log.read_text(errors="replace"), what="the end of recovery")
    process.send_signal(how)
    ended = result_of(process)
    assert ended.code == (130 if how == signal.SIGTERM else -signal.SIGKILL), ended
    system.wait_until(lambda: not servers_in(folder), what="the server's end")
    assert folder.exists() == (how == signal.SIGKILL)
    # What is left does not keep the next drill from its work.
    assert drill(stanza15, "--no-record")["good"]
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_drill_without_amcheck_says_so(stanza15):
    """It takes as long as the recovery, and is still good."""
    stanza15.backup()
    checked = drill(stanza15, "--no-amcheck")
    assert not checked["amcheck"] and checked["good"], checked
    assert "tables and indexes were not checked: --no-amcheck" in checked["notes"], checked
