"""verify: what is whole is called good, and each damaged object is named, with who needs it."""
import pytest

from support import damage, system
from support.stanza import refused


def verify(stanza, *args):
    """The result of one repository, and the exit code."""
    done = stanza.cairn.run("verify", "--output=json", *args)
    return done.json["verify"]["repositories"][0], done.code


@pytest.fixture
def two_backups(stanza15):
    """A full backup and an incremental that names packs of both."""
    cluster = stanza15.cluster
    cluster.pgbench_init(scale=2)
    stanza15.first = stanza15.backup()
    cluster.rows("UPDATE pgbench_branches SET bbalance = bbalance + 1")
    stanza15.second = stanza15.backup(type="incr")
    cluster.wait_for_archived()
    return stanza15


def wal_name(damage):
    return damage["object"].rsplit("/", 1)[1]


def packs(stanza, backup):
    return sorted((stanza.repo / "main/data" / backup["label"] / "pack").iterdir())


def test_what_is_whole_is_good(two_backups):
    stanza = two_backups
    before = {path: path.stat().st_mtime_ns for path in stanza.repo.rglob("*")}
    quick, code = verify(stanza, "--no-record")
    assert code == 0 and quick["damages"] == [] and quick["notes"] == [] and quick["error"] is None
    assert quick["backups"] == 2 and quick["packs-opened"] == quick["wal-opened"] == 0
    assert quick["packs"] == len(packs(stanza, stanza.first)) + len(packs(stanza, stanza.second))
    full, code = verify(stanza, "--level=full", "--no-record")
    assert code == 0 and full["damages"] == []
    assert full["packs-opened"] == full["packs"] and full["wal-opened"] == full["wal-segments"] > 2
    assert full["read-bytes"] > sum(path.stat().st_size for path in packs(stanza, stanza.first)) * 0.9
    one, code = verify(stanza, f"--set={stanza.first['label']}", "--no-record")
    assert code == 0 and (one["backups"], one["packs"]) == (1, len(packs(stanza, stanza.first)))
    assert {path: path.stat().st_mtime_ns for path in stanza.repo.rglob("*")} == before
    assert "good: 2 backups" in stanza.cairn.ok("verify").out


def test_a_flipped_bit_is_found_by_level_full_alone(two_backups):
    """The pack is the full backup's, and the incremental names it, too: both are told, and the files."""
    pack = packs(two_backups, two_backups.first)[0]
    damage.flip(pack)
    assert verify(two_backups) == (verify(two_backups)[0], 0)
    result, code = verify(two_backups, "--level=full", "--process-max=1")
    assert code == 4 and len(result["damages"]) == 1
    found = result["damages"][0]
    assert found["object"] == str(pack.relative_to(two_backups.repo))
    assert found["backups"] == [two_backups.first["label"], two_backups.second["label"]]
    assert 0 < found["offset"] < pack.stat().st_size and "checksum does not match" in found["cause"]
    assert found["files"] >= len(found["paths"]) > 0 and found["paths"][0].split("/")[0] in ("base", "global", "PG_VERSION")
    told = two_backups.cairn.run("verify", "--level=full")
    assert told.code == 4 and f"DAMAGED {found['object']}" in told.out
    assert f"needed by backup {two_backups.first['label']}" in told.out


@pytest.mark.parametrize("harm", [damage.remove, damage.truncate])
def test_missing_and_short_packs_are_found_quickly(two_backups, harm):
    pack = packs(two_backups, two_backups.second)[0]
    harm(pack)
    result, code = verify(two_backups)
    assert code == 4 and [d["object"] for d in result["damages"]] == [str(pack.relative_to(two_backups.repo))]
    assert result["damages"][0]["backups"] == [two_backups.second["label"]]
    # The other backup does not need it.
    assert verify(two_backups, f"--set={two_backups.first['label']}")[1] == 0


def test_swapped_packs_are_found(two_backups):
    one, other = packs(two_backups, two_backups.first)[0], packs(two_backups, two_backups.second)[0]
    damage.swap(one, other)
    result, code = verify(two_backups, "--level=full")
    assert code == 4 and {d["object"] for d in result["damages"]} == {str(p.relative_to(two_backups.repo)) for p in (one, other)}


def test_damaged_manifests_and_markers_are_found(two_backups):
    manifest = next((two_backups.repo / "main/data" / two_backups.second["label"]).glob("manifest/*"))
    damage.flip(manifest)
    damage.flip(two_backups.repo / "main/backup" / f"{two_backups.first['label']}.json")
    result, code = verify(two_backups)
    assert code == 4 and result["backups"] == 1
    assert [(d["object"], d["backups"]) for d in result["damages"]] == [
        (f"main/backup/{two_backups.first['label']}.json", [two_backups.first["label"]]),
        (str(manifest.relative_to(two_backups.repo)), [two_backups.second["label"]])]


def test_wal_that_a_backup_needs_is_missed(two_backups):
    two_backups.wal_object(two_backups.second["wal-start"]).unlink()
    result, code = verify(two_backups)
    assert code == 4
    needed = [d for d in result["damages"] if d["backups"]]
    assert [(wal_name(d), d["backups"]) for d in needed] == [(two_backups.second["wal-start"], [two_backups.second["label"]])]


def test_a_gap_in_the_archive_is_told(two_backups):
    """No backup needs the segment to become consistent; no recovery gets past the place."""
    cluster = two_backups.cluster
    cluster.rows("CREATE TABLE a AS SELECT 1")
    gap = cluster.wait_for_archived()
    cluster.rows("CREATE TABLE b AS SELECT 1")
    cluster.wait_for_archived()
    two_backups.wal_object(gap).unlink()
    result, code = verify(two_backups)
    assert code == 4 and [(wal_name(d), d["backups"]) for d in result["damages"]] == [(gap, [])]
    assert "no recovery gets past it" in result["damages"][0]["cause"]


def test_damaged_wal_is_found(two_backups):
    wal = two_backups.wal_object(two_backups.first["wal-start"])
    damage.flip(wal)
    assert verify(two_backups)[1] == 0
    result, code = verify(two_backups, "--level=full")
    assert code == 4 and [(d["object"], d["backups"]) for d in result["damages"]] == [
        (str(wal.relative_to(two_backups.repo)), [two_backups.first["label"]])]


def test_a_sample_opens_a_part(two_backups):
    result, code = verify(two_backups, "--level=full", "--sample=10%")
    everything = result["packs"] + result["wal-segments"]
    assert code == 0 and result["packs-opened"] + result["wal-opened"] == -(-everything // 10)


def test_what_cannot_be_looked_at_is_not_good(two_backups):
    wrong = two_backups.cairn.run("verify", "--sample=5%")
    assert wrong.code == 2 and "--level=full" in wrong.err
    wrong = two_backups.cairn.run("verify", "--level=full", "--sample=5")
    assert wrong.code == 2 and "a percentage from 1% to 100%" in wrong.err
    missing = two_backups.cairn.run("verify", "--set=20200101-000000F")
    assert missing.code == 10 and "20200101-000000F" in missing.err
    two_backups.repo.chmod(0o000)
    try:
        unread = two_backups.cairn.run("verify")
        assert unread.code == 1 and "COULD NOT BE READ" in unread.out
    finally:
        two_backups.repo.chmod(0o750)


def test_a_promotion_is_followed(two_backups):
    """After the timeline's end the WAL goes on elsewhere: no gap."""
    two_backups.cluster.stop()
    restored = two_backups.restore("promoted", "--replace")
    two_backups.point_at(restored)
    restored.must_start().wait_ready()
    restored.rows("CREATE TABLE after AS SELECT 1")
    restored.wait_for_archived()
    result, code = verify(two_backups, "--level=full")
    assert code == 0 and result["damages"] == [], result
    system.remove_tree(restored.data)


def test_damage_is_remembered(two_backups):
    """restore and the next incremental go round what verify has found, until a run finds it whole."""
    first, second = two_backups.first["label"], two_backups.second["label"]
    pack = packs(two_backups, two_backups.second)[0]
    whole = pack.read_bytes()
    damage.flip(pack)
    assert verify(two_backups, "--level=full", "--no-record")[1] == 4
    assert f"  backup      {second}," in two_backups.cairn.ok("restore", "--dry-run", f"--pg-path={two_backups.home / 'new'}").out
    assert verify(two_backups, "--level=full")[1] == 4

    planned = two_backups.cairn.ok("restore", "--dry-run", f"--pg-path={two_backups.home / 'new'}")
    assert f"  backup      {first}," in planned.out and f"backup {second} is skipped" in planned.err
    named = refused(two_backups, two_backups.home / "new", f"--set={second}", saying=("verify found on", "--accept-damage"), codes=(4,))
    assert str(pack.relative_to(two_backups.repo)) in named.err
    assert two_backups.cairn.ok("restore", "--dry-run", f"--pg-path={two_backups.home / 'new'}", f"--set={second}", "--accept-damage")
    third, said = two_backups.backup_aloud(type="incr")
    assert third["prior"] == first and f"backup {second} is not used as the prior one: verify found" in said

    pack.unlink()
    system.write(pack, whole)
    quick, code = verify(two_backups)  # which does not take back what full has found, and says so
    recorded, = quick["recorded"]
    assert code == 4 and not quick["damages"] and recorded["backups"] == [second] and recorded["level"] == "full", quick
    assert str(pack.relative_to(two_backups.repo)) in recorded["damages"][0]
    text = two_backups.cairn.run("verify", "--no-record").out
    assert "DAMAGED as recorded" in text and "pgcairn verify --level=full" in text, text
    assert verify(two_backups, f"--set={first}")[1] == 0
    assert verify(two_backups, "--level=full", "--no-record")[1] == 4
    assert two_backups.backup(type="incr")["prior"] == third["label"]
    assert refused(two_backups, two_backups.home / "new", f"--set={second}", codes=(4,))
    assert verify(two_backups, "--level=full", f"--set={second}")[1] == 0
    assert verify(two_backups)[1] == 0
    assert two_backups.cairn.ok("restore", "--dry-run", f"--pg-path={two_backups.home / 'new'}", f"--set={second}")


def test_pages_that_were_bad_before(make_stanza):
    """The backup said so: that is no damage of the repository."""
    stanza = make_stanza(15).create()
    cluster = stanza.cluster
    cluster.rows("CREATE TABLE t AS SELECT * FROM generate_series(1, 2000)")
    cluster.rows("CHECKPOINT")
    _, path = cluster.relation_path("t")
    data = bytearray(path.read_bytes())
    data[8192 + 5000] ^= 1
    path.write_bytes(data)
    backup = stanza.backup(code=3)
    assert backup["page-errors"][0]["blocks"] == [1]
    result, code = verify(stanza, "--level=full")
    assert code == 0 and result["known-bad-pages"] == 1 and result["damages"] == []


def test_a_run_goes_on_where_the_last_one_stopped(two_backups):
    result, code = verify(two_backups, "--level=full", "--max-duration=0s")
    assert code == 0 and result["packs-opened"] == result["wal-opened"] == 0
    assert result["next"].startswith("main/data/")
    said = two_backups.cairn.ok("verify", "--level=full", "--max-duration=0s").out
    assert f"the next run goes on at {result['next']}" in said
    whole, code = verify(two_backups, "--level=full", "--max-duration=1h")
    assert code == 0 and whole["next"] is None and whole["packs-opened"] == whole["packs"]
    for wrong in (["--max-duration=1h"], ["--level=full", "--max-duration=1h", "--sample=5%"],
                  ["--level=full", "--max-duration=1h", "--set=20200101-000000F"]):
        assert two_backups.cairn.run("verify", *wrong).code == 2
