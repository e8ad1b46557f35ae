"""Incremental and differential backups, case by case: where ways of telling what changed are known to go wrong. Each backup is
restored to its own end and compared with what was true there; PostgreSQL checks the rest."""
import random
import signal

import pytest

from support import damage, system, truth
from support.pgcairn import result_of

# What the server writes of WAL that changed nothing: magic, the entry that ends the list, CRC-32C.
EMPTY_SUMMARY = bytes.fromhex("7b132b65" + 24 * "00" + "b871164b")
ROWS = "INSERT INTO {0} SELECT i, repeat(md5(i::text), 20) FROM generate_series({1}, {2}) i"


class Case:
    """A cluster with a table of some megabytes, and no other changes than the test's."""

    def __init__(self, make_stanza, version, summarize=True, **settings):
        settings = {"autovacuum": False, "checkpoint_timeout": "1h", "max_wal_size": "2GB", **settings}
        if version >= 17:
            settings["summarize_wal"] = summarize
        self.stanza = make_stanza(version, **settings).create()
        self.cluster = self.stanza.cluster
        self.usual = "summaries" if version >= 17 and summarize else "compare"
        self.restores = 0
        self.sql("CREATE TABLE t (i int PRIMARY KEY, s text)")
        self.fill("t", 1, 5000)

    def sql(self, *statements, database="postgres"):
        for statement in statements:
            self.cluster.rows(statement, database)

    def fill(self, table, first, last):
        self.sql(ROWS.format(table, first, last))

    def shrink(self, table, left):
        """Have VACUUM cut the end off."""
        self.sql(f"DELETE FROM {table} WHERE i > {left}", f"VACUUM {table}")

    def full(self):
        return self.stanza.backup(type="full")

    def backup(self, kind="incr", *args, method=None, expect=None):
        """A backup that must be of that type, and have told changes in that way."""
        if (method or self.usual) == "summaries":
            system.wait_until(lambda: self.cluster.sql("SELECT summarizer_pid FROM pg_get_wal_summarizer_state()"), what="the summarizer")
        backup, self.said = self.stanza.backup_aloud(*args, type=kind)
        assert backup["type"] == (expect or kind), (backup, self.said)
        assert backup["method"] == (method or (self.usual if backup["type"] != "full" else "all")), (backup, self.said)
        assert "do not say so" not in self.said, self.said
        return backup

    def summaries(self):
        """The files of the WAL summarizer, which has come to the last checkpoint; it writes each under another name first."""
        system.wait_until(lambda: self.cluster.sql("SELECT summarized_lsn >= redo_lsn FROM pg_get_wal_summarizer_state(),"
                                                   " pg_control_checkpoint()") == "t", what="the summarizer")
        return sorted((self.cluster.data / "pg_wal/summaries").glob("0*.summary"))

    def check(self, backup, whole=True):
        """Restore the backup; it must have what the cluster has now, and be whole."""
        expected = truth.contents(self.cluster)
        self.restores += 1
        restored = truth.restored_to_its_end(self.stanza, backup, f"r{self.restores}")
        wrong = truth.different(expected, truth.contents(restored))
        assert not wrong, (backup["label"], wrong)
        if whole:
            truth.check_whole(restored)
        restored.stop()
        system.remove_tree(restored.data)


@pytest.fixture
def case(make_stanza, postgres):
    return Case(make_stanza, postgres.version)


@pytest.fixture
def make_case(make_stanza):
    return lambda version, **kw: Case(make_stanza, version, **kw)


def both(case, change):
    """full, change, incr, change, diff: the two ways of building on the full backup."""
    case.full()
    change()
    case.check(case.backup("incr"))
    case.check(case.backup("diff"))


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", (False, True), ids=("one-summary", "many-summaries"))
def test_truncation_by_vacuum_then_regrowth(case, checkpoints):
    def change():
        case.shrink("t", 10)
        if checkpoints:
            case.sql("CHECKPOINT")
        case.fill("t", 11, 4500)
        if checkpoints:
            case.sql("CHECKPOINT")
            case.shrink("t", 2000)
            case.sql("CHECKPOINT")
            case.fill("t", 2001, 4000)
    both(case, change)


@pytest.mark.slow
def test_truncation_regrowth_and_promotion_in_between(make_case, postgres):
    """The standby takes the primary's place; what was cut off on timeline 1 grows again on timeline 2."""
    case = make_case(postgres.version, archive_timeout=1, wal_keep_size="1GB")  # that proves the older backup
    stanza = case.stanza
    standby = stanza.track(case.cluster.make_standby(stanza.home / "standby"))
    case.full()
    case.shrink("t", 10)
    case.sql("CHECKPOINT")
    case.cluster.wait_for_archived()
    lsn = case.cluster.sql("SELECT pg_current_wal_insert_lsn()")
    system.wait_until(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t", what="the standby to follow")
    case.cluster.stop()
    standby.rows("SELECT pg_promote()")
    standby.wait_ready()
    stanza.point_at(standby)
    standby.configure(archive_command=stanza.archive_command())
    standby.reload()
    case.cluster = standby
    case.fill("t", 11, 4500)
    standby.rows("CHECKPOINT")
    backup, said = stanza.backup_aloud(type="incr")
    assert backup["type"] == "incr" and backup["method"] == case.usual, (backup["method-reason"], said)
    case.check(backup)


@pytest.mark.slow
def test_what_changed_while_the_older_backup_ran(case):
    """The older backup has a page as it was when the page was read, so what counts is its start, not its end."""
    case.cluster.create_large()
    # What comes before it, t and the catalogs, is of 30 MB.
    process = case.stanza.start_held_backup(packs=3, rate="32MiB")
    case.sql("UPDATE t SET s = 'meanwhile' WHERE i % 40 = 0", "CHECKPOINT")
    process.send_signal(signal.SIGCONT)
    assert result_of(process).code == 0
    case.check(case.backup("incr"))


@pytest.mark.slow
def test_timelines_that_parted(case):
    """The only backup is of a branch that this cluster has never been on: its pages are compared, whatever the summaries say."""
    stanza = case.stanza
    full = case.full()
    case.sql("UPDATE t SET s = 'left' WHERE i % 3 = 0")
    left = case.backup("incr")
    case.cluster.stop()
    branch = stanza.restore("branch", "--replace", "--type=immediate", "--target-action=promote", f"--set={full['label']}")
    stanza.point_at(branch)
    branch.must_start().wait_ready()
    case.cluster = branch
    stanza.marker(full["label"]).unlink()  # which would be preferred
    case.sql("UPDATE t SET s = 'right' WHERE i % 5 = 0", "CHECKPOINT")
    backup, said = stanza.backup_aloud(type="incr")
    assert (backup["prior"], backup["method"], backup["timeline"]) == (left["label"], "compare", 2), (backup, said)
    if case.usual == "summaries":
        assert "where timeline 1 ends" in backup["method-reason"], backup
    case.check(backup)


@pytest.mark.slow
def test_the_newest_backup_is_on_the_branch_that_was_left(make_case, postgres):
    """The old primary went on after the promotion and was backed up: the new one builds on what both have, with its summaries."""
    case = make_case(postgres.version, wal_keep_size="1GB")  # that proves the older backup
    stanza, old = case.stanza, case.cluster
    standby = stanza.track(old.make_standby(stanza.home / "standby"))
    common = case.full()
    old.wait_for_archived()
    lsn = old.sql("SELECT pg_current_wal_insert_lsn()")
    system.wait_until(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t", what="the standby to follow")
    standby.rows("SELECT pg_promote()")
    standby.wait_ready()
    case.sql("UPDATE t SET s = 'left' WHERE i % 3 = 0")
    left = case.backup(method=case.usual)
    assert left["prior"] == common["label"] and left["timeline"] == 1, left
    old.stop()
    stanza.point_at(standby)
    standby.configure(archive_command=stanza.archive_command())
    standby.reload()
    case.cluster = standby
    case.sql("UPDATE t SET s = 'right' WHERE i % 5 = 0", "CHECKPOINT")
    backup = case.backup()
    assert (backup["prior"], backup["timeline"]) == (common["label"], 2), (backup, case.said)
    assert f"backup {left['label']} is newer and not used as the prior one" in case.said, case.said
    case.check(backup)
    again = case.backup()
    assert again["prior"] == backup["label"], (again, case.said)


@pytest.mark.slow
def test_pages_that_grew_empty_after_a_truncation(make_case):
    """COPY extends a table by many pages at once, and the empty ones are in no WAL: the older backup's pages must not take
    their places."""
    case = make_case(18)
    case.sql(f"COPY (SELECT * FROM t WHERE i BETWEEN 11 AND 2000) TO '{case.stanza.home / 'copied'}'")
    case.full()
    case.shrink("t", 10)
    case.sql(f"COPY t FROM '{case.stanza.home / 'copied'}'")
    case.check(case.backup("incr"))


@pytest.mark.slow
def test_a_relfilenode_that_is_used_again(case):
    """Not by waiting for the counter to wrap: pg_resetwal sets it back. Each TRUNCATE takes one."""
    case.sql("CREATE TABLE one (i int)", "INSERT INTO one SELECT generate_series(1, 30000)", "CREATE TABLE two (i int)")
    node = case.cluster.sql("SELECT pg_relation_filenode('one')")
    case.full()
    case.sql("DROP TABLE one", "CHECKPOINT")
    case.cluster.stop()
    system.run([case.stanza.install.bin / "pg_resetwal", "-o", int(node) - 3, "-D", case.cluster.data])
    case.cluster.must_start()
    for _ in range(9):
        case.sql("TRUNCATE two")
        if case.cluster.sql("SELECT pg_relation_filenode('two')") == node:
            break
    else:
        pytest.fail(f"relfilenode {node} did not come again")
    case.sql("INSERT INTO two SELECT generate_series(50001, 70000)")
    backup, _ = case.stanza.backup_aloud(type="incr")  # pg_resetwal has made a gap in WAL, and so in the summaries
    assert (backup["type"], backup["method"]) == ("incr", "compare")
    case.check(backup)


@pytest.mark.slow
def test_databases_come_and_go(case):
    case.cluster.create_tablespace("space", case.stanza.home / "space")
    case.sql("CREATE DATABASE model", "CREATE DATABASE moved", "CREATE DATABASE gone")
    for name in ("model", "moved", "gone"):
        case.sql("CREATE TABLE m AS SELECT i, md5(i::text) AS s FROM generate_series(1, 2000) i", database=name)

    def change():
        case.sql("CREATE DATABASE copied TEMPLATE model STRATEGY file_copy", "CREATE DATABASE logged TEMPLATE model STRATEGY wal_log")
        case.sql("UPDATE m SET s = 'x' WHERE i % 10 = 0", "CREATE INDEX ON m (i)", database="copied")
        case.sql("DROP DATABASE gone", "ALTER DATABASE moved SET TABLESPACE space")
        case.sql("DELETE FROM m WHERE i > 100", "VACUUM m", database="moved")
    both(case, change)
    case.sql("ALTER DATABASE moved SET TABLESPACE pg_default", "DROP DATABASE copied", "DROP DATABASE logged")
    case.check(case.backup("incr"))


@pytest.mark.slow
def test_logged_unlogged_and_tablespaces(case):
    case.cluster.create_tablespace("space", case.stanza.home / "space")
    case.sql("CREATE UNLOGGED TABLE u (i int PRIMARY KEY, s text)", "CREATE TABLE l (i int PRIMARY KEY, s text)",
             "CREATE TABLE m (i int PRIMARY KEY, s text)")
    for table in "ulm":
        case.fill(table, 1, 1500)

    def change():
        case.sql("ALTER TABLE u SET LOGGED", "ALTER TABLE l SET UNLOGGED", "ALTER TABLE m SET TABLESPACE space",
                 "ALTER INDEX m_pkey SET TABLESPACE space", "CLUSTER t USING t_pkey", "TRUNCATE m")
        case.fill("u", 1501, 2000)
        case.fill("m", 3000, 3500)
    both(case, change)
    case.sql("ALTER TABLE u SET UNLOGGED", "ALTER TABLE l SET LOGGED", "ALTER TABLE m SET TABLESPACE pg_default")
    case.fill("l", 2000, 2900)
    case.check(case.backup("incr"))


@pytest.mark.slow
def test_nothing_changed(case):
    case.fill("t", 5001, 20000)
    case.sql("VACUUM FREEZE")
    full = case.full()
    again = case.backup("incr")
    assert again["stored-bytes"] < 300_000, again
    if case.usual == "summaries":
        assert again["read-bytes"] < full["cluster-bytes"] / 3, again
    else:
        assert again["read-bytes"] <= full["cluster-bytes"] * 1.01, again
    case.check(again)


@pytest.mark.slow
def test_a_chain_of_thirty(case):
    case.full()
    labels = set()
    for number in range(30):
        case.sql(f"UPDATE t SET s = md5(s || {number}) WHERE i % 60 = {number}", f"CREATE TABLE n{number} AS SELECT {number} AS x")
        labels.add(case.backup("incr")["label"])
    last = case.stanza.backups()[-1]
    assert len(labels) == 30 and last["label"] == max(labels) and len(case.stanza.backups()) == 31
    case.check(last)
    diff = case.backup("diff")  # of the full one, whatever came between
    assert diff["prior"] == min(case.stanza.labels())
    case.check(diff, whole=False)


@pytest.mark.slow
def test_without_a_full_backup_it_is_full_and_says_so(case):
    backup = case.backup("incr", expect="full")
    assert backup["prior"] is None and "no backup to build on: this one is full" in case.said
    case.fill("t", 6000, 6100)
    case.check(case.backup("diff"))


@pytest.mark.slow
def test_delta_compares_everything(case):
    full = case.full()
    case.fill("t", 6000, 6500)
    backup = case.backup("incr", "--delta", method="compare")
    assert "--delta" in backup["method-reason"] and backup["read-bytes"] > full["cluster-bytes"] * 0.9
    assert backup["stored-bytes"] < full["stored-bytes"] / 2
    case.check(backup)


@pytest.mark.slow
def test_a_prior_backup_without_a_pack_is_passed_over(case):
    full = case.full()
    case.fill("t", 6000, 6500)
    broken = case.backup("incr")
    damage.remove(case.stanza.packs(broken["label"])[0])
    case.fill("t", 7000, 7500)
    backup = case.backup("incr")
    assert backup["prior"] == full["label"] and broken["label"] in case.said and "the pack is missing" in case.said
    case.check(backup)
    damage.remove(case.stanza.packs(full["label"])[0])
    backup = case.backup("incr", expect="full")
    case.check(backup)


@pytest.mark.slow
def test_checksums_switched_on_between(make_case, postgres):
    case = make_case(postgres.version, checksums=False)
    case.full()
    case.cluster.stop()
    system.run([case.stanza.install.bin / "pg_checksums", "--enable", "-D", case.cluster.data])
    case.cluster.must_start()
    case.check(case.backup("incr", expect="full"))
    assert "checksums were switched" in case.said
    case.fill("t", 6000, 6500)
    case.check(case.backup("incr"))


@pytest.mark.slow
def test_checksums_switched_off_and_on_between(case):
    """Both times the server is stopped and no WAL tells of it; hint bits that were set meanwhile are in no WAL either."""
    case.full()
    tool = case.stanza.install.tool("pg_checksums")
    for flag, change in (("--disable", "UPDATE t SET s = 'without' WHERE i % 7 = 0"), ("--enable", "UPDATE t SET s = 'with' WHERE i % 9 = 0")):
        case.cluster.stop()
        system.run([tool, flag, "-D", case.cluster.data])
        case.cluster.must_start()
        case.sql(change, "SELECT count(*) FROM t", "CHECKPOINT", "SELECT count(*) FROM t")
    case.check(case.backup("incr"))


@pytest.mark.slow
@pytest.mark.parametrize("postgres", (17, 18, 19), indirect=True, ids=lambda version: f"pg{version}")
def test_summaries_that_touch_or_cross_the_switch_of_timelines(make_case, postgres):
    """Truncations, growth and all-visible pages on either side of a promotion, with and without checkpoints between them."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    case = make_case(postgres.version)
    case.full()
    methods = []
    rows = 5000

    def changes():
        nonlocal rows
        for _ in range(chance.randrange(3)):
            left = chance.randrange(10, rows)
            case.shrink("t", left)
            rows = left + chance.randrange(1, 4000)
            case.fill("t", left + 1, rows)
            if chance.random() < 0.5:
                case.sql("VACUUM (FREEZE) t")
            if chance.random() < 0.4:
                case.sql("CHECKPOINT")
    for timeline in (2, 3, 4):
        changes()
        case.cluster.stop()
        system.write(case.cluster.data / "standby.signal", b"")
        case.cluster.must_start()
        case.sql("SELECT pg_promote()")
        case.cluster.wait_ready()
        changes()
        backup = case.stanza.backup(type="incr")
        assert backup["timeline"] == timeline, (seed, backup)
        methods.append((backup["method"], backup["method-reason"]))
        case.check(backup)
    assert ("summaries", None) in methods, (seed, methods)


@pytest.mark.slow
def test_an_interrupted_backup_harms_no_later_one(case):
    case.full()
    case.fill("t", 6000, 12000)
    process = case.stanza.cairn.start("backup", "--type=incr", "--start-fast", "--compress-type=none", "--limit-rate=256KiB")
    data = case.stanza.repo / "main" / "data"
    before = len(list(data.iterdir()))
    system.wait_until(lambda: len(list(data.iterdir())) > before or process.poll() is not None, what="something stored", pause=0.01)
    process.kill()
    result_of(process)
    case.shrink("t", 9000)
    case.fill("t", 9001, 9500)
    system.wait_until(lambda: case.stanza.cairn.run("backup", "--type=incr", "--start-fast").code == 0,
                      what="the lease of the dead one to end", pause=2)
    case.check(case.stanza.backups()[-1])


# --- summaries that are not there ---------------------------------------------------------------------------------------

@pytest.mark.slow
def test_summaries_that_were_deleted(make_case):
    case = make_case(18)
    case.full()
    case.shrink("t", 100)
    case.sql("CHECKPOINT")
    case.fill("t", 101, 3000)
    case.sql("CHECKPOINT")
    for path in case.summaries()[-2:]:
        path.unlink()
    backup = case.backup("incr", method="compare")
    assert "no WAL summary covers" in backup["method-reason"]
    case.check(backup)
    case.fill("t", 7000, 7100)
    case.check(case.backup("incr"), whole=False)  # summaries do again


@pytest.mark.slow
def test_the_summarizer_is_off_then_on(make_case):
    case = make_case(18, summarize=False)
    case.full()
    case.shrink("t", 100)
    backup = case.backup("incr")
    assert "summarize_wal is off" in backup["method-reason"]
    case.check(backup, whole=False)
    case.fill("t", 101, 2000)
    case.cluster.configure(summarize_wal=True)
    case.cluster.reload()
    case.sql("CHECKPOINT")
    # What happened before nobody has summarized; or the server has, out of WAL that it still keeps.
    backup, _ = case.stanza.backup_aloud(type="incr")
    assert backup["method"] == "summaries" or "no WAL summary covers" in backup["method-reason"], backup
    case.check(backup)
    case.fill("t", 7000, 7100)
    backup, _ = case.stanza.backup_aloud(type="incr")
    assert backup["method"] == "summaries", backup
    case.check(backup, whole=False)


@pytest.mark.slow
def test_summaries_that_miss_a_change_are_found_out(make_case):
    """Of 4500 pages that changed without a mark one percent is looked at."""
    case = make_case(18)
    case.fill("t", 5001, 50000)
    case.full()
    case.sql("CHECKPOINT")
    known = case.summaries()
    case.sql("UPDATE t SET s = md5(s)", "CHECKPOINT")
    new = [path for path in case.summaries() if path not in known]
    assert new
    for path in new:
        system.write(path, EMPTY_SUMMARY)
    backup, said = case.stanza.backup_aloud(type="incr")
    assert "the WAL summaries do not say so" in said and backup["method"] == "compare", said
    assert "the WAL summaries missed a change" in backup["method-reason"]
    case.check(backup)


# --- standbys -----------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_backups_of_a_standby_that_is_promoted_between_them(make_case, postgres):
    case = make_case(postgres.version, archive_timeout=1)
    stanza, primary = case.stanza, case.cluster
    standby = stanza.track(primary.make_standby(stanza.home / "standby"))
    stanza.point_at(standby)

    def caught_up():
        primary.rows("CHECKPOINT")
        primary.wait_for_archived()
        lsn = primary.sql("SELECT pg_current_wal_insert_lsn()")
        system.wait_until(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == "t", what="the standby to follow")
        standby.rows("CHECKPOINT")

    def from_standby(kind):
        process = stanza.cairn.start("backup", f"--type={kind}", "--start-fast", "--output=json")
        # A standby cannot switch segments: somebody else has to.
        system.wait_until(lambda: primary.switch_wal() and process.poll() is not None, what="the backup", pause=0.5)
        result = result_of(process)
        assert result.code == 0, result
        return result.json["backup"]
    caught_up()
    full = from_standby("full")
    again = from_standby("incr")  # from the same restartpoint, and what the first one copied may be newer
    assert (again["start-lsn"], again["method"]) == (full["start-lsn"], "compare")
    if case.usual == "summaries":
        assert "a standby without a new restartpoint" in again["method-reason"], again
    case.shrink("t", 10)
    caught_up()
    incremental = from_standby("incr")
    assert incremental["type"] == "incr"
    case.check(incremental, whole=False)
    primary.stop()
    standby.rows("SELECT pg_promote()")
    standby.wait_ready()
    standby.configure(archive_command=stanza.archive_command())
    standby.reload()
    case.cluster = standby
    case.fill("t", 11, 3000)
    backup, said = stanza.backup_aloud(type="incr")
    assert backup["type"] == "incr" and backup["timeline"] == 2, said
    case.check(backup)


# --- several segments ---------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_table_of_several_segments_shrinks_and_grows(case):
    """Just over 1 GiB, with pages that are nearly all the same, so that packs stay small."""
    if not system.has_plenty(system.MEMORY):
        pytest.skip("needs 8 GB of memory to spare")
    case.sql("CREATE TABLE big (i int, s text) WITH (fillfactor = 10)", "ALTER TABLE big ALTER s SET STORAGE plain")
    # One row of 8000 bytes on each page: 135 000 pages.
    case.sql("INSERT INTO big SELECT i, repeat('x', 8000) FROM generate_series(1, 135000) i")
    case.full()
    path, file = case.cluster.relation_path("big")
    assert file.with_name(file.name + ".1").stat().st_size > 0, path
    case.sql("DELETE FROM big WHERE i > 130000", "VACUUM big", "UPDATE big SET s = repeat('y', 8000) WHERE i % 10000 = 0", "CHECKPOINT",
             "INSERT INTO big SELECT i, repeat('z', 8000) FROM generate_series(140001, 143000) i")
    case.check(case.backup("incr"), whole=False)
