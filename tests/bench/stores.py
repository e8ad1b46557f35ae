"""A repository in a bucket: what a backup, a restore and the archive ask of the store, and what it costs that the store is far away."""
import json
import pathlib
import shutil
import ssl
import subprocess
import sys
import urllib.request

from measure import measured, mebibytes
from support import cluster as clusters
from support import pgcairn as cairn
from support import system
from support.radosgw import Radosgw
from support.tls import Authority
from whole import SETTINGS

PROXY = pathlib.Path(__file__).with_name("counting_proxy.py")
DELAYS_MS = (0, 50)
SEGMENTS = 10


class Far:
    """The store behind a proxy that counts and delays."""

    def __init__(self, home):
        authority = Authority(system.make_dir(home / "ca", 0o755))
        self.store = Radosgw(system.make_dir(home / "s3", 0o755), authority)
        self.process = subprocess.Popen([sys.executable, PROXY, home / "ca/server.pem", self.store.ca, str(self.store.port)],
                                        stdout=subprocess.PIPE, text=True)
        self.endpoint = f"https://localhost:{self.process.stdout.readline().strip()}"
        self.tls = ssl.create_default_context(cafile=self.store.ca)

    def ask(self, what):
        with urllib.request.urlopen(f"{self.endpoint}/-/{what}", context=self.tls, timeout=60) as answer:
            return answer.read()

    def counts(self):
        """[[method, path, bytes sent, bytes received]] since the last time."""
        counts = json.loads(self.ask("counts"))
        self.ask("reset")
        return counts

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.store.stop()


class Stores:
    def __init__(self, home, options, results):
        self.home, self.results = home, results
        self.far = Far(home)
        self.server = clusters.PgCluster.create(clusters.debian_15(), home / "data", system.make_dir(home / "s", 0o755), **SETTINGS)
        self.server.must_start().pgbench_init(options.scale)
        self.server.rows("CHECKPOINT")
        self.size = mebibytes(self.server.data / "base")
        bucket = self.far.store.bucket("bench")
        self.cairn = cairn.Pgcairn(cairn.install_binary(home), home / "pgcairn.toml", {
            "global": {"process-max": 4, "compress-type": "zst", "compress-level": 3},
            "repo.local": {**self.far.store.section(bucket), "s3-endpoint": self.far.endpoint},
            "stanza.main": {"pg-path": self.server.data, "pg-port": self.server.port, "pg-socket-path": self.server.sockets,
                            "pg-user": "postgres"}})
        self.cairn.ok("stanza-create")
        self.server.rows(f"ALTER SYSTEM SET archive_command = '{' '.join(self.cairn.command('--stanza=main', 'archive-push', '%p'))}'")
        self.server.reload()
        self.requests = {}  # of the last run of each work

    def describe(self):
        return f"{self.size:.0f} MiB of pgbench, radosgw behind a proxy of this machine, process-max 4"

    def note(self, work, delay_ms, command):
        self.far.counts()
        measure = self.results.add(work, f"{delay_ms} ms", measured(self.home, command, self.server, memory=self.size + 512))
        self.requests[work] = self.far.counts()
        return measure

    def run(self, repeat):
        try:
            for _ in range(repeat):
                for delay_ms in DELAYS_MS:
                    self.far.ask(f"delay/{delay_ms}")
                    self.turn(delay_ms)
            self.archive()
        finally:
            self.server.stop("immediate")
            self.far.stop()

    def turn(self, delay_ms):
        self.server.switch_wal()  # what an idle server would not hand over during the backup
        self.server.wait_for_archived()
        measure = self.note("full backup to S3", delay_ms, self.cairn.command("backup", "--type=full", "--start-fast", "--output=json"))
        label = json.loads(measure.output)["backup"]["label"]
        packs = [path for method, path, *_ in self.requests["full backup to S3"] if method == "PUT" and f"/data/{label}/pack/" in path]
        self.stored_bytes = sum(sent for method, path, sent, _ in self.requests["full backup to S3"]
                                if method == "PUT" and f"/data/{label}/" in path)
        self.packs = len(set(packs))
        target = self.home / "restored"
        shutil.rmtree(target, ignore_errors=True)
        system.make_dir(target)
        self.note("restore from S3", delay_ms, self.cairn.command("restore", f"--pg-path={target}", "--type=immediate"))
        source, restored = (mebibytes(folder / "base") for folder in (self.server.data, target))
        if abs(source - restored) > source / 50:
            sys.exit(f"error: {restored:.0f} MiB of {source:.0f} MiB were restored")
        shutil.rmtree(target)

    def archive(self):
        """The archiver as the server runs it, one segment after the other."""
        self.far.ask("delay/0")
        self.server.switch_wal()
        self.server.wait_for_archived()
        self.far.counts()
        names = []
        for _ in range(SEGMENTS):
            names.append(self.server.switch_wal())
            self.server.wait_for_archived()
        self.requests["archive-push"] = self.far.counts()
        for name in names:
            self.cairn.ok("archive-get", name, self.home / "data/got")
        self.requests["archive-get"] = self.far.counts()

    def judge(self):
        results, requests = self.results, self.requests
        for work in ("full backup to S3", "restore from S3"):
            results.judge(f"{work} at 50 ms a request, wall", results.ratio(work, "50 ms", "0 ms"), 1.5, "of that without delay")
        backup = [(method, path) for method, path, *_ in requests["full backup to S3"] if "/wal/" not in path]
        puts = sum(method == "PUT" for method, _ in backup)
        lists = sum("list-type" in path for _, path in backup)
        results.judge(f"full backup, PUTs for {self.packs} packs", puts, self.packs + 6, "PUTs")
        results.judge("full backup, listings, however many files there are", lists, 16, "listings")
        gets = [received for method, path, _, received in requests["restore from S3"] if method == "GET" and "/pack/" in path]
        results.judge("restore, bytes read of packs and manifest",
                      sum(received for method, path, _, received in requests["restore from S3"] if "/data/" in path) / self.stored_bytes, 1.1,
                      "of what the backup stored")
        results.judge("restore, 8 MiB over the mean request for packs", (8 << 20) / (sum(gets) / len(gets)), 1, "")
        for work in ("archive-push", "archive-get"):
            segments = {path for _, path, *_ in requests[work] if "/wal/" in path}
            results.judge(f"{work}, requests a segment", len(requests[work]) / len(segments), 1, "requests")
        print("\nrequests by method, last run at 50 ms (the archive: without delay)")
        for work, counts in requests.items():
            methods = sorted({method for method, *_ in counts})
            print(f"  {work:20} " + ", ".join(f"{sum(m == method for m, *_ in counts)} {method}" for method in methods))
