"""backup --wal=copy: a backup that restores without an archive."""
import signal

import pytest

from support import system
from support.cluster import Load
from support.pgcairn import result_of


@pytest.mark.slow
def test_a_backup_without_an_archive_restores_alone(make_stanza, postgres):
    stanza = make_stanza(postgres.version, archiving=False).create()
    cluster = stanza.cluster
    refused = stanza.cairn.run("backup")
    assert refused.code == 1 and "--wal=copy" in refused.err, refused
    cluster.pgbench_init(scale=2)
    with Load(cluster):
        backup = stanza.backup("--wal=copy")
    assert backup["wal-copied"]
    assert "stored by the backup itself" in stanza.cairn.ok("info").out
    cluster.stop()
    for name, args in {"immediate": ["--type=immediate", "--target-action=promote"], "none": ["--type=none"]}.items():
        restored = stanza.restore(name, *args).must_start().wait_ready()
        assert restored.sql("SELECT count(*) FROM pgbench_accounts") == "200000"
        restored.amcheck()
        restored.stop()
        restored.checksums()


def test_beside_an_archiver_the_same_bytes_are_stored_once(stanza15):
    backup = stanza15.backup("--wal=copy")
    stanza15.cluster.wait_for_archived()
    assert stanza15.cluster.sql("SELECT failed_count FROM pg_stat_archiver") == "0"
    assert stanza15.wal_object(backup["wal-stop"]).exists()


def test_wal_that_is_gone_is_named(make_stanza):
    """Without a slot to hold it, WAL may be recycled before the backup gets to it: no backup then."""
    stanza = make_stanza(15, archiving=False, max_replication_slots=0, wal_keep_size=0).create()
    cluster = stanza.cluster
    cluster.create_large(mebibytes=32)
    process = stanza.start_held_backup("--wal=copy")
    started_in = cluster.sql("SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()")

    def is_gone():
        cluster.switch_wal()
        cluster.rows("CHECKPOINT")
        return not (cluster.data / "pg_wal" / started_in).exists()
    system.wait_until(is_gone, what="the server to recycle WAL")
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    err = result.err
    assert result.code == 1 and "there is no replication slot to hold it" in err
    assert f"has recycled WAL segment {started_in}" in err and "wal_keep_size" in err, err
    assert stanza.labels() == []


def test_no_wal_was_promised_between_two_backups(make_stanza):
    """Without an archive, what must be there is from each backup's start to its stop: verify and the verdict know."""
    stanza = make_stanza(15, archiving=False).create()
    first = stanza.backup("--wal=copy")
    for _ in range(3):
        stanza.cluster.switch_wal()
    second = stanza.backup("--wal=copy", type="incr")
    verified = stanza.cairn.ok("verify")
    assert "note: no WAL is kept from " in verified.out and first["wal-stop"] < second["wal-start"]
    assert stanza.cairn.ok("info").out.startswith("stanza main: ok: to ")
    # What a backup needs itself is another matter.
    stanza.wal_object(first["wal-stop"]).unlink()
    assert stanza.cairn.run("verify").code == 4


def archives(stanza, command):
    stanza.cluster.rows(f"ALTER SYSTEM SET archive_command = '{command}'")
    stanza.cluster.rows("SELECT pg_reload_conf()")
    system.wait_until(lambda: stanza.cluster.sql("SHOW archive_command") == command, what="the setting to be read")


@pytest.mark.parametrize("case", ["off", "off and on", "lost"])
def test_what_is_missing_before_a_backup_that_brought_its_own_wal(stanza15, case):
    """An archive that was switched off owes nothing; a loss is damage; where nobody can tell, all verbs warn."""
    cluster = stanza15.cluster
    command = cluster.sql("SHOW archive_command")
    first = stanza15.backup()
    cluster.rows("CREATE TABLE a AS SELECT 1")
    cluster.wait_for_archived()
    if case != "lost":
        archives(stanza15, "/bin/true")
    cluster.rows("CREATE TABLE b AS SELECT 1")
    between = cluster.wait_for_archived()
    second = stanza15.backup("--wal=copy")
    if case == "off and on":
        archives(stanza15, command)
    if case != "off":
        cluster.rows("CREATE TABLE c AS SELECT 1")
        cluster.wait_for_archived()
    if case == "lost":
        for segment in stanza15.wal_objects():
            if between <= segment.name < second["wal-start"]:
                segment.unlink()
    verified = stanza15.cairn.run("verify")
    one = stanza15.cairn.run("verify", f"--set={first['label']}")
    info = stanza15.cairn.run("info").out
    health = stanza15.cairn.run("health").out
    planned = stanza15.cairn.run("restore", "--dry-run", f"--set={first['label']}", f"--pg-path={stanza15.home / 'new'}")
    gap = stanza15.info()["repositories"][0]["windows"][0]
    assert gap["after-gap"] == second["wal-start"], gap
    says = {"off": (0, "unpromised", "note: no WAL is kept from "), "off and on": (3, "doubtful", "which of the two is not known"),
            "lost": (4, "lost", "no recovery gets past it")}[case]
    assert (verified.code, gap["gap"]) == says[:2] and says[2] in verified.out, (verified, gap)
    assert one.code == says[0] and says[2] in one.out, one
    warns = "before backup " + second["label"] in info
    assert warns == (case != "off") and warns == ("wal-holes" in health or "whose moments cannot be restored" in health), info + health
    assert (planned.code == 0) == (case == "off"), planned
    assert case == "off" or "--accept-gap" in planned.err, planned


def test_where_nothing_is_nothing_is_good(make_stanza):
    stanza = make_stanza(15, archiving=False).create()
    empty = stanza.cairn.run("verify")
    assert empty.code == 10 and "there is nothing to verify" in empty.err, empty
    stanza.backup("--wal=copy")
    assert "opened none (--level=full opens them)" in stanza.cairn.ok("verify").out
    for path in [*stanza.repo.glob("main/**/*"), *stanza.repo.glob("cluster/**/*")]:
        if path.is_file():
            path.unlink()
    gone = stanza.cairn.run("verify")
    assert gone.code == 10 and 'there is no stanza "main" in repository' in gone.err, gone
