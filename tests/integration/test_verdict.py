"""One evaluation: info, report and health say the same first, and it is good only where a restore gets to the end."""
import html
import os
import random
import re

import pytest

from support import records

SEED = int(os.environ.get("PGCAIRN_TEST_SEED", random.randrange(2**32)))


def verdicts(stanza):
    """{verb: what it says first}"""
    report = stanza.cairn.run("report").out
    said = {"info": stanza.cairn.run("info").out.splitlines()[0].split(": ", 1)[1],
            "health": stanza.cairn.run("health").out.splitlines()[0].split(": ", 1)[1],
            "report": html.unescape(re.search(r"<h2>Stanza main</h2>\n<p[^>]*>(.*?)</p>", report)[1])}
    return said, {word.split(":", 1)[0] for word in said.values()}


def lose_a_segment(stanza, chance):
    """A hole after the newest backup."""
    lost = stanza.cluster.switch_wal()
    for _ in range(chance.randrange(1, 3)):
        stanza.cluster.switch_wal()
    stanza.cluster.wait_for_archived()
    stanza.wal_object(lost).unlink()


def lose_and_back_up(stanza, chance):
    """A hole that a backup leads past."""
    stanza.cluster.switch_wal()
    lose_a_segment(stanza, chance)
    stanza.backup(type=chance.choice(["full", "incr"]))


def find_damage(stanza, _chance):
    label = stanza.labels()[-1]
    stanza.packs(label)[0].unlink()
    assert stanza.cairn.run("verify").code == 4


def drill_badly(stanza, _chance):
    records.drill(stanza, stanza.labels()[-1], good=False)


def copy_a_damaged_page(stanza, _chance):
    _, path = stanza.cluster.relation_path("victim")
    data = bytearray(path.read_bytes())
    whole = bytes(data)
    data[8192 + 5000] ^= 0xFF
    path.write_bytes(data)
    stanza.backup(code=3)
    path.write_bytes(whole)


FAULTS = {"ok": lambda *_: None, "hole": lose_a_segment, "old hole": lose_and_back_up, "damage": find_damage,
          "drill": drill_badly, "pages": copy_a_damaged_page}


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(4))
def test_three_verbs_and_a_restore_agree(stanza15, turn):
    chance = random.Random(f"{SEED}-{turn}")
    faults = chance.sample(list(FAULTS), chance.choice([1, 1, 2]))
    told = f"seed {SEED} turn {turn}: {faults}"
    print(told)
    stanza, cluster = stanza15, stanza15.cluster
    stanza.cairn.tables["stanza.main"].update({"health-backup-count-warn": 0, "health-backup-count-critical": 0,
                                               "health-free-space-warn": "0%", "health-free-space-critical": "0%"})
    stanza.cairn.save()
    cluster.rows("CREATE TABLE victim AS SELECT g, md5(g::text) FROM generate_series(1, 3000) g")
    cluster.rows("VACUUM victim")
    cluster.rows("CHECKPOINT")
    for _ in range(chance.randrange(1, 3)):
        stanza.backup()
    cluster.wait_for_archived()
    for fault in faults:
        FAULTS[fault](stanza, chance)
        cluster.wait_for_archived()
    said, levels = verdicts(stanza)
    assert len(set(said.values())) == 1 and len(levels) == 1, (told, said)
    status = stanza.info()["status"]
    code = stanza.cairn.run("health").code
    assert status["message"] == said["info"] and status["code"] == code, (told, status, code)
    assert stanza.cairn.run("health", "--output=json").json["stanzas"][0]["verdict"]["message"] in said["info"], told
    if faults == ["ok"]:
        assert code == 0 and said["info"].startswith("ok: to "), (told, said)
    else:
        led_past = faults == ["hole", "old hole"]
        assert code == (4 if set(faults) - {"ok", "old hole", "pages"} and not led_past else 3), (told, said)
    plan = stanza.try_restore(stanza.home / "plan", "--dry-run", "--output=json")
    good = "newest moment cannot be restored" not in said["info"]
    if plan.code == 0:
        gap = any("GAP" in note for note in plan.json["restore"]["notes"])
        assert good != gap or "damage" in faults, (told, said, plan.json["restore"]["notes"])
    elif good:
        assert plan.code == 3 or "drill" in faults, (told, said, plan)


def test_a_gap_across_a_promotion_is_named(stanza15):
    """The WAL from some segment of the old timeline to the switch never came."""
    stanza, cluster = stanza15, stanza15.cluster
    stanza.backup()
    cluster.wait_for_archived()
    first_lost = cluster.switch_wal()
    cluster.wait_for_archived()
    cluster.stop()
    promoted = stanza.restore("promoted", "--replace")
    promoted.overrides = {"archive_command": stanza.archive_command(promoted)}
    promoted.must_start().wait_ready()
    promoted.switch_wal()
    promoted.wait_for_archived()
    promoted.stop()
    for path in (stanza.repo / "main/wal").glob("*/*/00000001*"):
        if path.name >= first_lost:
            path.unlink()
    said, levels = verdicts(stanza)
    assert levels == {"CRITICAL"} and f"{first_lost} is missing while 00000002" in said["info"], said
    assert f"gap: {first_lost} is missing, the next is 00000002" in stanza.cairn.ok("info").out
    assert stanza.cairn.run("verify").code == 4
