"""Pages of the source that fail their checksum: reported, kept, never forgotten; and no false alarms."""
import re

import pytest

from support.cluster import Load

PAGE = 8192
VICTIM = {"database": "postgres", "schema": "public", "name": "victim", "kind": "table", "table-schema": None, "table": None}


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
    assert backup["page-errors"] == [{"path": relative, "blocks": [3, 7], "count": 2, "relation": VICTIM}] and backup["page-error-count"] == 2
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
    assert stanza15.backup(code=3)["page-errors"] == [{"path": relative, "blocks": [5], "count": 1, "relation": VICTIM}]


def test_empty_pages_are_no_errors(stanza15):
    def erase(page):
        page[:] = bytes(PAGE)
    damaged_table(stanza15.cluster, [2], erase)
    assert stanza15.backup()["page-error-count"] == 0


def break_page(cluster, relation, database="postgres", fork=""):
    """Change the first page of a relation on disk, which the server keeps in memory. Returns the file's path."""
    relative, path = cluster.relation_path(relation, database)
    path = path.with_name(path.name + fork)
    page = bytearray(path.read_bytes()[:PAGE])
    flip(page)
    with open(path, "r+b") as file:
        file.write(page)
    return relative + fork


def test_damaged_pages_are_shown_with_their_relation(stanza):
    """Tables, indexes, toast tables, catalogs without a number in pg_class, shared ones, in any database and tablespace."""
    cluster = stanza.cluster
    cluster.create_tablespace("space", stanza.home / "space")
    cluster.rows("CREATE DATABASE shop")
    cluster.rows("CREATE DATABASE closed")
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x", "closed")
    cluster.rows("ALTER DATABASE closed ALLOW_CONNECTIONS false")
    words = "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 500) g)"
    for statement in ("CREATE TABLE orders (id int PRIMARY KEY, note text)",
                      f"INSERT INTO orders SELECT 1, {words}",
                      "CREATE MATERIALIZED VIEW seen AS SELECT id FROM orders",
                      "CREATE UNLOGGED TABLE basket (id int CONSTRAINT basket_key PRIMARY KEY)",
                      "CREATE TABLE \"o\x1b[31mdd\" (x int) TABLESPACE space", "INSERT INTO \"o\x1b[31mdd\" VALUES (1)",
                      f"DO $$ BEGIN EXECUTE (SELECT 'CREATE FUNCTION big() RETURNS int LANGUAGE sql AS ' || quote_literal('SELECT 1 -- ' || {words})); END $$",
                      "VACUUM FREEZE"):
        cluster.rows(statement, "shop")
    cluster.rows("VACUUM FREEZE pg_shdescription")
    toast = cluster.sql("SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'orders'", "shop")
    cluster.rows("CHECKPOINT")

    def relation(schema, name, kind, table=None, database="shop", of="public"):
        return {"database": database, "schema": schema, "name": name, "kind": kind,
                "table-schema": of if table else None, "table": table}
    expected = {
        break_page(cluster, "orders", "shop"): relation("public", "orders", "table"),
        break_page(cluster, "orders_pkey", "shop"): relation("public", "orders_pkey", "index", "orders"),
        break_page(cluster, toast, "shop"): relation("pg_toast", toast.split(".")[1], "toast table", "orders"),
        break_page(cluster, f"{toast}_index", "shop"): relation("pg_toast", f"{toast.split('.')[1]}_index", "index", "orders"),
        break_page(cluster, "seen", "shop"): relation("public", "seen", "materialized view"),
        break_page(cluster, "basket_key", "shop", "_init"): relation("public", "basket_key", "index", "basket"),
        break_page(cluster, "\"o\x1b[31mdd\"", "shop"): relation("public", "o%1B[31mdd", "table"),
        break_page(cluster, "pg_class", "shop"): relation("pg_catalog", "pg_class", "table"),
        break_page(cluster, "pg_toast.pg_toast_1255", "shop"):
            relation("pg_toast", "pg_toast_1255", "toast table", "pg_proc", of="pg_catalog"),
        break_page(cluster, "pg_shdescription"): relation("pg_catalog", "pg_shdescription", "table", database=None),
    }
    closed = cluster.sql("SELECT oid FROM pg_database WHERE datname = 'closed'")
    unknown = next(path for path in (cluster.data / f"base/{closed}").glob("16*") if path.stat().st_size == PAGE)
    with open(unknown, "r+b") as file:
        file.seek(5000)
        file.write(b"\xff\xee")
    expected[f"base/{closed}/{unknown.name}"] = None

    taken = stanza.cairn.run("backup", "--type=full", "--start-fast", "--output=json")
    assert taken.code == 3, taken
    assert {one["path"]: one["relation"] for one in taken.json["backup"]["page-errors"]} == expected
    assert "\", with damaged pages, is table public.orders in database shop" in taken.err
    assert "of database closed belong to is not known" in taken.err
    shown = stanza.cairn.ok("info").out
    planned = stanza.cairn.run("restore", f"--pg-path={stanza.home / 'target'}", "--dry-run",
                               f"--tablespace-map=space={stanza.home / 'space2'}", f"--set={taken.json['backup']['label']}")
    assert planned.code == 3, planned
    for text in (shown, planned.out):
        for words in ("in table public.orders in database shop", "in index public.orders_pkey of public.orders in database shop",
                      "in shared table pg_catalog.pg_shdescription", "in table public.\"o\\x1b[31mdd\" in database shop"):
            assert words in text, text
        assert f"PAGES DAMAGED: base/{closed}/{unknown.name} block 0\n" in text and "\x1b" not in text
    health = stanza.cairn.run("health").out
    assert re.search(r"damaged pages .*: the first is block 0 of \S+ \(.* in database shop\)", health), health
    again = stanza.backup(type="incr", code=3)
    assert {one["path"]: one["relation"] for one in again["page-errors"]} == expected


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
    said = stanza.cairn.ok("backup")
    assert said.err.count("the cluster has no data checksums") == 1 and "not checked: no data checksums" in said.out, said
    taken = stanza.info()["repositories"][0]["backups"][0]
    assert (taken["page-error-count"], taken["data-checksums"]) == (0, False)
    assert "note: its pages were not checked" in stanza.cairn.ok("info").out
    checked = stanza.cairn.ok("check")
    assert "note: pages are not checked" in checked.out and "pg_checksums --enable" in checked.out, checked
    restored = stanza.restore()
    assert restored.must_start().wait_ready().sql("SELECT 1") == "1"
