"""One backup in several repositories, copies from one to another, and looking into a repository."""
import contextlib
import json
import shutil
import subprocess

import pytest

from support import compare, system


def add_repository(stanza, name):
    """Configure another repository beside "local"; its folder."""
    folder = system.make_dir(stanza.home / f"repo-{name}", 0o750)
    stanza.cairn.tables[f"repo.{name}"] = {"type": "posix", "path": folder}
    stanza.cairn.save()
    return folder


@pytest.fixture
def doubled(make_stanza):
    """A stanza with the repositories "local" and "away", and a table in its cluster."""
    stanza = make_stanza(15)
    stanza.away = add_repository(stanza, "away")
    stanza.cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    return stanza.create()


def labels_by_repository(stanza, *args):
    shown = stanza.cairn.run("info", "--output=json", *args).json["stanzas"][0]
    return {r["name"]: [b["label"] for b in r["backups"]] for r in shown["repositories"]}


def objects(repo, *below):
    """Key -> size of all objects below folders of a repository, into which an archiver may be putting more."""
    found = {}
    for path in (path for folder in below for path in (repo / folder).rglob("*") if ".reserve" not in path.parts):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[str(path.relative_to(repo))] = path.stat().st_size
    return found


def count(stanza, table="t"):
    return int(stanza.sql(f"SELECT count(*) FROM {table}"))


# --- looking into a repository --------------------------------------------------------------------------------------


def listed(stanza, *args):
    shown = stanza.cairn.ok("repo-ls", "--output=json", *args).json["repo-ls"]
    return [entry["key"] for entry in shown["entries"]]


def test_repo_ls_shows_folders_or_all_objects(backed_up):
    cairn, label = backed_up.cairn, backed_up.label
    assert listed(backed_up) == ["cluster/", "lease/", "main/", "record/", "pgcairn.json"]
    assert listed(backed_up, "main") == listed(backed_up, "main/") == ["main/backup/", "main/data/", "main/wal/"]
    marker = f"main/backup/{label}.json"
    assert listed(backed_up, "main/backup") == listed(backed_up, marker) == [marker]
    assert listed(backed_up, f"main/data/{label}") == [f"main/data/{label}/{kind}/" for kind in ("manifest", "pack")]
    found = objects(backed_up.repo, ".")
    everything = cairn.ok("repo-ls", "-r", "--output=json").json["repo-ls"]["entries"]
    assert {entry["key"]: entry["size-bytes"] for entry in everything} == found
    assert listed(backed_up, "--recursive", "main/data") == sorted(key for key in found if key.startswith("main/data/"))
    line = next(line for line in cairn.ok("repo-ls", "main/backup").out.splitlines())
    assert line.split()[0] == str(found[marker]) and line.split()[2] == marker
    for path, near in (("main/bakup", 'did you mean "main/backup/"?'), (f"main/data/{label}/x/y", '"manifest/"')):
        missing = cairn.run("repo-ls", path)
        assert missing.code == 10 and near in missing.err, missing
    # Histories stand beside the folders of WAL.
    cluster = next(iter(listed(backed_up, "main/wal")))
    history = backed_up.home / "00000002.history"
    system.write(history, b"1\t0/5000000\tno recovery target specified\n")
    cairn.ok("archive-push", history)
    assert listed(backed_up, cluster) == [f"{cluster}0000000100000000/", f"{cluster}00000002.history"]


def test_repo_get_opens_what_it_fetches(backed_up):
    cairn, label = backed_up.cairn, backed_up.label
    marker = json.loads(cairn.ok("repo-get", f"main/backup/{label}.json").out)
    assert marker["label"] == label
    assert json.loads(cairn.ok("repo-get", "pgcairn.json").out)["format"] == 1
    lines = [json.loads(line) for line in cairn.ok("repo-get", f"main/data/{label}/manifest/00000000").out.splitlines()]
    assert lines[0]["label"] == label and "end" in lines[-1]
    # A pack's content is that of the files, as its index tells.
    packs = [str(path.relative_to(backed_up.repo)) for path in backed_up.packs(label)]
    indexes = {key: cairn.ok("repo-get", "--index", key).json["pack"]["frames"] for key in packs}
    found = None
    for key, frames in indexes.items():
        at = 0
        content = (backed_up.home / "content")
        cairn.ok("repo-get", key, content)
        whole = content.read_bytes()
        content.unlink()
        assert len(whole) == sum(frame["bytes"] for frame in frames)
        for frame in frames:
            for piece in frame["pieces"]:
                for _, length in piece["runs"]:
                    if piece["path"] == "PG_VERSION":
                        found = whole[at:at + length]
                    at += length
    assert found == b"15\n"
    # WAL: the segment as the server wrote it; raw: the object.
    segment = marker["wal-start"]
    key = str(backed_up.wal_object(segment).relative_to(backed_up.repo))
    target = backed_up.home / segment
    cairn.ok("repo-get", key, target)
    assert target.stat().st_size == 16 * 1024 * 1024
    plain = subprocess.run(["zstd", "-dc", backed_up.repo / key], capture_output=True, check=True).stdout
    assert target.read_bytes() == plain
    cairn.ok("repo-get", "--raw", key, backed_up.home / "raw")
    assert (backed_up.home / "raw").read_bytes() == (backed_up.repo / key).read_bytes()
    # Nothing is overwritten, and what is near is named.
    target = backed_up.home / "taken"
    target.write_text("mine")
    refused = cairn.run("repo-get", f"main/backup/{label}.json", target)
    assert refused.code == 1 and "exists" in refused.err and target.read_text() == "mine"
    missing = cairn.run("repo-get", "main/backup/20000101-000000F.json", backed_up.home / "absent")
    assert missing.code == 10 and f"{label}.json" in missing.err and not (backed_up.home / "absent").exists()
    # Damage is named, and leaves no file.
    pack = backed_up.packs(label)[0]
    body = bytearray(pack.read_bytes())
    body[200] ^= 1
    pack.write_bytes(body)
    damaged = cairn.run("repo-get", str(pack.relative_to(backed_up.repo)), backed_up.home / "absent")
    assert damaged.code == 4 and "checksum does not match" in damaged.err
    assert not list(backed_up.home.glob("absent*"))
    assert cairn.run("repo-get", "--raw", str(pack.relative_to(backed_up.repo)), backed_up.home / "damaged").code == 0


# --- copies ---------------------------------------------------------------------------------------------------------


def copied(stanza, *args):
    return stanza.cairn.ok("repo-copy", "--from=local", "--to=away", "--output=json", *args).json["repo-copy"]


def test_a_copy_is_restored_and_built_on_when_the_source_is_gone(doubled):
    cluster = doubled.cluster
    full = doubled.backup("--repo=local")["label"]
    cluster.rows("INSERT INTO t SELECT generate_series(1, 100)")
    incremental = doubled.backup("--repo=local", type="incr")["label"]
    doubled.cairn.ok("hold", incremental, "--reason=audit")
    doubled.cairn.ok("annotate", incremental, "ticket=OPS-1")
    cluster.rows("INSERT INTO t SELECT generate_series(1, 10)")
    cluster.wait_for_archived()
    # The WAL is to come from the source as well.
    shutil.rmtree(doubled.away / "main")
    plan = copied(doubled, "--dry-run")
    assert plan["backup"]["label"] == incremental and plan["packs"]["there"]["objects"] == 0
    assert labels_by_repository(doubled)["away"] == [] and not (doubled.away / "main").exists()
    done = copied(doubled)
    assert done["packs"] == plan["packs"] and done["wal"] == plan["wal"] and done["records"] == 2
    # The older backup's packs came along, and sizes stayed.
    below = [f"main/data/{full}/pack", f"main/data/{incremental}", "main/wal"]
    ours, theirs = objects(doubled.repo, *below), objects(doubled.away, *below)
    assert ours.items() >= theirs.items() and any(f"/{full}/" in key for key in theirs)
    assert labels_by_repository(doubled)["away"] == [incremental]
    again = copied(doubled)
    assert again["was-listed"] and again["packs"]["copied"]["objects"] == 0 == again["records"]

    shutil.rmtree(doubled.repo)
    only = "--repo=away"
    assert doubled.cairn.ok("verify", "--level=full", only).code == 0
    # Expire keeps what the copy names of a backup that is not listed there.
    doubled.cairn.ok("expire", "--keep-last=1", only)
    assert objects(doubled.away, *below[:2]).keys() == {key for key in theirs if "/wal/" not in key}
    assert not list((doubled.away / "main/data" / full).glob("manifest/*"))
    del doubled.cairn.tables["repo.local"]
    doubled.cairn.save()
    backup = doubled.backup(type="incr")
    assert backup["type"] == "incr" and backup["prior"] == incremental
    for label, rows, extra in ((incremental, 1110, ()), (backup["label"], 1110, ())):
        restored = doubled.restore(f"from-{label}", f"--set={label}", "--archive-mode=off", *extra)
        assert count(restored.must_start().wait_ready()) == rows
        restored.stop()


@pytest.mark.parametrize("sealed", [("local",), ("away",), ("local", "away")], ids="+".join)
def test_a_copy_is_sealed_with_its_own_key(make_stanza, sealed):
    stanza = make_stanza(15)
    away = add_repository(stanza, "away")
    for name in sealed:
        stanza.cairn.tables[f"repo.{name}"]["key-passphrase"] = f"passphrase of {name}"
    stanza.cairn.save()
    cluster = stanza.create().cluster
    cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    stanza.backup("--repo=local")
    cluster.rows("INSERT INTO t SELECT generate_series(1, 100)")
    label = stanza.backup("--repo=local", type="incr")["label"]
    cluster.wait_for_archived()
    shutil.rmtree(away / "main")
    done = copied(stanza)
    again = copied(stanza)
    assert again["was-listed"] and again["packs"]["copied"]["objects"] == 0 < done["packs"]["copied"]["objects"]
    shutil.rmtree(stanza.repo)
    del stanza.cairn.tables["repo.local"]
    stanza.cairn.save()
    stanza.cairn.ok("verify", "--level=full")
    backup = stanza.backup(type="incr")
    assert backup["prior"] == label
    restored = stanza.restore("restored", "--archive-mode=off").must_start().wait_ready()
    assert count(restored) == 1100
    stanza.cairn.tables["repo.away"].pop("key-passphrase", None)
    stanza.cairn.save()
    assert stanza.cairn.run("verify").code == (12 if "away" in sealed else 0)


def test_a_copy_goes_on_where_it_ended(doubled):
    label = doubled.backup("--repo=local")["label"]
    packs = len(doubled.packs(label))
    copied(doubled)
    complete = objects(doubled.away, "main")
    # As it is left by a copy that was killed: no marker, and not all of the rest.
    (doubled.away / f"main/backup/{label}.json").unlink()
    (doubled.away / f"main/data/{label}/manifest/00000000").unlink()
    (doubled.away / f"main/data/{label}/pack/00000000").unlink()
    assert labels_by_repository(doubled)["away"] == []
    done = copied(doubled)
    assert not done["was-listed"] and done["manifest"]["copied"]["objects"] == 1
    assert (done["packs"]["copied"]["objects"], done["packs"]["there"]["objects"]) == (1, packs - 1)
    assert labels_by_repository(doubled)["away"] == [label] and objects(doubled.away, "main") == complete


def test_a_copy_is_refused_where_it_would_mix_clusters(doubled, make_stanza):
    doubled.backup("--repo=local")
    other = make_stanza(15).create()
    doubled.cairn.tables["repo.other"] = {"type": "posix", "path": other.repo}
    doubled.cairn.save()
    other.cluster.stop()
    before = compare.tree_state(other.repo)
    refused = doubled.cairn.run("repo-copy", "--from=local", "--to=other")
    assert refused.code == 13 and "belongs to cluster" in refused.err, refused
    assert compare.tree_state(other.repo) == before


def test_a_copy_stops_at_what_is_damaged_or_different(doubled):
    label = doubled.backup("--repo=local")["label"]
    pack = doubled.packs(label)[0]
    good = pack.read_bytes()
    pack.write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
    damaged = doubled.cairn.run("repo-copy", "--from=local", "--to=away")
    assert damaged.code == 4 and "checksum does not match" in damaged.err and "pack/0000" in damaged.err, damaged
    assert labels_by_repository(doubled)["away"] == []
    pack.write_bytes(good)
    copied(doubled)
    # A pack of the other repository is no pack of this one, although it has the same size.
    there = doubled.away / pack.relative_to(doubled.repo)
    there.write_bytes(good)
    different = doubled.cairn.run("repo-copy", "--from=local", "--to=away")
    assert different.code == 4 and "another repository" in different.err, different
    assert doubled.cairn.run("verify", "--level=full", "--repo=away").code == 4


# --- one backup in several repositories -----------------------------------------------------------------------------


def back_up(stanza, *args, code=0, type="incr"):
    """Back up to all repositories; the whole result and what was said."""
    result = stanza.cairn.run("backup", f"--type={type}", "--start-fast", "--output=json", "--repo=all", *args)
    assert result.code == code, result
    return result.json, result.err


def test_force_says_which_of_several_repositories_lose_the_stanza(doubled):
    doubled.cairn.ok("backup", "--repo=all")
    refused = doubled.cairn.run("stanza-delete", "--force")
    assert refused.code == 2 and "--repo=local" in refused.err and "--repo=all" in refused.err, refused
    doubled.cairn.ok("stanza-delete", "--force", "--dry-run")
    doubled.cluster.stop()
    assert set(map(len, labels_by_repository(doubled).values())) == {1}
    doubled.cairn.ok("stanza-delete", "--force", "--repo=away")
    assert len(labels_by_repository(doubled)["local"]) == 1
    doubled.cairn.ok("stanza-delete", "--force", "--repo=local")


def test_latest_is_the_newest_backup_of_all_repositories(doubled):
    doubled.cairn.ok("backup", "--repo=local", "--type=full")
    doubled.cairn.ok("backup", "--repo=away", "--type=full")
    newest = labels_by_repository(doubled)["away"][-1]
    assert f"backup {newest} is in repository away" in doubled.cairn.ok("info", "--set=latest").out
    refused = doubled.cairn.run("expire", "--set=latest")
    assert refused.code == 2 and f"expire --set={newest}" in refused.err.replace(f"--config={doubled.cairn.config} ", ""), refused
    assert doubled.cairn.ok("hold", "latest", "--reason=migration", "--output=json").json["hold"]["backup"] == newest
    assert len(labels_by_repository(doubled)["away"]) == 1


def test_one_read_fills_all_repositories_and_the_next_builds_on_it(doubled):
    cluster = doubled.cluster
    first, said = back_up(doubled)
    label = first["backup"]["label"]
    assert first["backup"]["type"] == "full" and "that all repositories have" in said
    assert [(r["name"], r["error"]) for r in first["repositories"]] == [("local", None), ("away", None)]
    assert objects(doubled.repo, "main/data") == objects(doubled.away, "main/data")
    cluster.rows("INSERT INTO t SELECT generate_series(1, 100)")
    second = back_up(doubled)[0]["backup"]
    assert (second["type"], second["prior"]) == ("incr", label)
    # The marker, and with it start and stop, is the same: the cluster was read once.
    for one in (label, second["label"]):
        markers = [json.loads((repo / f"main/backup/{one}.json").read_text().splitlines()[0]) for repo in (doubled.repo, doubled.away)]
        assert markers[0] == markers[1]
    assert second["stored-bytes"] == sum(objects(doubled.away, f"main/data/{second['label']}").values())
    assert cluster.log_text().count("pg_backup_start") <= 2
    # One that only "local" has is not built on, and another one under the same label neither.
    doubled.backup("--repo=local", type="incr")
    third, said = back_up(doubled)
    assert third["backup"]["prior"] == second["label"] and 'is not in repository "away"' in said
    assert labels_by_repository(doubled)["away"] == [label, second["label"], third["backup"]["label"]]
    cluster.wait_for_archived()
    assert doubled.cairn.run("verify", "--level=full").code == 0
    cluster.stop()
    shutil.rmtree(doubled.repo / "main")
    assert count(doubled.restore("away", "--repo=away").must_start().wait_ready()) == 1100


def test_one_read_fills_sealed_and_open_repositories(make_stanza):
    """Each sealed one with its own key; what is pinned by the manifest holds in all."""
    stanza = make_stanza(15)
    for name in ("away", "third"):
        add_repository(stanza, name)
    for name in ("local", "third"):
        stanza.cairn.tables[f"repo.{name}"]["key-passphrase"] = f"passphrase of {name}"
    stanza.cairn.save()
    cluster = stanza.create().cluster
    cluster.rows("CREATE TABLE t AS SELECT generate_series(1, 1000) AS x")
    full = back_up(stanza)[0]["backup"]
    cluster.rows("INSERT INTO t SELECT generate_series(1, 100)")
    second = back_up(stanza)[0]["backup"]
    assert (second["type"], second["prior"]) == ("incr", full["label"])
    cluster.wait_for_archived()
    stanza.cairn.ok("verify", "--level=full")
    cluster.stop()
    for name in ("local", "away", "third"):
        restored = stanza.restore(f"from-{name}", f"--repo={name}", "--archive-mode=off").must_start().wait_ready()
        assert count(restored) == 1100
        restored.stop()


def test_a_repository_that_fails_is_left_out_and_named(doubled):
    """Whichever of them it is, the one that is read from too; and what was stored is used again."""
    whole = back_up(doubled)[0]["backup"]["label"]
    doubled.cluster.wait_for_archived()
    for broken, good in ((doubled.away, "local"), (doubled.repo, "away")):
        name = "away" if good == "local" else "local"
        (broken / "main/data").chmod(0o500)  # no more packs; WAL and leases are still stored
        doubled.cluster.rows("INSERT INTO t VALUES (1)")
        done, said = back_up(doubled, code=1)
        (broken / "main/data").chmod(0o750)
        label = done["backup"]["label"]
        assert done["backup"]["prior"] == whole
        errors = {r["name"]: r["error"] for r in done["repositories"]}
        assert errors[good] is None and "Permission denied" in errors[name]
        assert f"backup {label} is not in every repository" in said and f'repository "{name}"' in said
        assert label in labels_by_repository(doubled)[good] and label not in labels_by_repository(doubled)[name]
        # repo-copy makes up for it, and the next backup of both builds on that.
        doubled.cairn.ok("repo-copy", f"--from={good}", f"--to={name}", f"--set={label}")
        whole = label
    assert back_up(doubled)[0]["backup"]["prior"] == whole
    assert len({tuple(labels) for labels in labels_by_repository(doubled).values()}) == 1


def test_a_repository_that_cannot_be_opened_is_left_out(doubled):
    doubled.cluster.wait_for_archived()
    doubled.repo.chmod(0o000)
    try:
        done, said = back_up(doubled, "--wal=copy", code=1)
    finally:
        doubled.repo.chmod(0o750)
    assert done["repository"] == "away" and 'repository "local"' in said
    assert labels_by_repository(doubled) == {"local": [], "away": [done["backup"]["label"]]}


@pytest.mark.parametrize("away", ("absent", "closed"))
def test_an_archiver_that_is_stuck_at_one_repository_does_not_keep_the_backup_from_the_other(doubled, away):
    """The archiver needs both, so nothing reaches the healthy one any more; the backup brings what it needs, once, and says so."""
    cluster = doubled.cluster
    cluster.wait_for_archived()
    gone = doubled.home / "gone"
    if away == "absent":
        doubled.away.rename(gone)
    else:
        doubled.away.chmod(0o000)
    for _ in range(3):  # more than one segment is left to the archiver
        cluster.rows("INSERT INTO t VALUES (1)")
        cluster.rows("SELECT pg_switch_wal()")
    system.wait_until(lambda: cluster.sql("SELECT failed_count FROM pg_stat_archiver") != "0", what="the archiver to fail")
    done, said = back_up(doubled, "--archive-timeout=2s", code=1, type="full")
    assert done["archiver-stuck"] and done["repository"] == "local", done
    assert said.count("the archiver is stuck") == 1, said
    alone = doubled.cairn.run("backup", "--repo=local", "--archive-timeout=2s", "--output=json", "--start-fast")
    assert alone.code == 3 and alone.json["archiver-stuck"], alone
    # Its own end can be restored, from what is in the healthy repository. Without the other one in the configuration: whether a
    # segment is there would not be known, and recovery stops.
    expected = cluster.sql("SELECT count(*) FROM t")
    table = doubled.cairn.tables.pop("repo.away")
    doubled.cairn.save()
    restored = doubled.restore("stuck", "--type=immediate", "--target-action=promote")
    restored.must_start().wait_ready()
    assert restored.sql("SELECT count(*) FROM t") == expected
    restored.stop()
    doubled.cairn.tables["repo.away"] = table
    doubled.cairn.save()
    # When it is back the archiver finds its segments there, as they are.
    if away == "absent":
        gone.rename(doubled.away)
    else:
        doubled.away.chmod(0o750)
    failed = int(cluster.sql("SELECT failed_count FROM pg_stat_archiver"))
    assert failed > 0
    cluster.rows("SELECT pg_switch_wal()")
    cluster.wait_for_archived()
    done, said = back_up(doubled, type="full")
    assert not done["archiver-stuck"] and "stuck" not in said
    doubled.cairn.ok("verify", "--repo=all")


def test_wal_that_the_archiver_took_elsewhere_is_not_brought(make_stanza):
    """An archive_command that only says that it worked leaves no backup that looks as if it could go on."""
    stanza = make_stanza(15).create()
    stanza.cluster.configure(archive_command="true")
    stanza.cluster.reload()
    failed = stanza.cairn.run("backup", "--archive-timeout=10s", "--start-fast")
    assert failed.code == 1 and "did not reach repository" in failed.err and "stuck" not in failed.err, failed
    assert stanza.labels() == [] and stanza.lease() is None


def test_an_interrupted_backup_of_both_is_used_again_in_both(doubled):
    doubled.cluster.rows("CREATE TABLE big AS SELECT i, md5(i::text) m FROM generate_series(1, 50000) i")
    interrupted = back_up(doubled, "--compress-type=none", type="full")[0]["backup"]["label"]
    # What a kill before the manifest leaves.
    for repo in (doubled.repo, doubled.away):
        (repo / f"main/backup/{interrupted}.json").unlink()
        shutil.rmtree(repo / f"main/data/{interrupted}/manifest")
    packs = sorted((doubled.away / f"main/data/{interrupted}/pack").iterdir())
    assert len(packs) > 1
    packs[0].unlink()  # one that had not come that far
    done, said = back_up(doubled, type="full")
    assert done["backup"]["resumed"][0]["backup"] == interrupted
    assert 0 < done["backup"]["resumed"][0]["packs"] < len(packs) and "pack 0 of interrupted backup" in said
    doubled.cluster.wait_for_archived()
    assert doubled.cairn.run("verify", "--level=full").code == 0


# --- the first that can answer ----------------------------------------------------------------------------------------


def test_restore_and_archive_get_say_whom_they_passed_over(doubled):
    backup = back_up(doubled)[0]["backup"]
    doubled.cluster.wait_for_archived()
    plan = ("restore", f"--pg-path={doubled.home / 'plan'}", "--dry-run", "--output=json")
    whole = doubled.cairn.ok(*plan).json["restore"]
    assert whole["repository"] == "local" and not [note for note in whole["notes"] if "skipped" in note]
    # A pack that is missing, and a segment: the other repository has them.
    doubled.packs(backup["label"])[0].unlink()
    doubled.wal_object(backup["wal-start"]).unlink()
    planned = doubled.cairn.ok(*plan)
    assert planned.json["restore"]["repository"] == "away"
    assert [note for note in planned.json["restore"]["notes"] if 'repository "local" is skipped' in note and "the pack is missing" in note]
    segment = doubled.home / "segment"
    fetched = doubled.cairn.ok("archive-get", backup["wal-start"], segment)
    assert f'skipped repository "local": it does not have {backup["wal-start"]}' in fetched.err
    # A backup that only one has, one that cannot be read.
    doubled.marker(backup["label"]).unlink()
    for args in ((), (f"--set={backup['label']}",)):
        notes = doubled.cairn.ok(*plan, *args).json["restore"]["notes"]
        assert [note for note in notes if 'repository "local" is skipped: there is no backup' in note], notes
    doubled.repo.chmod(0o000)
    try:
        planned = doubled.cairn.ok(*plan)
        assert [note for note in planned.json["restore"]["notes"] if 'repository "local"' in note and "Permission denied" in note]
        fetched = doubled.cairn.ok("archive-get", backup["wal-start"], segment)
        assert 'skipped repository "local"' in fetched.err and "Permission denied" in fetched.err
        # WAL still goes to the one that is left, and the failure names the other.
        name = doubled.cluster.switch_wal()
        system.wait_until(lambda: f"{name} is not in every repository" in doubled.cluster.log_text(), what="a push that fails")
        assert any(name in key for key in objects(doubled.away, "main/wal"))
    finally:
        doubled.repo.chmod(0o750)
    doubled.cluster.wait_for_archived()
    assert any(name in key for key in objects(doubled.repo, "main/wal"))
    doubled.cluster.stop()
    assert count(doubled.restore().must_start().wait_ready()) == 1000


def test_a_server_restored_without_a_lost_repository_gets_to_the_end_of_the_wal(doubled):
    back_up(doubled)
    cluster, cairn = doubled.cluster, doubled.cairn
    cluster.rows("INSERT INTO t VALUES (0)")
    cluster.wait_for_archived()
    cluster.stop()
    shutil.move(doubled.away, doubled.home / "lost")
    base = ("restore", "--delta", "--dry-run", "--output=json")
    note = cairn.ok(*base).json["restore"]["notes"][0]
    assert note.startswith("REPOSITORY away CANNOT BE READ NOW") and "--repo=local" in note and "[repo.away]" in note, note
    for args in (("--repo=local",), ("--type=standby",)):
        notes = cairn.ok(*base, *args).json["restore"]["notes"]
        assert not [note for note in notes if "CANNOT BE READ" in note], notes
    asked = cairn.run("archive-get", "0000000100000000000000F0", doubled.home / "segment")
    assert asked.code == 200 and "restore with --repo=NAME" in asked.err, asked
    cairn.ok("restore", "--delta", "--repo=local")
    assert "--repo=local" in (cluster.data / "postgresql.auto.conf").read_text()
    cluster.must_start().wait_ready()
    assert count(cluster) == 1001
