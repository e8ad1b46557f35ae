"""Repositories in a bucket of Google Cloud Storage, on a fake that lets nothing pass: the driver's contract, a cluster's whole
story, every way to credentials, a network and a store that fail."""
import copy
import itertools
import json
import os
import subprocess
import time
import urllib.parse

import pytest

from support import remote, system
from support.faulty_proxy import FaultyProxy
from support.gcs_fake import GcsFake, Refusal
from support.pgcairn import Pgcairn
from support.radosgw import free_port
from support.stanza import Stanza
from support.story import the_whole_story
from support.tls import Authority

TESTS = system.CHECKOUT / "build/dev/tests/pgcairn-tests"
NOT_ON_GOOGLE = {"NO_GCE_CHECK": "true"}


@pytest.fixture(scope="module")
def authority(root):
    return Authority(system.make_dir(root / "gcs-ca", 0o755))


@pytest.fixture(scope="module")
def server(authority):
    fake = GcsFake(authority)
    yield fake
    fake.stop()


@pytest.fixture
def gcs(server):
    """The fake, and afterwards as it was."""
    yield server
    server.token_seconds, server.token_uses, server.metadata_flavor, server.spoil = 3600, 1 << 30, "Google", None


@pytest.fixture
def bucket(gcs, counter=itertools.count(1)):
    return gcs.bucket(f"bucket{next(counter)}")


@pytest.fixture
def key_file(gcs, home):
    return system.write(home / "key.json", gcs.service_account(), 0o600)


@pytest.fixture
def away(make_stanza, gcs, bucket, key_file):
    """A stanza whose only repository is a bucket, opened with the key of a service account."""
    stanza = make_stanza(15)
    stanza.cairn.tables["repo.local"] = gcs.section(bucket, **{"path": "/backups/pg", "gcs-key-file": str(key_file)})
    stanza.cairn.save()
    return stanza.create()


@pytest.fixture
def proxied(away, gcs, authority):
    """The same behind a proxy; `proxy.plan` says what goes wrong."""
    away.proxy = FaultyProxy(gcs, authority.folder / "server.pem", known_by=urllib.parse.unquote)
    away.cairn.tables["repo.local"]["gcs-endpoint"] = away.proxy.endpoint
    away.cairn.save()
    yield away
    away.proxy.close()


@pytest.fixture(scope="module")
def established(root, installations, binary, sockets, server):
    """A stanza that is only read, for what is about reaching it."""
    stanza = Stanza(system.make_dir(root / "gcs-stanza", 0o755), installations[15], binary, sockets=sockets, archiving=False)
    key = system.write(stanza.home / "key.json", server.service_account(), 0o600)
    stanza.cairn.tables["repo.local"] = server.section(server.bucket("established"), **{"gcs-key-file": str(key)})
    stanza.cairn.save()
    stanza.create()
    yield stanza
    stanza.close()


@pytest.fixture
def reader(established, home):
    """pgcairn with a configuration of the test's own for that stanza, which says nothing of credentials."""
    tables = copy.deepcopy(established.cairn.tables)
    del tables["repo.local"]["gcs-key-file"], tables["global"]["state-path"]
    return Pgcairn(established.cairn.binary, home / "pgcairn.toml", tables)


def every_output(result):
    return result.out + result.err


def uploads(gcs, but=""):
    return [path for method, path in gcs.requests if method == "POST" and path.startswith("/upload/") and not (but and but in path)]


# --- the store ------------------------------------------------------------------------------------------------------------

def test_the_drivers_contract(gcs, bucket, key_file):
    environment = {"PGCAIRN_TEST_STORE": "gcs", "PGCAIRN_TEST_ENDPOINT": gcs.endpoint, "PGCAIRN_TEST_BUCKET": bucket,
                   "PGCAIRN_TEST_CA": str(gcs.ca), "GOOGLE_APPLICATION_CREDENTIALS": str(key_file)}
    remote.keep_the_contract(environment)


def test_a_second_opinion_on_the_shape_of_answers(authority, home):
    """Our fake and our driver have one author; the storage emulator of Firebase has another."""
    folder, port = system.CHECKOUT / "build/rig/gcs-emulator", free_port()
    certificate = authority.localhost()
    command = ["node", system.CHECKOUT / "tests/integration/support/gcs_emulator.js", folder, port, certificate]
    with subprocess.Popen([str(part) for part in command], cwd=home, stdout=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stdout.readline() == "listening\n"
            environment = {"PGCAIRN_TEST_STORE": "gcs", "PGCAIRN_TEST_ENDPOINT": f"https://localhost:{port}", "PGCAIRN_TEST_BUCKET": "bucket",
                           "PGCAIRN_TEST_CA": str(authority.ca), "CLOUDSDK_AUTH_ACCESS_TOKEN": "any"}
            done = subprocess.run([TESTS, "[emulator]"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0 and "All tests passed" in done.stdout, done.stdout
        finally:
            emulator.terminate()


def test_the_whole_story(away, gcs, bucket):
    the_whole_story(away)
    names = list(gcs.buckets[bucket])
    assert names and all(name.startswith("backups/pg/") for name in names)


def test_what_new_objects_are_like(established, reader, gcs, bucket):
    key = "projects/p/locations/europe/keyRings/r/cryptoKeys/k"
    reader.tables["repo.local"] = {**established.cairn.tables["repo.local"], "gcs-bucket": bucket, "gcs-storage-class": "NEARLINE",
                                   "gcs-kms-key": key}
    reader.save()
    reader.ok("stanza-create")
    assert {(one.storage_class, one.kms_key) for one in gcs.buckets[bucket].values()} == {("NEARLINE", key)}


def test_the_requester_pays(away, gcs):
    """Every kind of request names the project, also those in a batch."""
    bucket = gcs.bucket("paid", billed="payer")
    away.cairn.tables["repo.local"]["gcs-bucket"] = bucket
    away.cairn.save()
    result = away.cairn.run("stanza-create")
    assert result.code == 1 and "gcs-user-project" in result.err, result
    away.cairn.tables["repo.local"]["gcs-user-project"] = "payer"
    away.cairn.save()
    away.create()
    first, second = away.backup()["label"], away.backup(type="full")["label"]
    away.cairn.ok("verify", "--level=full")
    away.cairn.ok("expire", f"--set={first}")
    assert away.labels() == [second]


def test_objects_that_the_store_keeps(away, gcs, bucket):
    """What is under a hold or a retention period stays, and is said; the rest goes, also the second time."""
    first, second = away.backup()["label"], away.backup(type="full")["label"]
    packs = [one for name, one in sorted(gcs.buckets[bucket].items()) if f"/{first}/pack/" in name]
    assert len(packs) > 1
    packs[0].retained_until = time.time() + 3 * 86400
    result = away.cairn.ok("expire", f"--set={first}")
    assert "1 object is kept by the store until " in every_output(result), result
    assert [name for name in gcs.buckets[bucket] if f"/{first}/" in name] == [packs[0].name]
    assert away.labels() == [second]
    packs[0].retained_until, packs[0].held = 0, True
    result = away.cairn.ok("expire", "--retention-full=9")  # which sweeps what an earlier run has left
    assert "kept by the store" in every_output(result) and "kept by the store until" not in every_output(result), result
    packs[0].held = False
    away.cairn.ok("expire", "--retention-full=9")
    assert not [name for name in gcs.buckets[bucket] if f"/{first}/" in name]


def test_requests_are_counted(away, gcs, bucket):
    cluster = away.cluster
    cluster.pgbench_init(3)
    cluster.switch_wal()
    cluster.wait_for_archived()
    gcs.requests.clear()
    backup = away.backup()
    packs = away.cairn.ok("verify", "--output=json").json["verify"]["repositories"][0]["packs"]
    of_backup = uploads(gcs, but="/wal/")
    assert len(of_backup) <= packs + 7, of_backup  # and the lease's documents, the manifest, the marker
    segment = cluster.switch_wal()
    cluster.wait_for_archived()
    target = away.home / "segment"
    gcs.requests.clear()
    away.cairn.ok("archive-get", segment, target)
    assert gcs.count("GET", "/wal/") == len(gcs.requests) == 1, gcs.requests  # the token is an earlier command's
    assert target.stat().st_size == 16 << 20 and backup["stored-bytes"] > 0


# --- what is wrong is named -------------------------------------------------------------------------------------------------

WRONG = {
    "token": ({"gcs-key-file": None, "gcs-token": "ya29.wrong"}, ["401 authError", "gcs-key-file"]),
    "bucket": ({"gcs-bucket": "nowhere"}, ["404", "bucket does not exist", "create the bucket"]),
    "certificate": ({"ca-file": "/etc/ssl/certs/ca-certificates.crt"}, ["certificate", "ca-file"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(established, reader, what):
    change, words = WRONG[what]
    section = {**established.cairn.tables["repo.local"], **change}
    reader.tables["repo.local"] = {key: value for key, value in section.items() if value is not None}
    reader.save()
    for command in (["stanza-create"], ["info"]):
        result = reader.run(*command)
        assert result.code == 1, result
        # info tells of each repository in one line, without the hint.
        for word in words[:1] if command == ["info"] else words:
            assert word in every_output(result), result
    if what != "certificate":
        assert "request upload-" in reader.run("stanza-create").err
    result = reader.run("archive-get", "000000010000000000000099", "/nonexistent/x")
    assert result.code == 200, result  # never "certainly not there"


def test_an_absent_object_is_absent_only_when_the_store_says_so(established, gcs, home):
    result = established.cairn.run("archive-get", "000000010000000000000099", home / "x")
    assert result.code == 1, result
    gcs.spoil = lambda path, status, headers, content: (404, [], b"<html>Not Found") if "/wal/" in path else (status, headers, content)
    result = established.cairn.run("archive-get", "000000010000000000000099", home / "x")
    assert result.code == 200 and "404" in result.err, result


@pytest.mark.parametrize("change, words", [
    ({"private_key_id": "key-1", "client_email": "another@project.iam.gserviceaccount.com"}, ["invalid_grant", "account not found"]),
    ({"private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}, ["not an RSA key"]),
    ({"client_email": None}, ["key.json", "client_email"]),
    ({"type": "gdch_service_account"}, ["gdch_service_account", "service_account"]),
], ids=lambda one: "" if isinstance(one, list) else next(iter(one)))
def test_a_key_file_that_does_not_fit(reader, key_file, change, words):
    key = {**json.loads(key_file.read_text()), **change}
    system.write(key_file, json.dumps({name: value for name, value in key.items() if value is not None}), 0o600)
    reader.tables["repo.local"]["gcs-key-file"] = str(key_file)
    reader.save()
    result = reader.run("repo-ls", "--log-level=debug")
    assert result.code == 1, result
    for word in words:
        assert word in every_output(result), result
    assert "MII" not in every_output(result)


@pytest.mark.parametrize("change, words", [
    ({"gcs-bucket": None}, ["gcs-bucket"]),
    ({"gcs-key-file": "/key.json", "gcs-token": "ya29"}, ["gcs-key-file", "gcs-token"]),
    ({"gcs-endpoint": "http://localhost:1"}, ["without TLS", "allow-http"]),
    ({"gcs-endpoint": "https://localhost/storage/v1"}, ["has a path"]),
    ({"gcs-storage-class": "GLACIER"}, ["gcs-storage-class", "NEARLINE"]),
    ({"s3-bucket": "x"}, ["s3-bucket", "has no meaning"]),
    ({"type": "posix", "path": "/x"}, ["has no meaning"]),
])
def test_settings_that_do_not_fit(reader, change, words):
    section = {**reader.tables["repo.local"], **change}
    reader.tables["repo.local"] = {key: value for key, value in section.items() if value is not None}
    reader.save()
    result = reader.run("info")
    assert result.code == 2, result
    for word in words:
        assert word in result.err, result


# --- credentials from everywhere ----------------------------------------------------------------------------------------------

def environment_of(way, reader, gcs, home):
    """Make one way to credentials the only one; return what the environment has for it."""
    section = reader.tables["repo.local"]
    if way == "token":
        section["gcs-token"] = gcs.new_token()
    elif way == "token in the environment":
        return {**NOT_ON_GOOGLE, "CLOUDSDK_AUTH_ACCESS_TOKEN": gcs.new_token()}
    elif way == "key in the environment":
        return {**NOT_ON_GOOGLE, "GOOGLE_APPLICATION_CREDENTIALS": system.write(home / "key.json", gcs.service_account(), 0o600)}
    elif way == "login of gcloud":
        folder = system.make_dir(home / "gcloud")
        system.write(folder / "application_default_credentials.json", gcs.authorized_user(), 0o600)
        return {**NOT_ON_GOOGLE, "CLOUDSDK_CONFIG": folder}
    elif way == "federation by file":
        token = system.write(home / "token", gcs.subject_token() + "\n", 0o600)
        section["gcs-key-file"] = str(system.write(home / "wif.json", gcs.external_account({"file": str(token)}), 0o600))
    elif way == "federation by address, impersonating":
        source = {"url": gcs.metadata_url + "/subject", "headers": {"x-who": "pgcairn"},
                  "format": {"type": "json", "subject_token_field_name": "value"}}
        section["gcs-key-file"] = str(system.write(home / "wif.json", gcs.external_account(source, impersonate=True), 0o600))
    else:
        return {"GCE_METADATA_HOST": gcs.metadata_host}
    return NOT_ON_GOOGLE


@pytest.mark.parametrize("way", ["token", "token in the environment", "key in the environment", "login of gcloud", "federation by file",
                                 "federation by address, impersonating", "the machine's own"])
def test_credentials(reader, gcs, home, way):
    environment = environment_of(way, reader, gcs, home)
    reader.save()
    before = set(gcs.tokens)
    result = reader.ok("--log-level=debug", "repo-ls", env=environment)
    fetched = set(gcs.tokens) - before
    assert len(fetched) == (0 if "token" in way else 2 if "impersonating" in way else 1)
    assert not [token for token in gcs.tokens if token in every_output(result)]


def test_no_credentials_at_all(reader):
    result = reader.run("stanza-create", env=NOT_ON_GOOGLE)
    assert result.code == 2 and "gcs-key-file" in result.err and "GOOGLE_APPLICATION_CREDENTIALS" in result.err, result


def test_what_only_looks_like_a_metadata_server(reader, gcs):
    gcs.metadata_flavor = ""
    result = reader.run("--log-level=detail", "stanza-create", env={"GCE_METADATA_HOST": gcs.metadata_host})
    assert result.code == 2 and "not a Google metadata server" in result.err and "no credentials" in result.err, result


def test_a_token_serves_many_commands(away, gcs):
    """One is fetched, and kept for those that come, until the store refuses it."""
    away.backup()
    away.cluster.stop()  # whose archiver is a command for each segment
    away.cairn.forget_credentials()
    tokens, requests = len(gcs.tokens), len(gcs.requests)
    away.cairn.ok("verify", "--level=full")
    assert len(gcs.tokens) - tokens == 1 and len(gcs.requests) - requests > 10
    away.cairn.ok("verify")
    assert len(gcs.tokens) - tokens == 1
    list(gcs.tokens.values())[-1][2] = 0  # uses left
    away.cairn.ok("verify", "--level=full", "--process-max=4")
    assert len(gcs.tokens) - tokens == 2


def test_tokens_that_run_out_during_a_backup(away, gcs):
    """Each holds for 20 requests and says that it ends in 200 s, which is soon: a backup needs several."""
    away.cluster.pgbench_init(1)
    away.cairn.forget_credentials()
    gcs.token_seconds, gcs.token_uses = 200, 20
    gcs.requests.clear()
    away.backup("--process-max=4")
    assert sum(1 for _, path in gcs.requests if path.startswith(("/storage", "/upload", "/batch"))) > 20
    # Nobody can know that a token ends sooner than it says. One of an earlier command, as of the archiver, is replaced once.
    away.cluster.stop()
    gcs.token_seconds, gcs.token_uses = 3600, 5
    result = away.cairn.run("verify", "--level=full")
    assert result.code == 1 and "401" in every_output(result), result


def test_no_secret_in_any_output(away, gcs):
    secrets = [line for line in json.loads(gcs.service_account())["private_key"].splitlines() if "---" not in line]
    outputs = []
    for command in (["check"], ["backup", "--start-fast"], ["info"], ["verify", "--level=full"], ["info", "--output=json"],
                    ["--repo=nowhere", "info"], ["backup", "--type=wrong"]):
        outputs.append(every_output(away.cairn.run("--log-level=debug", *command)))
    section = away.cairn.tables["repo.local"]
    gcs.token_uses = 0
    outputs.append(every_output(away.cairn.run("--log-level=debug", "info")))
    section["gcs-token"] = "ya29.of-the-configuration"
    away.cairn.save()
    outputs.append(every_output(away.cairn.run("--log-level=debug", "info")))
    del section["gcs-key-file"]
    section["gcs-tokens"] = section["gcs-token"]
    away.cairn.save()
    outputs.append(every_output(away.cairn.run("--log-level=debug", "info")))
    del section["gcs-tokens"]
    away.cairn.save()
    outputs.append(every_output(away.cairn.run("--log-level=debug", "info")))
    outputs += [str(path.read_text(errors="replace")) for path in away.home.glob("*.log")]
    assert all(outputs) and gcs.tokens
    for secret in (*secrets, *gcs.tokens, section["gcs-token"], "Bearer", "assertion="):
        assert not [text for text in outputs if secret in text]


# --- a network and a store that fail --------------------------------------------------------------------------------------------

def test_bytes_that_change_on_the_way_are_asked_for_again(away, gcs, bucket):
    """Each object is answered with a wrong checksum, then with a wrong byte, then as it is; each upload is refused
    once, or its answer is wrong."""
    seen = {}

    def spoil(path, status, headers, content):
        count = seen[path] = seen.get(path, 0) + 1
        if path.startswith("/upload/") and "/pack/" in path and count == 1:
            refusal = Refusal(400, "invalid", "Provided CRC32C \"AAAAAA==\" doesn't match calculated CRC32C \"AAAAAQ==\".")
            return refusal.status, refusal.headers, refusal.content
        if path.startswith("/upload/") and status == 200 and count == 1:
            return status, headers, content.replace(b'"crc32c": "', b'"crc32c": "x')
        if "alt=media" in path and status == 200 and count == 1:
            return status, [(name, value.replace("crc32c=", "crc32c=x")) for name, value in headers], content
        if "alt=media" in path and status == 200 and count == 2:
            return status, headers, content[:-1] + bytes([content[-1] ^ 1]) if content else content
        return status, headers, content

    gcs.spoil = spoil
    result = away.cairn.ok("--log-level=debug", "backup", "--start-fast", "--type=full")
    for word in ("does not match its checksum", "with another checksum", "doesn't match calculated CRC32C"):
        assert word in result.err, result
    assert len(away.labels()) == 1
    gcs.spoil = None
    away.cairn.ok("verify", "--level=full")


def test_what_of_a_batch_is_not_answered_is_asked_for_again(away, gcs, bucket):
    """The answer to a batch ends after one part, that to the second try has a part with 503."""
    first, second = away.backup()["label"], away.backup(type="full")["label"]
    cut, refused = [], []
    away.cluster.wait_for_archived()  # no request but those of expire

    def spoil(path, status, headers, content):
        mark = content.split(b"\r\n")[0]
        if path.startswith("/batch/") and content.count(mark) > 2 and not cut:
            cut.append(path)
            return status, headers, content[:content.index(mark, 1)] + mark + b"--\r\n"
        if status == 404 and cut and not refused:  # it is gone already, but that was not said
            refused.append(path)
            return 503, [], b""
        return status, headers, content

    gcs.spoil = spoil
    result = away.cairn.ok("--log-level=debug", "expire", f"--set={first}")
    assert "gave no answer for it" in result.err and f"removing \"{refused[0].split('/pg/')[1]}\"" in result.err and "503" in result.err, result
    assert not [name for name in gcs.buckets[bucket] if f"/{first}" in name] and away.labels() == [second]


def test_every_fault_passes_by(proxied):
    remote.every_fault_passes_by(proxied)


def test_a_store_that_is_down_is_not_an_empty_one(proxied):
    proxied.proxy.plan = lambda method, path, count: "500 html"
    process = proxied.cairn.start("archive-get", "000000010000000000000001", proxied.home / "x")
    system.wait_until(lambda: proxied.proxy.happened["500 html"] > 2, what="some tries")
    process.terminate()
    process.communicate(timeout=180)
    assert process.returncode not in (0, 1)
