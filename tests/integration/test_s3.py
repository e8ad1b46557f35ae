"""Repositories in a bucket, on a real S3 server: the driver's contract, and a cluster's whole story."""
import itertools
import os
import subprocess

import pytest

from support import system
from support.radosgw import Radosgw
from support.tls import Authority

TESTS = system.CHECKOUT / "build/dev/tests/pgcairn-tests"


@pytest.fixture(scope="module")
def s3(root):
    server = Radosgw(system.make_dir(root / "s3", 0o755), Authority(system.make_dir(root / "ca", 0o755)))
    yield server
    server.stop()


@pytest.fixture
def bucket(s3, counter=itertools.count(1)):
    return s3.bucket(f"bucket{next(counter)}")


@pytest.fixture
def away(make_stanza, s3, bucket):
    """A stanza whose only repository is a bucket."""
    stanza = make_stanza(15)
    stanza.cairn.tables["repo.local"] = s3.section(bucket, path="/backups/pg")
    stanza.cairn.save()
    return stanza.create()


def test_the_drivers_contract(s3, bucket):
    environment = {"PGCAIRN_TEST_S3": s3.endpoint, "PGCAIRN_TEST_S3_BUCKET": bucket, "PGCAIRN_TEST_S3_CA": str(s3.ca),
                   "AWS_ACCESS_KEY_ID": s3.access, "AWS_SECRET_ACCESS_KEY": s3.secret}
    done = subprocess.run([TESTS, "[contract]"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert "All tests passed" in done.stdout


def test_the_whole_story(away, s3, bucket):
    cluster = away.cluster
    cluster.pgbench_init(2)
    away.cairn.ok("check")
    full = away.backup()["label"]
    cluster.rows("CREATE TABLE later AS SELECT generate_series(1, 1000) AS x")
    incremental = away.backup(type="incr")
    assert incremental["prior"] == full
    cluster.rows("INSERT INTO later VALUES (0)")
    _, moment = cluster.moment()
    cluster.rows("DROP TABLE later")
    cluster.switch_wal()
    cluster.wait_for_archived()
    assert away.labels() == [full, incremental["label"]]
    away.cairn.ok("verify", "--level=full")
    restored = away.restore("restored", "--type=time", f"--target={moment}", "--target-action=promote").must_start()
    assert restored.sql("SELECT count(*) FROM later") == "1001"
    assert restored.sql("SELECT count(*) FROM pgbench_accounts") == "200000"
    keys = s3.request("GET", f"/{bucket}?list-type=2&max-keys=1000").decode()
    assert keys.count("<Key>backups/pg/main/") == keys.count("<Key>") - keys.count("<Key>backups/pg/cluster") \
        - keys.count("<Key>backups/pg/lease") - keys.count("<Key>backups/pg/record") - 1  # pgcairn.json


def every_output(result):
    return result.out + result.err


WRONG = {
    "secret": ({"s3-key-secret": "not the secret"}, ["SignatureDoesNotMatch", "access key"]),
    "key": ({"s3-key": "NOBODY"}, ["InvalidAccessKeyId", "access key"]),
    "bucket": ({"s3-bucket": "nowhere"}, ["NoSuchBucket", "make the bucket"]),
    "certificate": ({"ca-file": "/etc/ssl/certs/ca-certificates.crt"}, ["certificate", "ca-file"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(away, what):
    change, words = WRONG[what]
    away.cairn.tables["repo.local"].update(change)
    away.cairn.save()
    for command in (["stanza-create"], ["info"], ["archive-push", away.cluster.data / "pg_wal" / away.cluster.current_segment()]):
        result = away.cairn.run(*command)
        assert result.code == 1, result
        # info tells of each repository in one line, without the hint.
        for word in words[:1] if command == ["info"] else words:
            assert word in every_output(result), result
    result = away.cairn.run("archive-get", "000000010000000000000099", "/nonexistent/x")
    assert result.code == 200, result  # never "certainly not there"


@pytest.mark.parametrize("change, words", [
    ({"s3-bucket": None}, ["s3-bucket"]),
    ({"s3-key-secret": None}, ["s3-key-secret", "go together"]),
    ({"s3-endpoint": "http://localhost:1"}, ["without TLS", "allow-http"]),
    ({"s3-endpoint": "https://localhost/bucket"}, ["has a path"]),
    ({"s3-endpoint": "ftp://localhost"}, ["no address"]),
    ({"path": "/a b"}, ["path"]),
    ({"type": "posix", "path": "/x"}, ["has no meaning"]),
])
def test_settings_that_do_not_fit(away, change, words):
    section = away.cairn.tables["repo.local"]
    section.update(change)
    away.cairn.tables["repo.local"] = {key: value for key, value in section.items() if value is not None}
    away.cairn.save()
    result = away.cairn.run("info")
    assert result.code == 2, result
    for word in words:
        assert word in result.err, result


def test_no_secret_in_any_output(away, s3):
    outputs = []
    for command in (["check"], ["backup", "--start-fast"], ["info"], ["verify", "--level=full"], ["info", "--output=json"],
                    ["--repo=nowhere", "info"], ["backup", "--type=wrong"]):
        outputs.append(every_output(away.cairn.run("--log-level=debug", *command)))
    away.cairn.tables["repo.local"]["s3-bucket"] = "nowhere"
    away.cairn.save()
    outputs.append(every_output(away.cairn.run("--log-level=debug", "info")))
    away.cairn.tables["repo.local"]["s3-key-secrets"] = s3.secret
    away.cairn.save()
    outputs.append(every_output(away.cairn.run("--log-level=debug", "info")))
    outputs += [str(path.read_text(errors="replace")) for path in away.home.glob("*.log")]
    assert all(outputs)
    assert not [text for text in outputs if s3.secret in text]
