"""What a cluster lives through with a repository, whatever store that is in."""


def the_whole_story(stanza):
    """Backups, WAL, proof and a restore to a moment, as `stanza` is configured."""
    cluster = stanza.cluster
    cluster.pgbench_init(2)
    stanza.cairn.ok("check")
    full = stanza.backup()["label"]
    cluster.rows("CREATE TABLE later AS SELECT generate_series(1, 1000) AS x")
    incremental = stanza.backup(type="incr")
    assert incremental["prior"] == full
    cluster.rows("INSERT INTO later VALUES (0)")
    _, moment = cluster.moment()
    cluster.rows("DROP TABLE later")
    cluster.switch_wal()
    cluster.wait_for_archived()
    assert stanza.labels() == [full, incremental["label"]]
    stanza.cairn.ok("verify", "--level=full")
    restored = stanza.restore("restored", "--type=time", f"--target={moment}", "--target-action=promote").must_start()
    assert restored.sql("SELECT count(*) FROM later") == "1001"
    assert restored.sql("SELECT count(*) FROM pgbench_accounts") == "200000"
    third = stanza.backup(type="full")["label"]
    stanza.cairn.ok("expire", f"--set={incremental['label']}")
    assert stanza.labels() == [full, third]
    stanza.cairn.ok("verify")
