"""The independent reader against the golden repositories, whole and damaged."""
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

import pgcairn_reader

READER = pathlib.Path(__file__).with_name("pgcairn_reader.py")
FORMAT = pathlib.Path(__file__).parents[1] / "golden" / "format"
GOLDEN = FORMAT / "v1"
SEALED = FORMAT / "v1-sealed"  # the same content
KEY = b"0123456789abcdef0123456789ABCDEF"
PASSPHRASE = b"a cairn marks the way"
CLUSTER = "15-7412345678901234567"


def expected():
    """The rows of expected.tsv: what, label or cluster, path, size, SHA-256 or target."""
    rows = []
    for line in (GOLDEN / "expected.tsv").read_text(encoding="utf-8").splitlines():
        what, where, path, size, rest = line.split("\t")
        rows.append((what, where, pgcairn_reader.unescape(path, "expected"), size, rest))
    return rows


LABELS = list(dict.fromkeys(row[1] for row in expected() if row[0] == "file"))


@pytest.fixture(params=[GOLDEN, SEALED], ids=["plain", "sealed"])
def golden(request):
    return request.param / "repo"


@pytest.fixture
def repo(golden):
    return pgcairn_reader.Repo(str(golden), key=KEY)


@pytest.fixture
def copy(golden, tmp_path):
    shutil.copytree(golden, tmp_path / "repo")
    return tmp_path / "repo"


def run(*arguments):
    done = subprocess.run([sys.executable, READER, *arguments], capture_output=True, check=False,
                          env={**os.environ, "READER_KEY": KEY.hex()})
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def objects(root):
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))


def read_all(root):
    """Reads and checks all that is in a repository; the keys it came by."""
    read = set()

    class Watched(pgcairn_reader.Repo):
        def get(self, key):
            read.add(key)
            return super().get(key)

    watched = Watched(str(root), key=KEY)
    pgcairn_reader.ls(watched)
    for label in LABELS:
        pgcairn_reader.Backup(watched, "main", label).check()
    for what, cluster, path, _, _ in expected():
        if what == "wal":
            watched.wal("main", cluster, path.decode())
    return read


def test_every_file_is_as_it_was(repo):
    found = []
    for label in LABELS:
        backup = pgcairn_reader.Backup(repo, "main", label)
        backup.check()
        for path, entry in backup.entries.items():
            if entry.get("type") == "dir":
                found.append(("dir", label, path, "-", "-"))
            elif entry.get("type") == "link":
                found.append(("link", label, path, "-", entry["target"]))
            else:
                content = b"".join(backup.content(path))
                found.append(("file", label, path, str(len(content)), hashlib.sha256(content).hexdigest()))
    for what, cluster, path, _, _ in expected():
        if what == "wal":
            content = repo.wal("main", cluster, path.decode())
            found.append(("wal", cluster, path, str(len(content)), hashlib.sha256(content).hexdigest()))
    assert found == expected()
    assert len(LABELS) == 4


def test_commands(golden):
    root = str(golden)
    status, out, _ = run("ls", root)
    lines = out.decode().splitlines()
    assert status == 0
    assert lines[0] == "stanza main"
    assert f"  cluster {CLUSTER} PostgreSQL 15" in lines
    assert "stanza old-one" in lines
    assert [line.split()[1] for line in lines if line.startswith("  backup")] == LABELS
    assert f"  wal {CLUSTER} 00000002.history" in lines
    assert len([line for line in lines if line.startswith("  wal")]) == 6
    assert "  lease released backup 2026-11-24T01:02:03Z 2026-11-24T01:03:04.000500Z" in lines
    assert run("ls", root, "old-one")[1].decode().splitlines() == [
        "stanza old-one", "  cluster 13-7000000000000000001 PostgreSQL 13"]

    odd = os.fsdecode(b"od\xff\xfed")
    assert run("cat", root, "main", LABELS[0], odd)[:2] == (0, b"bytes\n")
    assert run("cat", root, "main", LABELS[1], "postgresql.conf")[:2] == (0, b"port = 5433\n")
    config = os.fsdecode(b"/etc/od\xffd/postgresql.conf")
    assert run("cat", root, "main", LABELS[3], config)[:2] == (0, b"port = 5434\n")
    assert run("wal", root, "main", CLUSTER, "00000002.history")[1].startswith(b"1\t0/9000000")
    for label in LABELS:
        status, out, _ = run("check", root, "main", label)
        assert (status, out[:5]) == (0, b"good:")


def test_refusals_of_commands(golden):
    root = str(golden)
    for arguments in (["cat", root, "main", LABELS[0], "nothing"], ["cat", root, "main", LABELS[0], "base"],
                      ["check", root, "main", "20261125-010203F"], ["check", root, "main", "../../x"],
                      ["wal", root, "main", CLUSTER, "00000009.history"], ["ls", root + "/main"]):
        status, out, error = run(*arguments)
        assert (status, out) == (1, b""), arguments
        assert error.startswith("error: ")
    assert run("help")[0] == 2


def test_a_changed_byte_anywhere_is_refused(copy):
    generator = random.Random(os.environ.get("PGCAIRN_TEST_SEED", "1"))
    read = read_all(copy)
    for path in objects(copy):
        key = str(path.relative_to(copy))
        whole = path.read_bytes()
        if key not in read:  # the packs of the interrupted backup
            assert key.startswith("main/data/20261125-010203F/"), key
            continue
        for _ in range(6):
            place = generator.randrange(len(whole))
            changed = bytearray(whole)
            changed[place] ^= 1 << generator.randrange(8)
            path.write_bytes(changed)
            with pytest.raises(pgcairn_reader.Damage):
                read_all(copy)
        path.write_bytes(whole)
    read_all(copy)


def test_missing_cut_and_swapped_objects_are_refused(copy):
    read = read_all(copy)
    paths = [path for path in objects(copy) if str(path.relative_to(copy)) in read]
    for path in paths:
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:len(whole) // 2], b"", whole + b"\n", whole + whole):
            path.write_bytes(damaged)
            with pytest.raises(pgcairn_reader.Damage):
                read_all(copy)
        for other in paths:
            if other.parent == path.parent and other != path:
                path.write_bytes(other.read_bytes())
                with pytest.raises(pgcairn_reader.Damage):
                    read_all(copy)
        path.unlink()
        # Without its marker a backup is none, and without its document a cluster; a lease need not be, and nor need the
        # slot of another secret.
        if not any(kind in str(path) for kind in ("/backup/", "/cluster/", "/lease/", "/key/00000000")):
            with pytest.raises(pgcairn_reader.Damage):
                read_all(copy)
        path.write_bytes(whole)
    read_all(copy)


def test_secrets():
    assert pgcairn_reader.Repo(str(SEALED / "repo"), PASSPHRASE).data_key == pgcairn_reader.Repo(str(SEALED / "repo"), key=KEY).data_key
    for secrets in ({}, {"passphrase": PASSPHRASE[:-1]}, {"key": KEY[::-1]}):
        with pytest.raises(pgcairn_reader.Damage):
            pgcairn_reader.Repo(str(SEALED / "repo"), **secrets)


@pytest.mark.parametrize("golden", [GOLDEN], indirect=True)
def test_another_repository_with_the_same_keys_is_refused(copy):
    key = copy / "pgcairn.json"
    line = key.read_bytes().split(b"\n")[0].replace(b"0123456789abcdef" * 2, b"f" * 32)
    check = pgcairn_reader.xxhash.xxh3_128_hexdigest(b"\npgcairn.json\n" + line)
    key.write_bytes(line + b'\n{"check":"' + check.encode() + b'"}\n')
    assert pgcairn_reader.Repo(str(copy)).id == "f" * 32
    with pytest.raises(pgcairn_reader.Damage):
        pgcairn_reader.Backup(pgcairn_reader.Repo(str(copy)), "main", LABELS[0])


@pytest.mark.parametrize("golden", [GOLDEN], indirect=True)
@pytest.mark.parametrize("tool, kind", [("zstd", "zst"), ("lz4", "lz4")])
def test_standard_tools_decompress_objects(repo, tool, kind):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    name = {"zst": "000000010000000000000006", "lz4": "000000010000000000000009.partial"}[kind]
    path = GOLDEN / "repo" / "main" / "wal" / CLUSTER / name[:16] / name
    with open(path, "rb") as file:
        done = subprocess.run([tool, "-dc"], stdin=file, capture_output=True, check=True)
    assert done.stdout == repo.wal("main", CLUSTER, name)
