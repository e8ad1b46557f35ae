"""The operating system around the tests: which user runs what, where temporary files live, faults made with its tools.

PostgreSQL refuses to run as root, and the checkout may be in a folder that nobody else can enter. So everything that
the server or pgcairn touches lives below one temporary root that belongs to the server's user.
"""
import contextlib
import functools
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
MEMORY = "/dev/shm"


@functools.lru_cache(maxsize=None)
def server_user():
    """The user that runs PostgreSQL and pgcairn: postgres when we are root, else ourselves."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def identity():
    """Arguments of subprocess that make the child run as the server's user (its pid is the program's own)."""
    if os.geteuid() != 0:
        return {}
    user = server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid)}


def clean_environment(extra=None):
    """An environment in which no setting of whoever started the tests reaches libpq or pgcairn."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    kept.update({"HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    kept.update({k: str(v) for k, v in (extra or {}).items()})
    return kept


def run(command, *, check=True, timeout=300, env=None, cwd="/", as_server=True, stdin=subprocess.DEVNULL, text=True):
    """Run to the end, as the server's user unless told otherwise; with check, a failure shows what the program said."""
    done = subprocess.run([str(part) for part in command], stdin=stdin, capture_output=True, text=text, timeout=timeout,
                          env=clean_environment(env), cwd=cwd, **(identity() if as_server else {}))
    if check and done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done


def make_root():
    """A new temporary root that the server's user owns and may enter: below $TMPDIR, else in memory where there is
    plenty (a cluster is a thousand files, and a busy disk makes every test wait), else below /tmp."""
    memory = [MEMORY] if "TMPDIR" not in os.environ and has_plenty(MEMORY) else []
    for parent in dict.fromkeys((*memory, tempfile.gettempdir(), "/tmp")):
        root = pathlib.Path(tempfile.mkdtemp(prefix="pgcairn-", dir=parent))
        own(root)
        program = shutil.copy("/bin/true", root)
        if run(["test", "-w", root], check=False).returncode == 0 and can_execute(program):
            root.chmod(0o755)
            os.unlink(program)
            return root
        shutil.rmtree(root)
    raise RuntimeError("the server's user can enter neither $TMPDIR nor /tmp, or they are mounted noexec")


def has_plenty(folder):
    try:
        available = next(int(line.split()[1]) << 10 for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
                         if line.startswith("MemAvailable:"))
        return min(available, shutil.disk_usage(folder).free) >= 8 << 30
    except (OSError, StopIteration):
        return False


def can_execute(program):
    try:
        return run([program], check=False).returncode == 0
    except PermissionError:
        return False


def own(path):
    """Give a file or folder (not what is in it) to the server's user."""
    user = server_user()
    os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def make_dir(path, mode=0o700):
    path = pathlib.Path(path)
    path.mkdir(mode=mode)
    path.chmod(mode)
    own(path)
    return path


def write(path, data, mode=0o640):
    """Write a file that belongs to the server's user."""
    path = pathlib.Path(path)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)
    own(path)
    return path


def remove_tree(path):
    """Remove a tree even where a test took permissions away."""
    if pathlib.Path(path).exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(path, ignore_errors=True)


def wait_until(condition, timeout=180, what="the condition", pause=0.05):
    """Poll until the condition is true; return its value. `what` is for the failure, or makes it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"waited {timeout} s in vain for {what() if callable(what) else what}")


def mount(*arguments):
    """Mount something; where that is not allowed, the test is skipped."""
    mounted = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")


@contextlib.contextmanager
def small_filesystem(path, mebibytes, files=100000):
    """A tmpfs of that size, and for so many files, at path, which is made unless it is there."""
    path = path if path.exists() else make_dir(path)
    user = server_user()
    mount("-t", "tmpfs", "-o", f"size={mebibytes}m,nr_inodes={files},mode=750,uid={user.pw_uid},gid={user.pw_gid}", "tmpfs", path)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def resize(path, mebibytes):
    """Give a small_filesystem() another size."""
    subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(path)], check=True)


def fill(folder):
    """Take all the space of a small_filesystem(); return the file that has it."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    return ballast


@contextlib.contextmanager
def read_only(path):
    """The folder can be read and not written, by nobody."""
    mount("--bind", path, path)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
