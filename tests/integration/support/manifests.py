"""Rewriting the manifest of a backup in a repository that is not sealed, as somebody who may write there could."""
import ctypes
import json
import struct
import subprocess

from . import system

_HEADER = struct.Struct("<II4sBBBBIIII")


class _Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def _hash128(data):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = _Hash
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    found = library.XXH3_128bits(data, len(data))
    return struct.pack(">QQ", found.high, found.low)


def entries(stanza, label):
    """The manifest's lines, read."""
    lines = []
    for part in stanza.manifests(label):
        lines += subprocess.run(["zstd", "-dcq", str(part)], capture_output=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def path_order(path):
    return tuple(part.encode("utf-8", "surrogateescape") for part in path.split("/"))


def rewrite(stanza, label, change):
    """Have change(list of entries) alter the entries; all checks of the new manifest are right. It must be in one part."""
    parts = stanza.manifests(label)
    assert len(parts) == 1
    lines = entries(stanza, label)
    header, end = lines[0], lines[-1]
    files = [line for line in lines if "path" in line]
    packs = [line for line in lines if "pack" in line]
    change(files)
    files.sort(key=lambda line: path_order(line["path"]))
    end["end"]["entries"] = len(files)
    payload = b"".join(json.dumps(line).encode() + b"\n" for line in [header, *files, *packs, end])
    repository = json.loads((stanza.repo / "pgcairn.json").read_text().splitlines()[0])["id"]
    key = parts[0].relative_to(stanza.repo)
    head = _HEADER.pack(0x184D2A5C, 56, b"PGCN", 1, 3, 0, 0, 0, 0, len(payload), len(payload))
    head += _hash128(f"{repository}\n{key}".encode())
    mode = parts[0].stat().st_mode & 0o7777
    parts[0].unlink()
    system.write(parts[0], head + _hash128(head + bytes(16) + payload) + payload, mode)
