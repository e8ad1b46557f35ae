"""A storm of DDL and DML: several sessions, each with tables and tablespaces of its own, so that few statements fail."""
import contextlib
import random
import subprocess
import threading

from . import system
from .cluster import CLIENTS

COLUMNS = "(id bigserial PRIMARY KEY, a int, b text, c int[], p point, r int4range)"
INDEXES = ("btree (a)", "btree (b text_pattern_ops)", "hash (a)", "gin (c)", "gist (p)", "gist (r)", "spgist (p)", "spgist (r)",
           "spgist (b)", "brin (a)", "brin (id) WITH (pages_per_range = 4)")
SPACES = ("pg_default", "space1", "space2")


def fill(table, rows, wide):
    text = f"repeat(md5(i::text), {wide})"
    return (f"INSERT INTO {table} (a, b, c, p, r) SELECT i % 977, left({text}, 2400), ARRAY[i % 50, i % 7], point(i % 331, i),"
            f" int4range(i, i + i % 90) FROM generate_series(1, {rows}) i;")


class Session:
    """Statements of one session. What they are depends on the seed alone; how they fall between backups does not."""

    def __init__(self, version, seed, number, places):
        self.version = version
        self.places = places
        self.random = random.Random(f"{seed}/{number}")
        self.number = number
        self.created = 0
        self.databases = []
        self.prepared = []
        self.spaces = []

    def remembered(self):
        """What it knows of the cluster; it is to be told when the cluster goes back to how it was now."""
        return list(self.databases), list(self.prepared), list(self.spaces)

    def remember(self, what):
        self.databases, self.prepared, self.spaces = map(list, what)

    def statements(self):
        """The next few statements, as one script for psql."""
        if self.number == 0 and self.random.random() < 0.3:
            return self.of_databases()
        table = f"t{self.number}_{self.random.randrange(5)}"
        return self.random.choice(self.CHOICES)(self, table)

    def rows(self):
        return self.random.choice((3, 200, 2000, 6000))

    def wide(self):
        return self.random.choice((1, 3, 60))

    def space(self):
        return self.random.choice((*SPACES, *self.spaces))

    def create(self, table):
        unlogged = "UNLOGGED" if self.random.random() < 0.2 else ""
        indexes = [f"CREATE INDEX ON {table} USING {kind};" for kind in self.random.sample(INDEXES, 3)]
        return [f"DROP TABLE IF EXISTS {table};", f"CREATE {unlogged} TABLE {table} {COLUMNS} TABLESPACE {self.space()};",
                fill(table, self.rows(), self.wide()), *indexes, fill(table, 50, 1)]

    def insert(self, table):
        return [fill(table, self.rows(), self.wide())]

    def update(self, table):
        return [f"UPDATE {table} SET a = a + 1 WHERE id % {self.random.choice((2, 20, 500))} = 0;"]

    def delete(self, table):
        return [f"DELETE FROM {table} WHERE id % {self.random.choice((2, 9))} = 0;", f"VACUUM {table};"]

    def shrink(self, table):
        """Truncation by VACUUM; often the table grows again at once."""
        part = self.random.choice(("0", "(SELECT max(id) / 2 FROM {0})", "(SELECT min(id) + 100 FROM {0})")).format(table)
        grow = [fill(table, self.rows(), self.wide())] if self.random.random() < 0.7 else []
        return [f"DELETE FROM {table} WHERE id > {part};", f"VACUUM {table};", *grow]

    def shrink_between_checkpoints(self, table):
        return ["CHECKPOINT;", *self.shrink(table), "CHECKPOINT;", fill(table, self.rows(), 1)]

    def truncate(self, table):
        return [f"TRUNCATE {table};", fill(table, self.rows(), self.wide())]

    def rewrite(self, table):
        return [self.random.choice((f"CLUSTER {table} USING {table}_pkey;", f"VACUUM FULL {table};", f"REINDEX TABLE {table};",
                                    f"REINDEX TABLE CONCURRENTLY {table};", f"ALTER TABLE {table} ALTER a TYPE bigint, ALTER a TYPE int;",
                                    f"VACUUM (FREEZE, ANALYZE) {table};"))]

    def persistence(self, table):
        return [f"ALTER TABLE {table} SET {self.random.choice(('LOGGED', 'UNLOGGED', 'LOGGED'))};", fill(table, 100, 1)]

    def move(self, table):
        return [f"ALTER TABLE {table} SET TABLESPACE {self.space()};",
                f"ALTER INDEX {table}_pkey SET TABLESPACE {self.space()};"]

    def tablespaces(self, table):
        """One is made and used, or emptied and dropped; another one has its directory later. Some do not outlast this."""
        unused = [name for name in own_spaces(self.number) if name not in self.spaces]
        if unused and (not self.spaces or self.random.random() < 0.6):
            name = self.random.choice(unused)
            make = [f"CREATE TABLESPACE {name} LOCATION '{self.places.folder / name}';"]
            if self.random.random() < 0.2:
                passing = f"passing{self.number}"
                return [*make, f"CREATE TABLE {passing} TABLESPACE {name} AS SELECT * FROM {table};", f"DROP TABLE {passing};",
                        f"DROP TABLESPACE {name};"]
            self.spaces.append(name)
            return [*make, f"ALTER TABLE {table} SET TABLESPACE {name};", f"ALTER INDEX {table}_pkey SET TABLESPACE {name};",
                    fill(table, self.rows(), 1)]
        name = self.spaces.pop(self.random.randrange(len(self.spaces)))
        to = self.space()
        return [f"ALTER TABLE ALL IN TABLESPACE {name} SET TABLESPACE {to};", f"ALTER INDEX ALL IN TABLESPACE {name} SET TABLESPACE {to};",
                f"SELECT format('ALTER DATABASE %I SET TABLESPACE {to}', datname) FROM pg_database d JOIN pg_tablespace t"
                f" ON t.oid = dattablespace WHERE spcname = '{name}' \\gexec", f"DROP TABLESPACE {name};"]

    def rollback(self, table):
        inner = self.random.choice((f"TRUNCATE {table}; {fill(table, 300, 1)}", f"DROP TABLE {table};", fill(table, self.rows(), 3),
                                    f"CREATE TABLE gone{self.number} AS SELECT * FROM {table};",
                                    f"SAVEPOINT s; DELETE FROM {table}; ROLLBACK TO s; {fill(table, 20, 1)}"))
        return [f"BEGIN; {inner} ROLLBACK;"]

    def savepoint(self, table):
        return [f"BEGIN; {fill(table, 100, 1)} SAVEPOINT s; DELETE FROM {table} WHERE id % 3 = 0; RELEASE s; COMMIT;"]

    def large_objects(self, _table):
        oid = 900000 + self.number * 100 + self.random.randrange(20)
        return [f"SELECT lo_unlink({oid}) FROM pg_largeobject_metadata WHERE oid = {oid};",
                f"SELECT lo_from_bytea({oid}, decode(repeat(md5('{self.random.random()}'), {self.random.choice((10, 5000))}), 'hex'));"]

    def sequence(self, _table):
        name = f"q{self.number}"
        return [f"CREATE SEQUENCE IF NOT EXISTS {name};", f"SELECT nextval('{name}') FROM generate_series(1, 70);"]

    def prepare(self, _table):
        """Transactions in two phases, in a table of their own: what they lock stays locked. Some outlast backups and the server."""
        table = f"two_phases{self.number}"
        if self.prepared and self.random.random() < 0.6:
            name = self.prepared.pop(self.random.randrange(len(self.prepared)))
            return [f"{self.random.choice(('COMMIT', 'COMMIT', 'ROLLBACK'))} PREPARED '{name}';"]
        if len(self.prepared) == 4:
            return ["CHECKPOINT;"]
        self.created += 1
        name = f"p{self.number}_{self.created}"
        self.prepared.append(name)
        return [f"CREATE TABLE IF NOT EXISTS {table} {COLUMNS};", f"BEGIN; {fill(table, 40, 1)} PREPARE TRANSACTION '{name}';"]

    def index_unlogged(self, _table):
        """An index of a table that stays unlogged: its init fork comes last."""
        table = f"unlogged{self.number}"
        return [f"CREATE UNLOGGED TABLE IF NOT EXISTS {table} {COLUMNS};", fill(table, self.rows(), 1),
                f"DROP INDEX IF EXISTS {table}_x;", f"CREATE INDEX {table}_x ON {table} USING {self.random.choice(INDEXES)};",
                f"ALTER INDEX {table}_x SET TABLESPACE {self.space()};"]

    def drop(self, table):
        return [f"DROP TABLE IF EXISTS {table};", *self.create(table)]

    def checkpoint(self, _table):
        return ["CHECKPOINT;"]

    def of_databases(self):
        choice = self.random.random()
        if choice < 0.5 or not self.databases:
            self.created += 1
            name = f"d{self.created}"
            strategy = f"STRATEGY {self.random.choice(('file_copy', 'wal_log'))}" if self.version >= 15 else ""
            self.databases.append(name)
            return [f"CREATE DATABASE {name} TEMPLATE {self.random.choice(('template1', 'model'))} {strategy}"
                    f" TABLESPACE {self.space()};", f"\\c {name}", f"CREATE TABLE x AS SELECT i FROM generate_series(1, {self.rows()}) i;",
                    "CREATE INDEX ON x (i);"]
        name = self.random.choice(self.databases)
        if choice < 0.75:
            self.databases.remove(name)
            return [f"DROP DATABASE {name} WITH (FORCE);"]
        if choice < 0.88:
            back = [f"ALTER DATABASE {name} SET TABLESPACE {self.space()};"] if self.random.random() < 0.3 else []
            return [f"ALTER DATABASE {name} SET TABLESPACE {self.space()};", *back, f"\\c {name}", "INSERT INTO x SELECT 7;"]
        return [f"\\c {name}", "DELETE FROM x WHERE i > 5;", "VACUUM x;", "INSERT INTO x SELECT i FROM generate_series(1, 500) i;"]

    CHOICES = (create, insert, insert, update, update, delete, shrink, shrink, shrink_between_checkpoints, truncate, rewrite, rewrite,
               persistence, move, tablespaces, tablespaces, rollback, savepoint, large_objects, sequence, drop, checkpoint, prepare, prepare,
               index_unlogged)


def own_spaces(number):
    return [f"space{number}{letter}" for letter in "abc"]


class Places:
    """The directories that CREATE TABLESPACE names, and that its replay uses in every copy. So each cluster has its own, and one
    at a time is where they are looked for."""

    def __init__(self, folder):
        self.folder = folder
        self.owner = "storm"
        self.names = []

    def make(self, names):
        self.names = names
        system.make_dir(self.folder)
        for name in names:
            system.make_dir(self.folder / name)

    def of(self, owner):
        return self.folder.with_name(f"{self.folder.name}-of-{owner}")

    def give(self, owner):
        """All clusters are stopped. Those of a new owner are empty."""
        self.folder.rename(self.of(self.owner))
        self.owner = owner
        if self.of(owner).exists():
            self.of(owner).rename(self.folder)
        else:
            self.make(self.names)


class Storm:
    """Sessions that work until the end of the `with` block."""

    def __init__(self, cluster, seed, sessions=3):
        self.cluster = cluster
        self.places = Places(cluster.data.parent / "spaces")
        self.sessions = [Session(cluster.version, seed, number, self.places) for number in range(sessions)]
        self.stopped = threading.Event()
        self.at_work = [threading.Lock() for _ in self.sessions]
        self.threads = []
        self.done = 0
        self.failed = []

    def prepare(self):
        """What must be there first: tablespaces, a template, every table once."""
        self.places.make([*SPACES[1:], *(name for session in self.sessions for name in own_spaces(session.number))])
        for space in SPACES[1:]:
            self.cluster.rows(f"CREATE TABLESPACE {space} LOCATION '{self.places.folder / space}'")
        self.cluster.rows("CREATE DATABASE model")
        self.cluster.rows("CREATE TABLE y AS SELECT i FROM generate_series(1, 3000) i; CREATE INDEX ON y USING hash (i)", "model")
        for session in self.sessions:
            self.run([line for i in range(5) for line in session.create(f"t{session.number}_{i}")])
        assert not self.failed, self.failed
        return self

    def run(self, statements):
        done = subprocess.run([str(CLIENTS / "psql"), "-X", "-q", *self.cluster.connection()], input="\n".join(statements), text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=system.clean_environment(), cwd="/", check=False,
                              timeout=300, **system.identity())
        self.done += len(statements)
        self.failed += [line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line]

    def work(self, session):
        while not self.stopped.is_set():
            with self.at_work[session.number]:
                self.run(session.statements())

    @contextlib.contextmanager
    def paused(self):
        """Nobody works."""
        with contextlib.ExitStack() as held:
            for lock in self.at_work:
                held.enter_context(lock)
            yield

    def __enter__(self):
        self.threads = [threading.Thread(target=self.work, args=(session,)) for session in self.sessions]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
