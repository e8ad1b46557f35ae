"""Repositories in a bucket, on a real S3 server: the driver's contract, and a cluster's whole story."""
import base64
import contextlib
import glob
import hashlib
import http.server
import itertools
import json
import os
import threading
import types
import urllib.error

import crcmod.predefined
import pytest

from support import remote, system
from support.faulty_proxy import OVERWRITES, FaultyProxy
from support.radosgw import Radosgw
from support.story import the_whole_story
from support.tls import Authority
from support.tunnel import Tunnel


CRC32C = crcmod.predefined.mkPredefinedCrcFun("crc-32c")


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
    away.cairn.tables["repo.local"]["s3-endpoint"] = away.proxy.endpoint
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
    remote.keep_the_contract(environment)


def test_the_whole_story(away, s3, bucket):
    the_whole_story(away)
    keys = s3.request("GET", f"/{bucket}?list-type=2&max-keys=1000").decode()
    assert keys.count("<Key>backups/pg/main/") == keys.count("<Key>") - keys.count("<Key>backups/pg/cluster") \
        - keys.count("<Key>backups/pg/lease") - keys.count("<Key>backups/pg/record") - 3  # pgcairn.json, pgcairn.proof, key slot


def every_output(result):
    return result.out + result.err


WRONG = {
    "secret": ({"s3-key-secret": "not the secret"}, ["SignatureDoesNotMatch", "access key"]),
    "key": ({"s3-key": "NOBODY"}, ["InvalidAccessKeyId", "access key"]),
    "bucket": ({"s3-bucket": "nowhere"}, ["NoSuchBucket", "create the bucket"]),
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
    ({"s3-endpoint": "ftp://localhost"}, ["not an address"]),
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
    keyless.cairn.ok("repo-ls", env=environment)
    assert {name.lower(): value for name, value in keys_service.seen[0][2].items()}["authorization"] == "let me in"


def test_keys_of_a_machine(keyless, keys_service):
    roles = "/latest/meta-data/iam/security-credentials/"
    keys_service.answers.update({("PUT", "/latest/api/token"): "token", ("GET", roles): "role", ("GET", roles + "role"): keyless.keys})
    # No proxy has to do with it: it would have another identity.
    keyless.cairn.ok("repo-ls", env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": keys_service.url, "http_proxy": "http://127.0.0.1:1"})
    assert [path for _, path, _ in keys_service.seen] == ["/latest/api/token", roles, roles + "role"]


def test_keys_that_a_command_prints(keyless):
    script = system.write(keyless.home / "keys", f"#!/bin/sh\necho '{keyless.keys}'\n", 0o755)
    keyless.cairn.tables["repo.local"]["s3-credential-process"] = str(script)
    keyless.cairn.save()
    keyless.cairn.ok("repo-ls")
    system.write(script, "#!/bin/sh\nexit 3\n", 0o755)
    keyless.cairn.ok("repo-ls")  # with those that are kept
    keyless.cairn.forget_credentials()
    result = keyless.cairn.run("repo-ls")
    assert result.code == 1 and "s3-credential-process" in result.err and "status 3" in result.err, result
    assert str(script) not in every_output(result)  # it may hold a secret


# --- a network and a store that fail ------------------------------------------------------------------------------------

def test_every_fault_passes_by(proxied):
    remote.every_fault_passes_by(proxied)


def test_every_request_arrives_twice(proxied):
    """Something on the way sends each again, and passes on the second answer: an object that is there is ours."""
    proxied.proxy.plan = lambda method, path, count: "twice"
    segment = proxied.cluster.switch_wal()
    proxied.cairn.ok("archive-push", proxied.cluster.data / "pg_wal" / segment)
    label = proxied.backup()["label"]
    proxied.cairn.ok("hold", label, "--reason=twice")
    assert proxied.labels() == [label] and proxied.proxy.happened["twice"] > 20
    proxied.cairn.ok("verify", "--level=full")


def test_a_store_that_is_down_is_not_an_empty_one(proxied):
    proxied.backup()
    proxied.proxy.plan = lambda method, path, count: "500 html"
    process = proxied.cairn.start("archive-get", "000000010000000000000001", proxied.home / "x")
    system.wait_until(lambda: proxied.proxy.happened["500 html"] > 2, what="some tries")
    process.terminate()
    process.communicate(timeout=180)
    assert process.returncode not in (0, 1)


def test_requests_are_counted(proxied):
    remote.requests_are_counted(proxied)


# --- one object that the store does not give ----------------------------------------------------------------------------

@contextlib.contextmanager
def refused(s3, bucket, key):
    """By the bucket's policy, with 403, as an object in an archive class is."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/{key}"}
    s3.request("PUT", f"/{bucket}?policy=", json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode())
    yield
    s3.request("DELETE", f"/{bucket}?policy=")


@contextlib.contextmanager
def cut(s3, bucket, key):
    """Half of it is there."""
    content = s3.request("GET", f"/{bucket}/{key}")
    s3.request("PUT", f"/{bucket}/{key}", content[:len(content) // 2])
    yield
    s3.request("PUT", f"/{bucket}/{key}", content)


@pytest.fixture
def two(away):
    """A stanza with two full backups, `label` and `other`, and WAL behind both."""
    away.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    away.label = away.backup()["label"]
    away.cluster.rows("INSERT INTO t VALUES (2)")
    away.other = away.backup()["label"]
    away.cluster.wait_for_archived()
    return away


@pytest.mark.slow
@pytest.mark.parametrize("fault, kind", [(refused, "pack/"), (refused, "manifest/"), (refused, ".json"), (cut, "pack/")],
                         ids=["refused-pack", "refused-manifest", "refused-marker", "cut-pack"])
def test_one_object_that_the_store_does_not_give(two, s3, bucket, target, fault, kind):
    """Damage of that object, named and passed over, as on disk; and no outage of the store."""
    key = next(key for key in s3.keys(bucket) if two.other in key and kind in key)
    name = key.removeprefix("backups/pg/")
    with fault(s3, bucket, key):
        backup, said = two.backup_aloud(type="incr")
        assert name in said and "not used as the prior one" in said and backup["label"].startswith(two.label), (backup, said)
        s3.request("DELETE", f"/{bucket}/backups/pg/main/backup/{backup['label']}.json")

        found = two.cairn.run("verify", "--level=full", "--output=json")
        assert found.code == 4, found
        repository = found.json["verify"]["repositories"][0]
        assert [one["object"] for one in repository["damages"]] == [name] and repository["error"] is None, repository
        assert ("while other objects can" in repository["damages"][0]["cause"]) == (fault is refused), repository
        shown = two.cairn.run("info").out
        assert two.label in shown and two.other in shown and ("UNREADABLE" if kind == ".json" else "DAMAGED") in shown, shown

        result = two.try_restore(target)
        assert result.code == 0 and two.other in result.err, result
        held = set(s3.keys(bucket))
        expired = two.cairn.run("expire", "--keep-last=1", "--output=json")
        assert expired.code == (3 if kind == ".json" else 0), expired
        # Nothing of it is removed for being damaged.
        assert {one for one in held if two.other in one} <= set(s3.keys(bucket)), expired
    assert two.restored(target).must_start().wait_ready().sql("SELECT count(*) FROM t") == "2"


# --- what is remembered of a store -------------------------------------------------------------------------------------

def test_another_repository_in_its_place(away, s3, bucket):
    """What is archived for a repository that is gone is no part of a backup in its successor."""
    cluster = away.cluster
    other_host = {"PGCAIRN_STATE_PATH": str(away.home / "another-host")}
    segment = cluster.switch_wal()
    cluster.wait_for_archived()
    away.cairn.ok("archive-push", cluster.data / "pg_wal" / segment)
    for key in s3.keys(bucket):
        s3.request("DELETE", f"/{bucket}/{key}")
    away.cairn.ok("stanza-create", env=other_host)
    result = away.cairn.run("backup", "--start-fast")
    assert result.code == 4 and "/wal/" in result.err, result
    assert away.labels() == []
    away.cairn.ok("stanza-create")  # on this host: what it remembered of the old one is gone
    away.backup()


def test_a_stop_on_another_host_is_seen(away):
    cluster = away.cluster
    cluster.switch_wal()
    cluster.wait_for_archived()
    away.cairn.ok("stop", "--all-hosts", "--reason=migration", env={"PGCAIRN_STATE_PATH": str(away.home / "another-host")})
    segment = cluster.current_segment()
    recalled = away.cairn.state_path / "recall/local"
    assert recalled.exists()
    recalled.unlink()  # as a minute does
    result = away.cairn.run("archive-push", cluster.data / "pg_wal" / segment)
    assert result.code != 0 and "migration" in result.err, result


# --- what S3 can do with objects ---------------------------------------------------------------------------------------

def test_objects_have_tags(make_stanza, s3, bucket):
    stanza = make_stanza(15)
    stanza.cairn.tables["repo.local"] = s3.section(bucket, path="/backups", **{"s3-tags": "team=data base, env=prod/1"})
    stanza.cairn.save()
    stanza.create()
    tags = s3.request("GET", f"/{bucket}/backups/pgcairn.json?tagging=").decode()
    assert "<Key>team</Key><Value>data base</Value>" in tags and "<Key>env</Key><Value>prod/1</Value>" in tags, tags


def test_objects_that_the_store_encrypts_with_our_key(make_stanza, s3, bucket):
    stanza = make_stanza(15)
    key = stanza.home / "sse.key"
    system.write(key, os.urandom(32))
    stanza.cairn.tables["repo.local"] = s3.section(bucket, **{"s3-sse-customer-key-file": key})
    stanza.cairn.save()
    the_whole_story(stanza.create())
    with pytest.raises(urllib.error.HTTPError) as refused:  # the store cannot read it alone
        s3.request("GET", f"/{bucket}/pgcairn.json")
    assert refused.value.code == 400
    system.write(key, os.urandom(32))
    assert stanza.cairn.run("check").code == 1
    system.write(key, b"too short")
    result = stanza.cairn.run("check")
    assert result.code == 2 and "openssl rand 32" in result.err, result
    assert stanza.cairn.run("archive-get", "000000010000000000000099", "/nonexistent/x").code == 200


def without_checksum(method, path, headers, body):
    """What AWS answers where Object Lock is on (radosgw stores it)."""
    if method != "PUT" and "?delete" not in path:
        return None
    crc = headers.get("x-amz-checksum-crc32c")
    if crc is None and headers.get("content-md5") is None:
        return 400, [], (b"<?xml version='1.0'?><Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is required for "
                         b"Put Object requests with Object Lock parameters</Message></Error>")
    if crc is not None and crc != base64.b64encode(CRC32C(body).to_bytes(4, "big")).decode():
        return 400, [], b"<?xml version='1.0'?><Error><Code>BadDigest</Code><Message>The CRC32C you specified did not match</Message></Error>"
    return None


def older_than_crc32c(method, path, headers, body):
    """A store that knows MD5 alone, as S3 was until 2022."""
    if headers.get("x-amz-checksum-crc32c"):
        return 501, [], b"<?xml version='1.0'?><Error><Code>NotImplemented</Code><Message>x-amz-checksum-crc32c is not supported</Message></Error>"
    if (method == "PUT" or "?delete" in path) and headers.get("content-md5") != base64.b64encode(hashlib.md5(body).digest()).decode():
        return 400, [], b"<?xml version='1.0'?><Error><Code>MissingContentMD5</Code><Message>Content-MD5 is needed</Message></Error>"
    return None


def test_a_store_that_knows_only_md5(proxied):
    proxied.proxy.refuses = older_than_crc32c
    first = proxied.backup()["label"]
    proxied.cluster.rows("CREATE TABLE more AS SELECT 1 AS i")
    proxied.backup()
    proxied.cairn.ok("expire", f"--set={first}")
    proxied.cairn.ok("verify", "--level=full")


def test_a_bucket_under_object_lock(make_stanza, s3, request):
    """Its objects are hidden instead of removed, and stay as versions for as long as the lock holds."""
    s3.request("PUT", "/locked", headers={"x-amz-bucket-object-lock-enabled": "true"})
    s3.request("PUT", "/locked?object-lock=", b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
               b"<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>")
    stanza = make_stanza(15)
    stanza.cairn.tables["repo.local"] = s3.section("locked")
    stanza.cairn.save()
    # Seen with radosgw 16: in a bucket with versions it forgets If-None-Match. AWS does not.
    refused = stanza.cairn.run("stanza-create")
    assert refused.code == 1 and "overwrites an object that exists" in refused.err, refused
    proxy = FaultyProxy(s3, s3.folder.parent / "ca/server.pem", keeps_conditions=True, refuses=without_checksum)
    request.addfinalizer(proxy.close)
    stanza.cairn.tables["repo.local"].update({"path": "/kept", "s3-endpoint": proxy.endpoint})
    stanza.cairn.save()
    stanza.create()
    first, second = stanza.backup()["label"], stanza.backup(type="full")["label"]
    stanza.cairn.ok("expire", f"--set={first}")
    assert stanza.labels() == [second]
    stanza.cairn.ok("verify", "--level=full")
    versions = s3.request("GET", "/locked?versions=").decode()
    assert f"main/backup/{first}.json" in versions and "<DeleteMarker>" in versions


# --- on the way to the store -------------------------------------------------------------------------------------------

def test_through_a_proxy(away):
    """HTTP's CONNECT: the proxy sees where to, and nothing else."""
    with Tunnel() as tunnel:
        away.cairn.tables["repo.local"]["proxy"] = tunnel.address
        away.cairn.save()
        away.cairn.ok("check")
        assert tunnel.asked and set(tunnel.asked) == {away.cairn.tables["repo.local"]["s3-endpoint"].removeprefix("https://")}
        count = len(tunnel.asked)
        del away.cairn.tables["repo.local"]["proxy"]
        away.cairn.save()
        away.cairn.ok("repo-ls", env={"https_proxy": tunnel.address})
        assert len(tunnel.asked) > count
    away.cairn.tables["repo.local"]["proxy"] = tunnel.address
    away.cairn.save()
    result = away.cairn.run("health")  # which does not wait long
    assert result.code != 0 and "onnect" in every_output(result), result


class RefusingTunnel(http.server.BaseHTTPRequestHandler):
    log_message = print

    def do_CONNECT(self):
        self.send_response(407)
        self.send_header("proxy-authenticate", "Basic realm=x")
        self.end_headers()


@pytest.fixture
def refusing_tunnel():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), RefusingTunnel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("what, words", [
    ("host", ["no-such-host.invalid", "check the endpoint"]),
    ("plain", ["https://localhost", "whether it speaks TLS"]),
    ("proxy", ["407", "the proxy wants a user and a password"]),
])
def test_what_can_never_pass_is_not_tried_again(away, refusing_tunnel, what, words):
    section = away.cairn.tables["repo.local"]
    section.update({"host": {"s3-endpoint": "https://no-such-host.invalid"},
                    "plain": {"s3-endpoint": refusing_tunnel.replace("http:", "https:").replace("127.0.0.1", "localhost")},
                    "proxy": {"proxy": refusing_tunnel}}[what])
    away.cairn.save()
    result = away.cairn.run("archive-get", "000000010000000000000001", away.home / "x")
    assert result.code not in (0, 1) and all(word in result.err for word in words) and "trying" not in result.err, result


def test_a_wait_is_told_at_once(proxied):
    proxied.proxy.plan = lambda method, path, count: "500 html"
    process = proxied.cairn.start("archive-get", "000000010000000000000001", proxied.home / "x")
    system.wait_until(lambda: proxied.proxy.happened["500 html"] > 3, what="some tries")
    process.terminate()
    said = process.communicate(timeout=180)[1]
    assert said.count("trying again for up to") == 1, said


# --- keys, clocks, rules of the bucket ----------------------------------------------------------------------------------


def profile(access, secret):
    return f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"


def test_keys_that_are_rotated_during_a_backup(proxied, s3):
    """The old ones are removed as soon as the file has the new ones."""
    section = proxied.cairn.tables["repo.local"]
    del section["s3-key"], section["s3-key-secret"]
    proxied.cairn.save()
    s3.add_key("FIRSTKEY", "firstsecret")
    file = system.write(proxied.home / "credentials", profile("FIRSTKEY", "firstsecret"), mode=0o600)
    rotated = []

    def rotate(method, path, count):
        if method == "PUT" and "/pack/" in path and not rotated:
            rotated.append(path)
            s3.add_key("SECONDKEY", "secondsecret")
            s3.remove_key("FIRSTKEY")
            file.write_text(profile("SECONDKEY", "secondsecret"))
    proxied.proxy.plan = rotate
    env = {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    done = proxied.cairn.run("backup", "--type=full", "--start-fast", "--wal=copy", env=env)
    assert done.code == 0 and rotated, done
    assert proxied.cairn.run("verify", "--level=full", env=env).code == 0
    # Keys that stay wrong are told as such.
    s3.remove_key("SECONDKEY")
    refused = proxied.cairn.run("info", env=env)
    assert refused.code != 0 and "InvalidAccessKeyId" in every_output(refused), refused


@pytest.mark.parametrize("offset, words", [("-1h", "behind"), ("+40m", "ahead of")])
def test_a_clock_that_is_wrong(away, offset, words):
    """The store refuses what is signed at another time, and tells its own."""
    away.cairn.tables["repo.local"]["tls-verify"] = False  # an hour ago its certificate was not valid yet
    away.cairn.save()
    result = away.cairn.run("repo-ls", env={"LD_PRELOAD": glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0], "FAKETIME": offset})
    assert result.code == 0 and "pgcairn.json" in result.out, result
    assert result.err.count("this machine's clock is") == 1 and words in result.err, result


def rules_of(s3, bucket, *rules):
    body = ("<LifecycleConfiguration>" + "".join(rules) + "</LifecycleConfiguration>").encode()
    s3.request("PUT", f"/{bucket}?lifecycle=", body, headers={"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()})


def rule(name, action, prefix="", status="Enabled"):
    return f"<Rule><ID>{name}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>{status}</Status>{action}</Rule>"


def test_a_store_that_knows_no_rules(proxied):
    proxied.proxy.refuses = lambda method, path, headers, body: (500, [], b"") if "lifecycle" in path else None
    proxied.cairn.ok("check")


DELETES = "<Expiration><Days>365</Days></Expiration>"


def test_rules_that_would_take_objects_away(away, s3, bucket):
    rules_of(s3, bucket, rule("elsewhere", DELETES, "backups/other/"), rule("off", DELETES, status="Disabled"),
             rule("parts", "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"))
    away.cairn.ok("check")
    assert "lifecycle" not in away.cairn.run("health").out
    rules_of(s3, bucket, rule("tidy", DELETES, "backups/"))
    result = away.cairn.run("check")
    assert result.code == 3, result
    assert 'rule "tidy" of the bucket\'s lifecycle deletes objects 365 days after they were created' in every_output(result)
    shown = away.cairn.run("health", "--output=json")
    found = [one for one in shown.json["stanzas"][0]["findings"] if one["check"] == "lifecycle"]
    assert [one["level"] for one in found] == ["critical"] and "365 days" in found[0]["message"], shown


@pytest.mark.parametrize("place", ["option", "repository", "global"])
def test_a_rate_limit(away, place):
    arguments = ["--limit-rate=50MiB"] if place == "option" else []
    if place == "repository":
        away.cairn.tables["repo.local"]["limit-rate"] = "50MiB"
    if place == "global":
        away.cairn.tables["global"]["limit-rate"] = "50MiB"
    away.cairn.save()
    result = away.cairn.ok("backup", "--log-level=detail", *arguments)
    assert '"local": at most 50 MiB a second' in result.err, result.err
    assert "a second" not in away.cairn.ok("info", "--log-level=detail").err


NO_CONDITIONS = (501, [], b"<?xml version='1.0'?><Error><Code>NotImplemented</Code><Message>A header you provided implies functionality"
                 b" that is not implemented</Message></Error>")
WITHOUT_CONDITIONS = {
    "ignores them": (lambda method, path, count: OVERWRITES, "overwrites an object that exists", "honours conditional writes"),
    "refuses them": (lambda method, path, count: NO_CONDITIONS if method == "PUT" else None, "501 NotImplemented", "Backblaze B2 does not"),
}


@pytest.mark.parametrize("manner", WITHOUT_CONDITIONS)
def test_no_repository_is_made_in_a_store_without_create_only_writes(proxied, manner):
    """At once, not after the two minutes in which a busy store is asked again."""
    section = proxied.cairn.tables["repo.local"]
    section["path"] = "/another/place"
    proxied.cairn.save()
    proxied.proxy.plan, flaw, hint = WITHOUT_CONDITIONS[manner]
    refused = proxied.cairn.run("stanza-create")
    assert refused.code == 1 and flaw in refused.err and hint in refused.err, refused
    assert not [path for method, path in proxied.proxy.requests if method == "PUT" and "another/place/pgcairn.proof" not in path]
    assert proxied.proxy.count("PUT") <= 2


def test_check_finds_out_a_store_that_overwrites(proxied):
    proxied.proxy.plan = lambda method, path, count: OVERWRITES if "proof" in path else None
    refused = proxied.cairn.run("check")
    assert refused.code == 1 and "overwrites an object that exists" in refused.err, refused
    proxied.proxy.plan = lambda *_: None
    proxied.proxy.replaced.clear()
    proxied.cairn.ok("check")


def test_a_repository_is_never_replaced_by_a_new_one(proxied):
    """Also in a store that began to forget conditions: stanza-create may be given as often as one likes."""
    label = proxied.backup()["label"]
    proxied.proxy.plan = lambda method, path, count: OVERWRITES
    for _ in range(2):
        created = proxied.cairn.ok("stanza-create", "--output=json").json["repositories"]
        assert [(one["created-repository"], one["created-stanza"]) for one in created] == [(False, False)]
    assert not proxied.proxy.replaced
    assert proxied.labels() == [label]
    proxied.cairn.ok("repo-ls")
