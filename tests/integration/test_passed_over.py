"""A restore passes over backups with a flaw, by name, while a better one reaches the same end."""
import os
import random

import pytest

from support import system

SEED = int(os.environ.get("PGCAIRN_TEST_SEED", random.randrange(2**32)))
WHOLE, PAGES, RECORDED, LACKING = range(4)
NAMES = ("whole", "damaged pages", "found damaged by verify", "deleted files")


def flip_a_page(cluster):
    """Damages a page of the running cluster that nobody else looks at, and mends it when called again."""
    _, path = cluster.relation_path("victim")
    data = bytearray(path.read_bytes())
    data[8192 + 5000] ^= 0xFF
    path.write_bytes(data)


def take(stanza, flaw, kind):
    cluster = stanza.cluster
    if flaw == PAGES:
        flip_a_page(cluster)
    # Nothing that a flawed one stored is another's: each is full.
    label = stanza.backup(code=3 if flaw == PAGES else 0, type=kind)["label"]
    if flaw == PAGES:
        flip_a_page(cluster)
    return label


def spoil(stanza, label, chance):
    """Removes a random part of what the backup stored; what is left to be found out."""
    objects = stanza.packs(label) + stanza.manifests(label)
    for path in objects if chance.random() < 0.3 else [chance.choice(objects)]:
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(3))
def test_the_best_backup_that_leads_to_the_end_is_taken(stanza15, turn):
    print(f"seed {SEED} turn {turn}")
    chance = random.Random(f"{SEED}-{turn}")
    stanza, cluster = stanza15, stanza15.cluster
    cluster.rows("CREATE TABLE victim AS SELECT g, md5(g::text) FROM generate_series(1, 3000) g")
    cluster.rows("CREATE TABLE seen (n int)")
    cluster.rows("VACUUM victim")
    cluster.rows("CHECKPOINT")
    flaws = [chance.randrange(4) for _ in range(3)]
    gap_before = chance.choice([None, None, 1, 2])
    labels = []
    for number, flaw in enumerate(flaws):
        cluster.rows(f"INSERT INTO seen VALUES ({number})")
        lost = cluster.switch_wal()
        cluster.wait_for_archived()
        if number == gap_before:
            stanza.wal_object(lost).unlink()
        labels.append(take(stanza, flaw, "full"))
    cluster.rows(f"INSERT INTO seen VALUES ({len(flaws)})")
    cluster.switch_wal()
    cluster.wait_for_archived()
    cluster.stop()
    for label, flaw in zip(labels, flaws):
        if flaw in (RECORDED, LACKING):
            spoil(stanza, label, chance)
        if flaw == RECORDED:
            assert stanza.cairn.run("verify", f"--set={label}").code == 4
    told = f"seed {SEED} turn {turn}: {[NAMES[flaw] for flaw in flaws]}, a gap before {gap_before}"
    leading = range(gap_before or 0, len(flaws))
    best = min(leading, key=lambda n: (flaws[n], -n))
    target = stanza.home / "restored"
    done = stanza.try_restore(target, "--output=json")
    if flaws[best] in (RECORDED, LACKING):
        assert done.code == 4 and not target.exists(), (told, done)
        return
    assert done.code == (3 if flaws[best] == PAGES else 0), (told, done)
    plan = done.json["restore"]
    assert plan["backup"]["label"] == labels[best], (told, plan["notes"])
    for n in leading:
        said = [note for note in plan["notes"] if f"backup {labels[n]} is skipped: " in note]
        assert len(said) == (1 if n > best and flaws[n] > flaws[best] else 0), (told, plan["notes"])
    loud = any("THE BACKUP HOLDS DAMAGED PAGES" in note for note in plan["notes"])
    assert loud == (flaws[best] == PAGES), (told, plan["notes"])
    restored = stanza.restored(target).must_start().wait_ready()
    assert restored.sql("SELECT count(*) FROM seen") == str(len(flaws) + 1), told
    if flaws[best] == WHOLE:
        assert restored.sql("SELECT count(*) FROM victim WHERE md5 = md5(g::text)") == "3000", told
    system.wait_until(lambda: restored.sql("SELECT pg_is_in_recovery()") == "f", what="the end of recovery")


@pytest.mark.parametrize("delta", [False, True], ids=["new", "delta"])
def test_what_shows_on_the_way_is_passed_over_too(make_stanza, delta):
    """A pack that is listed, of the right size, and cannot be read: no plan sees that."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    stanza = make_stanza(15).create()
    cluster = stanza.cluster
    cluster.rows("CREATE TABLE seen AS SELECT 1 AS n")
    older = stanza.backup()["label"]
    cluster.rows("INSERT INTO seen VALUES (2)")
    newer = stanza.backup()["label"]
    cluster.rows("INSERT INTO seen VALUES (3)")
    cluster.wait_for_archived()
    target = stanza.home / "copy"
    order = ("restore", f"--pg-path={target}")
    if delta:
        stanza.cairn.ok(*order)
        for path in (target / "base").rglob("*"):
            if path.is_file():
                path.write_bytes(b"")
    for path in stanza.packs(newer) if chance.random() < 0.5 else [chance.choice(stanza.packs(newer))]:
        path.chmod(0)
    more = ["--delta"] if delta else []
    named = stanza.cairn.run(*order, *more, f"--set={newer}")
    assert named.code == 4 and "/pack/" in named.err, named
    result = stanza.cairn.run(*order, *more)
    assert result.code == 0 and f"backup {newer} is skipped, and the restore begins again" in result.err and older in result.out, result
    restored = stanza.restored(target)
    restored.must_start().wait_ready()
    assert restored.sql("SELECT sum(n) FROM seen") == "6"
