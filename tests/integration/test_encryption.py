"""Encrypted repositories: the whole story with each kind of key, wrong keys, objects that were moved about, and no secret in
any output or in what a core dump would hold."""
import os
import pathlib
import re
import secrets
import struct
import subprocess
import sys

import pytest

from support import compare, damage, system

sys.path.append(str(system.CHECKOUT / "tests/reader"))
import pgcairn_reader  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402

PASSPHRASE = "correct horse battery staple 4711"


def key_settings(kind, home):
    """The keys of [repo.NAME] for a slot of a kind, and what the independent reader opens it with."""
    key = secrets.token_bytes(32)
    if kind == "key-passphrase":
        return {kind: PASSPHRASE}, {"passphrase": PASSPHRASE.encode()}
    if kind == "key-passphrase-file":
        return {kind: system.write(home / "passphrase", PASSPHRASE + "\n", 0o600)}, {"passphrase": PASSPHRASE.encode()}
    if kind == "key-file":
        return {kind: system.write(home / "repo.key", key, 0o600)}, {"key": key}
    return {kind: f"echo {key.hex()}"}, {"key": key}


def seal(stanza, **keys):
    """Give the stanza's repository these keys in place of those that it has."""
    section = stanza.cairn.tables["repo.local"]
    for name in [name for name in section if name.startswith("key-")]:
        del section[name]
    section.update(keys)
    stanza.cairn.tables["global"]["state-path"] = stanza.home / "state"
    stanza.cairn.save()
    return stanza


@pytest.fixture
def sealed(make_stanza):
    """A stanza in a repository that a passphrase in a file opens."""
    stanza = make_stanza(15)
    settings, stanza.opens = key_settings("key-passphrase-file", stanza.home)
    return seal(stanza, **settings).create()


@pytest.fixture
def sealed_backup(sealed):
    """The same with one backup, `label`."""
    sealed.cluster.pgbench_init(1)
    sealed.label = sealed.backup()["label"]
    return sealed


def reader_of(stanza):
    return pgcairn_reader.Repo(str(stanza.repo), **stanza.opens)


def objects(repo):
    return [path for path in sorted(repo.rglob("*")) if path.is_file() and path.parent.name != ".reserve"]


def segment_of(stanza):
    stanza.cluster.wait_for_archived()
    return next(path.name for path in stanza.wal_objects() if len(path.name) == 24)


# --- the story ------------------------------------------------------------------------------------------------------


def test_the_whole_story_sealed(sealed):
    cluster = sealed.cluster
    cluster.pgbench_init(1)
    cluster.rows("CREATE TABLE visible AS SELECT 'a text that is easily found' AS x")
    sealed.cairn.ok("check")
    full = sealed.backup()["label"]
    cluster.rows("CREATE TABLE later AS SELECT generate_series(1, 1000) AS x")
    incremental = sealed.backup(type="incr")
    assert incremental["prior"] == full
    cluster.rows("INSERT INTO later VALUES (0)")
    cluster.wait_for_archived()
    sealed.cairn.ok("verify", "--level=full")
    sealed.cairn.ok("hold", full, "--reason=a text that is easily found")
    assert sealed.labels() == [full, incremental["label"]]
    assert sealed.cairn.run("health").code in (0, 3)

    # All but pgcairn.json, pgcairn.proof and the slots is sealed, and nothing is readable; a stranger with the key reads all of it.
    for path in objects(sealed.repo):
        key = path.relative_to(sealed.repo)
        if str(key) not in ("pgcairn.json", "pgcairn.proof") and key.parts[0] != "key":
            content = path.read_bytes()
            assert content[:16] == content[:4] + content[4:8] + b"PGCN\x01" + content[13:15] + b"\x01", key
            assert b"easily found" not in content and b'"label"' not in content
    reader = reader_of(sealed)
    for label in sealed.labels():
        pgcairn_reader.Backup(reader, "main", label).check()
    pgcairn_reader.ls(reader)

    sealed.cairn.ok("unhold", full)
    third = sealed.backup()["label"]
    sealed.cairn.ok("expire", f"--set={incremental['label']}")
    assert sealed.labels() == [full, third]
    cluster.stop()
    restored = sealed.restore().must_start().wait_ready()
    assert restored.sql("SELECT count(*) FROM later") == "1001"


@pytest.mark.parametrize("kind", ["key-passphrase", "key-file", "key-command"])
def test_each_kind_of_key(make_stanza, kind):
    stanza = make_stanza(15)
    settings, stanza.opens = key_settings(kind, stanza.home)
    seal(stanza, **settings).create()
    label = stanza.backup()["label"]
    segment = segment_of(stanza)
    stanza.cairn.ok("archive-get", segment, stanza.home / "got")
    assert (stanza.home / "got").stat().st_size == 16 << 20
    pgcairn_reader.Backup(reader_of(stanza), "main", label).check()
    stanza.cairn.ok("restore", f"--pg-path={stanza.home / 'target'}", "--type=immediate")


# --- which key, and whether there has to be one ---------------------------------------------------------------------


def test_off_the_machine_encryption_is_the_default(make_stanza):
    stanza = make_stanza(15, archiving=False)
    section = {"type": "s3", "s3-bucket": "b", "s3-endpoint": "https://127.0.0.1:1", "s3-uri-style": "path", "s3-key": "A", "s3-key-secret": "B"}
    stanza.cairn.tables["repo.local"] = section
    stanza.cairn.save()
    refused = stanza.cairn.run("stanza-create")
    assert refused.code == 2, refused
    for word in ("no key is configured", "key-passphrase-file", 'encryption = "none"'):
        assert word in refused.err
    # The environment may have the passphrase; without encryption none is needed: both come as far as the store.
    for keys, environment in (({}, {"PGCAIRN_KEY_PASSPHRASE": PASSPHRASE}), ({"encryption": "none"}, {})):
        stanza.cairn.tables["repo.local"] = {**section, **keys}
        stanza.cairn.save()
        process = stanza.cairn.start("--log-level=debug", "stanza-create", env=environment)
        said = next((line for line in process.stderr if "no key is configured" in line or "trying again" in line), "nothing")
        process.kill()
        process.communicate()
        assert "trying again" in said, said


IMPOSSIBLE = [
    ({"key-file": "/a", "key-command": "b"}, "both given"),
    ({"encryption": "none", "key-passphrase": "x"}, "remove one of them"),
    ({"encryption": "rot13"}, "aes-256-gcm"),
    ({"encryption": "aes-256-gcm"}, "no key is configured"),
    ({"key-file": "short"}, "64 hexadecimal digits"),
    ({"key-file": "open"}, "everybody may read"),
    ({"key-passphrase-file": "absent"}, "absent"),
    ({"key-passphrase-file": "empty"}, "empty passphrase"),
    ({"key-command": "exit 7"}, "failed with status 7"),
]


def test_keys_that_cannot_be(make_stanza):
    stanza = make_stanza(15, archiving=False)
    system.write(stanza.home / "short", "0123", 0o600)
    system.write(stanza.home / "open", "0" * 64, 0o644)
    system.write(stanza.home / "empty", "\n", 0o600)
    for keys, says in IMPOSSIBLE:
        stanza.cairn.tables["repo.local"].pop("encryption", None)
        keys = {name: stanza.home / value if name.endswith("-file") and value[0] != "/" else value for name, value in keys.items()}
        refused = seal(stanza, **keys).cairn.run("stanza-create")
        assert refused.code == (1 if "status" in says else 2), refused
        assert says in refused.err, refused
        assert "exit 7" not in refused.err
        assert not any(stanza.repo.iterdir()), keys


def test_no_plain_data_where_encryption_is_asked_for(make_stanza):
    stanza = make_stanza(15).create()
    before = len(stanza.wal_objects())
    segment = stanza.cluster.data / "pg_wal" / stanza.cluster.switch_wal()
    stanza.cluster.wait_for_archived()
    seal(stanza, **{"key-passphrase": PASSPHRASE})
    for verb in (["backup"], ["stanza-create"], ["info"]):
        refused = stanza.cairn.run(*verb)
        assert "is not encrypted" in refused.err + refused.out, refused
        assert refused.code == 2 or verb == ["info"], refused
    assert stanza.cairn.run("archive-push", segment).code == 1
    assert len(stanza.wal_objects()) >= before


VERBS = [["backup"], ["check"], ["verify"], ["expire"], ["hold", "20261121-010203F", "--reason=x"], ["unhold", "20261121-010203F"],
         ["annotate", "20261121-010203F", "a=b"], ["stanza-create"], ["stanza-upgrade"], ["stanza-delete", "--force"],
         ["stop", "--all-hosts"], ["start", "--all-hosts"], ["restore", "--dry-run", "--pg-path=TARGET"],
         ["drill", "--drill-path=TARGET"], ["info"], ["report"], ["key-add", "--new-key-file=NEW"], ["key-remove", "0"],
         ["key-rotate", "--new-key-file=NEW"]]


@pytest.mark.parametrize("keys", [{"key-passphrase": "wrong " + PASSPHRASE}, {}], ids=["wrong", "none"])
def test_every_verb_says_that_the_key_is_wrong(sealed_backup, keys):
    stanza = sealed_backup
    segment = segment_of(stanza)
    before = compare.tree_state(stanza.repo)
    new = system.write(stanza.home / "new.key", secrets.token_bytes(32), 0o600)
    stanza.cluster.configure(archive_mode=True, archive_command="false")
    seal(stanza, **keys)
    for words in VERBS if keys else VERBS[::6]:
        words = [word.replace("TARGET", str(stanza.home / "t")).replace("NEW", str(new)) for word in words]
        refused = stanza.cairn.run("--log-level=debug", *words)
        assert refused.code == 12, (words, refused)
        said = refused.err + refused.out
        assert '0 (passphrase "first")' in said.replace("&quot;", '"'), (words, refused)
        assert "[repo.local]" in said or words[0] in ("info", "report"), (words, refused)  # which show the first line of an error
    assert stanza.cairn.run("health").code not in (0, 3)
    # PostgreSQL is never told that a file is not there.
    assert stanza.cairn.run("archive-get", segment, stanza.home / "got").code == 200
    assert stanza.cairn.run("archive-get", "0" * 24, stanza.home / "got").code == 200
    assert stanza.cairn.run("archive-push", stanza.cluster.data / "pg_wal" / stanza.cluster.switch_wal()).code == 1
    assert not (stanza.home / "got").exists()
    assert compare.tree_state(stanza.repo) == before
    assert "0  passphrase" in stanza.cairn.ok("key-list").out  # which needs none
    stanza.cairn.tables = {"repo.gone": {"type": "posix", "path": stanza.home / "gone"}, **stanza.cairn.tables}
    stanza.cairn.save()
    listed = stanza.cairn.run("key-list")
    assert listed.code == 10 and "0  passphrase" in listed.out and "gone: not known" in listed.out and '"gone"' in listed.err, listed
    told = {one["name"]: one for one in stanza.cairn.run("key-list", "--output=json").json["repositories"]}
    assert (told["gone"]["sealed"], told["gone"]["slots"]) == (None, None) and "no repository" in told["gone"]["error"], told
    assert told["local"]["sealed"] is True and told["local"]["error"] is None


# --- slots ----------------------------------------------------------------------------------------------------------


def slots(stanza):
    told = stanza.cairn.ok("key-list", "--output=json").json["repositories"]
    return [(slot["slot"], slot["kind"], slot["label"]) for slot in told[0]["slots"]]


def test_slots_come_and_go_without_the_data(sealed_backup):
    stanza = sealed_backup
    data = {path: path.read_bytes() for path in objects(stanza.repo / "main")}
    passphrase = stanza.cairn.tables["repo.local"]["key-passphrase-file"]
    key = system.write(stanza.home / "a.key", secrets.token_hex(32) + "\n", 0o600)
    assert stanza.cairn.run("key-remove", "1").code == 2  # there is none
    refused = stanza.cairn.run("key-remove", "0")
    assert refused.code == 2 and "is the one that" in refused.err
    assert stanza.cairn.run("key-add").code == 2  # no terminal to ask at
    assert stanza.cairn.ok("key-add", f"--new-key-file={key}", "--label=Ada's safe", "--output=json").json == {
        "key-add": {"repository": "local", "slot": 1}}
    assert stanza.cairn.run("key-add", f"--new-key-file={key}").code == 2  # it opens slot 1 already
    assert slots(stanza) == [(0, "passphrase", "first"), (1, "file", "Ada's safe")]
    seal(stanza, **{"key-file": key})
    assert stanza.labels() == [stanza.label]
    assert stanza.cairn.ok("key-remove", "0", "--output=json").json == {"key-remove": {"repository": "local", "slot": 0}}
    assert slots(stanza) == [(1, "file", "Ada's safe")]
    seal(stanza, **{"key-passphrase-file": passphrase})
    assert stanza.cairn.run("backup").code == 12

    seal(stanza, **{"key-file": key})
    turned = stanza.cairn.ok("key-rotate", env={"PGCAIRN_NEW_PASSPHRASE": PASSPHRASE + "!"})
    assert "slot 2 (passphrase) has taken the place of slot 1" in turned.out
    assert stanza.cairn.run("backup").code == 12
    seal(stanza, **{"key-passphrase": PASSPHRASE + "!"})
    assert slots(stanza) == [(2, "passphrase", "")]
    assert stanza.cairn.run("key-remove", "2").code == 2
    turned = stanza.cairn.ok("key-rotate", "--output=json", env={"PGCAIRN_NEW_PASSPHRASE": PASSPHRASE + "?"})
    assert turned.json == {"key-rotate": {"repository": "local", "slot": 3, "removed": 2}}
    seal(stanza, **{"key-passphrase": PASSPHRASE + "?"})
    stanza.cairn.ok("verify", "--level=full")
    assert stanza.backup(type="incr")["prior"] == stanza.label
    assert {path: path.read_bytes() for path in data} == data


def test_a_passphrase_is_asked_for_at_the_terminal(sealed):
    """script(1) gives the command a terminal; what is typed there is not shown."""
    command = " ".join(sealed.cairn.command("key-add", "--label=typed"))
    process = subprocess.Popen(["script", "--quiet", "--return", "--command", command, "/dev/null"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd="/", env=system.clean_environment(), **system.identity())
    shown = b""
    for question in (b"New passphrase: ", b"The same again: "):
        while not shown.endswith(question):
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, shown
            shown += piece
        process.stdin.write(PASSPHRASE.encode() + b"?\n")
        process.stdin.flush()
    shown += process.communicate(timeout=180)[0]
    assert process.returncode == 0, shown
    assert b"key slot 1 added (passphrase)" in shown and PASSPHRASE.encode() not in shown
    assert slots(sealed)[1] == (1, "passphrase", "typed")
    seal(sealed, **{"key-passphrase": PASSPHRASE + "?"})
    assert sealed.labels() == []


def test_archiving_keeps_the_key_for_itself(sealed):
    segment = segment_of(sealed)
    sealed.cairn.ok("archive-get", segment, sealed.home / "got")
    folder = sealed.home / "state/key"
    kept = list(folder.iterdir())
    assert [path.stat().st_mode & 0o777 for path in (folder, *kept)] == [0o700, 0o600]
    assert kept[0].read_bytes().find(PASSPHRASE.encode()) < 0 and kept[0].read_bytes().find(reader_of(sealed).data_key) < 0
    # With it no slot is read; others read them.
    os.rename(sealed.repo / "key", sealed.repo / "away")
    sealed.cairn.ok("archive-get", segment, sealed.home / "again")
    assert sealed.cairn.run("verify").code == 12
    kept[0].chmod(0o640)  # others could read it
    assert sealed.cairn.run("archive-get", segment, sealed.home / "never").code == 200
    kept[0].chmod(0o600)
    seal(sealed, **{"key-passphrase": "another"})
    assert sealed.cairn.run("archive-get", segment, sealed.home / "never").code == 200
    os.rename(sealed.repo / "away", sealed.repo / "key")


# --- objects that do not belong where they are ----------------------------------------------------------------------


def resealed(reader, key, data):
    """The frames of an object under another binding: what stood under its key before could look like this."""
    binding, start, out = secrets.token_bytes(16), 0, b""
    cipher = AESGCM(pgcairn_reader.hkdf(reader.data_key, binding, b"pgcairn object 1"))
    while data[start:start + 4] == struct.pack("<I", 0x184D2A5C):
        header = data[start:start + 64]
        number, about, stored = struct.unpack_from("<III", header, 16)
        end = start + 64 + about + stored
        nonce = struct.pack("<I8x", number)
        was = AESGCM(pgcairn_reader.hkdf(reader.data_key, header[32:48], b"pgcairn object 1"))
        plain = was.decrypt(nonce, data[start + 64:end] + header[48:], header[:48] + reader.place(key))
        body = cipher.encrypt(nonce, plain, header[:32] + binding + reader.place(key))
        out += header[:32] + binding + body[-16:] + body[:-16]
        start = end
    return out + data[start:]


def found_out(stanza, label, word=""):
    told = stanza.cairn.run("verify", "--level=full", "--no-record")
    assert told.code == 4, told
    assert word in told.out + told.err, told
    target = stanza.home / "never"
    refused = stanza.try_restore(target, f"--set={label}")
    assert refused.code not in (0, 3), refused
    assert not (target / "global/pg_control").exists()
    if target.exists():
        system.remove_tree(target)


def test_objects_that_were_moved_swapped_or_replayed_are_refused(sealed_backup):
    stanza = sealed_backup
    stanza.cluster.rows("CREATE TABLE more AS SELECT generate_series(1, 100000) AS x")
    later = stanza.backup()["label"]
    pack, other = stanza.packs(stanza.label)[0], stanza.packs(later)[0]
    part = stanza.manifests(later)[0]
    reader = reader_of(stanza)
    stanza.cairn.ok("verify", "--level=full")
    marker = stanza.marker(later)
    kept = {path: path.read_bytes() for path in (pack, other, part, marker)}

    def change(path, data):
        for one, content in kept.items():
            damage._replace(one, content)
        damage._replace(path, data)

    def key_of(path):
        return str(path.relative_to(stanza.repo))

    for path, data in ((other, kept[pack]), (part, stanza.manifests(stanza.label)[0].read_bytes()), (marker, stanza.marker(stanza.label).read_bytes())):
        change(path, data)
        found_out(stanza, later)
    for path in (other, part):
        change(path, resealed(reader, key_of(path), kept[path]))
        found_out(stanza, later, "an earlier object of this name")
    # The same objects where nothing says which they have to be are good: the test's own sealing is.
    wal = next(path for path in stanza.wal_objects() if len(path.name) == 24)
    for one, content in kept.items():
        damage._replace(one, content)
    damage._replace(wal, resealed(reader, key_of(wal), wal.read_bytes()))
    stanza.cairn.ok("verify", "--level=full")


def test_objects_of_another_repository_are_refused(sealed_backup, home):
    """Even of one with the same passphrase; and nothing unsealed is believed."""
    stanza = sealed_backup
    segment = segment_of(stanza)
    wal = stanza.wal_object(segment)
    content = wal.read_bytes()
    raw = reader_of(stanza).wal("main", wal.parent.parent.name, segment)
    for keys in ({"key-passphrase-file": stanza.cairn.tables["repo.local"]["key-passphrase-file"]}, {}):
        elsewhere = system.make_dir(home / f"elsewhere{len(keys)}", 0o750)
        section = stanza.cairn.tables["repo.local"]
        stanza.cairn.tables["repo.local"] = {"type": "posix", "path": elsewhere, **keys}
        stanza.cairn.save()
        stanza.cairn.ok("stanza-create")
        system.write(stanza.home / segment, raw)
        stanza.cairn.ok("archive-push", stanza.home / segment)
        foreign = next(elsewhere.glob(f"main/wal/*/*/{segment}")).read_bytes()
        stanza.cairn.tables["repo.local"] = section
        stanza.cairn.save()
        damage._replace(wal, foreign)
        refused = stanza.cairn.run("archive-get", segment, stanza.home / "never")
        assert refused.code == 200 and "frame" in refused.err, refused
        damage._replace(wal, content)
    stanza.cairn.ok("archive-get", segment, stanza.home / "fetched")


# --- where secrets do not get ---------------------------------------------------------------------------------------


def test_no_output_tells_a_secret(sealed_backup):
    stanza = sealed_backup
    key = reader_of(stanza).data_key
    forbidden = [PASSPHRASE, key.hex(), "the new secret", key.decode("latin-1")]
    seal(stanza, **{"key-passphrase": PASSPHRASE})
    new = {"PGCAIRN_NEW_PASSPHRASE": "the new secret", "PGCAIRN_KEY_PASSPHRASE": PASSPHRASE}
    runs = [["info"], ["verify", "--level=full"], ["backup"], ["check"], ["expire"], ["report"], ["health"], ["metrics"], ["key-list"],
            ["archive-get", segment_of(stanza), stanza.home / "x"], ["archive-get", "0" * 24, stanza.home / "x"],
            ["restore", "--dry-run", f"--pg-path={stanza.home / 't'}"], ["stanza-create"], ["nonsense"], ["backup", "--type=nonsense"],
            ["key-add"], ["key-add"], ["key-remove", "1"], ["key-remove", "7"], ["key-rotate", "--repo=nonsense"]]
    for change in ({}, {"key-passphrase": PASSPHRASE + "x"}, {"key-passphrase": PASSPHRASE, "key-file": "/nowhere"},
                   {"key-command": f"echo {PASSPHRASE}"}, {"key-command": f"echo {PASSPHRASE}; exit 3"}, {"key-pasphrase": PASSPHRASE}):
        if change:
            seal(stanza, **change)
        for words in runs if not change else runs[:3]:
            for form in ("text", "json") if words[0] in ("backup", "key-add") else ("text",):
                told = stanza.cairn.run("--log-level=debug", f"--log-format={form}", *words, env=new)
                for secret in forbidden:
                    assert secret not in told.out + told.err, (words, change, told)


def what_a_core_dump_has(pid):
    """The memory of a process that the kernel would write down: all but what madvise(MADV_DONTDUMP) took out."""
    held = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for mapping in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", pathlib.Path(f"/proc/{pid}/smaps").read_text()):
            start, end, rights = re.match("([0-9a-f]+)-([0-9a-f]+) (....)", mapping).groups()
            flags = re.search("VmFlags:(.*)", mapping)[1].split()
            if rights[0] == "r" and "dd" not in flags and "[v" not in mapping.splitlines()[0]:
                memory.seek(int(start, 16))
                try:
                    held.append(memory.read(int(end, 16) - int(start, 16)))
                except OSError:  # of a device, or behind the end of a file
                    pass
    return b"".join(held)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids core dumps")
def test_no_core_dump_tells_a_secret(sealed_backup):
    stanza = sealed_backup
    key = reader_of(stanza).data_key
    stanza.cluster.rows("CREATE TABLE changed AS SELECT md5(i::text) FROM generate_series(1, 100000) i")
    process = stanza.cairn.start("backup", "--type=incr", "--start-fast", "--compress-type=none", "--limit-rate=256KiB")
    contents = []

    def has_read_the_repository():
        contents[:] = [what_a_core_dump_has(process.pid)]  # of some hundred MB each
        return stanza.label.encode() in contents[-1]
    # The label of the backup before, which only sealed documents say, is in memory to the end: so the key was, and what does not
    # show it was really read.
    system.wait_until(has_read_the_repository, what="the label of the backup before in the backup's memory", pause=0.01)
    content = contents[-1]
    assert key not in content
    assert PASSPHRASE.encode() not in content
    # And none is written: the process is not dumpable.
    assert pathlib.Path(f"/proc/{process.pid}/auxv").stat().st_uid == 0
    process.kill()
    process.wait()
