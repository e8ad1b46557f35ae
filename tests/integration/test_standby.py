"""Backups from a standby, and connections that end at the wrong moment."""
import signal

import pytest

from support import system
from support.cluster import Load
from support.pgcairn import result_of


@pytest.fixture
def pair(stanza):
    """A primary that archives every second while there is load, and a standby that pgcairn is told to back up."""
    stanza.cluster.configure(archive_timeout=1)
    stanza.cluster.reload()
    stanza.cluster.pgbench_init(scale=4)
    stanza.standby = stanza.track(stanza.cluster.make_standby(stanza.home / "standby"))
    stanza.cluster.rows("CHECKPOINT")
    stanza.point_at(stanza.standby)
    return stanza


@pytest.mark.slow
def test_a_backup_from_a_standby(pair):
    with Load(pair.cluster) as load:
        backup = pair.backup()
        load.goes_on()
    assert backup["system-id"] == pair.cluster.system_id()
    pair.cluster.wait_for_archived()
    expected = pair.cluster.table_hashes()
    pair.standby.stop()
    pair.cluster.stop()
    restored = pair.restore().must_start().wait_ready()
    assert restored.table_hashes() == expected
    restored.amcheck()
    restored.stop()
    restored.checksums()


@pytest.mark.slow
def test_a_standby_promoted_during_the_backup(pair):
    process = pair.start_held_backup()
    system.run([pair.install.bin / "pg_ctl", "promote", "-D", pair.standby.data, "-w"])
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code == 13 and "promot" in result.err, result
    assert pair.labels() == [] and pair.lease() is None


def test_a_lost_connection(stanza):
    stanza.cluster.pgbench_init(scale=4)
    process = stanza.start_held_backup()
    terminated = stanza.cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                    " WHERE application_name = 'pgcairn'")
    assert terminated != "0"
    process.send_signal(signal.SIGCONT)
    result = result_of(process)
    assert result.code in (1, 13), result
    assert stanza.labels() == [] and stanza.lease() is None
    stanza.backup()
    assert len(stanza.labels()) == 1


def test_what_is_set_for_the_role_does_not_reach_the_session(stanza):
    """Timeouts would end a session that is idle while files are copied, and a search_path can replace what is asked."""
    cluster = stanza.cluster
    cluster.create_large(mebibytes=16)
    cluster.configure(checkpoint_timeout="30s", checkpoint_completion_target=0.05)
    cluster.reload()
    cluster.rows("CREATE ROLE hasty SUPERUSER LOGIN; CREATE SCHEMA evil;"
                 " CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true'")
    timeouts = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    for name in timeouts + (["idle_session_timeout"] if cluster.version >= 14 else []):
        cluster.rows(f"ALTER ROLE hasty SET {name} = '200ms'")
    cluster.rows("ALTER ROLE hasty SET search_path = evil, pg_catalog")
    stanza.cairn.tables["stanza.main"]["pg-user"] = "hasty"
    stanza.cairn.save()
    backup = stanza.cairn.ok("backup", "--type=full", "--output=json", "--compress-type=none", "--limit-rate=16MiB").json["backup"]
    assert backup["duration-seconds"] > 1 and backup["method"] == "all" and backup["timeline"] == 1
    assert stanza.labels() == [backup["label"]]
