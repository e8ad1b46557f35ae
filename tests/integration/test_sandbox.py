"""A drill beside the live cluster, while tablespaces and databases come, move and go: nothing of the live one is touched.

PGCAIRN_SANDBOX_SECONDS says how long the storm goes on (10), PGCAIRN_RANDOM_SEED repeats its choices, PGCAIRN_SANDBOX_AS who
runs drills and restores: user (the server's), root, or namespace (the server's user in user, mount and process namespaces of its
own); without it, one of these by the seed.
"""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from support import system
from support.pgcairn import result_of

SECONDS = float(os.environ.get("PGCAIRN_SANDBOX_SECONDS", "10"))
SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
OFF = "--drill-sandbox=off"
KINDS_OF_USER = ("user", "namespace", *(["root"] if os.geteuid() == 0 else []))
FILE_CALLS = "trace=clone,clone3,fork,vfork,%file"
HARMLESS = ("/dev/null", "/dev/tty", "/dev/shm/PostgreSQL.", "/proc/self/", f"{tempfile.gettempdir()}/pgcairn.")


def can_have_namespaces():
    done = system.run(["unshare", "-Umpinf", "--map-current-user", "true"], check=False)
    return done.returncode == 0


needs_namespaces = pytest.mark.skipif(not can_have_namespaces(), reason="user namespaces are not to be had here")


def sums(*folders):
    """{path: what is there} of all files below, by content."""
    found = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_ino, status.st_mode, status.st_mtime_ns if path.is_file() else 0,
                                hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest())
    return found


class Places:
    """Statements that make, fill, move and drop tablespaces and databases; those that fail do no harm."""

    def __init__(self, stanza, rng, name, home="live"):
        self.home = stanza.home / home
        self.stanza, self.cluster, self.random, self.name = stanza, stanza.cluster, rng, name
        self.spaces, self.databases, self.count = [], [], 0

    def next(self, kind):
        self.count += 1
        return f"{kind}_{self.name}{self.count}"

    def make_space(self):
        name = self.next("s")
        below = self.random.choice(("", "deep/er/", "with space ", "d\u00e4"))
        folder = self.home / f"{below}{name}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        system.make_dir(folder)
        self.spaces.append(name)
        return f"CREATE TABLESPACE {name} LOCATION '{folder}'"

    def space(self):
        return self.random.choice(self.spaces or ["pg_default"])

    def make_table(self):
        return f"CREATE TABLE {self.next('t')} TABLESPACE {self.space()} AS SELECT g, md5(g::text) FROM generate_series(1, {self.random.choice((10, 3000))}) g"

    def move_table(self):
        return f"ALTER TABLE t_{self.name}{self.random.randint(1, self.count + 1)} SET TABLESPACE {self.space()}"

    def change_table(self):
        table = f"t_{self.name}{self.random.randint(1, self.count + 1)}"
        return self.random.choice((f"UPDATE {table} SET g = g + 1", f"DELETE FROM {table} WHERE g > 20", f"TRUNCATE {table}", f"DROP TABLE {table}"))

    def make_database(self):
        self.databases.append(self.next("d"))
        strategy = f"STRATEGY {self.random.choice(('file_copy', 'wal_log'))}" if self.cluster.version >= 15 else ""
        return f"CREATE DATABASE {self.databases[-1]} TEMPLATE template0 TABLESPACE {self.space()} {strategy}"

    def move_database(self):
        return f"ALTER DATABASE {self.random.choice(self.databases or ['none'])} SET TABLESPACE {self.space()}"

    def drop_database(self):
        return f"DROP DATABASE {self.databases.pop(self.random.randrange(len(self.databases))) if self.databases else 'none'}"

    def drop_space(self):
        return f"DROP TABLESPACE {self.space()}"

    def switch(self):
        return self.random.choice(("SELECT pg_switch_wal()", "CHECKPOINT"))

    CHOICES = (make_space, make_space, make_table, make_table, make_table, move_table, change_table, change_table, change_table,
               make_database, move_database, drop_database, drop_space, switch)

    def step(self, choices=CHOICES):
        statement = self.random.choice(choices)(self)
        self.cluster.answers(statement)
        return statement


# No databases: one that is made by copying files, or moved, while a backup runs is another subject.
DURING_BACKUP = (Places.make_space, Places.make_table, Places.make_table, Places.change_table, Places.move_table)


def drill(stanza, *args, code=None):
    result = stanza.cairn.run("drill", "--output=json", "--no-record", *args)
    assert result.code in ((0, 4) if code is None else (code,)), result
    return result.json["drill"]


@pytest.fixture
def live(make_stanza, request):
    """A running cluster with 1 MiB segments; its tablespaces are in `live` below its home."""
    def make(version):
        stanza = make_stanza(version, segment_mib=1, autovacuum=False, shared_buffers="16MB").create()
        for name in ("live", "busy"):
            system.make_dir(stanza.home / name)
        stanza.cairn.tables["stanza.main"].update({"drill-path": stanza.home / "drill", "pg-bin": stanza.install.bin})
        stanza.cairn.save()
        return stanza
    return make


def late(stanza, name="late"):
    """A tablespace that is made after the backup, filled, archived so, and changed once more."""
    folder = system.make_dir(stanza.home / "live" / name)
    rows = stanza.cluster.rows
    rows(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
    rows(f"CREATE TABLE of_{name} TABLESPACE {name} AS SELECT g, 'old' AS v FROM generate_series(1, 5000) g")
    rows("CHECKPOINT")
    rows(f"UPDATE of_{name} SET v = 'newer' WHERE g % 3 = 0")
    stanza.cluster.wait_for_archived()
    rows(f"UPDATE of_{name} SET v = 'live'")
    rows("CHECKPOINT")
    return folder


class Watched:
    """Runs pgcairn as somebody, each time with strace over it and all that it starts: what is not in the namespaces of a drill writes
    nowhere but where it may. Servers that a copy's user starts are not watched: what they did is seen by sums of the original."""

    def __init__(self, stanza, who):
        self.stanza, self.who, self.runs = stanza, who, 0
        self.traces = shutil.which("strace") is not None

    def start(self, *args):
        self.runs += 1
        trace = self.stanza.home / f"trace{self.runs}"
        system.write(trace, "")
        under = ["unshare", "-Umpif", "--map-current-user", "--mount-proc"] if self.who == "namespace" else []
        if self.traces:
            under += ["strace", "-f", "-qq", "--seccomp-bpf", "--pidns-translation", "-e", FILE_CALLS, "-o", trace]
        identity = {} if self.who == "root" else system.identity()
        process = subprocess.Popen([*map(str, under), *self.stanza.cairn.command(*args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd="/", env=system.clean_environment(), **identity)
        return process, trace

    def end(self, started, places, timeout=900):
        process, trace = started
        result = result_of(process, timeout)
        written = writes_outside(trace, places[0], (*HARMLESS, *map(str, places))) if self.traces else []
        assert written == [], (self.who, written)
        trace.unlink()
        return result

    def run(self, *args, places):
        return self.end(self.start(*args), places)

    def kill(self, started):
        """pgcairn itself, by its program: strace and unshare end with it."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                mine = os.readlink(folder / "exe") == str(self.stanza.cairn.binary) and str(self.stanza.cairn.config) in (folder / "cmdline").read_text()
            except OSError:
                continue
            if mine:
                os.kill(int(folder.name), signal.SIGKILL)
        return started


def start_a_copy(stanza, number, watched):
    """Beside the live one, from the backup alone, and written to; False when a tablespace that came into the backup forbids it."""
    target, spaces = stanza.home / f"copy{number}", stanza.home / f"spaces{number}"
    result = watched.run("restore", f"--pg-path={target}", "--type=immediate", "--target-action=promote", f"--tablespace-map-all={spaces}",
                         places=(target, spaces))
    if result.code == 2:
        assert "was created" in result.err and "during backup" in result.err, result
        return False
    assert result.code == 0, result
    copy = stanza.restored(target).must_start().wait_ready()
    tables = [row[0] for row in copy.rows("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^t_'")]
    for table in tables:
        copy.rows(f"DELETE FROM {table}")
    copy.rows("CREATE TABLE mine AS SELECT generate_series(1, 1000)")
    copy.rows("CHECKPOINT")
    copy.stop()
    for folder in (target, spaces):
        shutil.rmtree(folder, ignore_errors=True)
    return True


@needs_namespaces
@pytest.mark.slow
@pytest.mark.parametrize("version", (15, 18))
def test_a_storm_of_tablespaces(live, version):
    """What was made before, during and after the backup and then left alone stays byte for byte, whatever drills and started copies
    do beside it and while others are at work; in the end, when nobody is, nothing at all changes."""
    rng = random.Random(f"{SEED}/{version}")
    who = os.environ.get("PGCAIRN_SANDBOX_AS") or rng.choice(KINDS_OF_USER)
    print(f"seed {SEED}, as {who}")
    stanza = live(version)
    watched = Watched(stanza, who)
    drill_path = stanza.home / "drill"
    still, busy = Places(stanza, rng, "still"), Places(stanza, random.Random(f"{SEED}/{version}/busy"), "busy", "busy")
    for _ in range(12):
        still.step()
    backup = stanza.cairn.start("backup", "--type=full", "--start-fast", "--process-max=1")
    # A tablespace that comes into the backup forbids isolated copies of it: only every other storm has one.
    # So has no long one, that copies are started in it.
    choices = DURING_BACKUP if rng.random() < 0.5 and SECONDS < 60 else DURING_BACKUP[1:]
    while backup.poll() is None:
        still.step(choices)
    assert result_of(backup).code == 0
    for _ in range(25):
        still.step()
    late(stanza)
    stanza.cluster.wait_for_archived()
    before = sums(stanza.home / "live")
    stopped, turns = threading.Event(), threading.Semaphore(0)

    def work():
        # So much for each drill: recovery under strace is slow, and one to the end of the archive would run after it for ever.
        while not stopped.is_set():
            if turns.acquire(timeout=0.1):
                busy.step()
    worker = threading.Thread(target=work)
    worker.start()
    sandboxed, started, drills, copies = True, 0, 0, 0
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or drills < 4:
            drills += 1
            turns.release(20)
            choice = rng.random()
            if choice < 0.3 and drills > 1:
                copies += start_a_copy(stanza, drills, watched)
            elif choice < 0.6 and drills > 1:
                process = watched.start("drill", "--keep", "--no-record")
                time.sleep(rng.uniform(0.05, 3))
                watched.end(watched.kill(process), (drill_path,))
            else:
                done = watched.run("drill", "--output=json", "--no-record", *rng.choice(((), ("--keep",))), places=(drill_path,))
                assert done.code in (0, 4), done
                result = done.json["drill"]
                sandboxed &= result["sandboxed"]
                started += result["started"]
            assert sums(stanza.home / "live") == before, f"seed {SEED}"
    finally:
        stopped.set()
        worker.join()
    assert sandboxed and started > 0
    stanza.cluster.rows("CHECKPOINT")
    stanza.cluster.wait_for_archived()
    stanza.cluster.stop()
    everything = [stanza.cluster.data, stanza.home / "live", stanza.home / "busy", stanza.repo]
    before = sums(*everything)
    for args in (("--keep",), ()):
        drill(stanza, *args)
        assert sums(*everything) == before, f"seed {SEED}"
    stanza.cluster.must_start()
    assert stanza.cluster.rows("SELECT v, count(*) FROM of_late GROUP BY 1") == [["live", "5000"]]
    told = f"seed {SEED}, as {who}: {drills} drills and copies, {started} drills and {copies} copies started, {watched.runs} runs watched"
    print(f"{told}, {still.count + busy.count} places and tables")


@needs_namespaces
@pytest.mark.parametrize("version", (15, 18))
def test_what_the_server_of_a_drill_sees(live, version):
    stanza = live(version)
    stanza.backup()
    folder = late(stanza)
    before = sums(folder)
    gone = "SELECT pg_stat_file('{}', true) IS NULL => t"
    alone = [f"--drill-sql={gone.format(path)}" for path in
             (stanza.cluster.data / "PG_VERSION", stanza.repo, stanza.cairn.config, "/etc/shadow", "/root", stanza.home / "state")]
    result = drill(stanza, "--keep", f"--drill-path={stanza.home}/live/../drill", *alone,
                   "--drill-sql=SELECT count(*) FROM of_late WHERE v = 'newer' => 1666",
                   f"--drill-sql=SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'late' => {folder}",
                   "--drill-sql=SELECT pg_backend_pid() < 100",
                   "--drill-sql=SELECT string_agg(p, ',' ORDER BY p) FROM pg_ls_dir('/') p WHERE p IN ('home', 'root', 'srv', 'mnt', 'work') => null",
                   code=0)
    assert result["good"] and result["sandboxed"] and result["notes"] == [], result
    # The network has no way out: the kernel says so at once.
    reach = drill(stanza, "--drill-sql=CREATE TABLE out (line text)", "--drill-sql=COPY out FROM PROGRAM 'tail -n +2 /proc/net/route | wc -l'", "--keep",
                  "--drill-sql=SELECT line FROM out => 0", code=4)
    assert len(reach["findings"]) == 2 and all("gives no row" in finding for finding in reach["findings"]), reach
    # Seen from outside, a tablespace that is kept is in the drill's directory.
    links = [os.readlink(link) for link in (stanza.home / "drill/data/pg_tblspc").iterdir()]
    assert links == [f"{stanza.home}/drill/root{folder}"] and os.listdir(links[0])
    assert sums(folder) == before


@needs_namespaces
def test_configuration_that_is_included_from_elsewhere(live):
    """It is where the configuration names it, as it was backed up, although the host's has changed or is gone since."""
    stanza = live(15)
    folder = system.make_dir(stanza.home / "shared config")
    system.write(folder / "one.conf", "work_mem = 1111kB\n")
    system.write(folder / "two.conf", "maintenance_work_mem = 2222kB\n")
    with open(stanza.cluster.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write(f"include '{folder}/one.conf'\ninclude_if_exists '{folder}/two.conf'\n")
    stanza.cluster.reload()
    stanza.backup()
    stanza.cluster.wait_for_archived()
    system.write(folder / "one.conf", "work_mem = 9999kB\n")
    (folder / "two.conf").unlink()
    result = drill(stanza, "--drill-sql=SHOW work_mem => 1111kB", "--drill-sql=SHOW maintenance_work_mem => 2222kB", code=0)
    assert result["good"] and result["sandboxed"], result


@needs_namespaces
def test_places_that_cannot_be_the_drills_own(live):
    """A tablespace in the midst of programs: recovery ends before it, and the result says so."""
    stanza = live(15)
    stanza.backup()
    if os.geteuid() != 0:
        pytest.skip("only root makes directories below /opt")
    folder = pathlib.Path("/opt") / f"pgcairn-{os.getpid()}"
    system.make_dir(folder)
    try:
        stanza.cluster.rows(f"CREATE TABLESPACE late LOCATION '{folder}'")
        stanza.cluster.rows("CREATE TABLE there TABLESPACE late AS SELECT 1 AS x")
        stanza.cluster.rows("CHECKPOINT")
        stanza.cluster.wait_for_archived()
        before = sums(folder)
        result = drill(stanza, code=4)
        assert result["sandboxed"] and result["started"] and len(result["findings"]) == 1, result
        assert str(folder) in result["findings"][0] and "cannot have a directory of its own" in result["findings"][0]
        assert sums(folder) == before
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("version", (15, 18))
def test_without_namespaces_recovery_ends_before_it(live, version):
    stanza = live(version)
    stanza.cluster.rows("CREATE TABLE steps (n int)")
    stanza.backup()
    rng = random.Random(f"{SEED}/{version}")
    print(f"seed {SEED}")
    # At a random place of a page and a segment, so that records are cut by both.
    stanza.cluster.rows(f"INSERT INTO steps SELECT generate_series(1, {rng.randrange(12000)})")
    stanza.cluster.rows("INSERT INTO steps VALUES (-1)")
    folder = late(stanza)
    before = sums(folder)
    result = drill(stanza, OFF, "--keep", "--drill-sql=SELECT count(*) FROM steps WHERE n = -1 => 1",
                   "--drill-sql=SELECT count(*) FROM pg_tablespace WHERE spcname = 'late' => 0", code=4)
    assert result["started"] and not result["sandboxed"] and len(result["findings"]) == 1, result
    assert str(folder) in result["findings"][0] and "not tested" in result["findings"][0]
    assert any("drill-sandbox is off" in note for note in result["notes"])
    assert sums(folder) == before
    # A target before the record needs none of what comes after it.
    assert drill(stanza, OFF, "--type=immediate", code=0)["good"]
    # A backup that has the tablespace replays no such record.
    stanza.backup()
    stanza.cluster.wait_for_archived()
    assert drill(stanza, OFF, "--drill-sql=SELECT count(*) FROM of_late WHERE v = 'live' => 5000", code=0)["good"]
    assert {path: state[3] for path, state in sums(folder).items()} == {path: state[3] for path, state in before.items()}


def test_links_that_an_older_drill_has_left(live):
    """They lead to the live tablespace, as seen from here; the next drill removes them, and nothing behind them."""
    stanza = live(15)
    stanza.backup()
    folder = late(stanza)
    before = sums(folder)
    kept = stanza.home / "drill"
    for args in ((), (OFF,)):
        drill(stanza, OFF, "--keep")
        link = kept / "data/pg_tblspc/16999"
        link.symlink_to(folder)
        (kept / "data/postmaster.pid").write_text("1\n")
        drill(stanza, "--keep", *args)
        assert sums(folder) == before and not link.is_symlink()
    drill(stanza)
    assert sums(folder) == before and os.listdir(kept) == []
    # The directories themselves are no links.
    drill(stanza, OFF, "--keep")
    shutil.rmtree(kept / "tablespaces", ignore_errors=True)
    (kept / "tablespaces").symlink_to(folder)
    refused = stanza.cairn.run("drill")
    assert refused.code == 2 and "is a symbolic link" in refused.err and sums(folder) == before, refused


def test_a_link_that_the_server_of_a_killed_drill_has_set(live):
    """Replay of a CREATE TABLESPACE that is in the backup, too, leads the link of that tablespace to its original place."""
    stanza = live(15)
    folder = late(stanza)
    stanza.backup()
    before = sums(folder)
    drill(stanza, OFF, "--keep")
    kept = stanza.home / "drill"
    link, = (kept / "data/pg_tblspc").iterdir()
    link.unlink()
    link.symlink_to(folder)
    assert drill(stanza, OFF, "--keep", "--drill-sql=SELECT count(*) FROM of_late => 5000", code=0)["good"]
    assert os.readlink(link) == str(kept / "tablespaces/late")
    assert sums(folder) == before
    # Nor does a link lead out that such a server has put in the place of a tablespace's directory.
    place, elsewhere = kept / "tablespaces/late", stanza.home / "elsewhere"
    place.rename(elsewhere)
    (next(elsewhere.glob("PG_*")) / "not ours").touch()
    for victim in (folder, elsewhere):
        place.symlink_to(victim)
        before = sums(victim)
        assert drill(stanza, OFF, "--keep", "--drill-sql=SELECT count(*) FROM of_late => 5000", code=0)["good"]
        assert not place.is_symlink() and sums(victim) == before
        shutil.rmtree(place)


@pytest.mark.parametrize("limit", ("required", "auto"))
def test_where_namespaces_are_not_to_be_had(live, limit):
    """As in a container: a user namespace in which no further one can be made."""
    if not can_have_namespaces():
        pytest.skip("user namespaces are not to be had here, and so cannot be forbidden in one")
    stanza = live(15)
    stanza.backup()
    stanza.cluster.wait_for_archived()
    # The limit belongs to the namespace: it is set as its root, and the drill runs as the mapped user below it.
    command = stanza.cairn.command("drill", "--output=json", "--no-record", f"--drill-sandbox={limit}")
    user = system.server_user()
    process = system.run(["unshare", "-U", "-r", "sh", "-c", 'echo 1 > /proc/sys/user/max_user_namespaces && exec unshare -U --map-user=' + str(user.pw_uid)
                          + ' --map-group=' + str(user.pw_gid) + ' "$@"', "sh", *command], check=False)
    if limit == "required":
        assert process.returncode == 1 and "namespaces" in process.stderr and "drill-sandbox" in process.stderr, process
    else:
        result = json.loads(process.stdout)["drill"]
        assert process.returncode == 0 and result["good"] and not result["sandboxed"], process
        assert any("without namespaces" in note for note in result["notes"])


@needs_namespaces
def test_inside_of_an_unprivileged_namespace(live):
    """A container that lets its users make namespaces: of it, too, nothing is seen but programs."""
    stanza = live(15)
    stanza.backup()
    folder = late(stanza)
    before = sums(folder)
    command = stanza.cairn.command("drill", "--output=json", "--no-record")
    done = system.run(["unshare", "-Umpif", "--map-current-user", "--mount-proc", *command], check=False)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["drill"]["sandboxed"] and sums(folder) == before


def traced(trace):
    """(process, call) of each line of strace; a call that others came between is one, where it ended."""
    begun = {}
    for line in pathlib.Path(trace).read_text(errors="replace").splitlines():
        pid, call = line.split(None, 1)
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        yield pid, begun.pop(pid, "") + resumed[1] if resumed else call


def born_in_a_sandbox(calls):
    """Processes that live in one, or come of one that does. A child may be seen before the call that made it ends."""
    children = []
    for pid, call in calls:
        born = re.match(r"(?:clone3?|fork|vfork)\(.*= (\d+)", call)
        here = born and re.search(r"(\d+) in strace's PID NS", call)
        if born:
            children.append((pid, here[1] if here else born[1], "CLONE_NEWUSER" in call))
    inside = {child for _, child, first in children if first}
    while True:
        more = {child for parent, child, _ in children if parent in inside} - inside
        if not more:
            return inside
        inside |= more


def writes_outside(trace, drill_path, allowed):
    """Calls that write outside of the drill's directory, but in a sandbox, whose paths are its own."""
    calls, found = list(traced(trace)), []
    inside = born_in_a_sandbox(calls)
    for pid, call in calls:
        changing = re.match(r"(unlink|rename|mkdir|rmdir|chmod|fchmodat|chown|truncate|symlink|link|mknod|utime)", call)
        opened = re.match(r"(open|openat|creat)\(", call) and re.search(r"O_WRONLY|O_RDWR|O_CREAT", call)
        if pid in inside or not (changing or opened) or "= -1" in call:
            continue
        paths = re.findall(r'"([^"]*)"', call)
        paths = paths[-1:] if call.startswith("symlink") else paths  # what a link says is no place that is written to
        if any(path.startswith("/") and not path.startswith((str(drill_path), *allowed)) for path in paths):
            found.append(f"{pid} {call}")
    return found


@pytest.mark.parametrize("how", ("auto", "off"))
def test_nothing_is_opened_for_writing_elsewhere(live, how):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    stanza = live(15)
    stanza.backup()
    late(stanza)
    drill_path = stanza.home / "drill"
    trace = stanza.home / "trace"
    system.write(trace, "")
    for args in (("--keep",), ()):
        process = stanza.cairn.start("drill", f"--drill-sandbox={how}", "--no-record", *args, under=("strace", "-f", "-qq", "--pidns-translation", "-e", FILE_CALLS, "-o", trace))
        done = result_of(process, 300)
        assert done.code in (0, 4), done
        assert writes_outside(trace, drill_path, HARMLESS) == []
        assert str(drill_path) in trace.read_text(errors="replace")


# What a hostile server does beside its work. Of the drill only its own directory is there: $D; $C is a name of the host.
HOSTILE = {
    "a link for pg_wal": 'while :; do mv $D/data/pg_wal $D/data/w && ln -s $C $D/data/pg_wal; sleep 0.05; rm -f $D/data/pg_wal; mv $D/data/w $D/data/pg_wal; sleep 0.05; done',
    "pipes for segments": 'for i in 0 1 2 3 4 5 6 7 8 9 A B C D E F; do for j in 0 1 2 3 4 5 6 7 8 9 A B C D E F; do mkfifo $D/data/pg_wal/0000000100000000000000$i$j; done; done',
    "a pipe for the status": 'while :; do rm -f $D/data/postmaster.pid; mkfifo $D/data/postmaster.pid; sleep 0.05; done',
    "a pipe for pg_control": 'sleep 0.2; while :; do mv $D/data/global/pg_control $D/data/c; mkfifo $D/data/global/pg_control; sleep 0.2; rm $D/data/global/pg_control; mv $D/data/c $D/data/global/pg_control; sleep 0.2; done',
    "a link for the log": 'rm -f $D/server/postgresql.log; ln -s $C/secret $D/server/postgresql.log; sleep 0.5; rm -rf $D/data/global; kill -QUIT 1; kill -INT 1',
    "a link for the socket": 'while :; do test -S $D/server/.s.PGSQL.5432 && test ! -L $D/server/.s.PGSQL.5432 && mv $D/server/.s.PGSQL.5432 $D/server/s && ln -s $L $D/server/.s.PGSQL.5432; done',
    "links for what clients say": 'while :; do for n in amcheck pg_amcheck; do ln -sf $C/secret $D/server/$n.log; done; ln -sf $C/secret $D/server/preload; done',
    "a link for the root": 'mv $D/root $D/r; ln -s $C $D/root',
    "questions without end": 'while :; do echo 000000010000000000000001 pg_wal/RECOVERYXLOG >$D/server/wal-wanted; done',
    "other pipes": 'while :; do rm -f $D/server/wal-wanted $D/server/wal-answer; ln -s $C/secret $D/server/wal-wanted; ln -s $C/secret $D/server/wal-answer; sleep 0.05; done',
}


@needs_namespaces
@pytest.mark.slow
def test_a_hostile_server_leads_nobody_out_of_its_directory(live):
    """It may spoil its drill. But what works outside of its namespaces neither writes nor reads where it leads, nor waits for ever."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    stanza = live(15)
    real = stanza.install.bin
    if not str(real.resolve()).startswith(("/usr/", "/opt/")):
        pytest.skip("PostgreSQL 15 is not where a sandbox sees it")
    stanza.backup()
    late(stanza)
    stanza.cluster.wait_for_archived()
    canary = system.make_dir(stanza.home / "canary")
    system.write(canary / "secret", "the host's own secret")
    programs = system.make_dir(system.make_dir(stanza.home / "programs") / "bin")
    (programs / "pg_amcheck").symlink_to(real / "pg_amcheck")
    drill_path = stanza.home / "drill"
    before = sums(canary, stanza.home / "live")
    kinds = list(HOSTILE) if SECONDS >= 60 else rng.sample(list(HOSTILE), 4)
    for kind in kinds:
        script = HOSTILE[kind]
        for name, path in (("$D", drill_path), ("$C", canary), ("$L", f"{stanza.cluster.sockets}/.s.PGSQL.{stanza.cluster.port}")):
            script = script.replace(name, f"'{path}'")
        system.write(programs / "postgres", f"""#!/bin/sh
case "$*" in *--version*|*" -C "*) exec {real}/postgres "$@" ;; esac
( {script} ) >/dev/null 2>&1 </dev/null &
exec {real}/postgres "$@"
""", 0o755)
        connections = stanza.cluster.sql("SELECT sum(sessions) FROM pg_stat_database WHERE datname = 'template1'")
        began = time.monotonic()
        process = stanza.cairn.start("drill", "--output=json", "--no-record", f"--pg-bin={programs}", "--drill-timeout=15s")
        done = result_of(process, 120)
        print(kind, done.code, round(time.monotonic() - began), done.err[-300:])
        assert done.code in (0, 1, 4), (kind, done)
        assert "the host's own secret" not in done.out + done.err, (kind, done)
        assert sums(canary, stanza.home / "live") == before, kind
        assert stanza.cluster.sql("SELECT sum(sessions) FROM pg_stat_database WHERE datname = 'template1'") == connections, kind
        assert os.listdir(drill_path) == [] if drill_path.exists() else True, kind
