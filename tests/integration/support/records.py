"""Records of a stanza (pgcairn-repository(5), RECORDS), written as another run would have written them."""
import datetime
import json
import secrets

import xxhash

from . import system


def add(stanza, kind, days_ago=0, **content):
    """Put a record below the stanza's repository; return its name."""
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days_ago)
    name = f"{when:%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(4)}"
    key = f"record/{stanza.name}/{name}.json"
    said = {"kind": kind, "time": f"{when:%Y-%m-%dT%H:%M:%SZ}", "host": "elsewhere"} | content
    path = stanza.repo / key
    for folder in (path.parent.parent, path.parent):
        if not folder.exists():
            system.make_dir(folder, 0o750)
    system.write(path, document(stanza, key, said))
    return name


def document(stanza, key, content):
    """The text of a document (pgcairn-repository(5), DOCUMENTS) below this key."""
    line = json.dumps(content, separators=(",", ":"))
    identity = json.loads((stanza.repo / "pgcairn.json").read_text().splitlines()[0])["id"]
    check = xxhash.xxh3_128_hexdigest(f"{identity}\n{key}\n{line}".encode())
    return f"{line}\n{json.dumps({'check': check}, separators=(',', ':'))}\n"


def set_stop_time(stanza, label, when):
    """Let a listed backup have ended at this time."""
    key = f"{stanza.name}/backup/{label}.json"
    path = stanza.repo / key
    marker = json.loads(path.read_text().splitlines()[0])
    mode = path.stat().st_mode & 0o7777
    path.unlink()
    system.write(path, document(stanza, key, marker | {"stop-time": when}), mode)


def verify(stanza, labels, damaged=(), days_ago=0):
    damages = [f"main/data/{label}/pack/00000000 at 17: made up" for label in damaged]
    return add(stanza, "verify", days_ago, level="full", all=True, backups=list(labels), damaged=list(damaged),
               damages=damages, **{"damage-count": len(damages), "bytes-read": 1000, "seconds": 1.5})


def drill(stanza, label, good=True, days_ago=0):
    return add(stanza, "drill", days_ago, backup=label, good=good, findings=[] if good else ["an <index> is out of step"],
               **{"restore-seconds": 2.5, "recovery-seconds": 1.0, "wal-bytes": 1 << 24})
