"""Pages of the source that fail their checksum: reported, kept, never forgotten; and no false alarms."""
import pytest

from support.cluster import Load

PAGE = 8192


def damaged_table(cluster, blocks, change):
    """Make a table and change some of its pages on disk: change(page as bytearray). Returns its path."""
    cluster.rows("CREATE TABLE victim AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g")
    cluster.rows("VACUUM victim")
    cluster.rows("CHECKPOINT")
    relative, path = cluster.relation_path("victim")
    data = bytearray(path.read_bytes())
    for block in blocks:
        page = data[block * PAGE:(block + 1) * PAGE]
        change(page)
        data[block * PAGE:(block + 1) * PAGE] = page
    with open(path, "r+b") as file:
        file.write(data)
    return relative


def flip(page):
    page[5000] ^= 0xFF


def test_corrupted_pages_are_named_and_stay_known(stanza):
    relative = damaged_table(stanza.cluster, [3, 7], flip)
    result = stanza.cairn.run("backup", "--type=full", "--start-fast", "--output=json")
    assert result.code == 3, result
    backup = result.json["backup"]
    assert backup["page-errors"] == [{"path": relative, "blocks": [3, 7], "count": 2}] and backup["page-error-count"] == 2
    assert f'"{relative}" has pages that fail their checksum: block 3, 7\n' in result.err
    stanza.cluster.rows("DROP TABLE victim")
    sound = stanza.backup()  # a later sound backup makes nothing of it forgotten
    assert sound["page-error-count"] == 0 and stanza.shows(backup, sound)
    assert f"PAGES DAMAGED: {relative} block 3, 7\n" in stanza.cairn.ok("info").out
    planned = stanza.cairn.run("restore", f"--pg-path={stanza.home / 'target'}", "--dry-run", f"--set={backup['label']}")
    assert planned.code == 3 and "THE BACKUP HOLDS DAMAGED PAGES, and it was named" in planned.out, planned
    assert f"PAGES DAMAGED: {relative} block 3, 7\n" in planned.out


def test_what_was_read_is_what_is_restored(stanza15):
    """A corrupted page is copied as it is: better than a hole, and the evidence is kept."""
    relative = damaged_table(stanza15.cluster, [3], flip)
    stanza15.backup(code=3)
    assert stanza15.try_restore(stanza15.home / "restored").code == 3
    restored = stanza15.restored(stanza15.home / "restored")
    assert (restored.data / relative).read_bytes() == (stanza15.cluster.data / relative).read_bytes()


def test_an_lsn_from_the_future_excuses_nothing(stanza15):
    """Pages newer than the backup's start may be torn and are repaired by WAL; no page is newer than the server."""
    def claim_the_future(page):
        page[0:8] = (0x7FFFFFFF).to_bytes(4, "little") + (0x10).to_bytes(4, "little")
        flip(page)
    relative = damaged_table(stanza15.cluster, [5], claim_the_future)
    assert stanza15.backup(code=3)["page-errors"] == [{"path": relative, "blocks": [5], "count": 1}]


def test_empty_pages_are_no_errors(stanza15):
    def erase(page):
        page[:] = bytes(PAGE)
    damaged_table(stanza15.cluster, [2], erase)
    assert stanza15.backup()["page-error-count"] == 0


@pytest.mark.slow
def test_no_false_alarm_while_pages_are_being_written(make_stanza, postgres):
    """Few buffers and many writers: pages change on disk all the time while they are copied."""
    stanza = make_stanza(postgres.version, shared_buffers="1MB", max_wal_size="64MB", checkpoint_timeout=30).create()
    stanza.cluster.pgbench_init(scale=5)
    with Load(stanza.cluster, rate=1000, clients=6):
        for _ in range(3):
            assert stanza.backup()["page-error-count"] == 0


def test_a_cluster_without_checksums(make_stanza, postgres):
    stanza = make_stanza(postgres.version, checksums=False).create()
    damaged_table(stanza.cluster, [3], flip)
    assert stanza.backup()["page-error-count"] == 0
    restored = stanza.restore()
    assert restored.must_start().wait_ready().sql("SELECT 1") == "1"
