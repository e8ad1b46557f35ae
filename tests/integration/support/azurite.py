"""Azurite on loopback: the server that Azure's own libraries are tried on, with TLS and with keys made for the run."""
import base64
import datetime
import hashlib
import hmac
import json
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from . import system
from .radosgw import free_port

PROGRAM = system.CHECKOUT / "build/rig/azurite/node_modules/azurite/dist/src/blob/main.js"
VERSION = "2021-12-02"


def encoded(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


class Azurite:
    """`endpoint`, `account` and `key` are how clients reach it; `containers` are made with container()."""

    def __init__(self, folder, authority):
        self.folder = folder
        self.ca = authority.ca
        self.port = free_port()
        self.endpoint = f"https://localhost:{self.port}"
        self.account, self.key = "storeoftests", base64.b64encode(secrets.token_bytes(64)).decode()
        certificate = authority.localhost()
        system.own(certificate)
        with open(folder / "azurite.out", "wb") as out:
            self.process = subprocess.Popen(
                ["node", PROGRAM, "--location", folder, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--cert", certificate,
                 "--key", certificate, "--oauth", "basic", "--skipApiVersionCheck", "--disableTelemetry", "--silent"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder,
                env=system.clean_environment({"AZURITE_ACCOUNTS": f"{self.account}:{self.key}"}))
        try:
            system.wait_until(self._answers, what="Azurite", pause=0.2)
        except BaseException:
            self.stop()
            raise

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "azurite.out").read_text()
        try:
            self.request("GET", "/?comp=list")
            return True
        except (ConnectionError, urllib.error.URLError):
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def signature(self, text):
        return base64.b64encode(hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()).decode()

    def request(self, method, path, body=b"", **headers):
        """What a client signs by hand, independent of pgcairn's own signatures. `path` begins behind the account."""
        headers = {"x-ms-date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()), "x-ms-version": VERSION,
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body:
            headers["content-type"] = "application/octet-stream"
        where, _, query = path.partition("?")
        named = "".join(f"\n{name}:{value[0]}" for name, value in sorted(urllib.parse.parse_qs(query).items()))
        told = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()) if name.startswith("x-ms-"))
        text = f"{method}\n\n\n{len(body) or ''}\n\n{headers.get('content-type', '')}\n\n\n\n\n\n\n{told}/{self.account}/{self.account}{where}{named}"
        headers["authorization"] = f"SharedKey {self.account}:{self.signature(text)}"
        request = urllib.request.Request(f"{self.endpoint}/{self.account}{path}", data=body or None, method=method, headers=headers)
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=self.ca), timeout=60) as answer:
            return answer.read()

    def container(self, name):
        self.request("PUT", f"/{name}?restype=container")
        return name

    def sas(self, container, permissions="rcwdl", minutes=60):
        """A shared access signature for a container."""
        until = (datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        # Permissions, start, end, resource, identifier, addresses, protocol, version, kind of resource, then snapshot,
        # encryption scope and five headers of answers.
        parts = [permissions, "", until, f"/blob/{self.account}/{container}", "", "", "https", VERSION, "c", *[""] * 7]
        return urllib.parse.urlencode({"sv": VERSION, "sp": permissions, "se": until, "sr": "c", "spr": "https", "sig": self.signature("\n".join(parts))})

    def token(self, seconds=3600):
        """A bearer token as Azurite takes it: it looks at everything but the signature."""
        at = int(time.time())
        return ".".join([encoded({"alg": "RS256", "typ": "JWT"}),
                         encoded({"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/tests/", "iat": at, "nbf": at - 60, "exp": at + seconds}),
                         secrets.token_urlsafe(32)])

    def section(self, container, **more):
        """The keys of [repo.NAME] for a container."""
        return {"type": "azure", "azure-account": self.account, "azure-container": container, "azure-endpoint": self.endpoint,
                "azure-uri-style": "path", "ca-file": self.ca, "azure-key": self.key,
                "key-passphrase": "of the tests", **more}
