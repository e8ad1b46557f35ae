"""expire, hold, unhold and annotate on a real cluster: what stays can be restored, and what goes is gone."""
import json
import re
import signal

import pytest

from support import compare, damage, records, system
from support.pgcairn import Pgcairn, result_of


def expire(stanza, *args, code=0):
    """The one repository's part of the result."""
    done = stanza.cairn.run("expire", "--output=json", *args)
    assert done.code == code, done
    return done.json["expire"]["repositories"][0]


def stored_labels(stanza):
    return sorted(path.name for path in (stanza.repo / "main/data").iterdir())


@pytest.fixture
def history(stanza15):
    """full, incr, full, incr: with rows that tell which."""
    cluster = stanza15.cluster
    cluster.pgbench_init(scale=2)
    cluster.rows("CREATE TABLE t (x int)")
    stanza15.made = []
    for number, type in enumerate(("full", "incr", "full", "incr"), 1):
        cluster.rows(f"INSERT INTO t VALUES ({number})")
        stanza15.made.append(stanza15.backup(type=type)["label"])
    cluster.wait_for_archived()
    return stanza15


def restored_rows(stanza, name, *args):
    """What a restore that ends with the backup has in t."""
    cluster = stanza.restore(name, "--type=immediate", "--target-action=promote", *args)
    rows = cluster.must_start().wait_ready().sql("SELECT count(*) FROM t")
    cluster.stop()
    system.remove_tree(cluster.data)
    return rows


def test_what_stays_is_good_and_what_goes_is_gone(history):
    before = compare.tree_state(history.repo)
    content = compare.tree_state(history.repo / "main")
    nothing = expire(history)
    assert not nothing["done"] and "no retention is set" in nothing["notes"][0]
    plan = expire(history, "--keep-last=1", "--dry-run")
    assert compare.tree_state(history.repo) == before, "a dry run or an expire without rules changed something"
    assert [b["keep"] for b in plan["backups"]] == [False, False, False, True] and not plan["done"]
    told = history.cairn.ok("expire", "--keep-last=1", "--dry-run").out
    assert f"remove  backup {history.made[0]}: no rule keeps it" in told and "would remove 3 backups" in told

    # The full backup goes, the incremental stays with the packs of it that it names.
    refused = history.cairn.run("expire", "--keep-last=1")
    assert refused.code == 2 and "3 of 4 good backups" in refused.err and history.made[0] in refused.err
    assert compare.tree_state(history.repo / "main") == content, "a mass removal that was refused removed something"
    done = expire(history, "--keep-last=1", "--allow-mass-removal")
    assert [b["label"] for b in done["backups"] if b["keep"]] == history.labels() == [history.made[3]]
    assert done["removed-objects"] > 5 and done["kept-by-store"] is None
    assert stored_labels(history) == sorted(history.made[2:])
    shared = next(d for d in done["data"] if d["backup"] == history.made[2])
    assert shared["packs-kept"] > 0 and shared["kept-reason"] == f"named by {history.made[3]}"
    assert not list((history.repo / "main/data" / history.made[2] / "manifest").glob("*"))
    first_kept = min(path.name for path in history.wal_objects())
    assert first_kept == history.backups()[0]["wal-start"]
    assert {w["keep"] for w in done["wal"]} == {True, False}
    assert history.cairn.run("verify", "--level=full").code == 0
    assert expire(history, "--keep-last=1")["removed-objects"] == 0

    history.cluster.stop()
    assert restored_rows(history, "kept") == "4"


def test_quarters_and_a_greatest_age(history):
    """max-age wins over a count that keeps, but not over a minimum; a dry run tells what it wins over."""
    ends = ("2026-02-01", "2026-03-31", "2026-04-01", "2026-11-01")
    for label, day in zip(history.made, ends):
        records.set_stop_time(history, label, f"{day}T12:00:00Z")
    history.cairn.tables["global"]["keep-quarterly"] = 9
    history.cairn.save()
    plan = expire(history, "--dry-run")
    assert [b["keep"] for b in plan["backups"]] == [False, True, True, True]
    assert [b["reasons"][0] for b in plan["backups"][1:]] == [f"keep-quarterly 2026-{q}" for q in ("Q1", "Q2", "Q4")]

    history.cairn.tables["global"]["max-age"] = "7mo"
    history.cairn.save()
    said = history.cairn.ok("expire", "--dry-run").out
    assert f"remove  backup {history.made[1]}: older than max-age 7mo, against keep-quarterly 2026-Q1" in said
    plan = expire(history, "--dry-run")
    assert [b["keep"] for b in plan["backups"]] == [False, False, True, True]
    # A slip in the unit is stopped; a minimum is kept.
    refused = history.cairn.run("expire", "--max-age=12h")
    assert refused.code == 2 and "3 of 4 good backups" in refused.err, refused
    plan = expire(history, "--dry-run", "--keep-min=3")
    assert [b["keep"] for b in plan["backups"]] == [False, True, True, True]
    done = expire(history)
    assert history.labels() == history.made[2:] and done["done"]
    assert history.cairn.run("verify", "--level=full").code == 0


def test_the_archive_in_between_goes_and_each_backup_is_restored(history):
    cairn = history.cairn
    cairn.tables["global"].update({"retention-full": 2})
    cairn.tables["repo.local"].update({"retention-archive": 1})
    cairn.save()
    history.cluster.rows("CREATE TABLE later AS SELECT 1")
    history.cluster.wait_for_archived()
    done = expire(history)
    assert all(b["keep"] and "retention-full 2" in b["reasons"] for b in done["backups"])
    starts = {b["label"]: b["wal-start"] for b in history.backups()}
    stored = {path.name for path in history.wal_objects()}
    assert set(starts.values()) <= stored
    assert any(not w["keep"] for w in done["wal"]), "nothing stood between the backups"
    assert any(w["reason"] == f"backup {history.made[0]} needs it to become consistent" for w in done["wal"])
    assert any(w["reason"] == f"recovery from backup {history.made[2]} on" for w in done["wal"])
    history.cluster.stop()
    for number, label in enumerate(history.made, 1):
        assert restored_rows(history, f"r{number}", f"--set={label}") == str(number)
    latest = history.restore("latest").must_start().wait_ready()
    assert latest.sql("SELECT count(*) FROM later") == "1"


def test_one_backup_goes_with_what_it_alone_needs(history):
    """Neither the rules nor other leftovers have a say in it."""
    cairn, made = history.cairn, history.made
    cairn.tables["repo.local"].update({"retention-archive": 1, "keep-last": 1})
    cairn.save()
    leftover = system.make_dir(history.repo / "main/data/20200101-000000F", 0o750)
    system.make_dir(leftover / "pack", 0o750)
    system.write(leftover / "pack/00000001", b"x" * 100)
    starts = [b["wal-start"] for b in history.backups()]
    wal = {path.name for path in history.wal_objects()}
    before_all = {name for name in wal if name < starts[0]}
    assert before_all, "the archive begins with the first backup"

    first = expire(history, f"--set={made[0]}")
    assert [b["label"] for b in first["backups"] if not b["keep"]] == [made[0]] and [d["backup"] for d in first["data"]] == [made[0]]
    assert history.labels() == made[1:] and (leftover / "pack/00000001").exists()
    gone = {name for name in wal if starts[0] <= name < starts[1]}
    assert {path.name for path in history.wal_objects()} == wal - gone and gone
    packs_of_first = history.packs(made[0])
    assert packs_of_first, "the incremental backup names none of its full one's packs"
    history.cluster.stop()
    assert restored_rows(history, "r2", f"--set={made[1]}") == "2"

    expire(history, f"--set={made[1]}")
    assert not any(path.exists() for path in packs_of_first) and (leftover / "pack/00000001").exists()
    # One in between: the WAL beside it leads on from the one before.
    wal = {path.name for path in history.wal_objects()}
    expire(history, f"--set={made[3]}")
    assert {path.name for path in history.wal_objects()} == wal and history.labels() == [made[2]]
    assert restored_rows(history, "r3") == "3"
    assert history.cairn.run("verify", "--level=full").code == 0


def test_holds_and_notes(history):
    cairn, label = history.cairn, history.made[0]
    assert cairn.ok("hold", label, "--reason=audit 2026", "--output=json").json["hold"] == {
        "stanza": "main", "backup": label, "reason": "audit 2026", "until": None, "repositories": ["local"]}
    assert re.fullmatch(r"20\d\d-.*Z", cairn.ok("hold", label, "--reason=more", "--until=90d", "--output=json").json["hold"]["until"])
    assert cairn.run("hold", "20200101-000000F", "--reason=x").code == 10
    cairn.ok("annotate", label, "ticket=OPS-1", "why=before the migration")
    assert cairn.run("annotate", "20200101-000000F", "ticket=OPS-1").code == 10

    refused = cairn.run("expire", f"--set={label}")
    assert refused.code == 2 and "is held: audit 2026" in refused.err and f"pgcairn --config={cairn.config} unhold {label}" in refused.err
    kept = expire(history, "--keep-last=1")["backups"]
    assert [(b["label"], b["reasons"]) for b in kept if b["keep"]][0] == (label, ["hold 'audit 2026'", "hold 'more'"])
    assert history.labels() == [label, history.made[3]]

    released = cairn.ok("unhold", label, "--output=json").json["unhold"]["released"]
    assert sorted(one["reason"] for one in released) == ["audit 2026", "more"]
    assert cairn.run("unhold", label).code == 10
    assert list((history.repo / "record/main").iterdir())
    expire(history, "--keep-last=1")
    assert history.labels() == [history.made[3]]
    said = [path.name for path in (history.repo / "record/main").glob("*.json") if "-limits-" not in path.name]
    assert not said, "what was said of the backup outlived it"


def test_expire_after_a_backup(stanza15):
    """It happens by itself; whatever comes of it, the backup stands."""
    cairn = stanza15.cairn
    cairn.tables["stanza.main"].update({"keep-last": 2})
    cairn.save()
    stanza15.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    made = [stanza15.backup()["label"] for _ in range(2)]
    made.append(stanza15.backup("--no-expire-auto")["label"])
    assert stanza15.labels() == made
    backup, said = stanza15.backup_aloud()
    assert stanza15.labels() == [made[2], backup["label"]] and "expire removed 2 backups" in said
    # A marker of an earlier one is damaged: nothing of it may go, and the backup is there.
    damage.flip(stanza15.marker(made[2]))
    backup, said = stanza15.backup_aloud()
    assert "has an unreadable marker" in said and f"expire --set={made[2]}" in said
    assert stanza15.marker(backup["label"]).exists() and stanza15.packs(made[2])


def test_rules_that_became_narrow_do_not_cost_the_backups(stanza15):
    """By a slip of the finger most would go with the next backup. It stays a warning until somebody says that it is meant."""
    cairn = stanza15.cairn
    stanza15.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    made = [stanza15.backup(type="incr")["label"] for _ in range(4)]
    settings = cairn.tables["stanza.main"]
    for value, hint in ((14, "14d, 14w or 14mo"), ("6m", "6mo")):  # of which both would be minutes at most
        settings["keep-within"] = value
        cairn.save()
        refused = cairn.run("backup")
        assert refused.code == 2 and "keep-within" in refused.err and hint in refused.err, refused
    settings.pop("keep-within")
    settings["keep-last"] = 1
    cairn.save()
    backup, said = stanza15.backup_aloud(code=3, type="incr")
    assert "would remove 4 of 5 good backups" in said and made[0] in said and "expire --allow-mass-removal" in said
    assert stanza15.labels() == [*made, backup["label"]]
    plan = expire(stanza15, "--dry-run")
    assert [b["keep"] for b in plan["backups"]] == [False] * 4 + [True] and "removes nothing" in plan["notes"][0]
    command = next(line for line in said.splitlines() if "hint:" in line).rpartition(f"pgcairn --config={cairn.config} ")[2]
    assert cairn.ok(*command.split())
    assert stanza15.labels() == [backup["label"]]


def test_a_backup_with_a_damaged_marker_stays_until_it_is_given_up(history):
    damage.flip(history.marker(history.made[1]))
    wal = set(history.repo.glob("main/wal/*/*/*"))
    doubt = history.cairn.run("expire", "--keep-last=3")
    assert doubt.code == 3 and f"expire --set={history.made[1]}" in doubt.err, doubt
    assert all(history.marker(label).exists() for label in history.made) and history.packs(history.made[1])
    assert set(history.repo.glob("main/wal/*/*/*")) == wal
    given_up = expire(history, f"--set={history.made[1]}")
    assert [(b["label"], b["type"]) for b in given_up["backups"] if not b["keep"]] == [(history.made[1], None)]
    assert expire(history, "--keep-last=2")["done"]
    assert history.cairn.run("verify", "--level=full").code == 0
    history.cairn.ok("expire", f"--set={history.made[3]}")  # the newest, and not the last
    last = history.cairn.run("expire", f"--set={history.made[2]}")
    assert last.code == 2 and "the last good one" in last.err


def test_expire_beside_a_backup_of_another_host_is_refused(history):
    """Two configurations, one repository: who holds the lease is told, and nothing goes."""
    other = Pgcairn(history.cairn.binary, history.home / "other.toml", {
        "repo.elsewhere": {"type": "posix", "path": history.repo},
        "stanza.main": {"pg-path": history.cluster.data, "keep-last": 1}})
    process = history.start_slow_backup()
    refused = other.run("expire")
    assert refused.code == 11 and "is in use: backup by process" in refused.err and "since" in refused.err, refused
    assert json.loads(other.ok("expire", "--dry-run", "--output=json").out)["expire"]["dry-run"]
    process.send_signal(signal.SIGINT)
    assert result_of(process).code == 130
    other.ok("expire", "--allow-mass-removal")
    assert history.labels() == history.made[3:]


def test_each_repository_by_itself(make_stanza):
    stanza = make_stanza(15)
    second = system.make_dir(stanza.home / "repo2", 0o750)
    stanza.cairn.tables["global"].update({"keep-last": 1})
    stanza.cairn.tables["repo.second"] = {"type": "posix", "path": second, "keep-last": 2}
    stanza.cairn.save()
    stanza.create()
    made = {name: [stanza.backup(f"--repo={name}", "--no-expire-auto")["label"] for _ in range(3)]
            for name in ("local", "second")}
    done = stanza.cairn.ok("expire", "--allow-mass-removal", "--output=json").json["expire"]["repositories"]
    assert [[b["label"] for b in one["backups"] if b["keep"]] for one in done] == [made["local"][2:], made["second"][1:]]
    only = stanza.cairn.ok("expire", f"--set={made['second'][1]}", "--repo=second", "--output=json").json["expire"]["repositories"]
    assert [b["label"] for b in only[0]["backups"] if b["keep"]] == made["second"][2:]
    # One that cannot be read keeps the other from nothing.
    stanza.repo.chmod(0o000)
    try:
        broken = stanza.cairn.run("expire", "--output=json")
        assert broken.code == 1 and broken.json["expire"]["repositories"][1]["done"]
    finally:
        stanza.repo.chmod(0o750)
