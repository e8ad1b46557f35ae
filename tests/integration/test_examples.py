"""The worked examples of pgcairn-restore(1). The new replica is in test_restore_targets.py."""
import os
import shutil

import pytest

from support import system
from support.cluster import CLIENTS


@pytest.mark.slow
def test_dropped_table_bad_deployment_corrupt_disk_and_lost_server(stanza15):
    stanza, cluster = stanza15, stanza15.cluster
    cluster.rows("CREATE TABLE the_table AS SELECT g FROM generate_series(1, 1000) g")
    stanza.backup()
    cluster.rows("INSERT INTO the_table VALUES (1001)")
    before = cluster.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    cluster.rows("DROP TABLE the_table")
    cluster.wait_for_archived()

    # A dropped table: a copy beside the running cluster, from which it is dumped.
    copy = stanza.restore("copy", "--type=time", f"--target={before}", "--target-action=promote",
                          "--archive-mode=off").must_start().wait_ready()
    dump = system.run([CLIENTS / "pg_dump", *copy.connection()[:-2], "-t", "the_table", "postgres"]).stdout
    system.write(stanza.home / "dump.sql", dump)
    system.run([CLIENTS / "psql", "-X", "-q", *cluster.connection(), "-f", stanza.home / "dump.sql"])
    assert cluster.sql("SELECT count(*) FROM the_table") == "1001"
    copy.stop()

    # A bad deployment: back in time, in the old place, and open for writing.
    cluster.stop()
    kept = stanza.home / "data.before"
    os.rename(cluster.data, kept)
    stanza.cairn.ok("restore", "--type=time", f"--target={before}", "--target-action=promote")
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT count(*) FROM the_table") == "1001"
    cluster.rows("INSERT INTO the_table VALUES (1002)")
    cluster.wait_for_archived()
    cluster.stop()

    # A corrupt disk: all that is archived, pg_wal on another one.
    shutil.rmtree(cluster.data)
    stanza.cairn.ok("restore", f"--link-map=pg_wal={stanza.home / 'wal-disk'}")
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT count(*) FROM the_table") == "1002"
    cluster.stop()

    # A lost server: nothing is left but the configuration and the repository.
    shutil.rmtree(cluster.data)
    shutil.rmtree(stanza.home / "wal-disk")
    stanza.cairn.ok("restore")
    cluster.must_start().wait_ready()
    assert cluster.sql("SELECT count(*) FROM the_table") == "1002"
