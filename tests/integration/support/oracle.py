"""Where recovery ends, worked out from PostgreSQL's rules (recoveryStopsBefore, recoveryStopsAfter) over what its own
pg_waldump says is in the WAL. Nothing of pgcairn's is used."""
import dataclasses
import datetime
import re

from . import system

RECORD = re.compile(r"rmgr: (\S+)\s+len .*? tx:\s*(\d+), lsn: (\S+), prev \S+ desc: (\S+)(.*)")
PREPARED = re.compile(r" (\d+): (.*)")
TIME = "%Y-%m-%d %H:%M:%S.%f UTC"


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


@dataclasses.dataclass
class Record:
    timeline: int
    lsn: int
    kind: str = ""  # COMMIT, ABORT, POINT, or nothing that a target looks at
    xid: int = 0
    time: datetime.datetime = None
    name: str = ""


def records(install, folder, timeline, first, last):
    """The records of the segments of one timeline, from first to last, as pg_waldump shows them."""
    done = system.run([install.bin / "pg_waldump", "-p", folder, "-t", timeline, first, last], check=False)
    found = []
    for line in done.stdout.splitlines():
        match = RECORD.match(line)
        if not match:
            continue
        manager, xid, where, word, rest = match.groups()
        record = Record(timeline, lsn(where), xid=int(xid))
        if manager == "Transaction" and word.startswith(("COMMIT", "ABORT")):
            record.kind = word.split("_")[0]
            if word.endswith("_PREPARED"):
                number, rest = PREPARED.match(rest).groups()
                record.xid = int(number)
            record.time = datetime.datetime.strptime(rest.strip().split(";")[0], TIME)
        elif manager == "XLOG" and word == "RESTORE_POINT":
            record.kind, record.name = "POINT", rest.strip()
        found.append(record)
    return found


class Ways:
    """All timelines: which records lie on the way to each."""

    def __init__(self, by_timeline, parents):
        self.by_timeline = by_timeline  # {timeline: [Record]}
        self.parents = parents  # {timeline: (parent, LSN of the switch)}

    def path(self, timeline):
        """[(timeline, LSN at which it is left, or None)], oldest first."""
        spans = [(timeline, None)]
        while spans[0][0] in self.parents:
            spans.insert(0, self.parents[spans[0][0]])
        return spans

    def on(self, timeline):
        """The records on the way to the end of a timeline, in order."""
        start, found = 0, []
        for number, until in self.path(timeline):
            found += [r for r in self.by_timeline[number] if r.lsn >= start and (until is None or r.lsn < until)]
            start = until
        return found

    def descends(self, timeline, backup_timeline, backup_stop):
        """Whether a backup's end lies on the way to a timeline."""
        return any(number == backup_timeline and (until is None or backup_stop <= until)
                   for number, until in self.path(timeline))


def stop(way, redo, kind, value, exclusive):
    """(how many records of the way are replayed, whether the target was met), when recovery begins at redo."""
    for index, record in enumerate(way):
        if record.lsn < redo:
            continue
        ends = record.kind in ("COMMIT", "ABORT")
        if kind == "lsn" and record.lsn >= value:
            return (index if exclusive else index + 1), True
        if kind == "xid" and ends and record.xid == value:
            return (index if exclusive else index + 1), True
        if kind == "time" and ends and (record.time >= value if exclusive else record.time > value):
            return index, True
        if kind == "name" and record.kind == "POINT" and record.name == value:
            return index + 1, True
    return len(way), kind == "default"
