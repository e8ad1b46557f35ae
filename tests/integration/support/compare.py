"""Comparing data directories, byte for byte."""
import fnmatch
import hashlib
import os
import pathlib
import stat

# Folders whose contents a backup leaves out, while the folder itself must be there.
EMPTIED = ("pg_wal", "pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans")

# What may differ between a quiescent source and its restored directory.
RESTORE_DIFFERS = (
    "backup_label", "backup_label.old", "tablespace_map", "tablespace_map.old",
    "global/pg_control", "postmaster.pid", "postmaster.opts", "postgresql.auto.conf", "recovery.signal",
    "*pg_internal.init", "*pgsql_tmp*", "current_logfiles", "pgcairn.backups",
    *(f"{folder}/*" for folder in EMPTIED),
)


def entries(root):
    """{relative path: lstat} of everything below root; tablespaces are entered, and named as seen from the root."""
    found = {}
    pending = [pathlib.Path(root)]
    while pending:
        folder = pending.pop()
        for entry in os.scandir(folder):
            relative = str(pathlib.Path(entry.path).relative_to(root))
            found[relative] = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=relative.startswith("pg_tblspc/")):
                pending.append(pathlib.Path(entry.path))
    return found


def allowed(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def first_difference(one, other):
    """Offset of the first byte that differs, None when the files are equal."""
    left, right = pathlib.Path(one).read_bytes(), pathlib.Path(other).read_bytes()
    if left == right:
        return None
    return next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))


def differences(source, restored, allow=RESTORE_DIFFERS):
    """Sentences about everything in which the two directories differ; none when they are the same."""
    left, right = entries(source), entries(restored)
    said = []
    for path in sorted(left.keys() | right.keys()):
        if allowed(path, allow):
            continue
        if path not in left or path not in right:
            said.append(f"only in the {'source' if path in left else 'restored directory'}: {path}")
            continue
        one, other = left[path], right[path]
        if stat.S_IFMT(one.st_mode) != stat.S_IFMT(other.st_mode):
            said.append(f"another kind of file: {path}")
        elif stat.S_ISLNK(one.st_mode):
            continue  # tablespaces are remapped on purpose; their contents are compared
        elif stat.S_IMODE(one.st_mode) != stat.S_IMODE(other.st_mode):
            said.append(f"mode {stat.S_IMODE(one.st_mode):o} became {stat.S_IMODE(other.st_mode):o}: {path}")
        elif (one.st_uid, one.st_gid) != (other.st_uid, other.st_gid):
            said.append(f"another owner: {path}")
        elif stat.S_ISREG(one.st_mode):
            offset = first_difference(pathlib.Path(source, path), pathlib.Path(restored, path))
            if offset is not None:
                said.append(f"differs from byte {offset}: {path}")
    return said


def tree_state(root):
    """Everything about a tree that a command which refuses must leave alone. Compare two of them with ==."""
    state = {}
    for path, info in entries(root).items():
        content = None
        if stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(pathlib.Path(root, path).read_bytes()).hexdigest()
        elif stat.S_ISLNK(info.st_mode):
            content = os.readlink(pathlib.Path(root, path))
        state[path] = (info.st_mode, info.st_uid, info.st_gid, content,
                       None if stat.S_ISDIR(info.st_mode) else info.st_mtime_ns)
    top = os.stat(root)
    state["."] = (top.st_mode, top.st_uid, top.st_gid, None, None)
    return state
