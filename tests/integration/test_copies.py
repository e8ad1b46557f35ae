"""Copies beside their original, which runs on: nothing that a copy does reaches its archive, files or publishers."""
import os
import random
import re

import pytest

from support import compare, system
from support.cluster import PgCluster
from support.radosgw import free_port

SEED = int(os.environ.get("PGCAIRN_TEST_SEED", random.randrange(1 << 30)))
PROMOTE = "--target-action=promote"


@pytest.fixture
def rng():
    print(f"PGCAIRN_TEST_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture
def original(stanza):
    """A running cluster that holds all that a copy could take from it, with a backup."""
    cluster = stanza.cluster
    cluster.configure(external_pid_file=str(stanza.home / "main.pid"), listen_addresses="127.0.0.1", synchronous_standby_names="",
                      log_directory=str(system.make_dir(stanza.home / "logs")), cluster_name="main")
    cluster.stop()
    cluster.port = free_port()  # it listens on the network
    stanza.point_at(cluster)
    cluster.must_start()
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza.backup()
    cluster.rows("INSERT INTO t VALUES (2)")
    cluster.wait_for_archived()
    return stanza


def settings_of(cluster, *names):
    return [cluster.sql(f"SHOW {name}") or "" for name in names]


def plain(stanza, target):
    """A copy as an operator starts it: with the command that restore shows, and nothing of the tests' own."""
    copy = stanza.track(PgCluster(stanza.install, target, stanza.sockets))
    auto = (copy.data / "postgresql.auto.conf").read_text()
    copy.port = int(re.search(r"^port = '(\d+)'", auto, re.M).group(1))
    copy.overrides = {}
    return copy


def archived(stanza):
    return {path: path.read_bytes() for path in stanza.wal_objects()}


def late_tablespace(stanza, name="late"):
    """Made after the backup, with a table; the WAL of it is archived."""
    location = stanza.cluster.create_tablespace(name, stanza.home / name)
    stanza.cluster.rows(f"CREATE TABLE {name}_t TABLESPACE {name} AS SELECT generate_series(1, 1000) AS i")
    stanza.cluster.rows("CHECKPOINT")
    stanza.cluster.wait_for_archived()
    return location


def test_a_started_copy_leaves_its_original_alone(original, rng):
    stanza, live = original, original.cluster
    kind = rng.choice((("--type=default",), ("--type=immediate", PROMOTE), ("--type=none",), ("--type=lsn", "--target-exclusive",
                       f"--target={live.sql('SELECT pg_current_wal_insert_lsn()')}", PROMOTE)))
    if "--type=lsn" in kind:
        live.rows("INSERT INTO t VALUES (3)")
        live.wait_for_archived()
    print(kind)
    result = stanza.try_restore(stanza.home / "copy", *kind)
    assert result.code == 0 and "isolated" in result.out and "archive_mode=off" in result.out, result
    copy = plain(stanza, stanza.home / "copy")
    assert f"its port is {copy.port}" in result.out and copy.port != live.port
    before = archived(stanza)
    pid = (stanza.home / "main.pid").read_text()
    logs = sorted(os.listdir(stanza.home / "logs"))
    copy.must_start().wait_ready()
    assert settings_of(copy, "archive_mode", "archive_command", "listen_addresses", "external_pid_file", "log_directory",
                       "max_logical_replication_workers", "cluster_name", "primary_conninfo", "synchronous_standby_names") == [
                           "off", "(disabled)", "", "external.pid", "log", "0", "copy of main", "", ""]
    copy.rows("CREATE TABLE of_the_copy AS SELECT 1")
    copy.switch_wal()
    copy.stop()
    assert (stanza.home / "main.pid").read_text() == pid and sorted(os.listdir(stanza.home / "logs")) == logs
    assert archived(stanza) == before
    live.rows("INSERT INTO t VALUES (4)")
    live.wait_for_archived()
    assert live.sql("SELECT failed_count FROM pg_stat_archiver") == "0"


@pytest.mark.slow
def test_a_copy_of_a_subscriber_leaves_its_slot_alone(make_stanza, installations, sockets):
    stanza = make_stanza(15).create()
    subscriber = stanza.cluster
    publisher = stanza.track(PgCluster.create(installations[15], stanza.home / "publisher", sockets, wal_level="logical")).must_start()
    publisher.rows("CREATE TABLE orders (i int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE orders")
    subscriber.rows("CREATE TABLE orders (i int PRIMARY KEY)")
    subscriber.rows(f"CREATE SUBSCRIPTION s CONNECTION 'host={sockets} port={publisher.port} user=postgres dbname=postgres' PUBLICATION p")
    publisher.rows("INSERT INTO orders SELECT generate_series(1, 100)")
    system.wait_until(lambda: subscriber.sql("SELECT count(*) FROM orders") == "100", what="the subscription")
    stanza.backup()
    subscriber.wait_for_archived()
    copy = stanza.restore("copy").must_start().wait_ready()
    subscriber.stop()
    publisher.rows("INSERT INTO orders SELECT generate_series(101, 200)")
    # It has no process that could take the slot, now or later.
    assert copy.sql("SHOW max_logical_replication_workers") == "0"
    assert copy.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'logical replication'") == "0"
    assert publisher.sql("SELECT count(*) FROM pg_replication_slots WHERE active") == "0"
    assert copy.sql("SELECT count(*) FROM orders") == "100"
    subscriber.must_start()
    system.wait_until(lambda: subscriber.sql("SELECT count(*) FROM orders") == "200", what="all that was published")


def test_what_takes_the_originals_place_and_what_is_given_back(stanza15, rng):
    stanza = stanza15
    stanza.backup()
    link = stanza.home / "link"
    link.symlink_to(stanza.home)
    elsewhere = stanza.home / "elsewhere"

    def isolation(*args, place=elsewhere):
        result = stanza.try_restore(place, "--dry-run", "--output=json", *args)
        assert result.code == 0, result
        return result.json["restore"]["isolation"]
    assert isolation()["archive_mode"] == "off"
    assert isolation("--replace") == {} and isolation("--type=standby") == {}
    assert "listen_addresses" not in isolation("--recovery-option=listen_addresses=*")
    kept = isolation("--archive-mode=preserve")
    assert "archive_mode" not in kept and "archive_command" not in kept and kept["listen_addresses"] == ""
    # The original's own place, however it is spelt, is no copy.
    stanza.cluster.stop()
    stanza.cluster.data.rename(stanza.home / "before")
    for place in (stanza.cluster.data, link / "data", stanza.home / "x/../data"):
        assert isolation(place=place) == {}, place
    (stanza.home / "before").rename(stanza.cluster.data)
    for place in (link / "data", stanza.home / "repo/../data"):
        assert isolation("--delta", place=place) == {}, place


def test_a_late_tablespace_keeps_a_copy_from_being_planned(original):
    stanza = original
    location = late_tablespace(stanza)
    stanza.cluster.rows("INSERT INTO t VALUES (3)")
    stanza.cluster.wait_for_archived()
    before = compare.tree_state(location)
    target = stanza.home / "copy"
    refused = stanza.try_restore(target)
    assert refused.code == 2 and str(location) in refused.err and not target.exists(), refused
    assert "--allow-tablespace" not in refused.err
    for args in (["--replace"], ["--type=standby"], [f"--allow-tablespace={location}"]):  # the original runs
        other = stanza.try_restore(target, "--dry-run", *args)
        assert other.code == 2 and f'the cluster in "{stanza.cluster.data}" has a tablespace' in other.err, other
        assert "--allow-tablespace" not in other.err and not re.search("hint: or", other.err)
    nearest = re.search(r"--type=lsn --target=([0-9A-F/]+)", refused.err).group(1)
    created = re.search(r"\(at ([0-9A-F/]+)\)", refused.err).group(1)
    for number, target_options in enumerate(([f"--target={nearest}"], [f"--target={created}", "--target-exclusive"])):
        copy = stanza.restore(f"copy{number}", "--type=lsn", *target_options, PROMOTE).must_start().wait_ready()
        assert copy.sql("SELECT count(*) FROM t") == "2" and copy.sql("SELECT count(*) FROM pg_tablespace") == "2"
        copy.stop()
    # A target moved on by hand, with all that is allowed as it was.
    moved = stanza.restore("moved", "--type=lsn", f"--target={nearest}")
    with open(moved.data / "postgresql.auto.conf", "a", encoding="utf-8") as conf:
        conf.write("recovery_target_lsn = ''\n")
    moved.start()
    moved.stop()
    assert compare.tree_state(location) == before
    # In the original's place, once it is stopped, and where it does not have it, by name, it is allowed and named.
    stanza.cluster.stop()
    assert stanza.try_restore(target, "--dry-run", f"--allow-tablespace={location}").code == 2
    links = stanza.cluster.data / "pg_tblspc"
    for args, moved in ((["--replace"], False), (["--type=standby"], False), ([f"--allow-tablespace={location}"], True)):
        if moved:
            links.rename(stanza.home / "links")
        result = stanza.try_restore(target, "--dry-run", "--output=json", *args)
        assert result.code == 0, result
        plan = result.json["restore"]
        assert [(one["location"], one["lsn"]) for one in plan["late-tablespaces"]] == [(str(location), created)]
    (stanza.home / "links").rename(links)
    stanza.cluster.must_start()
    # A backup that has it can be placed.
    stanza.backup()
    stanza.cluster.wait_for_archived()
    copy = stanza.restore("placed", f"--tablespace-map=late={stanza.home / 'placed-late'}").must_start().wait_ready()
    assert copy.sql("SELECT count(*) FROM late_t") == "1000"
    assert compare.tree_state(location) == before


def test_what_is_configured_nowhere_is_no_copy(stanza15):
    stanza = stanza15
    stanza.backup()
    own, target = str(stanza.cluster.data), stanza.home / "place"

    def plan(*args, env=None):
        result = stanza.cairn.run("restore", "--dry-run", "--output=json", *args, env=env)
        assert result.code == 0, result
        shown = result.json["restore"]
        return bool(shown["isolation"]), any("no pg-path is configured" in note for note in shown["notes"])
    assert plan(f"--pg-path={target}") == (True, False)
    # Where the file has one, another in the environment is a copy's.
    assert plan(env={"PGCAIRN_PG_PATH": str(target)}) == (True, False)
    del stanza.cairn.tables["stanza.main"]["pg-path"]
    stanza.cairn.save()
    assert plan(f"--pg-path={target}") == (False, True)
    assert plan(env={"PGCAIRN_PG_PATH": str(target)}) == (False, False)
    assert plan(f"--pg-path={target}", env={"PGCAIRN_PG_PATH": str(target)}) == (False, False)
    assert plan(f"--pg-path={target}", env={"PGCAIRN_PG_PATH": own}) == (True, False)


def test_a_guard_stops_a_copy_whose_tablespace_came_after_the_plan(original, rng):
    stanza, live = original, original.cluster
    allowed = rng.random() < 0.5
    location = stanza.home / "later"
    args = [f"--allow-tablespace={location}"] if allowed else []
    copy = stanza.restore("copy", *args)
    live.create_tablespace("later", location)
    live.rows("CREATE TABLE later_t TABLESPACE later AS SELECT 1 AS i")
    live.wait_for_archived()
    if allowed:
        live.stop()  # on its own host: here the directory is the copy's
        assert copy.must_start().wait_ready().sql("SELECT i FROM later_t") == "1"
        return
    before = compare.tree_state(location)
    copy.start()
    system.wait_until(lambda: copy.pid() is None, what="recovery to stop")
    log = copy.log_text()
    assert "FATAL" in log and f'in "{location}"' in log and "selected new timeline" not in log, log[-3000:]
    assert compare.tree_state(location) == before
    assert not list((copy.data / "pg_tblspc").iterdir())


def test_a_guard_cuts_what_is_read_ahead_of_the_end(original, rng):
    """The server reads ahead of the end by the size of the records, however many segments they are in."""
    stanza, live = original, original.cluster
    stanza.backup()
    start, end = (stanza.backups()[-1][name] for name in ("start-lsn", "stop-lsn"))
    for _ in range(rng.randint(2, 6)):
        live.switch_wal()
    segments = []
    for number in range(2):
        live.create_tablespace(f"later{number}", stanza.home / f"later{number}")
        segments.append(live.switch_wal())
    live.wait_for_archived()
    fetched = stanza.home / "fetched"

    def get(segment, guard):
        fetched.unlink(missing_ok=True)
        return stanza.cairn.run("archive-get", segment, fetched, f"--guard={guard}")
    for number, segment in enumerate(segments):
        result = get(segment, f"{start},{end}")
        assert result.code == 0 and "WARN" in result.err and f"planned to end at {end}" in result.err, result
        assert fetched.stat().st_size == 16 << 20 and str(stanza.home / f"later{number}").encode() not in fetched.read_bytes()
        assert get(segment, start).code == 200 and not fetched.exists()
    copy = stanza.restore("copy", "--type=immediate", PROMOTE).must_start().wait_ready()
    assert copy.sql("SELECT count(*) FROM pg_tablespace WHERE spcname ~ '^later'") == "0"
    assert not list((copy.data / "pg_tblspc").iterdir())
    plan = stanza.try_restore(stanza.home / "planned", "--type=lsn", f"--target={end}", "--target-exclusive")
    until = re.search(r"--guard=[0-9A-F/]+,([0-9A-F/]+)", (stanza.home / "planned/postgresql.auto.conf").read_text()).group(1)
    assert plan.code == 0 and plan.out.count(f"cannot go past LSN {until} without a new restore") == 2, plan


def test_what_is_archived_from_a_directory_that_is_not_the_stanzas(stanza15):
    stanza, live = stanza15, stanza15.cluster
    live.configure(wal_keep_size="1GB")
    live.reload()
    stanza.backup()
    live.wait_for_archived()
    copy = stanza.restore("copy", "--type=none", "--archive-mode=preserve")
    copy.overrides = {}
    copy.must_start().wait_ready()
    segment = copy.switch_wal()
    system.wait_until(lambda: int(copy.sql("SELECT failed_count FROM pg_stat_archiver")) > 0, what="the archiver to be refused")
    assert f'"{copy.data}" archives into stanza "main", whose cluster is in "{live.data}"' in copy.log_text()

    def push(path, cwd):
        return stanza.cairn.run("archive-push", path, cwd=cwd)
    link = stanza.home / "link"
    link.symlink_to(stanza.home)
    for path, cwd in ((f"pg_wal/{segment}", copy.data), (f"pg_wal/{segment}", link / "copy"), (copy.data / "pg_wal" / segment, "/"),
                      (link / "copy/pg_wal" / segment, live.data), (f"../copy/pg_wal/{segment}", live.data)):
        result = push(path, cwd)
        assert result.code == 1 and "a stanza of its own" in result.err, (path, cwd, result)
    # The stanza's own, from anywhere and through links; and a file of no data directory.
    own = live.wait_for_archived()
    for path, cwd in ((f"pg_wal/{own}", live.data), (live.data / "pg_wal" / own, "/"), (link / "data/pg_wal" / own, copy.data),
                      (f"pg_wal/{own}", link / "data"), (f"pg_wal/{own}", "/")):
        assert push(path, cwd).code == 0, (path, cwd)
    rescued = system.write(system.make_dir(stanza.home / "rescued") / own, (live.data / "pg_wal" / own).read_bytes())
    assert push(rescued, "/").code == 0
    # pg_wal elsewhere, behind a link.
    live.stop()
    (live.data / "pg_wal").rename(stanza.home / "wal")
    (live.data / "pg_wal").symlink_to(stanza.home / "wal")
    for path, cwd in ((f"pg_wal/{own}", live.data), (stanza.home / "wal" / own, copy.data)):
        assert push(path, cwd).code == 0, (path, cwd)
    # The operator says that the cluster is there.
    stanza.point_at(copy)
    system.wait_until(lambda: copy.sql("SELECT last_archived_wal IS NOT NULL OR last_failed_wal IS NOT NULL FROM pg_stat_archiver") == "t",
                      what="the archiver")
    assert "archives into stanza" not in push(f"pg_wal/{segment}", copy.data).err
