"""A real S3 server on loopback: Ceph's gateway in front of one monitor and one store in memory, as the smallest cluster
that keeps what it is given."""
import contextlib
import hashlib
import hmac
import random
import re
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from . import system

# Taken from Debian's radosgw, ceph-mon, ceph-osd and ceph-common.
CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_v1}
mon initial members = one
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000

[mon]
mon data = {folder}/mon
mon data avail crit = 1
auth allow insecure global id reclaim = false

[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648

[client.gateway]
rgw frontends = beast ssl_endpoint=127.0.0.1:{port} ssl_certificate={certificate}
rgw dns name = localhost
rgw data = {folder}/gateway
rgw enable usage log = false
"""


def free_port():
    """A port to listen on soon. Not one of those that the kernel hands out to clients, of which there may be many until then."""
    while True:
        port = random.SystemRandom().randrange(10000, 32768)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


class Radosgw:
    """`endpoint`, `access` and `secret` are how clients reach it; `buckets` are made with bucket()."""

    def __init__(self, folder, authority):
        self.folder = folder
        self.ca = authority.ca
        self.port = free_port()
        self.endpoint = f"https://localhost:{self.port}"
        self.access, self.secret = "ACCESSOFTHETESTS", secrets.token_hex(20)
        self.passphrase = secrets.token_hex(16)  # of repositories in its buckets
        self.processes = []
        for name in ("mon", "osd", "gateway"):
            system.make_dir(folder / name)
        certificate = authority.localhost()
        system.own(certificate)
        self.fsid = str(uuid.uuid4())
        self.conf = system.write(folder / "ceph.conf", CONFIGURATION.format(
            fsid=self.fsid, folder=folder, mon=free_port(), mon_v1=free_port(), port=self.port, certificate=certificate))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _tool(self, program, *arguments):
        return system.run([program, "-c", self.conf, *arguments]).stdout

    def _daemon(self, program, *arguments):
        with open(self.folder / f"{program}.out", "wb") as out:
            self.processes.append(subprocess.Popen([program, "-c", str(self.conf), *map(str, arguments), "-f"], stdin=subprocess.DEVNULL,
                                                   stdout=out, stderr=out, cwd="/", env=system.clean_environment(), **system.identity()))

    def _start(self):
        keyring, map_file = self.folder / "keyring", self.folder / "monmap"
        hosts = self.conf.read_text().split("mon host = ")[1].splitlines()[0]
        system.run(["ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"])
        for name, caps in (("client.admin", ("mon", "osd")), ("client.gateway", ("mon", "osd"))):
            system.run(["ceph-authtool", keyring, "--gen-key", "-n", name, *(word for cap in caps for word in ("--cap", cap, "allow *"))])
        system.run(["monmaptool", "--create", "--fsid", self.fsid, "--addv", "one", f"[{hosts}]", map_file])
        self._tool("ceph-mon", "--mkfs", "-i", "one", "--monmap", map_file, "--keyring", keyring)
        self._daemon("ceph-mon", "-i", "one")
        osd = str(uuid.uuid4())
        self._tool("ceph", "osd", "new", osd)
        osd_keyring = self.folder / "osd/keyring"
        system.run(["ceph-authtool", "--create-keyring", osd_keyring, "--gen-key", "-n", "osd.0"])
        self._tool("ceph", "auth", "add", "osd.0", "osd", "allow *", "mon", "allow profile osd", "-i", osd_keyring)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "--keyring", osd_keyring)
        self._daemon("ceph-osd", "-i", "0", "--keyring", osd_keyring)
        self._tool("radosgw-admin", "user", "create", "--uid=tests", "--display-name=tests", f"--access-key={self.access}",
                   f"--secret-key={self.secret}")
        self._daemon("radosgw", "-n", "client.gateway")
        system.wait_until(self._answers, what="the gateway", pause=0.3)

    def _answers(self):
        try:
            self.request("GET", "/")
            return True
        except (OSError, urllib.error.URLError):
            assert all(process.poll() is None for process in self.processes), "a part of the S3 server ended"
            return False

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
        for process in self.processes:
            process.wait()

    def keys(self, bucket):
        return re.findall("<Key>(.*?)</Key>", self.request("GET", f"/{bucket}?list-type=2&max-keys=1000").decode())

    def request(self, method, path, body=b"", headers=None):
        """What a client signs by hand, independent of pgcairn's own signatures."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": f"localhost:{self.port}", **(headers or {}), "x-amz-content-sha256": digest, "x-amz-date": now}
        headers = dict(sorted(headers.items()))
        names = ";".join(headers)
        path, _, query = path.partition("?")
        canonical = "\n".join([method, path, query, *(f"{name}:{value}" for name, value in headers.items()), "", names, digest])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = b"AWS4" + self.secret.encode()
        for part in (*scope.split("/"), text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        request = urllib.request.Request(self.endpoint + path + (f"?{query}" if query else ""), data=body or None, method=method, headers=headers)
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=self.ca), timeout=60) as answer:
            return answer.read()

    def add_key(self, access, secret):
        self._tool("radosgw-admin", "key", "create", "--uid=tests", "--key-type=s3", f"--access-key={access}", f"--secret-key={secret}")

    def remove_key(self, access):
        self._tool("radosgw-admin", "key", "rm", "--uid=tests", "--key-type=s3", f"--access-key={access}")

    def bucket(self, name):
        self.request("PUT", f"/{name}")
        return name

    def section(self, bucket, **more):
        """The keys of [repo.NAME] for a bucket."""
        return {"type": "s3", "s3-bucket": bucket, "s3-endpoint": self.endpoint, "s3-uri-style": "path", "ca-file": self.ca,
                "s3-key": self.access, "s3-key-secret": self.secret, "key-passphrase": self.passphrase, **more}
