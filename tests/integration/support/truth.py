"""What a restored cluster must contain: the same as WAL alone makes of the first backup."""
import re

from . import system

# Catalogs that say what exists, and where. None of them is touched by starting or promoting a server.
CATALOGS = ("pg_catalog.pg_class", "pg_catalog.pg_attribute", "pg_catalog.pg_index", "pg_catalog.pg_largeobject",
            "pg_catalog.pg_database", "pg_catalog.pg_tablespace", "pg_catalog.pg_constraint")

# Where replay is paused, the lock of a transaction that had not ended (TRUNCATE, say) is held for ever.
LOCKED = """SELECT DISTINCT format('%I.%I', nspname, relname) FROM pg_locks l LEFT JOIN pg_index x ON x.indexrelid = l.relation
JOIN pg_class c ON c.oid = coalesce(x.indrelid, l.relation) JOIN pg_namespace n ON n.oid = relnamespace
WHERE l.mode = 'AccessExclusiveLock' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def contents(cluster):
    """{"database.table": "rows:md5"} of every logged table, materialized view aside, and of catalogs, and where every logged
    sequence stands; in every database."""
    found = {}
    for database in cluster.databases():
        if not reachable(cluster, database):
            found[database] = "unreachable"
            continue
        locked = {row[0] for row in cluster.rows(LOCKED, database)}
        found.update({f"{database}.{name}": "locked" for name in locked})
        names = [name for name in (*cluster.tables(database, persistence="p"), *CATALOGS) if name not in locked]
        query = " UNION ALL ".join(
            f"SELECT '{name}', count(*), md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM"
            f" (SELECT md5(t::text) AS h FROM {name} t) AS hashed" for name in names)
        found.update({f"{database}.{name}": f"{count}:{digest}" for name, count, digest in cluster.rows(query, database)})
        sequences = [name for name in cluster.tables(database, persistence="p", kind="S") if name not in locked]
        # WAL is up to 32 values ahead of the page; what is left of them is log_cnt.
        query = " UNION ALL ".join(f"SELECT '{name}', last_value + log_cnt FROM {name}" for name in sequences)
        found.update({f"{database}.{name}": value for name, value in (cluster.rows(query, database) if sequences else ())})
    return found


def reachable(cluster, database):
    """A position inside DROP DATABASE or ALTER DATABASE SET TABLESPACE leaves the row without the directory: PostgreSQL logs the
    one before it commits the other."""
    return cluster.answers("SELECT 1", database) == "1"


def different(one, other):
    """The names under which two contents() differ, with both values."""
    return {name: (one.get(name), other.get(name)) for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name) and "locked" not in (one.get(name), other.get(name))}


class Replay:
    """The first backup, and WAL alone: stops at one position after another and tells what is true there. `places` are those of
    Storm; the original is stopped then, and copies take its place."""

    def __init__(self, stanza, label, name="truth", places=None, **settings):
        self.stanza = stanza
        self.label = label
        self.name = name
        self.places = places
        self.settings = settings  # that it runs with, beside those that are restored
        self.cluster = None
        self.timeline = None  # that the restore was planned for

    def at(self, lsn, timeline):
        """contents() when everything before `lsn` on the way to this timeline has been replayed, and nothing else. Ascending
        positions only. No server is left at work."""
        if self.places:
            self.places.give(self.name)
        if self.cluster is None:
            self.cluster = restored(self.stanza, self.name, self.places, "--type=lsn", f"--target={lsn}", "--target-exclusive",
                                    "--target-action=pause", f"--set={self.label}", f"--target-timeline={timeline}")
            self.cluster.overrides.update(self.settings)
            self.timeline = timeline
        # Not on the command line: what is set there counts before the targets that the file leaves empty.
        settings = self.cluster.data / "postgresql.auto.conf"
        text = settings.read_text()
        for name, value in {"recovery_target_lsn": lsn, "recovery_target_timeline": timeline}.items():
            text, found = re.subn(rf"(?m)^{name} = .+$", f"{name} = '{value}'", text)
            assert found, (name, text)
        system.write(settings, text, 0o600)
        while not self.reaches_target():
            self.bring_what_was_prepared(lsn)
        found = contents(self.cluster)
        self.cluster.stop()
        return found

    def reaches_target(self):
        """False when the server ended before."""
        def paused():
            return self.cluster.answers("SELECT pg_is_in_recovery() AND pg_is_wal_replay_paused()") == "t"
        self.cluster.start()
        system.wait_until(lambda: paused() or not self.cluster.pid(), what="the end of replay")
        return self.cluster.pid() is not None

    def bring_what_was_prepared(self, lsn):
        """For a timeline that the restore did not know of. PostgreSQL reads an open prepared transaction again when it replays a switch
        of timelines, out of the old timeline's segment in pg_wal; the restore put there those of the way that it was planned for."""
        log = self.cluster.log_text()[-3000:]
        wanted = re.findall(r"requested WAL segment pg_wal/(\w+) has already been removed", log)
        assert wanted, f"replay ended before {lsn}; the log says:\n{log}"
        assert int(wanted[-1][:8], 16) >= self.timeline, log
        place = self.cluster.data / "pg_wal" / wanted[-1]
        assert not place.exists(), log
        got = [self.stanza.cairn.run("archive-get", name, place, cwd=self.cluster.data) for name in (wanted[-1], f"{wanted[-1]}.partial")
               if not place.exists()]
        assert place.exists(), (log, *map(str, got))


def restored(stanza, name, places, *args):
    """A copy, which is not started. Where its tablespaces are its own, it takes the original's place."""
    replace = ["--replace"] if places else []
    cluster = stanza.restore(name, *replace, *args, f"--tablespace-map-all={stanza.home / (name + '-spaces')}")
    cluster.overrides.update(archive_mode="off", autovacuum="off")
    return cluster


def restored_to_its_end(stanza, backup, name="incremental", places=None):
    """A backup restored to its own end, running, past recovery."""
    if places:
        places.give(name)
    cluster = restored(stanza, name, places, "--type=immediate", "--target-action=promote", f"--set={backup['label']}")
    return cluster.must_start().wait_ready()


def check_whole(cluster):
    """Everything that PostgreSQL itself can find out about a restored cluster. It is stopped afterwards."""
    # To 16 the snapshot of pg_check_visible goes back to the oldest prepared transaction, in whatever database that is, while
    # VACUUM had gone on: it then calls tuples not visible to all that are.
    for gid, database in cluster.rows("SELECT gid, database FROM pg_prepared_xacts"):
        cluster.rows(f"ROLLBACK PREPARED '{gid}'", database)
    reached = [database for database in cluster.databases() if reachable(cluster, database)]
    for database in reached:
        # Unlogged tables come back empty and can be written.
        for table in cluster.tables(database, persistence="u"):
            assert cluster.sql(f"SELECT count(*) FROM {table}", database) == "0"
        if not cluster.tables(database):
            continue
        cluster.rows("CREATE EXTENSION IF NOT EXISTS pg_visibility", database)
        wrong = cluster.rows(
            "SELECT c.oid::regclass, (SELECT count(*) FROM pg_check_visible(c.oid)), (SELECT count(*) FROM pg_check_frozen(c.oid))"
            " FROM pg_class c WHERE relkind IN ('r', 'm', 't') AND (EXISTS (SELECT FROM pg_check_visible(c.oid))"
            " OR EXISTS (SELECT FROM pg_check_frozen(c.oid)))", database)
        assert not wrong, (database, wrong)
        check_other_indexes(cluster, database)
    cluster.amcheck(reached)
    cluster.stop()
    cluster.checksums()


# What each index must find as a look at all rows does; pg_amcheck knows B-trees only.
PROBES = {"a": "a BETWEEN 3 AND 40", "hash": "a = 5", "b": "b LIKE 'c%'", "c": "c @> ARRAY[7]", "p": "p <@ box '((0,0),(100,2000))'",
          "r": "r && int4range(50, 90)"}


def check_other_indexes(cluster, database):
    """Every index of a storm's tables answers as the table itself."""
    tables = [row[0] for row in cluster.rows(
        "SELECT attrelid::regclass FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relkind = 'r' AND attname = 'r'"
        " AND atttypid = 'int4range'::regtype", database)]
    if not tables:
        return
    queries = " UNION ALL ".join(f"SELECT '{table} {name}', count(*), sum(id) FROM {table} WHERE {probe}"
                                 for table in tables for name, probe in PROBES.items())
    queries = f"SET max_parallel_workers_per_gather = 0; {queries}"
    by_table = cluster.rows(f"SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; {queries}", database)
    by_index = cluster.rows(f"SET enable_seqscan = off; {queries}", database)
    wrong = [pair for pair in zip(sorted(by_table), sorted(by_index)) if pair[0] != pair[1]]
    assert not wrong, (database, wrong)
