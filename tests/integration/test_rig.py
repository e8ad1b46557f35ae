"""The rig itself: a comparison that finds nothing, or a wait that never waits, would make every other test worthless."""
import pytest

from support import compare, system
from support.cluster import Load, PgCluster


@pytest.fixture
def plain(home, postgres, sockets):
    """A cluster without pgcairn."""
    cluster = PgCluster.create(postgres, home / "data", sockets, autovacuum=False).must_start()
    yield cluster
    cluster.stop("immediate")


def test_a_copy_by_postgresql_itself_is_the_same_and_a_flipped_bit_is_seen(plain, home):
    plain.pgbench_init()
    plain.create_tablespace("space", home / "space")
    plain.rows("CREATE TABLE far TABLESPACE space AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g")
    plain.rows("VACUUM FREEZE")
    plain.rows("CHECKPOINT")
    before = plain.table_hashes()
    assert len(before) == 5 and before["postgres.public.pgbench_accounts"].startswith("100000:")

    copy = PgCluster(plain.install, home / "copy", plain.sockets)
    system.run([plain.install.bin / "pg_basebackup", "-D", copy.data, *plain.connection()[:-2], "-c", "fast",
                "-T", f"{home / 'space'}={home / 'space2'}"])
    allow = compare.RESTORE_DIFFERS + ("backup_manifest",)
    assert compare.differences(plain.data, copy.data, allow) == []

    _, table = plain.relation_path("far")
    relative = table.relative_to(plain.data)
    damaged = bytearray((copy.data / relative).read_bytes())
    damaged[9000] ^= 1
    (copy.data / relative).write_bytes(damaged)
    assert compare.differences(plain.data, copy.data, allow) == [f"differs from byte 9000: {relative}"]
    (copy.data / relative).unlink()
    assert compare.differences(plain.data, copy.data, allow) == [f"only in the source: {relative}"]

    plain.rows("UPDATE pgbench_branches SET bbalance = 1")
    changed = plain.table_hashes()
    assert {name for name in before if before[name] != changed[name]} == {"postgres.public.pgbench_branches"}


def test_a_cluster_crashes_recovers_and_passes_postgresqls_own_checks(plain):
    plain.pgbench_init()
    with Load(plain):
        plain.crash()
    assert plain.pid() is None and plain.answers("SELECT 1") is None
    plain.must_start()
    plain.amcheck()
    plain.stop()
    plain.checksums()


def test_archiving_is_waited_for_and_a_standby_streams(plain, home):
    archive = system.make_dir(home / "archive")
    plain.configure(archive_mode=True, archive_command=f"sleep 0.3; cp %p {archive}/%f")
    plain.restart()
    name = plain.wait_for_archived()
    assert (archive / name).stat().st_size == 16 << 20
    standby = plain.make_standby(home / "standby")
    try:
        assert standby.sql("SELECT pg_is_in_recovery()") == "t"
    finally:
        standby.stop("immediate")
