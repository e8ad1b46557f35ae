#!/usr/bin/python3
"""How long `info`, `health` and `report` take on a repository with many backups and much WAL.

    tests/bench/info.py BINARY [BACKUPS] [SEGMENTS]

Makes the repository in a temporary folder, from the marker of one in tests/golden. Objects of WAL are empty: nobody opens them.
"""
import datetime
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import xxhash

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/format/v1/repo"
CLUSTER = "15-7412345678901234567"


def put(repo, identity, key, content):
    line = json.dumps(content, separators=(",", ":"))
    check = xxhash.xxh3_128_hexdigest(f"{identity}\n{key}\n{line}".encode())
    path = repo / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{line}\n{{"check":"{check}"}}\n')


def segment(number):
    return f"00000001{number >> 8:08X}{number & 255:08X}"


def make(repo, backups, segments):
    """Full backups every tenth, incremental ones in between; the WAL between them."""
    identity = json.loads((GOLDEN / "pgcairn.json").read_text().splitlines()[0])["id"]
    (repo / "pgcairn.json").write_text((GOLDEN / "pgcairn.json").read_text())
    put(repo, identity, f"cluster/main/{CLUSTER}.json", {"system-id": CLUSTER[3:], "pg-version": 15})
    template = json.loads((GOLDEN / "main/backup/20261121-010203F.json").read_text().splitlines()[0])
    template["wal-segment-bytes"] = 16 << 20
    for number in range(1, segments + 1):
        path = repo / f"main/wal/{CLUSTER}/00000001{number >> 8:08X}/{segment(number)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    full = None
    for i in range(backups):
        when = start + datetime.timedelta(hours=i)
        label = f"{when:%Y%m%d-%H%M%S}"
        full, label = (label + "F", label + "F") if i % 10 == 0 else (full, f"{full}_{label}I")
        first = 1 + i * max(segments // backups, 1)
        stop = when + datetime.timedelta(minutes=5)
        packs = [{"backup": full, "first": 0, "last": 59}] + ([] if full == label else [{"backup": label, "first": 0, "last": 5}])
        put(repo, identity, f"main/backup/{label}.json", template | {
            "label": label, "type": "full" if full == label else "incr", "prior": None if full == label else full,
            "start-time": f"{when:%Y-%m-%dT%H:%M:%SZ}", "stop-time": f"{stop:%Y-%m-%dT%H:%M:%SZ}", "packs": packs,
            "start-lsn": f"{first >> 8:X}/{(first & 255) << 24 | 0x28:X}", "stop-lsn": f"{first >> 8:X}/{(first & 255) << 24 | 0x100:X}",
            "wal-start": segment(first), "wal-stop": segment(first)})


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    backups, segments = (int(word) for word in (sys.argv[2:4] + ["1000", "20000"][len(sys.argv) - 2:]))
    with tempfile.TemporaryDirectory() as folder:
        repo = pathlib.Path(folder) / "repo"
        repo.mkdir()
        make(repo, backups, segments)
        config = pathlib.Path(folder) / "pgcairn.toml"
        config.write_text(f'[repo.local]\ntype = "posix"\npath = "{repo}"\n[stanza.main]\npg-path = "{folder}/pg"\npg-socket-path = "{folder}"\n')
        print(f"{backups} backups, {segments} segments")
        for verb in (["info"], ["info", "--output=json"], ["report"], ["health"]):
            times = []
            for _ in range(5):
                began = time.monotonic()
                done = subprocess.run([binary, f"--config={config}", *verb], capture_output=True, check=False)
                times.append(time.monotonic() - began)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
            print(f"  {' '.join(verb):<20} exit {done.returncode}  {sorted(times)[2]:.3f} s (median of 5)  at most {peak} MiB so far  {len(done.stdout) >> 10} KiB")


if __name__ == "__main__":
    main()
