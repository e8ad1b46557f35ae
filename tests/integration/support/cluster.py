"""A PostgreSQL cluster that belongs to the tests: on a socket only, below the temporary root."""
import contextlib
import hashlib
import itertools
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time

import crcmod.predefined

from . import sql, system

crc32c = crcmod.predefined.mkPredefinedCrcFun("crc-32c")

# Clients of one version for all servers: they talk to any newer one.
CLIENTS = pathlib.Path("/usr/lib/postgresql/15/bin")
CLIENTS_SPACE = "PG_15_202209061"  # how their server calls its directory in a tablespace
PORTS = itertools.count(54300)  # names of sockets, nothing listens on the network

BASE_SETTINGS = {
    "listen_addresses": "",
    "max_connections": 40,
    "shared_buffers": "64MB",
    "fsync": False,  # the tests crash processes, never the machine
    "wal_level": "replica",
    "max_wal_senders": 5,
    "hot_standby": True,
    "wal_keep_size": "256MB",  # what a test pushed or compares with is there, however soon a checkpoint comes
    # Nothing but the tests changes files.
    "autovacuum": False,
    "bgwriter_lru_maxpages": 0,
    "checkpoint_timeout": "1h",
    "log_line_prefix": "%m [%p] ",
    "log_min_messages": "info",
    "restart_after_crash": False,
    "jit": False,  # an unpacked server has no LLVM
}


PATIENCE_S = 180  # that a busy machine gets; what goes wrong is seen long before, what goes well is not waited for

UTC_NOW = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"


def settings_text(settings):
    """Lines for postgresql.conf."""
    def shown(value):
        if isinstance(value, bool):
            return "on" if value else "off"
        return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'" if isinstance(value, str) else str(value)
    return "".join(f"{name} = {shown(value)}\n" for name, value in settings.items())


class Installation:
    """The programs of one major version."""

    def __init__(self, version, bin_dir):
        self.version = version
        self.bin = pathlib.Path(bin_dir)

    def tool(self, name):
        """The program of this version or, where only the server is installed, Debian's: the control file of 13 to 16
        has one format."""
        own = self.bin / name
        return own if own.exists() else CLIENTS / name

    def __str__(self):
        return system.run([self.bin / "postgres", "--version"]).stdout.strip().removeprefix("postgres (PostgreSQL) ")


def debian_15():
    return Installation(15, CLIENTS)


def unpacked(root, version):
    """A copy of build/rig/pgVERSION (scripts/fetch-postgres) that the server's user can reach. Programs that came with
    a C library of their own are made to use the loader of the copy."""
    copy = root / f"pg{version}"
    subprocess.run(["cp", "-a", "--reflink=auto", str(system.CHECKOUT / f"build/rig/pg{version}"), str(copy)], check=True)
    programs = copy / f"usr/lib/postgresql/{version}/bin"
    loader = next(copy.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"), None)
    relocated = ("initdb", "postgres", "pg_ctl", "pg_controldata", "pg_checksums", "pg_resetwal", "pg_basebackup", "pg_waldump", "pg_amcheck")
    for name in relocated if loader else ():
        subprocess.run(["patchelf", "--set-interpreter", str(loader), str(programs / name)], check=True)
    return Installation(version, programs)


class PgCluster:
    """One data directory with its server. `overrides` go on the server's command line and so beat what a restored
    postgresql.conf says."""

    def __init__(self, install, data, sockets, overrides=None):
        self.install = install
        self.version = install.version
        self.data = pathlib.Path(data)
        self.sockets = pathlib.Path(sockets)
        self.port = next(PORTS)
        self.log = self.data.parent / f"{self.data.name}.log"
        self.overrides = dict(overrides or {})

    # --- life -------------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, install, data, sockets, *, checksums=True, segment_mib=16, initdb=(), **settings):
        cluster = cls(install, data, sockets)
        flags = ["--data-checksums"] if checksums else (["--no-data-checksums"] if install.version >= 18 else [])
        flags.append(f"--wal-segsize={segment_mib}")
        if initdb:
            run_initdb(install, data, *flags, *initdb)
        else:
            copy_initialized(install, data, cluster.sockets.parent / "initdb", flags)
        cluster.configure(**{**BASE_SETTINGS, **settings})
        return cluster

    def configure(self, **settings):
        """Append to postgresql.conf; takes effect at the next start or reload()."""
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(settings_text(settings))

    def start(self):
        """Start the server. Returns whether it came up: recovery may end it on purpose."""
        own = {"port": self.port, "unix_socket_directories": self.sockets, **self.overrides}
        options = " ".join(f"-c {name}={shell_quote(value)}" for name, value in own.items())
        done = system.run([self.install.bin / "pg_ctl", "start", "-D", self.data, "-l", self.log, "-t", PATIENCE_S, "-w", "-o", options],
                          check=False, timeout=PATIENCE_S + 60)
        return done.returncode == 0

    def must_start(self):
        assert self.start(), self.log_text()
        return self

    def stop(self, mode="fast"):
        if self.pid():
            system.run([self.install.bin / "pg_ctl", "stop", "-D", self.data, "-m", mode, "-w", "-t", PATIENCE_S], check=False)
            assert mode == "immediate" or not self.pid(), f"the server does not stop; its log ends:\n{self.log_text()[-3000:]}"

    def crash(self):
        """Kill the server as a power cut would: no process gets to say goodbye."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)  # so that it has no more children than we see
        family = [pid, *children_of(pid)]
        os.kill(pid, signal.SIGKILL)
        # The others notice by themselves; until the last one has, its shared memory keeps a new server from starting.
        system.wait_until(lambda: not any(map(alive, family)), what="the server's processes to end")
        # A slow init may keep the dead process as a zombie, which PostgreSQL would take for a live owner of its locks.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        pathlib.Path(self.sockets, f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)

    def pid(self):
        """The postmaster's process id, or None when it is not running."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if alive(pid) else None

    def reload(self):
        """Have the server read its settings again; waits until it has, and has told its other processes to."""
        before = self.sql("SELECT pg_conf_load_time()")
        system.run([self.install.bin / "pg_ctl", "reload", "-D", self.data])
        # A new session begins with what the postmaster knows.
        system.wait_until(lambda: self.sql("SELECT pg_conf_load_time()") != before, what="the settings to be read")

    @contextlib.contextmanager
    def standing_still(self):
        """Nothing in the data directory changes by itself: the background writer, which writes a record every 15 s, is held."""
        writer = int(self.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'"))
        os.kill(writer, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(writer, signal.SIGCONT)

    def restart(self):
        self.stop()
        return self.must_start()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # --- SQL --------------------------------------------------------------------------------------------------------

    def connection(self, database="postgres"):
        return ["-h", str(self.sockets), "-p", str(self.port), "-U", "postgres", "-d", database]

    def rows(self, statement, database="postgres", *more):
        """All rows of a statement, and of more that follow, as lists of strings (NULL is an empty one)."""
        return sql.rows((statement, *more), host=self.sockets, port=self.port, user="postgres", dbname=database)

    def sql(self, statement, database="postgres"):
        """The first column of the first row, or None."""
        rows = self.rows(statement, database)
        return rows[0][0] if rows and rows[0] else None

    def start_sql(self, statement, database="postgres"):
        """Start a statement without waiting for its end."""
        return subprocess.Popen([str(CLIENTS / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *self.connection(database), "-c", statement],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=system.clean_environment(), cwd="/", **system.identity())

    def databases(self):
        return [row[0] for row in self.rows("SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1")]

    def wait_ready(self):
        """Wait until recovery is over and writes are possible."""
        system.wait_until(lambda: self.answers("SELECT NOT pg_is_in_recovery()") == "t",
                          what=lambda: f"the end of recovery; the log says:\n{self.log_text()[-3000:]}")
        return self

    def answers(self, statement, database="postgres"):
        """As sql(), None when there is no server to ask (or no longer)."""
        try:
            return self.sql(statement, database)
        except AssertionError:
            return None

    # --- contents ---------------------------------------------------------------------------------------------------

    def pgbench_init(self, scale=1, database="postgres"):
        system.run([CLIENTS / "pgbench", "-i", "-q", "-s", scale, *self.connection()[:-2], database])

    def create_large(self, name="large", mebibytes=128):
        """A table of that size that is made in no time, and at a limited rate not backed up in no time: one row a page."""
        self.rows(f"CREATE TABLE {name} (s text); ALTER TABLE {name} ALTER s SET STORAGE plain;"
                  f" INSERT INTO {name} SELECT repeat('x', 8000) FROM generate_series(1, {mebibytes * 128})")

    def create_tablespace(self, name, location):
        system.make_dir(location)
        self.rows(f"CREATE TABLESPACE {name} LOCATION '{location}'")
        return pathlib.Path(location)

    def table_hashes(self):
        """{"database.schema.table": "rows:md5"} of every user table, independent of the order of rows on disk."""
        found = {}
        for database in self.databases():
            names = self.tables(database)
            for at in range(0, len(names), 200):  # one statement has to fit in one argument of psql
                found.update(named_hashes(database, self.rows(hash_query(names[at:at + 200]), database)))
        return found

    def tables(self, database="postgres", persistence="pu", kind="r"):
        return [row[0] for row in self.rows(
            "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            f" WHERE relkind = '{kind}' AND nspname NOT IN ('pg_catalog', 'information_schema')"
            f" AND strpos('{persistence}', relpersistence::text) > 0 ORDER BY 1", database)]

    def moment(self, database="postgres"):
        """(table_hashes() of one database, a time): what is true at that time, while others go on writing. Writers
        wait for as long as the look takes, so that none commits within 0.1 s of that time."""
        names = self.tables(database, persistence="p")
        rows = self.rows(f"BEGIN; LOCK TABLE {', '.join(names)} IN SHARE MODE; {hash_query(names)};"
                         f" SELECT pg_sleep(0.1); {UTC_NOW}; SELECT pg_sleep(0.1); COMMIT", database)
        hashes, time_row = rows[:len(names)], rows[len(names) + 1]
        return named_hashes(database, hashes), time_row[0]

    def database_hash(self):
        """One hash of everything table_hashes() sees."""
        return hashlib.md5(repr(sorted(self.table_hashes().items())).encode()).hexdigest()

    def amcheck(self, databases=()):
        """Let PostgreSQL check every heap and index of a running cluster, in these databases only if any are named;
        returns with what."""
        if self.version >= 14:
            which = [f"--database={name}" for name in databases] or ["--all"]
            system.run([CLIENTS / "pg_amcheck", *self.connection()[:-2], *which, "--heapallindexed", "--install-missing"])
            return "pg_amcheck"
        # amcheck of 13 knows no heaps: each index is compared with its heap, which reads both.
        for database in databases or self.databases():
            self.rows("CREATE EXTENSION IF NOT EXISTS amcheck", database)
            self.rows("SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                      " JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relpersistence <> 't'"
                      " AND i.indisready AND i.indisvalid", database)
        return "bt_index_check with heapallindexed (13 cannot check heaps)"

    def checksums(self):
        """Let PostgreSQL check every page of a cleanly stopped cluster; returns with what."""
        own = (self.install.bin / "pg_checksums").exists()
        spaces = [] if own else list(self.data.glob(f"pg_tblspc/*/PG_{self.version}_*"))
        # The one of 15 finds databases in tablespaces by the directory's name.
        aliases = [space.with_name(CLIENTS_SPACE) for space in spaces]
        for alias, space in zip(aliases, spaces):
            alias.symlink_to(space.name)
        system.run([self.install.tool("pg_checksums"), "--check", "-D", self.data])
        for alias in aliases:
            alias.unlink()
        return "pg_checksums" if own else "pg_checksums of 15"

    def relation_path(self, relation, database="postgres"):
        """The first file of a relation, as (path below the data directory, absolute path)."""
        relative = self.sql(f"SELECT pg_relation_filepath('{relation}')", database)
        return relative, self.data / relative

    def system_id(self):
        done = system.run([self.install.tool("pg_controldata"), "-D", self.data])
        return next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("Database system identifier"))

    # --- WAL --------------------------------------------------------------------------------------------------------

    def current_segment(self, *then):
        """The segment being written, made sure to hold something. What is to be done `then` is done in the same session."""
        rows = self.rows("SELECT pg_logical_emit_message(true, 'pgcairn-test', 'something')", "postgres",
                         "SELECT pg_walfile_name(pg_current_wal_insert_lsn())", *then)
        return rows[1][0]

    def switch_wal(self, *then):
        """End the current segment; return its name."""
        return self.current_segment("SELECT pg_switch_wal()", *then)

    def wait_for_archived(self):
        """Switch segments and wait until the archiver has handed over everything up to now; return the last name."""
        name = self.switch_wal("CHECKPOINT")

        # pg_stat_archiver will not do: the last one that was archived is not always the newest.
        def done():
            waiting = [path for path in (self.data / "pg_wal/archive_status").glob("*.ready") if path.name[:24] <= name]
            return not waiting and self.sql("SELECT archived_count > 0 FROM pg_stat_archiver") == "t"
        try:
            system.wait_until(done, what=f"{name} to be archived")
        except AssertionError as error:
            status = sorted(path.name for path in (self.data / "pg_wal/archive_status").iterdir())
            raise AssertionError(f"{error}; archive_status: {status}; pg_stat_archiver:"
                                 f" {self.rows('SELECT * FROM pg_stat_archiver')}; the log says:\n"
                                 f"{self.log_text()[-3000:]}") from None
        return name

    def wait_for_archiver(self):
        """Wait until the archiver has handed over what there is, such as the file that tells of a backup; nothing is written."""
        system.wait_until(lambda: not list((self.data / "pg_wal/archive_status").glob("*.ready")), what="the archiver")

    def make_standby(self, data, **settings):
        """A streaming standby of this cluster, running."""
        system.run([self.install.bin / "pg_basebackup", "-D", data, *self.connection()[:-2], "-R", "-X", "stream", "-c", "fast"])
        standby = PgCluster(self.install, data, self.sockets, settings)
        standby.must_start()
        system.wait_until(lambda: self.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "0",
                          what="the standby to stream")
        return standby


def run_initdb(install, data, *flags):
    system.run([install.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", *flags])


def copy_initialized(install, data, folder, flags):
    """What initdb makes, from a copy that is kept in `folder` for all clusters that are alike; each is another cluster."""
    template = folder / "".join([str(install.version), *flags])
    if not template.exists():
        folder.exists() or system.make_dir(folder, 0o755)
        run_initdb(install, template, *flags)
    subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(data)], check=True)
    identify(data)


def identify(data, counter=itertools.count()):
    """Give a data directory that initdb has made a system identifier of its own, in pg_control and in its first WAL."""
    identity = struct.pack("<Q", time.time_ns() // 10**9 << 32 | time.time_ns() // 1000 % 10**6 << 12 | next(counter) % 4096)
    control = data / "global/pg_control"
    content = control.read_bytes()
    end = next(at for at in range(200, 500, 4) if struct.pack("<I", crc32c(content[:at])) == content[at:at + 4])
    content = identity + content[8:end]
    segments = data.glob("pg_wal/" + "[0-9A-F]" * 24)
    for path, offset, change in ((control, 0, content + struct.pack("<I", crc32c(content))), *((one, 24, identity) for one in segments)):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(change)


class Load:
    """pgbench in the background, slow enough to leave the machine usable. It is at work from the beginning of the `with` block to
    its end."""

    def __init__(self, cluster, rate=300, clients=3):
        self.cluster = cluster
        self.command = [str(CLIENTS / "pgbench"), "-n", "-c", str(clients), "-T", "600", "-R", str(rate),
                        *cluster.connection()[:-2], "postgres"]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=system.clean_environment(), cwd="/",
                                        **system.identity())
        return self.goes_on()

    def goes_on(self, transactions=30):
        """Wait until so many more transactions have been committed."""
        def done():
            assert self.process.poll() is None, "pgbench has ended"
            return int(self.cluster.sql("SELECT count(*) FROM pgbench_history"))
        before = done()
        system.wait_until(lambda: done() >= before + transactions, what="the load to go on")
        return self

    def __exit__(self, *_):
        self.process.terminate()  # SIGINT is ignored where a shell started the tests in the background
        self.process.wait(timeout=PATIENCE_S)


def hash_query(names):
    one = ("SELECT '{0}', count(*), md5(coalesce(string_agg(h, '' ORDER BY h), ''))"
           " FROM (SELECT md5(t::text) AS h FROM {0} t) AS hashed")
    return " UNION ALL ".join(one.format(name) for name in names)


def named_hashes(database, rows):
    return {f"{database}.{name}": f"{count}:{digest}" for name, count, digest in rows}


def shell_quote(value):
    """pg_ctl hands its -o to a shell."""
    return "'" + str(value).replace("'", "'\\''") + "'"


def alive(pid):
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def remove_cluster(cluster):
    cluster.stop("immediate")
    shutil.rmtree(cluster.data, ignore_errors=True)
