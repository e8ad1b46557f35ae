"""Repositories in a container of Azure Blob Storage, on Azurite: the driver's contract, a cluster's whole story, every way to
credentials, a network and a store that fail."""
import http.server
import itertools
import json
import threading
import types
import urllib.parse

import pytest

from support import remote, system
from support.azurite import Azurite
from support.faulty_proxy import FaultyProxy
from support.stanza import Stanza
from support.story import the_whole_story
from support.tls import Authority

NOWHERE = "http://127.0.0.1:9"  # a machine that is not in Azure


@pytest.fixture(scope="module")
def authority(root):
    return Authority(system.make_dir(root / "azure-ca", 0o755))


@pytest.fixture(scope="module")
def azure(root, authority):
    server = Azurite(system.make_dir(root / "azurite", 0o755), authority)
    yield server
    server.stop()


@pytest.fixture
def container(azure, counter=itertools.count(1)):
    return azure.container(f"container{next(counter)}")


@pytest.fixture
def away(make_stanza, azure, container):
    """A stanza whose only repository is a container, opened with the account's key."""
    stanza = make_stanza(15)
    stanza.cairn.tables["repo.local"] = azure.section(container, path="/backups/pg")
    stanza.cairn.save()
    return stanza.create()


@pytest.fixture
def proxied(away, azure, authority):
    """The same behind a proxy; `proxy.plan` says what goes wrong."""
    away.proxy = FaultyProxy(azure, authority.folder / "server.pem")
    change(away, {"azure-endpoint": away.proxy.endpoint})
    yield away
    away.proxy.close()


def change(stanza, keys):
    """Set keys of the repository; None removes one."""
    section = {**stanza.cairn.tables["repo.local"], **keys}
    stanza.cairn.tables["repo.local"] = {key: value for key, value in section.items() if value is not None}
    stanza.cairn.save()


def every_output(result):
    return result.out + result.err


def blobs(azure, container):
    return azure.request("GET", f"/{container}?restype=container&comp=list").decode()


# --- the store ------------------------------------------------------------------------------------------------------------

def store_of_tests(azure, container, **credentials):
    return {"PGCAIRN_TEST_STORE": "azure", "PGCAIRN_TEST_ENDPOINT": azure.endpoint, "PGCAIRN_TEST_ACCOUNT": azure.account,
            "PGCAIRN_TEST_BUCKET": container, "PGCAIRN_TEST_CA": str(azure.ca), **credentials}


def test_the_drivers_contract(azure, container):
    remote.keep_the_contract(store_of_tests(azure, container, AZURE_STORAGE_KEY=azure.key))


# Between them: every kind of request.
REQUESTS = "driver: what was put is there,driver: nothing is overwritten,driver: ranges,driver: folders*,driver: what the visitor throws*"


def test_the_drivers_contract_with_a_signature(azure, container):
    remote.keep_the_contract(store_of_tests(azure, container, AZURE_STORAGE_SAS_TOKEN="?" + azure.sas(container)), REQUESTS)


def test_the_drivers_contract_with_a_token(azure, container, identities):
    identities.answers["/metadata/identity/oauth2/token"] = lambda: token_of(azure, 3600)
    remote.keep_the_contract(store_of_tests(azure, container, AZURE_POD_IDENTITY_AUTHORITY_HOST=identities.url), REQUESTS)


def test_the_whole_story(away, azure, container):
    the_whole_story(away)
    listed = blobs(azure, container)
    assert listed.count("<Name>") > 10 and listed.count("<Name>") == listed.count("<Name>backups/pg/")


def test_new_blobs_have_the_access_tier(away, azure, container):
    before = blobs(azure, container).count("<AccessTier>Cool")
    change(away, {"azure-access-tier": "Cool"})
    away.backup()
    assert before == 0 and blobs(azure, container).count("<AccessTier>Cool") >= 4


class SmallPages(FaultyProxy):
    """Has every listing come in pages of one. A signature in the address does not cover what is added to it."""
    pages = 0

    def forward(self, method, path, headers, body):
        if "comp=list" in path:
            self.pages += "marker=" in path
            path += "&maxresults=1"
        return super().forward(method, path, headers, body)


def test_listings_of_many_pages(away, azure, authority, container):
    proxy = SmallPages(azure, authority.folder / "server.pem")
    away.backup()
    change(away, {"azure-endpoint": proxy.endpoint, "azure-key": None, "azure-sas-token": azure.sas(container)})
    label = away.backup(type="incr")["label"]
    proxy.pages = 0
    found = away.cairn.ok("verify", "--level=full", "--output=json").json["verify"]["repositories"][0]
    assert proxy.pages > 5 and found["packs"] >= 2, found
    assert away.labels()[-1] == label
    proxy.close()


def test_hosts_of_accounts(reader, azure):
    """The account's name in the host's, as Azure itself has it; no certificate of these tests names such a host."""
    change(reader, {"azure-uri-style": None, "tls-verify": False, "azure-endpoint": f"https://{azure.account}.localhost:{azure.port}"})
    reader.cairn.ok("repo-ls")
    change(reader, {"azure-endpoint": None, "azure-endpoint-suffix": f"localhost:{azure.port}"})
    reader.cairn.ok("repo-ls")
    change(reader, {"azure-container": "nowhere"})
    assert f"at https://{azure.account}.blob.localhost:{azure.port} failed" in every_output(reader.cairn.run("verify"))


# --- what is wrong is said ------------------------------------------------------------------------------------------------

WRONG = {
    # Azure answers 403 AuthenticationFailed, see test_what_azure_itself_answers.
    "key": ({"azure-key": "AAAA"}, ["InvalidAuthenticationInfo", "check that the key is of account"]),
    "account": ({"azure-account": "somebodyelse"}, ["ResourceNotFound", "azure-account"]),
    "container": ({"azure-container": "nowhere"}, ["ContainerNotFound", "create the container first"]),
    "certificate": ({"ca-file": "/etc/ssl/certs/ca-certificates.crt"}, ["certificate", "ca-file"]),
}


@pytest.fixture(scope="module")
def established(root, installations, binary, sockets, azure):
    """A stanza that is only read, for what is about reaching it."""
    stanza = Stanza(system.make_dir(root / "azure-stanza", 0o755), installations[15], binary, sockets=sockets, archiving=False)
    stanza.cairn.tables["repo.local"] = azure.section(azure.container("established"))
    stanza.cairn.save()
    stanza.create()
    yield stanza
    stanza.close()


@pytest.fixture
def reader(established):
    """The same, and afterwards as it was."""
    section = dict(established.cairn.tables["repo.local"])
    yield established
    established.cairn.tables["repo.local"] = section
    established.cairn.save()


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(reader, what):
    keys, words = WRONG[what]
    change(reader, keys)
    for command in (["stanza-create"], ["info"], ["archive-push", reader.cluster.data / "pg_wal" / reader.cluster.current_segment()]):
        result = reader.cairn.run(*command)
        assert result.code == 1, result
        # info tells of each repository in one line, without the hint.
        for word in words[:1] if command == ["info"] else words:
            assert word in every_output(result), result
    result = reader.cairn.run("archive-get", "000000010000000000000099", "/nonexistent/x")
    assert result.code == 200, result  # never "certainly not there"


@pytest.mark.parametrize("keys, words", [
    ({"azure-account": None}, ["azure-account"]),
    ({"azure-container": None}, ["azure-container"]),
    ({"azure-account": "a.blob.core.windows.net"}, ["azure-account", "the name alone"]),
    ({"azure-container": "Backups"}, ["azure-container", "lower-case"]),
    ({"azure-sas-token": "sv=1&sig=x"}, ["azure-key", "exclude each other"]),
    ({"azure-access-tier": "Archive"}, ["Archive", "no restore could begin", "Cold"]),
    ({"azure-key": "not base64"}, ["azure-key", "base64"]),
    ({"azure-key": None, "azure-sas-token": "nonsense"}, ["azure-sas-token", "not a SAS token"]),
    ({"azure-endpoint": "http://localhost:1"}, ["without TLS", "allow-http"]),
    ({"s3-region": "x"}, ["s3-region", "has no meaning"]),
])
def test_settings_that_do_not_fit(reader, keys, words):
    change(reader, keys)
    result = reader.cairn.run("check")
    assert result.code == 2, result
    for word in words:
        assert word in result.err, result


def azure_error(code, message="words of the store"):
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}\nRequestId:1\nTime:2</Message></Error>".encode()


def test_what_azure_itself_answers(proxied):
    """Azurite has no policies, no permission to create alone, and no clock to compare with."""
    cairn, proxy = proxied.cairn, proxied.proxy
    ids = [("x-ms-request-id", "id-of-the-request")]
    proxy.plan = lambda *_: (403, [*ids, ("date", "Sat, 21 Nov 2020 01:02:03 GMT")], azure_error("AuthenticationFailed"))
    result = cairn.run("verify")
    assert result.code == 1 and "403 AuthenticationFailed (words of the store), request id-of-the-request" in every_output(result), result
    assert "this machine's clock is" in every_output(result), result
    proxy.plan = lambda *_: (403, ids, azure_error("KeyBasedAuthenticationNotPermitted"))
    assert "the account allows no keys" in every_output(cairn.run("verify"))

    proxy.plan = lambda *_: None
    segment = proxied.cluster.data / "pg_wal" / proxied.cluster.wait_for_archived()
    for status, code in ((409, "BlobAlreadyExists"), (412, "ConditionNotMet"), (403, "UnauthorizedBlobOverwrite"),
                         (409, "BlobImmutableDueToPolicy")):
        proxy.plan = lambda method, path, count: (status, ids, azure_error(code)) if method == "PUT" and "/wal/" in path else None
        proxy.happened.clear()
        cairn.ok("archive-push", segment)  # its bytes are compared
        assert proxy.happened["answered"] == 1
    for status, code in ((409, "ContainerBeingDeleted"), (412, "LeaseIdMissing"), (403, "AuthorizationFailure")):
        proxy.plan = lambda method, path, count: (status, ids, azure_error(code)) if method == "PUT" and "/wal/" in path else None
        result = cairn.run("archive-push", segment)
        assert result.code == 1 and f"{status} {code}" in every_output(result), result


def test_what_the_store_keeps_is_not_a_failure(proxied):
    """A policy or a legal hold on blobs that expire would remove."""
    cluster, proxy = proxied.cluster, proxied.proxy
    first = proxied.backup()["label"]
    cluster.switch_wal()
    cluster.wait_for_archived()
    proxied.backup()
    kept = {"code": "BlobImmutableDueToPolicy", "until": "Tue, 01 Jan 2030 00:00:00 GMT"}

    def plan(method, path, _):
        if method == "POST":
            # To all of the batch: it has no Content-ID.
            part = f"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 409 Kept\r\nx-ms-error-code: {kept['code']}\r\n\r\n\r\n"
            return 202, [("content-type", "multipart/mixed; boundary=b")], (part + "--b--").encode()
        if method == "HEAD" and "/lease/" not in path:
            return 200, [("x-ms-immutability-policy-until-date", kept["until"]), ("x-ms-legal-hold", str(kept["code"].endswith("Hold")).lower())], b""
        return None

    proxy.plan = plan
    done = proxied.cairn.run("expire", f"--set={first}", "--output=json")
    assert done.code in (0, 3), done
    by_store = done.json["expire"]["repositories"][0]["kept-by-store"]
    assert by_store["objects"] > 0 and by_store["until"] == "2030-01-01T00:00:00Z", by_store
    kept["code"] = "BlobImmutableDueToLegalHold"
    by_store = proxied.cairn.run("expire", "--output=json").json["expire"]["repositories"][0]["kept-by-store"]
    assert by_store is None or by_store["until"] is None, by_store


def test_no_secret_in_any_output(away, azure, container, identities):
    identities.answers["/metadata/identity/oauth2/token"] = lambda: token_of(azure, 3600)
    sas = azure.sas(container)
    secrets = [azure.key, urllib.parse.parse_qs(sas)["sig"][0], sas.split("sig=")[1]]
    outputs, environment = [], archive_by_identity(away, identities)
    for credentials in ({"azure-key": azure.key}, {"azure-sas-token": sas}, {}):
        change(away, {"azure-key": None, "azure-sas-token": None, "azure-container": container, **credentials})
        for command in (["check"], ["backup", "--start-fast"], ["info"], ["verify", "--level=full"], ["--repo=nowhere", "info"]):
            outputs.append(every_output(away.cairn.run("--log-level=debug", *command, env=environment)))
        for wrong in ({"azure-container": "nowhere"}, {"ca-file": "/etc/ssl/certs/ca-certificates.crt"}, {"azure-endpoint-sufix": secrets[0]}):
            change(away, wrong)
            outputs.append(every_output(away.cairn.run("--log-level=debug", "info", env=environment, timeout=300)))
            change(away, {"azure-container": container, "ca-file": azure.ca, "azure-endpoint-sufix": None})
    outputs += [path.read_text(errors="replace") for path in away.home.glob("*.log")]
    assert all(outputs)
    secrets += [json.loads(told)["access_token"] for told in identities.told]
    assert len(secrets) > 3
    assert not [text for text in outputs for secret in secrets if secret in text]


# --- keys from elsewhere --------------------------------------------------------------------------------------------------

@pytest.fixture
def identities():
    """A service on this machine that tells tokens; `answers` by path, `seen` what was asked with which headers, `told` the answers."""
    answers, seen, told = {}, [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def any(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            path, _, query = self.path.partition("?")
            seen.append((self.command, path, dict(urllib.parse.parse_qsl(query or body)), {name.lower(): value for name, value in self.headers.items()}))
            make = answers.get(path)
            text = make() if make else ""
            told.append(text)
            self.send_response(200 if make else 404)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
        do_GET = do_POST = any

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield types.SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", answers=answers, seen=seen, told=told)
    server.shutdown()


def token_of(azure, seconds, **more):
    return json.dumps({"access_token": azure.token(), "expires_in": str(seconds), **more})


@pytest.fixture
def keyless(reader):
    """A stanza whose configuration holds no key."""
    change(reader, {"azure-key": None})
    reader.cairn.forget_credentials()
    return reader.cairn


def test_no_keys_at_all(keyless):
    result = keyless.run("check", env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": NOWHERE})
    assert result.code == 2 and "AZURE_STORAGE_KEY" in result.err and "azure-key" in result.err, result


def test_keys_of_the_environment(keyless, azure):
    keyless.ok("repo-ls", env={"AZURE_STORAGE_KEY": azure.key})
    keyless.ok("repo-ls", env={"AZURE_STORAGE_SAS_TOKEN": azure.sas("established")})


def test_a_signature_that_ran_out(keyless, azure):
    result = keyless.run("repo-ls", env={"AZURE_STORAGE_SAS_TOKEN": azure.sas("established", minutes=-5)})
    assert result.code == 1 and "AuthorizationFailure" in every_output(result) and "expired" in every_output(result), result


def test_a_signature_that_lacks_a_permission(keyless, azure):
    result = keyless.run("repo-ls", env={"AZURE_STORAGE_SAS_TOKEN": azure.sas("established", "r")})
    assert result.code == 1 and "AuthorizationPermissionMismatch" in every_output(result) and "sp=rcdl" in every_output(result), result


def test_the_identity_of_a_machine(keyless, azure, identities):
    identities.answers["/metadata/identity/oauth2/token"] = lambda: token_of(azure, 3600)
    keyless.ok("repo-ls", env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": identities.url})
    (method, _, query, headers), = identities.seen
    assert (method, query, headers["metadata"]) == ("GET", {"api-version": "2018-02-01", "resource": "https://storage.azure.com/"}, "true")


def test_the_identity_of_an_app_service(keyless, azure, identities):
    identities.answers["/msi/token"] = lambda: token_of(azure, 3600)
    keyless.ok("repo-ls", env={"IDENTITY_ENDPOINT": identities.url + "/msi/token", "IDENTITY_HEADER": "let me in"})
    assert identities.seen[0][3]["x-identity-header"] == "let me in"


def test_the_identity_of_a_workload(keyless, azure, identities, home):
    federated = system.write(home / "token", "head.body.signature\n")
    identities.answers["/tenant/oauth2/v2.0/token"] = lambda: json.dumps({"access_token": azure.token(), "expires_in": 3599})
    environment = {"AZURE_FEDERATED_TOKEN_FILE": federated, "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "me",
                   "AZURE_AUTHORITY_HOST": identities.url + "/"}
    keyless.ok("repo-ls", env=environment)
    (method, _, form, _), = identities.seen
    assert method == "POST" and form["client_assertion"] == "head.body.signature" and form["client_id"] == "me", form
    identities.answers.clear()
    keyless.ok("repo-ls", env=environment)  # with the token that is kept
    keyless.forget_credentials()
    result = keyless.run("repo-ls", env=environment)
    assert result.code == 1 and "404" in every_output(result) and "federated credential" in every_output(result), result


def archive_by_identity(stanza, identities):
    """Have PostgreSQL archive with the identity of a machine; return the environment of other commands."""
    stanza.cluster.configure(archive_command=f"AZURE_POD_IDENTITY_AUTHORITY_HOST={identities.url} {stanza.archive_command()}")
    stanza.cluster.reload()
    return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": identities.url}


def test_tokens_are_renewed_in_the_middle_of_a_backup(away, azure, identities):
    """Each token is as good as over, so that every request of the backup takes a new one."""
    identities.answers["/metadata/identity/oauth2/token"] = lambda: token_of(azure, 299)
    change(away, {"azure-key": None})
    identity = archive_by_identity(away, identities)
    away.cairn.ok("backup", "--start-fast", env=identity)
    away.cairn.ok("verify", "--level=full", env=identity)
    assert len(identities.seen) > 10 and len(set(identities.told)) == len(identities.told)


# --- a network and a store that fail --------------------------------------------------------------------------------------

def test_every_fault_passes_by(proxied):
    remote.every_fault_passes_by(proxied)


def test_bytes_that_change_on_the_way_are_refused(proxied):
    get = proxied.home / "segment"
    proxied.proxy.plan = lambda method, path, count: "changed" if method == "PUT" and "/wal/" in path and count == 0 else None
    segment = proxied.cluster.switch_wal()
    proxied.cluster.wait_for_archived()
    proxied.cairn.ok("archive-get", segment, get)
    assert proxied.proxy.happened["changed"] >= 1
    assert get.read_bytes() == (proxied.cluster.data / "pg_wal" / segment).read_bytes()


def test_a_store_that_is_down_is_not_an_empty_one(proxied):
    proxied.proxy.plan = lambda method, path, count: "500 html"
    process = proxied.cairn.start("archive-get", "000000010000000000000001", proxied.home / "x")
    system.wait_until(lambda: proxied.proxy.happened["500 html"] > 2, what="some tries")
    process.terminate()
    process.communicate(timeout=180)
    assert process.returncode not in (0, 1)


def test_requests_are_counted(proxied):
    remote.requests_are_counted(proxied)
