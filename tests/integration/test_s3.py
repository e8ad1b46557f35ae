"""Repositories in a bucket, on a real S3 server: the driver's contract, and a cluster's whole story."""
import http.server
import itertools
import json
import os
import random
import subprocess
import threading
import types

import pytest

from support import system
from support.faulty_proxy import FAULTS, FaultyProxy
from support.radosgw import Radosgw
from support.story import the_whole_story
from support.tls import Authority

TESTS = system.CHECKOUT / "build/dev/tests/pgcairn-tests"


@pytest.fixture(scope="module")
def s3(root):
    authority = Authority(system.make_dir(root / "ca", 0o755))
    server = Radosgw(system.make_dir(root / "s3", 0o755), authority)
    yield server
    server.stop()


@pytest.fixture
def proxied(away, s3):
    """A stanza behind a proxy; `proxy.plan` says what goes wrong."""
    away.proxy = FaultyProxy(s3, s3.folder.parent / "ca/server.pem")
    away.cairn.tables["repo.local"].update({"s3-endpoint": away.proxy.endpoint, "io-timeout": "2s"})
    away.cairn.save()
    yield away
    away.proxy.close()


@pytest.fixture
def bucket(s3, counter=itertools.count(1)):
    return s3.bucket(f"bucket{next(counter)}")


@pytest.fixture
def away(make_stanza, s3, bucket):
    """A stanza whose only repository is a bucket."""
    stanza = make_stanza(15)
    stanza.cairn.tables["repo.local"] = s3.section(bucket, path="/backups/pg")
    stanza.cairn.tables["global"]["state-path"] = stanza.home / "state"
    stanza.cairn.save()
    return stanza.create()


def test_the_drivers_contract(s3, bucket):
    environment = {"PGCAIRN_TEST_STORE": "s3", "PGCAIRN_TEST_ENDPOINT": s3.endpoint, "PGCAIRN_TEST_BUCKET": bucket, "PGCAIRN_TEST_CA": str(s3.ca),
                   "AWS_ACCESS_KEY_ID": s3.access, "AWS_SECRET_ACCESS_KEY": s3.secret}
    done = subprocess.run([TESTS, "[contract]"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert "All tests passed" in done.stdout


def test_the_whole_story(away, s3, bucket):
    the_whole_story(away)
    keys = s3.request("GET", f"/{bucket}?list-type=2&max-keys=1000").decode()
    assert keys.count("<Key>backups/pg/main/") == keys.count("<Key>") - keys.count("<Key>backups/pg/cluster") \
        - keys.count("<Key>backups/pg/lease") - keys.count("<Key>backups/pg/record") - 2  # pgcairn.json, key slot


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
    assert not [text for text in outputs if s3.secret in text or s3.passphrase in text]


# --- keys from elsewhere ------------------------------------------------------------------------------------------------

@pytest.fixture
def keys_service():
    """A service on this machine that tells keys; `answers` by method and path, `seen` what was asked with which headers."""
    answers, seen = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def any(self):
            seen.append((self.command, self.path, dict(self.headers)))
            text = answers.get((self.command, self.path))
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())
        do_GET = do_PUT = any

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield types.SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", answers=answers, seen=seen)
    server.shutdown()


@pytest.fixture
def keyless(away, s3):
    """A stanza whose configuration holds no keys; `keys` are those as a service tells them."""
    for key in ("s3-key", "s3-key-secret"):
        del away.cairn.tables["repo.local"][key]
    away.cairn.save()
    away.keys = json.dumps({"AccessKeyId": s3.access, "SecretAccessKey": s3.secret, "Expiration": "2099-01-01T00:00:00Z"})
    return away


def test_no_keys_at_all(keyless):
    result = keyless.cairn.run("check", env={"AWS_EC2_METADATA_DISABLED": "true"})
    assert result.code == 2 and "AWS_ACCESS_KEY_ID" in result.err and ".aws/credentials" in result.err, result


def test_keys_of_a_container(keyless, keys_service):
    keys_service.answers["GET", "/keys"] = keyless.keys
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": keys_service.url + "/keys", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let me in"}
    keyless.cairn.ok("verify", env=environment)
    assert {name.lower(): value for name, value in keys_service.seen[0][2].items()}["authorization"] == "let me in"


def test_keys_of_a_machine(keyless, keys_service):
    roles = "/latest/meta-data/iam/security-credentials/"
    keys_service.answers.update({("PUT", "/latest/api/token"): "token", ("GET", roles): "role", ("GET", roles + "role"): keyless.keys})
    keyless.cairn.ok("verify", env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": keys_service.url})
    assert [path for _, path, _ in keys_service.seen] == ["/latest/api/token", roles, roles + "role"]


def test_keys_that_a_command_prints(keyless):
    script = system.write(keyless.home / "keys", f"#!/bin/sh\necho '{keyless.keys}'\n", 0o755)
    keyless.cairn.tables["repo.local"]["s3-credential-process"] = str(script)
    keyless.cairn.save()
    keyless.cairn.ok("verify")
    system.write(script, "#!/bin/sh\nexit 3\n", 0o755)
    result = keyless.cairn.run("verify")
    assert result.code == 1 and "s3-credential-process" in result.err and "status 3" in result.err, result
    assert str(script) not in every_output(result)  # it may hold a secret


# --- a network and a store that fail ------------------------------------------------------------------------------------

def test_every_fault_passes_by(proxied):
    """Each request may fail when it is made first, in every way that the proxy knows; nothing is lost and nothing doubled."""
    seed = int(os.environ.get("PGCAIRN_TEST_SEED", random.randrange(1 << 32)))
    print(f"PGCAIRN_TEST_SEED={seed}")
    dice = random.Random(seed)
    order = itertools.cycle(dice.sample(FAULTS, len(FAULTS)))
    twice_spoils = ("/lease/", "/data/", "/backup/")  # see test_a_request_that_arrives_twice

    def plan(method, path, count):
        if count > 0 or dice.random() > 0.5:
            return None
        fault = next(order)
        doubled = fault == "twice" and method == "PUT" and any(part in path for part in twice_spoils)
        return None if doubled else fault

    cluster = proxied.cluster
    cluster.rows("CREATE TABLE t AS SELECT g AS x, md5(g::text) AS y FROM generate_series(1, 200000) g")
    proxied.proxy.plan = plan
    label = proxied.backup()["label"]
    cluster.rows("UPDATE t SET y = 'new' WHERE x <= 1000")
    later = proxied.backup(type="incr")
    assert proxied.labels() == [label, later["label"]]
    proxied.cairn.ok("verify", "--level=full", "--log-level=detail")
    _, moment = cluster.moment()
    cluster.switch_wal()
    cluster.wait_for_archived()
    restored = proxied.restore("restored", "--type=time", f"--target={moment}", "--target-action=promote").must_start()
    assert restored.rows("SELECT count(*), count(*) FILTER (WHERE y = 'new') FROM t") == [["200000", "1000"]]
    assert set(FAULTS) <= set(proxied.proxy.happened), proxied.proxy.happened


def test_a_request_that_arrives_twice(proxied):
    """Whoever sends our request again on the way has it refused, since the object is there: safe, and said."""
    segment = proxied.cluster.switch_wal()
    proxied.proxy.plan = lambda method, path, count: "twice" if method == "PUT" and "/wal/" in path else None
    proxied.cairn.ok("archive-push", proxied.cluster.data / "pg_wal" / segment)
    assert proxied.proxy.happened["twice"]
    proxied.proxy.plan = lambda method, path, count: "twice" if method == "PUT" and "/pack/" in path else None
    result = proxied.cairn.run("backup", "--start-fast")
    assert result.code == 1 and "exists already" in result.err, result
    assert proxied.labels() == []
    proxied.proxy.plan = lambda method, path, count: None
    proxied.backup()


def test_a_store_that_is_down_is_not_an_empty_one(proxied):
    proxied.backup()
    proxied.proxy.plan = lambda method, path, count: "500 html"
    process = proxied.cairn.start("archive-get", "000000010000000000000001", "/nonexistent/x")
    system.wait_until(lambda: proxied.proxy.happened["500 html"] > 2, what="some tries")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode not in (0, 1)


def test_requests_are_counted(proxied):
    cluster, proxy = proxied.cluster, proxied.proxy
    cluster.pgbench_init(3)
    cluster.switch_wal()
    cluster.wait_for_archived()
    proxy.requests.clear()
    backup = proxied.backup()
    packs = proxied.cairn.ok("verify", "--output=json").json["verify"]["repositories"][0]["packs"]
    of_backup = [path for method, path in proxy.requests if method == "PUT" and "/wal/" not in path]
    assert len(of_backup) <= packs + 6, of_backup  # and the lease's documents, the manifest, the marker
    segment = cluster.switch_wal()
    cluster.wait_for_archived()
    target = proxied.home / "segment"
    proxy.requests.clear()
    proxied.cairn.ok("archive-get", segment, target)
    assert proxy.count("GET", "/wal/") == 1 and len(proxy.requests) <= 2, proxy.requests
    assert target.stat().st_size == 16 << 20 and backup["stored-bytes"] > 0
