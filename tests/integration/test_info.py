"""info: what can be restored is what it says, and what is known of a backup is shown with it. Every JSON result of any
test is checked against its schema as well (support/schemas.py)."""
import json
import signal
import subprocess

from support import damage, records, system, terminal
from support.pgcairn import result_of


def repository(stanza, *args):
    return stanza.cairn.ok("info", "--output=json", *args).json["stanzas"][0]["repositories"][0]


def reaches(stanza, lsn, timeline=None):
    """Does the plan of a restore to that position hold?"""
    args = [f"--target-timeline={timeline}"] if timeline else []
    return stanza.try_restore(stanza.home / "dry", "--dry-run", "--type=lsn", f"--target={lsn}", *args).code == 0


def archived_lsn(cluster):
    """Write and archive; return a position in what was archived."""
    cluster.rows("INSERT INTO t VALUES (1)")
    lsn = cluster.sql("SELECT pg_current_wal_lsn()")
    cluster.rows("INSERT INTO t VALUES (2)")
    cluster.wait_for_archived()
    return lsn


def test_windows_are_what_can_be_restored(stanza15):
    """A backup, WAL, a gap, a backup, and a promotion; each claim is held against the plan of a restore."""
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t (x int)")
    before = cluster.sql("SELECT pg_current_wal_lsn()")
    first = stanza15.backup()
    inside = archived_lsn(cluster)
    (window,) = repository(stanza15)["windows"]
    assert window["timeline"] == 1 and window["backups"] == [first["label"]]
    assert (window["from-lsn"], window["from-time"]) == (first["stop-lsn"], first["stop-time"])
    assert (window["from-clock"], window["after-gap"]) == ("server", None)
    assert window["from-time"] < window["to-time"]
    assert not reaches(stanza15, before) and reaches(stanza15, inside)
    assert not reaches(stanza15, window["to-lsn"])

    # A gap: what is in it and after it is out of reach until there is a backup behind it.
    gap = cluster.wait_for_archived()
    lost = archived_lsn(cluster)
    damage.remove(stanza15.wal_object(gap))
    (window,) = repository(stanza15)["windows"]
    assert window["missing"] == gap and gap < window["after-gap"]
    assert reaches(stanza15, inside) and not reaches(stanza15, lost)
    text = stanza15.cairn.ok("info").out
    assert f"gap: {gap} is missing" in text
    second = stanza15.backup(type="incr")
    later = archived_lsn(cluster)
    windows = repository(stanza15)["windows"]
    assert [w["backups"] for w in windows] == [[first["label"]], [second["label"]]]
    assert not reaches(stanza15, lost) and reaches(stanza15, later)
    bar = next(line for line in stanza15.cairn.ok("info").out.splitlines() if "timeline 1  F" in line)
    assert "." in bar and "I" in bar and len(bar) <= 80, bar

    # A promotion: a window of its own, that begins where the timeline left the first one.
    cluster.stop()
    restored = stanza15.restore("restored", "--replace", "--target-action=promote", "--type=lsn", f"--target={later}")
    restored.overrides = {"archive_command": f"{stanza15.cairn.binary} --config={stanza15.cairn.config} --stanza=main"
                          f" --pg-path={restored.data} archive-push %p"}
    restored.must_start().wait_ready()
    archived_lsn(restored)
    branched = archived_lsn(restored)  # farther than the old timeline went
    restored.stop()
    found = repository(stanza15)
    one, two, new = found["windows"]
    assert (one["timeline"], two["timeline"], new["timeline"]) == (1, 1, 2)
    assert new["from-clock"] == "store" and new["backups"] == [second["label"]]
    assert reaches(stanza15, branched, 2) and not reaches(stanza15, branched, 1)
    assert all(backup["restorable"] for backup in found["backups"])
    # Without the end of its WAL a backup is no longer to be restored, and info says so.
    damage.remove(stanza15.wal_object(second["wal-stop"]))
    assert [backup["restorable"] for backup in repository(stanza15)["backups"]] == [True, False]
    assert "NOT RESTORABLE" in stanza15.cairn.ok("info").out


def test_sizes_and_what_is_known_of_each_backup(stanza15):
    cluster = stanza15.cluster
    cluster.pgbench_init(scale=2)
    full = stanza15.backup()["label"]
    cluster.rows("UPDATE pgbench_branches SET bbalance = 1")
    incr = stanza15.backup(type="incr")["label"]

    def packs_bytes(label):
        return sum(path.stat().st_size for path in stanza15.packs(label))
    one = repository(stanza15, f"--set={incr}")["backups"]
    assert [backup["label"] for backup in one] == [incr]
    sizes = one[0]["sizes"]
    assert sizes["exact"] and sizes["freed-bytes"] == packs_bytes(incr)
    assert sizes["packs-bytes"] == sizes["shared-bytes"] + sizes["freed-bytes"]
    assert 0 < sizes["shared-bytes"] <= packs_bytes(full)
    about = {backup["label"]: backup["sizes"] for backup in repository(stanza15)["backups"]}
    assert not about[incr]["exact"] and about[full]["shared-bytes"] > 0
    # The marker's count has the manifest, too, and packs are not all of one size: about means about.
    assert 0.5 < about[full]["packs-bytes"] / packs_bytes(full) < 2

    records.add(stanza15, "hold", backup=full, reason="an <audit>")
    records.add(stanza15, "note", backup=full, name="ticket", text="DB-7")
    records.verify(stanza15, [full, incr], damaged=[incr])
    records.drill(stanza15, full, good=False)
    stop = records.add(stanza15, "stop", reason="moving house")
    found = repository(stanza15)
    known = {backup["label"]: backup for backup in found["backups"]}
    assert [hold["reason"] for hold in known[full]["holds"]] == ["an <audit>"] and known[incr]["holds"] == []
    assert known[full]["annotations"] == [{"name": "ticket", "text": "DB-7"}]
    assert known[full]["verify"]["all"] and known[full]["damage"] is None
    assert known[incr]["damage"]["count"] == 1
    assert known[full]["drill"]["good"] is False and known[incr]["drill"] is None
    assert [one["reason"] for one in found["stops"]] == ["moving house"]
    text = stanza15.cairn.ok("info").out
    for said in ("DAMAGED: found by verify", "NOT GOOD", "held: an <audit>", "ticket: DB-7", "STOPPED: by elsewhere"):
        assert said in text, text
    records.add(stanza15, "release", records=[stop])
    assert repository(stanza15)["stops"] == []

    shown = stanza15.cairn.ok("info", f"--set={full}").out
    assert f"backup {full} is in repository local" in shown and "held: an <audit>" in shown
    missing = stanza15.cairn.run("info", "--set=20200101-000000F")
    assert missing.code == 10 and "20200101-000000F" in missing.err


def test_who_is_at_work_and_who_left_a_lease_behind(stanza15):
    stanza15.cluster.create_large(mebibytes=32)
    process = stanza15.start_slow_backup()
    running = repository(stanza15)["running"]
    assert (running["operation"], running["pid"]) == ("backup", process.pid)
    assert f"running: backup by process {process.pid}" in stanza15.cairn.ok("info").out
    process.send_signal(signal.SIGKILL)
    assert result_of(process).code == -signal.SIGKILL
    found = repository(stanza15)
    assert found["running"] is None and found["left-behind"]["operation"] == "backup"
    assert "LEFT BEHIND" in stanza15.cairn.ok("info").out


def test_a_backup_tells_in_its_lease_how_far_it_is(backed_up):
    """Where nothing can be removed, as with credentials that only add, the documents of a run stay to be read."""
    taken = backed_up.backups()[0]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlink,unlinkat", "-e", "inject=unlink,unlinkat:error=EPERM"]
    process = backed_up.cairn.start("backup", "--type=full", "--start-fast", under=strace)
    assert result_of(process).code == 0
    documents = [json.loads(path.read_text().splitlines()[0]) for path in sorted((backed_up.repo / "lease/main").iterdir())]
    told = [(one["done-bytes"], one["total-bytes"]) for one in documents if "done-bytes" in one]
    assert told and documents[-1]["state"] == "released" and "done-bytes" not in documents[-1]
    done, total = told[-1]  # before the marker is written: all is copied
    assert total == taken["cluster-bytes"] and 0.9 < done / total < 1.1


def test_the_bar_is_as_wide_as_the_terminal(backed_up):
    backed_up.cluster.wait_for_archived()

    def bar(columns):
        code, said = terminal.run(backed_up.cairn.command("info"), columns=columns)
        assert code == 0, said
        return next(line for line in said.splitlines() if line.startswith("    timeline 1  "))
    assert (len(bar(120)), len(bar(60))) == (120, 60)
    piped = next(line for line in backed_up.cairn.ok("info").out.splitlines() if line.startswith("    timeline 1  "))
    assert len(piped) == 80


def test_names_with_control_characters_reach_no_terminal(stanza15):
    """In names of databases, tablespaces and files, in notes, in errors and in the log: shown as \\x1b and so on."""
    evil, cluster = "a\x1b[31m\x07b\x9bc", stanza15.cluster
    cluster.sql(f'CREATE DATABASE "{evil}"')
    cluster.create_tablespace(f'"{evil}"', stanza15.home / f"space{evil}")
    system.write(cluster.data / f"file{evil}", "x", mode=0o600)
    label = stanza15.backup()["label"]
    stanza15.cairn.run("annotate", label, f"ticket={evil}")
    shown = [stanza15.cairn.run(*words, "--log-level=debug") for words in (
        ["info"], ["info", f"--set={label}"], ["info", "--output=json"], ["health"], ["verify"], ["backup", "--type=incr"],
        ["restore", "--dry-run", f"--pg-path={stanza15.home / 'new'}", f"--tablespace-map-all={stanza15.home / 'spaces'}"], ["info", f"--set={evil}"],
        ["restore", "--dry-run", f"--pg-path={stanza15.home / 'copy'}", f"--db-include={evil}"])]
    for result in shown:
        odd = [c for c in result.out + result.err if (ord(c) < 32 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0]
        assert odd == [], result
    assert "a\\x1b[31m\\x07b\\xc2\\x9bc" in shown[1].out, shown[1]
    assert "tablespace  a\\x1b[31m" in shown[6].out, shown[6]


def test_each_backup_has_its_own_damage(stanza15):
    """One run of verify finds all of it."""
    first = stanza15.backup()
    second = stanza15.backup()
    wal = stanza15.wal_object(first["wal-start"])
    pack = stanza15.packs(second["label"])[0]
    damage.remove(wal)
    damage.remove(pack)
    assert stanza15.cairn.run("verify").code == 4
    text = stanza15.cairn.run("info").out
    of_first, of_second = text.split("label (UTC)")[1].split(f"\n    {second['label']}")
    assert wal.name in of_first and "/pack/" not in of_first, text
    assert f"/{second['label']}/pack/{pack.name}" in of_second and wal.name not in of_second, text


def test_a_reader_that_goes_away_is_not_an_error(backed_up):
    """As with "| head -1": nothing is said, and the status is as without it."""
    pack = f"main/data/{backed_up.label}/pack/00000000"
    for words in (["info"], ["info", "--output=json"], ["repo-ls", "main/"], ["repo-get", pack], ["verify"], ["expire", "--dry-run",
                  "--keep-last=1"]):
        with subprocess.Popen(backed_up.cairn.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd="/", env=system.clean_environment(), **system.identity()) as process:
            process.stdout.close()
            said = process.stderr.read()
        assert (process.returncode, said) == (0, b""), words


def test_a_backup_is_born_with_its_notes_and_its_hold(stanza15):
    first = stanza15.backup("--annotation=ticket=DB-7", "--annotation=why=before the = migration", "--hold=audit")
    second = stanza15.backup("--annotation=ticket=DB-8")
    assert stanza15.cairn.ok("expire", "--keep-last=1").code == 0
    shown = {one["label"]: one for one in stanza15.backups()}
    assert [hold["reason"] for hold in shown[first["label"]]["holds"]] == ["audit"]
    assert shown[first["label"]]["annotations"] == [{"name": "ticket", "text": "DB-7"},
                                                    {"name": "why", "text": "before the = migration"}]
    assert shown[second["label"]]["holds"] == [] and "ticket: DB-8" in stanza15.cairn.ok("info").out
    stanza15.cairn.ok("unhold", first["label"])
    stanza15.cairn.ok("expire", "--keep-last=1")
    assert stanza15.labels() == [second["label"]]
    for wrong in ("ticket", "=x", "k" * 65 + "=x", "k=" + "x" * 1025):
        for words in (["backup", f"--annotation={wrong}"], ["annotate", second["label"], wrong]):
            assert stanza15.cairn.run(*words).code == 2, words
    assert stanza15.cairn.run("annotate", second["label"], "k=\x1b[2J").code == 2
