#!/usr/bin/python3
"""Reads pgcairn repositories, written from pgcairn-repository(5) alone: it proves that the page is enough.

    pgcairn_reader.py ls REPO [STANZA]             stanzas, clusters, backups, WAL, records, lease
    pgcairn_reader.py cat REPO STANZA LABEL PATH   a file of a backup, to standard output
    pgcairn_reader.py wal REPO STANZA CLUSTER FILE a WAL or history file, to standard output
    pgcairn_reader.py check REPO STANZA LABEL      every frame, hash, map and count of a backup

Only directories. What opens a key slot of a sealed repository is in the environment: READER_PASSPHRASE, or READER_KEY, 64
hexadecimal digits. Needs python3-zstandard, python3-lz4, python3-xxhash, python3-cryptography.
"""

import hashlib
import hmac
import json
import os
import re
import struct
import sys
import zlib

import lz4.frame
import xxhash
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KIB, MIB = 1 << 10, 1 << 20
DATA, INDEX, MANIFEST, WAL, DOCUMENT = 1, 2, 3, 4, 5
PAGE = 8192
# Of each kind: most bytes of payload decompressed, and of about.
LIMITS = {DATA: (256 * KIB, 64 * KIB), INDEX: (0, 8 * MIB), MANIFEST: (8 * MIB, 0), WAL: (4 * MIB, 64 * KIB),
          DOCUMENT: (64 * MIB, 0)}
FOOTER = struct.Struct("<II4sIQQ")
HEADER = struct.Struct("<II4sBBBBIIII16s16s")
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class Damage(Exception):
    """The repository is not what the man page says."""


def need(condition, *what):
    if not condition:
        raise Damage(" ".join(str(part) for part in what))


def count(value, *what):
    """A JSON number that counts something."""
    need(type(value) is int and 0 <= value < 1 << 64, "no count:", *what)
    return value


def member(document, name, kind, where):
    need(type(document) is dict and type(document.get(name)) is kind, where, "has no", name)
    return document[name]


def unescape(text, where):
    """The bytes of a file name."""
    need(isinstance(text, str), where, "has a name that is no string")
    need(not re.search("%(?![0-9A-F]{2})", text), where, "has a wrong escape:", ascii(text))
    raw = text.encode("utf-8", "surrogatepass")
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes.fromhex(m[1].decode()), raw)


def parse(line, where):
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damage(where, "is no JSON:", error) from error
    need(isinstance(value, dict), where, "is no JSON object")
    return value


def decompress(codec, stored, size, where):
    """Exactly one compressed stream, of exactly size bytes when decompressed."""
    try:
        if codec == 0:
            need(len(stored) == size, where, "is not as long as it says")
            return stored
        if codec == 1:
            stream = zstandard.ZstdDecompressor().decompressobj()
            out = stream.decompress(stored)
        elif codec == 2:
            stream = lz4.frame.LZ4FrameDecompressor()
            out = stream.decompress(stored, max_length=size + 1)
        else:
            need(codec == 3, where, "has an unknown codec", codec)
            stream = zlib.decompressobj(31)
            out = stream.decompress(stored, size + 1)
    except (zstandard.ZstdError, RuntimeError, zlib.error) as error:
        raise Damage(where, "does not decompress:", error) from error
    need(stream.eof and not stream.unused_data and len(out) == size, where, "is not the stream it says")
    return out


def hkdf(key, salt, info):
    """32 bytes by HKDF-SHA256."""
    extracted = hmac.digest(salt, key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def hexadecimal(text, size, where):
    need(isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text), where, "has wrong digits")
    return bytes.fromhex(text)


class Frame:
    """The frame of an object that begins at start; end is where the next one begins. `binding` is what a sealed one has to have,
    where that is known."""

    def __init__(self, repo, key, data, start, kind, number, binding=None):
        where = self.where = f"{key}: frame {number} at {start}"
        need(0 <= start and len(data) - start >= 64, where, "is cut off")
        header = bytes(data[start:start + 64])
        (magic, skip, name, version, got_kind, codec, seal, got_number, about, stored, size, self.binding,
         check) = HEADER.unpack(header)
        need(magic == 0x184D2A5C and name == b"PGCN" and version == 1, where, "is no frame of version 1")
        need(seal == (1 if repo.data_key else 0), where, "is sealed and the repository not, or the other way round")
        need(got_kind == kind, where, "is of kind", got_kind, "not", kind)
        need(got_number == number, where, "has the number", got_number)
        most_size, most_about = LIMITS[kind]
        need(size <= most_size and about <= most_about and skip == 56 + about, where, "has impossible sizes")
        need(len(data) - start >= 64 + about + stored, where, "is cut off")
        self.end = start + 64 + about + stored
        body = bytes(data[start + 64:self.end])
        if repo.data_key:
            need(binding in (None, self.binding), where, "is of another object")
            cipher = AESGCM(hkdf(repo.data_key, self.binding, b"pgcairn object 1"))
            try:
                body = cipher.decrypt(struct.pack("<I8x", number), body + check, header[:48] + repo.place(key))
            except InvalidTag as error:
                raise Damage(where, "has a broken seal") from error
        else:
            need(self.binding == xxhash.xxh3_128_digest(repo.place(key)), where, "belongs elsewhere")
            need(check == xxhash.xxh3_128_digest(header[:48] + bytes(16) + body), where, "fails its check")
        self.about = body[:about]
        self.payload = decompress(codec, body[about:], size, where)


class Repo:
    def __init__(self, root, passphrase=None, key=None):
        self.root, self.id, self.data_key = root, "", None
        document = self.document("pgcairn.json")
        need(document.get("format") == 1, "pgcairn.json: not a repository of format 1")
        self.id = member(document, "id", str, "pgcairn.json")
        need(re.fullmatch("[0-9a-f]{32}", self.id), "pgcairn.json: wrong id")
        if member(document, "sealed", bool, "pgcairn.json"):
            self.data_key = self.unlock(passphrase, key)

    def unlock(self, passphrase, key):
        """The data key, out of the slot that the secret opens."""
        for name in self.names("key"):
            where = f"key/{name}"
            slot = self.document(where)
            kind, salt = member(slot, "kind", str, where), hexadecimal(slot.get("salt"), 16, where)
            if kind == "passphrase" and passphrase is not None:
                cost = member(slot, "scrypt", dict, where)
                need(128 * count(cost.get("n"), where) * count(cost.get("r"), where) <= 1 << 30, where, "costs too much")
                secret = hashlib.scrypt(passphrase, salt=salt, n=cost["n"], r=cost["r"], p=count(cost.get("p"), where), dklen=32,
                                        maxmem=(1 << 31) - 1)
            elif kind in ("file", "command") and key is not None:
                secret = key
            else:
                continue
            cipher = AESGCM(hkdf(secret, salt, b"pgcairn key slot 1"))
            try:
                return cipher.decrypt(bytes(12), hexadecimal(slot.get("wrapped"), 48, where), self.place(where) + b"\n" + kind.encode())
            except InvalidTag:
                pass
        raise Damage("the secret opens no key slot")

    def place(self, key):
        return f"{self.id}\n{key}".encode()

    def get(self, key):
        need(KEY.fullmatch(key), ascii(key), "is no key")
        try:
            with open(os.path.join(self.root, key), "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            raise Damage(key, "is missing") from error

    def names(self, prefix):
        """What is directly below a prefix, sorted; nothing where there is nothing."""
        try:
            return sorted(name for name in os.listdir(os.path.join(self.root, prefix)) if name[0] != ".")
        except FileNotFoundError:
            return []

    def document(self, key):
        data = self.get(key)
        if self.data_key:
            frame = Frame(self, key, data, 0, DOCUMENT, 0)
            need(frame.end == len(data) and not frame.about, key, "is more than a document")
            return parse(frame.payload, key)
        lines = data.split(b"\n")
        need(len(data) <= 64 * MIB and len(lines) == 3 and lines[2] == b"", key, "is not two lines")
        check = parse(lines[1], key).get("check")
        need(check == xxhash.xxh3_128_hexdigest(self.place(key) + b"\n" + lines[0]), key, "fails its check")
        return parse(lines[0], key)

    def wal(self, stanza, cluster, file):
        folder = "" if file.endswith(".history") else file[:16] + "/"
        key = f"{stanza}/wal/{cluster}/{folder}{file}"
        data, content, start, number, about, binding = self.get(key), [], 0, 0, {}, None
        while start < len(data) or number == 0:
            frame = Frame(self, key, data, start, WAL, number, binding)
            binding = frame.binding
            need(number == 0 or not frame.about, key, "has more than one about")
            about = parse(frame.about, key) if number == 0 else about
            content.append(frame.payload)
            start, number = frame.end, number + 1
        content = b"".join(content)
        need(about.get("file") == file, key, "is of another file:", about.get("file"))
        need(about.get("cluster") == cluster, key, "is of another cluster:", about.get("cluster"))
        need(about.get("size") == len(content), key, "is not as long as it says")
        return content


class Pack:
    """A pack, opened by its footer and index; frames are read when they are asked for."""

    def __init__(self, repo, stanza, label, number, seal):
        self.repo, self.seal, self.key = repo, seal, f"{stanza}/data/{label}/pack/{number:08}"
        self.data = repo.get(self.key)
        size = len(self.data)
        need(64 + 32 <= size <= 64 * MIB, self.key, "has an impossible size")
        magic, skip, name, frames, offset, check = FOOTER.unpack(self.data[-32:])
        need(magic == 0x184D2A5D and skip == 24 and name == b"PGCE", self.key, "has no footer")
        need(check == xxhash.xxh3_64_intdigest(self.data[-32:-8]), self.key, "has a damaged footer")
        need(frames <= 16384 and offset <= size - 32 - 64, self.key, "has an impossible footer")
        index = Frame(repo, self.key, self.data, offset, INDEX, frames, seal)
        need(index.end == size - 32, self.key, "has an index that does not end at the footer")
        self.index_at, about = (offset, index.end - offset), index.about
        need(len(about) >= 4 + 8 * frames and struct.unpack_from("<I", about) == (frames,), self.key,
             "has an index of another count")
        pairs = struct.unpack_from(f"<{2 * frames}I", about, 4)
        self.starts, self.sizes, self.hashes, start, place = [], pairs[1::2], [], 0, 4 + 8 * frames
        for stored, plain in zip(pairs[0::2], self.sizes):
            self.starts.append(start)
            pages = -(-plain // PAGE)
            need(len(about) >= place + 8 * pages, self.key, "has an index that is cut off")
            self.hashes.append(struct.unpack_from(f"<{pages}Q", about, place))
            start, place = start + stored, place + 8 * pages
        need(start == offset and place == len(about), self.key, "has an index that does not add up")
        self.starts.append(start)
        self.last = None, b""

    def frame(self, number):
        need(number < len(self.sizes), self.key, "has no frame", number)
        if self.last[0] == number:
            return self.last[1]
        frame = Frame(self.repo, self.key, self.data, self.starts[number], DATA, number, self.seal)
        payload = frame.payload
        need(frame.end == self.starts[number + 1] and len(payload) == self.sizes[number], frame.where,
             "is not as long as its index says")
        hashes = tuple(xxhash.xxh3_64_intdigest(payload[at:at + PAGE]) for at in range(0, len(payload), PAGE))
        need(hashes == self.hashes[number], frame.where, "has other hashes than its index says")
        self.check_pieces(frame)
        self.last = number, payload
        return payload

    @staticmethod
    def check_pieces(frame):
        about, place, covered = frame.about, 0, 0

        def varint():
            nonlocal place
            value = shift = 0
            while True:
                need(place < len(about) and shift < 64, frame.where, "has a wrong about part")
                byte = about[place]
                place, value, shift = place + 1, value | (byte & 127) << shift, shift + 7
                if byte < 128:
                    return value

        while place < len(about):
            length = varint()
            need(0 < length <= 4096, frame.where, "has a wrong path")
            place += length
            for _ in range(varint()):
                varint()  # the offset
                covered += varint()
        need(covered == len(frame.payload), frame.where, "tells of other pieces than it has")


class Backup:
    def __init__(self, repo, stanza, label):
        self.repo, self.stanza, self.label, self.packs = repo, stanza, label, {}
        key = f"{stanza}/backup/{label}.json"
        self.marker = repo.document(key)
        need(self.marker.get("format") == 1, key, "is not of format 1")
        need(self.marker.get("label") == label, key, "is of another backup")
        self.where = f"{stanza}/data/{label}/manifest"
        self.entries, self.pack_lines, end, last = {}, {}, None, ()
        for number, line in enumerate(self.lines(count(self.marker.get("manifest-parts"), key))):
            where = f"{self.where}: line {number + 1}"
            value = parse(line, where)
            need(end is None, where, "follows the end")
            if number == 0:
                self.read_header(value, where)
            elif "path" in value:
                need(not self.pack_lines, where, "follows the packs")
                path = unescape(value["path"], where)
                need(0 < len(path) <= 4096 and b"\0" not in path, where, "has an impossible path")
                need(not {b"", b".", b".."} & set(path.removeprefix(b"/").split(b"/")), where, "has a path that leads astray")
                order = (path == b"global/pg_control", path.split(b"/"))
                need(not last or last < order, where, "is out of order")
                self.entries[path], last = value, order
            elif "pack" in value:
                pack = tuple(count(n, where) for n in member(value, "pack", list, where))
                need(len(pack) == 2 and pack[0] < len(self.refs), where, "names no pack")
                need(not self.pack_lines or next(reversed(self.pack_lines)) < pack, where, "is out of order")
                self.pack_lines[pack] = value
            else:
                end = member(value, "end", dict, where)
        need(end is not None, self.where, "has no end")
        need(end.get("entries") == len(self.entries) and end.get("packs") == len(self.pack_lines), self.where,
             "is incomplete")

    def lines(self, parts):
        number, seals = 0, [None] * parts
        if self.repo.data_key:
            seals = [hexadecimal(seal, 16, "marker") for seal in member(self.marker, "manifest-seals", list, "marker")]
            need(len(seals) == parts, "marker: another number of seals than of parts")
        for part in range(parts):
            key = f"{self.where}/{part:08}"
            data, start = self.repo.get(key), 0
            need(0 < len(data) <= 16 * MIB, key, "has an impossible size")
            while start < len(data):
                frame = Frame(self.repo, key, data, start, MANIFEST, number, seals[part])
                need(frame.payload.endswith(b"\n"), key, "frame", number, "is not whole lines")
                yield from frame.payload[:-1].split(b"\n")
                start, number = frame.end, number + 1

    def read_header(self, value, where):
        need(value.get("manifest") == 1 and value.get("page-bytes") == PAGE, where, "is of an unknown version")
        need(value.get("label") == self.label, where, "is of another backup")
        self.refs = [(member(ref, "backup", str, where), count(ref.get("frame-bytes"), where))
                     for ref in member(value, "refs", list, where)]
        need(self.refs and self.refs[0][0] == self.label, where, "does not name itself first")
        for label, frame_bytes in self.refs:
            need(64 * KIB <= frame_bytes <= 256 * KIB and frame_bytes % PAGE == 0, where, "has wrong frame-bytes")

    def pack(self, ref, number):
        if (ref, number) not in self.packs:
            need((ref, number) in self.pack_lines, self.where, "does not list pack", ref, number)
            line = self.pack_lines[ref, number]
            seal = hexadecimal(line.get("seal"), 16, self.where) if self.repo.data_key else None
            pack = Pack(self.repo, self.stanza, self.refs[ref][0], number, seal)
            need((line.get("size"), line.get("index")) == (len(pack.data), list(pack.index_at)), pack.key,
                 "is not as the manifest says")
            self.packs = dict([*self.packs.items()][-3:]) | {(ref, number): pack}  # few: they are large
        return self.packs[ref, number]

    def extents(self, path):
        """The map of a file: length, ref, pack, frame, offset of each extent."""
        entry, where = self.entries[path], f"{self.where}: {ascii(path)}"
        need("type" not in entry, where, "is no file")
        flat = entry.get("map", [])
        need(isinstance(flat, list) and len(flat) % 5 == 0, where, "has a wrong map")
        extents = [tuple(count(n, where) for n in flat[at:at + 5]) for at in range(0, len(flat), 5)]
        need(sum(extent[0] for extent in extents) == count(entry.get("size"), where), where, "is not all mapped")
        need(all(length > 0 and ref < len(self.refs) for length, ref, *_ in extents), where, "has a wrong map")
        return extents

    def content(self, path):
        """The content of a file, piece by piece; damage may show up after some of it."""
        entry, where, whole = self.entries[path], f"{self.where}: {ascii(path)}", xxhash.xxh3_128()
        for length, ref, number, frame, offset in self.extents(path):
            while length > 0:
                payload = self.pack(ref, number).frame(frame)
                piece = payload[offset:offset + length]
                need(piece, where, "is mapped to where there is nothing")
                need(not entry.get("pages") or offset % PAGE == 0, where, "has pages at an odd offset")
                need(offset < self.refs[ref][1], where, "begins outside of a frame")
                whole.update(piece)
                yield piece
                length -= len(piece)
                need(length == 0 or len(payload) == self.refs[ref][1], where, "runs over a short frame")
                frame, offset = frame + 1, 0
        need(entry.get("hash", whole.hexdigest()) == whole.hexdigest(), where, "has another hash")

    def check(self):
        self.check_tree()
        files = [path for path, entry in self.entries.items() if "type" not in entry]
        used = {extent[1:3] for path in files for extent in self.extents(path)}
        size = sum(len(piece) for path in files for piece in self.content(path))
        need(used == set(self.pack_lines), self.where, "lists other packs than its maps name")
        frames = 0
        for pack in map(self.pack, *zip(*self.pack_lines)) if self.pack_lines else []:
            frames += len([pack.frame(frame) for frame in range(len(pack.sizes))])
        listed = set()
        for span in member(self.marker, "packs", list, "marker"):
            first, last = count(span.get("first")), count(span.get("last"))
            need(first <= last < 10 ** 8, "marker: wrong range of packs")
            listed |= {(span.get("backup"), number) for number in range(first, last + 1)}
        need(listed == {(self.refs[ref][0], number) for ref, number in used}, "marker: names other packs")
        need(self.marker.get("files") == len(files) and self.marker.get("cluster-bytes") == size, "marker: wrong sums")
        outside = len([path for path in files if path.startswith(b"/")])
        need(self.marker.get("outside", {"files": 0}).get("files") == outside, "marker: wrong count of files from outside")
        return f"{len(files)} files, {size} bytes, {len(used)} packs, {frames} frames"

    def check_tree(self):
        for path, entry in self.entries.items():
            where, kind = f"{self.where}: {ascii(path)}", entry.get("type")
            need(kind in (None, "dir", "link"), where, "is of an unknown type")
            if kind == "link":
                need(unescape(entry.get("target"), where), where, "has no target")
            if "link" in entry:
                need(kind != "link" and unescape(entry["link"], where), where, "is a link and has another")
            parent = os.path.dirname(path)
            above = self.entries.get(parent, {}).get("type") if parent not in (b"", b"/") else "dir"
            space = above == "link" and os.path.dirname(parent) == b"pg_tblspc"
            need(above == "dir" or space, where, "stands in no directory")


def ls(repo, stanza=None):
    for name in [stanza] if stanza else repo.names("cluster"):
        print("stanza", name)
        for file in repo.names(f"cluster/{name}"):
            document = repo.document(f"cluster/{name}/{file}")
            print("  cluster", file.removesuffix(".json"), "PostgreSQL", document.get("pg-version"))
        for file in repo.names(f"{name}/backup"):
            label = file.removesuffix(".json")
            marker = repo.document(f"{name}/backup/{file}")
            need(marker.get("label") == label, file, "is of another backup")
            print("  backup", label, marker.get("type"), marker.get("start-time"), marker.get("cluster-bytes"))
        for cluster in repo.names(f"{name}/wal"):
            for entry in repo.names(f"{name}/wal/{cluster}"):
                log = [] if entry.endswith(".history") else repo.names(f"{name}/wal/{cluster}/{entry}")
                print("\n".join(f"  wal {cluster} {file}" for file in log or [entry]))
        for file in repo.names(f"record/{name}"):
            record = repo.document(f"record/{name}/{file}")
            kind = member(record, "kind", str, file)
            need(re.fullmatch(f"[0-9]{{8}}-[0-9]{{6}}-{kind}-[0-9a-f]{{8}}[.]json", file), file, "is no name of a", kind)
            print("  record", file.removesuffix(".json"), record.get("backup", ""), *record.get("damaged", []))
        for file in repo.names(f"lease/{name}")[-1:]:
            lease = repo.document(f"lease/{name}/{file}")
            done = [count(lease[part], file, part) for part in ("done-bytes", "total-bytes") if part in lease]
            print("  lease", member(lease, "state", str, file), member(lease, "operation", str, file),
                  lease.get("since"), lease.get("time"), *done)


def opened(root):
    """The repository, unlocked with what the environment tells."""
    passphrase, key = os.environ.get("READER_PASSPHRASE"), os.environ.get("READER_KEY")
    return Repo(root, os.fsencode(passphrase) if passphrase else None, bytes.fromhex(key) if key else None)


def main(arguments):
    verb, *rest = arguments or [""]
    try:
        if verb == "ls" and 1 <= len(rest) <= 2:
            ls(opened(rest[0]), *rest[1:])
        elif verb == "cat" and len(rest) == 4:
            backup, path = Backup(opened(rest[0]), rest[1], rest[2]), os.fsencode(rest[3])
            need(path in backup.entries, ascii(path), "is not in the backup")
            for piece in backup.content(path):
                sys.stdout.buffer.write(piece)
        elif verb == "wal" and len(rest) == 4:
            sys.stdout.buffer.write(opened(rest[0]).wal(*rest[1:]))
        elif verb == "check" and len(rest) == 3:
            print("good:", Backup(opened(rest[0]), rest[1], rest[2]).check())
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (Damage, OSError) as error:
        print("error:", *error.args, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
