"""restore --delta where a server may be at work: only what is proved counts, and what nobody can see has to be said by name."""
import contextlib
import os
import random
import signal
import subprocess

import pytest

from support import compare, system

SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
STOPPED = "--server-is-stopped"
ALL_IS_SEEN = os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes process spaces, and processes of other users")


def as_user(*command):
    user = system.server_user()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL", *map(str, command)]


def apart(*command, spaces=("pid",), hidden=None):
    """A command in spaces of its own, as in a container; without what is in the folder `hidden`."""
    inner = as_user(*command)
    if hidden:
        empty = hidden.parent / "empty"
        empty.mkdir(exist_ok=True)
        inner = ["sh", "-c", f'mount --bind {empty} {hidden} && exec "$@"', "sh", *inner]
    return ["unshare", "--fork", "--kill-child", "--mount-proc", "--mount", *(f"--{space}" for space in spaces), *inner]


def run_apart(stanza, *args, **kw):
    return subprocess.run(apart(*stanza.cairn.command(*args), **kw), capture_output=True, text=True, check=False, cwd="/",
                          env=system.clean_environment(), timeout=300)


@pytest.fixture(params=(15, 18))
def source(request, make_stanza):
    print(f"PGCAIRN_RANDOM_SEED={SEED}")
    stanza = make_stanza(request.param).create()
    stanza.cluster.rows("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    stanza.backup()
    stanza.cluster.wait_for_archived()
    return stanza


@contextlib.contextmanager
def server_apart(stanza, spaces):
    """The stanza's server, in a container of its own, with a session that has just written."""
    cluster = stanza.cluster
    cluster.stop()
    with open(cluster.log, "a") as log:
        process = subprocess.Popen(apart(cluster.install.bin / "postgres", "-D", cluster.data, "-c", f"port={cluster.port}",
                                         "-c", f"unix_socket_directories={cluster.sockets}", spaces=spaces),
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=system.clean_environment(), cwd="/")
    try:
        cluster.wait_ready()
        writer = cluster.start_sql("BEGIN; INSERT INTO t VALUES (0); COMMIT; SELECT pg_sleep(600)")
        system.wait_until(lambda: cluster.answers("SELECT count(*) FROM t") == "1001", what="the session's row")
        yield cluster
        writer.kill()
        writer.wait()
    finally:
        inner = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
        for pid in inner:
            os.kill(int(pid), signal.SIGQUIT)
        process.wait(timeout=180)


def test_a_server_in_another_container_is_not_restored_over(source):
    chance = random.Random(SEED)
    for _ in range(3):
        spaces = ["pid", *chance.sample(["ipc", "net", "uts"], chance.randrange(4))]
        own = ["pid", *chance.sample(["ipc", "net", "uts"], chance.randrange(4))]
        hidden = chance.choice([None, source.sockets])
        with server_apart(source, spaces) as cluster:
            said = f"server in {spaces}, restore in {own}, sockets {'hidden' if hidden else 'seen'}"
            for option in ([], [STOPPED], [STOPPED, "--dry-run"]):
                result = run_apart(source, "restore", "--delta", *option, spaces=own, hidden=hidden)
                assert result.returncode == 1 and "PostgreSQL is running in" in result.stderr, (said, option, result.stderr)
            outside = source.cairn.run("restore", "--delta", STOPPED)
            assert outside.code == 1 and "PostgreSQL is running in" in outside.err, (said, outside)
            assert (cluster.data / "postmaster.pid").exists()
            assert cluster.sql("SELECT count(*) FROM t") == "1001", said
            cluster.rows("DELETE FROM t WHERE g = 0; CHECKPOINT")


def crash(cluster):
    """As PgCluster.crash(), but the files stay, as they do."""
    files = {path: path.read_bytes() for path in (cluster.data / "postmaster.pid",)}
    cluster.crash()
    for path, content in files.items():
        system.write(path, content, 0o600)
        os.utime(path)
    return int(files[cluster.data / "postmaster.pid"].split()[0])


def name_process(cluster, pid):
    path = cluster.data / "postmaster.pid"
    lines = path.read_text().splitlines()
    system.write(path, "\n".join([str(pid), *lines[1:6], f"{1:9} {2**30:9}", "ready", ""]), 0o600)  # a segment that is not there


def test_a_crashed_server_is_restored_over_where_its_end_is_proved(source):
    cluster = source.cluster
    crash(cluster)
    before = compare.tree_state(cluster.data)
    result = run_apart(source, "restore", "--delta", spaces=("pid", "ipc"))
    assert result.returncode == 1 and "cannot determine whether PostgreSQL runs in" in result.stderr, result.stderr
    assert STOPPED in result.stderr and compare.tree_state(cluster.data) == before
    if ALL_IS_SEEN:
        assert source.cairn.run("restore", "--delta", "--dry-run").code == 0
    result = run_apart(source, "restore", "--delta", "--discard-wal", STOPPED, spaces=("pid", "ipc"))
    assert result.returncode == 0, result.stderr
    assert cluster.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1000"


def test_a_number_that_another_program_has_now(source):
    cluster = source.cluster
    crash(cluster)
    code = 0 if ALL_IS_SEEN else 1
    programs = {"root's": (["sleep", "600"], "/"), "our own": (as_user("sleep", "600"), "/"), "nobody's": (None, "/")}
    for whose, (command, folder) in programs.items():
        process = subprocess.Popen(command, cwd=folder) if command else None
        try:
            name_process(cluster, process.pid if process else 4194303)
            result = source.cairn.run("restore", "--delta", "--dry-run")
            assert result.code == code, (whose, result)
            assert source.cairn.run("restore", "--delta", "--dry-run", STOPPED).code == 0
        finally:
            if process:
                process.kill()
                process.wait()
    with subprocess.Popen(as_user("sleep", "600"), cwd=cluster.data) as shell:
        name_process(cluster, shell.pid)
        result = source.cairn.run("restore", "--delta", "--dry-run")
        assert result.code == 1 and "cannot determine" in result.err and f"process {shell.pid} (sleep) works in it" in result.err, result
        name_process(cluster, 4194303)  # somebody's shell
        assert source.cairn.run("restore", "--delta", "--dry-run").code == code
        shell.kill()


def test_a_single_user_server(source):
    cluster = source.cluster
    cluster.stop()
    with subprocess.Popen(as_user(cluster.install.bin / "postgres", "--single", "-D", cluster.data, "postgres"), stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=system.clean_environment(), cwd="/") as server:
        system.wait_until(lambda: (cluster.data / "postmaster.pid").exists(), what="the lock of the server")
        result = source.cairn.run("restore", "--delta", STOPPED)
        assert result.code == 1 and "PostgreSQL is running in" in result.err, result
        server.stdin.close()
        assert server.wait(timeout=180) == 0
    assert source.cairn.run("restore", "--delta", "--dry-run").code == 0


def test_without_postmaster_pid_pg_control_tells(source):
    """Shut down, or restored and never started: proved. In production: only where all processes are seen."""
    cluster = source.cluster
    cluster.stop()
    assert run_apart(source, "restore", "--delta").returncode == 0
    again = run_apart(source, "restore", "--delta")
    assert again.returncode == 0, again.stderr
    cluster.must_start().wait_ready()
    crash(cluster)
    (cluster.data / "postmaster.pid").unlink()
    result = run_apart(source, "restore", "--delta")
    assert result.returncode == 1 and "pg_control does not say that the server was shut down" in result.stderr, result.stderr
    assert run_apart(source, "restore", "--delta", "--discard-wal", STOPPED).returncode == 0


def test_a_restore_that_was_interrupted_goes_by_the_same_rules(source):
    cluster = source.cluster
    crash(cluster)
    (cluster.data / "global/pg_control").unlink()
    system.write(cluster.data / "pgcairn.restore", "interrupted\n")
    for option in ([], ["--delta"]):
        result = run_apart(source, "restore", *option, spaces=("pid", "ipc"))
        assert result.returncode == 1 and "cannot determine" in result.stderr, result.stderr
        assert (cluster.data / "postmaster.pid").exists()
    assert run_apart(source, "restore", STOPPED, spaces=("pid", "ipc")).returncode == 0
    assert cluster.must_start().wait_ready().sql("SELECT count(*) FROM t") == "1000"
