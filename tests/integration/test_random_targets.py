"""Random targets on one long history with two promotions: each recovery ends at the very record where PostgreSQL's
rules say, or the plan refuses it for the right reason.

PGCAIRN_RANDOM_TARGETS says how many (25 without it), PGCAIRN_RANDOM_SEED repeats a run.
"""
import concurrent.futures
import datetime
import os
import random
import re
import time

import pytest

from support import oracle, report, system
from support.cluster import CLIENTS
from support.stanza import Stanza

COUNT = int(os.environ.get("PGCAIRN_RANDOM_TARGETS", "25"))
SEED = os.environ.get("PGCAIRN_RANDOM_SEED") or str(random.SystemRandom().randrange(10**6))
VERSION = 18
MICROSECOND = datetime.timedelta(microseconds=1)

# What the refusal must say, by what the model says is wrong.
REASONS = {
    "unknown timeline": r"timeline \d+ has no history",
    "other branch": r"timeline",
    "early": r"earliest|no backup|before",
    "beyond": r"archive ends|no transaction ended|is in the future",
    "absent": r"not in the archived WAL",
}


class LongHistory:
    """Three timelines in one archive; all but the newest go on for a while after the next one left them."""

    def __init__(self, stanza, rng):
        self.stanza, self.rng = stanza, rng
        self.raw = system.make_dir(stanza.home / "raw")
        self.rows = {}  # {(timeline, xid): [x, ...]}
        self.count = 0
        self.backups = []
        cluster = stanza.cluster
        cluster.rows("CREATE TABLE t (x int); CREATE TABLE filler (s text)")
        self.archives(cluster)
        cluster.restart()
        stanza.create()
        self.live(cluster, 1, 2)
        for timeline in (2, 3):
            cluster.rows(f"SELECT pg_create_restore_point('branch {timeline}')")
            self.write(cluster, timeline - 1, 12)
            cluster.wait_for_archived()
            cluster.stop()
            cluster = stanza.restore(f"timeline{timeline}", "--replace", "--type=name", f"--target=branch {timeline}",
                                     "--target-action=promote")
            self.archives(cluster)
            cluster.must_start().wait_ready()
            stanza.cairn.tables["stanza.main"].update({"pg-path": cluster.data, "pg-port": cluster.port})
            stanza.cairn.save()
            self.live(cluster, timeline, 1)
        cluster.wait_for_archived()
        cluster.stop()
        self.ways = self.read_wal()

    def archives(self, cluster):
        """Archive with pgcairn, and keep a copy of each file for pg_waldump."""
        cluster.configure(archive_command=f"cp %p {self.raw}/%f && {self.stanza.cairn.binary} "
                          f"--config={self.stanza.cairn.config} --stanza=main --pg-path={cluster.data} archive-push %p")

    def live(self, cluster, timeline, backups):
        for _ in range(backups):
            self.write(cluster, timeline, 12)
            self.backups.append(self.stanza.backup())
        self.write(cluster, timeline, 20)

    def write(self, cluster, timeline, transactions):
        """Transactions of all kinds; which rows came with which is kept."""
        script = []
        pending = None

        def insert():
            self.count += 1
            return f"INSERT INTO t VALUES ({self.count}) RETURNING x, pg_current_xact_id();"
        for _ in range(transactions):
            script.append(self.rng.choice([
                insert, insert,
                lambda: f"BEGIN; {insert()} {insert()} COMMIT;",
                lambda: f"BEGIN; {insert()} ROLLBACK;",
                lambda: f"BEGIN; {insert()} SAVEPOINT s; {insert()} COMMIT;",
                lambda: "INSERT INTO filler SELECT repeat(md5(random()::text), 10) FROM generate_series(1, 2000);",
                lambda: f"SELECT pg_create_restore_point('point {self.rng.randrange(20)}') \\g /dev/null",
                lambda: "CHECKPOINT;",
            ])())
            if pending:
                script.append(f"COMMIT PREPARED '{pending}';")
                pending = None
            elif self.rng.random() < 0.15:
                script.append(f"BEGIN; {insert()} PREPARE TRANSACTION 'p{self.count}';")
                pending = f"p{self.count}"
        if pending:
            script.append(f"COMMIT PREPARED '{pending}';")
        path = system.write(self.stanza.home / "write.sql", "\n".join(script))
        done = system.run([CLIENTS / "psql", "-X", "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1",
                           *cluster.connection(), "-f", path])
        for line in done.stdout.split():
            x, xid = map(int, line.split(","))
            self.rows.setdefault((timeline, xid), []).append(x)

    def read_wal(self):
        by_timeline, parents = {}, {}
        for timeline in (1, 2, 3):
            names = sorted(p.name for p in self.raw.glob(f"{timeline:08X}" + "?" * 16))
            by_timeline[timeline] = oracle.records(self.stanza.install, self.raw, timeline, names[0], names[-1])
            if timeline > 1:
                last = (self.raw / f"{timeline:08X}.history").read_text().strip().splitlines()[-1].split()
                parents[timeline] = (int(last[0]), oracle.lsn(last[1]))
        return oracle.Ways(by_timeline, parents)

    def contents(self, records):
        """The rows that are visible once these records are replayed."""
        return sorted(x for r in records if r.kind == "COMMIT" for x in self.rows.get((r.timeline, r.xid), ()))


class Target:
    def __init__(self, history, rng):
        everything = [r for records in history.ways.by_timeline.values() for r in records]
        ends = [r for r in everything if r.kind in ("COMMIT", "ABORT")]
        self.kind = rng.choice(["time", "lsn", "xid", "name", "default"])
        self.timeline = rng.choice([None, None, None, "latest", "current", 1, 1, 2, 3, rng.choice([3, 4])])
        self.exclusive = self.kind in ("time", "lsn", "xid") and rng.random() < 0.4
        self.value = None
        if self.kind == "lsn":
            first, last = min(r.lsn for r in everything), max(r.lsn for r in everything)
            self.value = rng.choice([rng.choice(everything).lsn, rng.choice(ends).lsn, rng.choice(ends).lsn + 1,
                                     rng.randrange(first, last + (1 << 20))])
        if self.kind == "xid":
            self.value = rng.choice([*[rng.choice(ends).xid for _ in range(8)], rng.randrange(3, 2000)])
        if self.kind == "time":
            first, last = min(r.time for r in ends), max(r.time for r in ends)
            self.value = rng.choice([rng.choice(ends).time + MICROSECOND * rng.choice([-1, 0, 0, 1]),
                                     first + (last - first) * (rng.random() * 1.1)])
        if self.kind == "name":
            self.value = rng.choice([*[r.name for r in everything if r.kind == "POINT"], "no such point"])

    def arguments(self):
        shown = {"lsn": oracle.lsn_text, "time": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f+00")}.get(self.kind, str)
        return [f"--type={self.kind}",
                *([f"--target={shown(self.value)}"] if self.value is not None else []),
                *(["--target-exclusive"] if self.exclusive else []),
                *(["--target-action=pause"] if self.value is not None else []),
                *([f"--target-timeline={self.timeline}"] if self.timeline else [])]


class Model:
    """What PostgreSQL would do with a target, from each backup."""

    def __init__(self, history, target):
        self.history, self.target = history, target

    def timeline_from(self, backup):
        """The timeline that recovery goes to from a backup, None when it cannot."""
        ways, wanted = self.history.ways, self.target.timeline
        own, end = backup["timeline"], oracle.lsn(backup["stop-lsn"])
        if isinstance(wanted, int):
            return wanted if wanted in ways.by_timeline and ways.descends(wanted, own, end) else None
        newest = max(ways.by_timeline)  # the branch comes before the backup
        if not ways.descends(newest, own, end):
            return None
        return own if wanted == "current" else newest

    def ends(self, backup):
        """(the records of the way, how many are replayed), None when the target is not met or comes too early."""
        timeline = self.timeline_from(backup)
        if timeline is None:
            return None
        way = self.history.ways.on(timeline)
        end = oracle.lsn(backup["stop-lsn"])
        count, met = oracle.stop(way, oracle.lsn(backup["start-lsn"]), self.target.kind, self.target.value,
                                 self.target.exclusive)
        consistent = sum(1 for r in way if r.lsn < end)
        return (way, count) if met and count >= consistent else None

    def after_target(self, backup):
        """Whether pgcairn must pass a backup over that ended after the target."""
        if self.target.kind == "time":
            stop_time = datetime.datetime.fromisoformat(backup["stop-time"].replace("Z", "+00:00")).replace(tzinfo=None)
            return stop_time > self.target.value
        return self.target.kind == "lsn" and oracle.lsn(backup["stop-lsn"]) > self.target.value

    def fitting(self):
        return [b for b in self.history.backups if not self.after_target(b) and self.ends(b)]

    def reason(self):
        """Why nothing fits."""
        reachable = [b for b in self.history.backups if self.timeline_from(b)]
        if not reachable:
            return "unknown timeline" if self.target.timeline not in self.history.ways.by_timeline else "other branch"
        if all(self.after_target(b) for b in reachable):
            return "early"
        return "absent" if self.target.kind in ("xid", "name") else "beyond"


def try_target(history, number):
    """Restore to one random target. Returns (what happened, what is wrong with it or None)."""
    target = Target(history, random.Random(f"{SEED}/{number}"))
    model = Model(history, target)
    fitting = model.fitting()
    folder = history.stanza.home / f"r{number}"
    planned = history.stanza.try_restore(folder, *target.arguments(), "--dry-run", "--output=json")
    if planned.code != 0:
        if fitting:
            return "wrong", f"refused, though {fitting[-1]['label']} leads there: {planned.err}"
        reason = model.reason()
        if planned.code != 10 or not re.search(REASONS[reason], planned.err):
            return "wrong", f"refused for another reason than \"{reason}\": {planned}"
        return f"refused: {reason}", None if not folder.exists() else f"the refusal left {folder}"
    plan = planned.json["restore"]
    if not fitting:
        return "wrong", f"planned, though it cannot work ({model.reason()}): {planned.out}"
    backup = next(b for b in history.backups if b["label"] == plan["backup"]["label"])
    if backup is not fitting[-1]:
        return "wrong", f"takes {backup['label']}, though {fitting[-1]['label']} is newer"
    path = [span["timeline"] for span in plan["path"]]
    if path[-1] != model.timeline_from(backup):
        return "wrong", f"goes by {path}, not to timeline {model.timeline_from(backup)}"

    way, count = model.ends(backup)
    restored = history.stanza.restore(f"r{number}", *target.arguments())
    try:
        wrong = ended_where(restored, target, way, count, history.contents(way[:count]))
    finally:
        restored.stop("immediate")
        history.stanza.clusters.remove(restored)
        system.remove_tree(restored.data)
    return f"reached: {target.kind}", wrong


def ended_where(restored, target, way, count, expected):
    """What is wrong with where a recovery ended, None when nothing is."""
    restored.must_start()
    if target.value is None:
        restored.wait_ready()
        where = None
    else:
        state = "SELECT pg_get_wal_replay_pause_state()"
        system.wait_until(lambda: restored.answers(state) == "paused" or not restored.pid(), what="the pause")
        if not restored.pid():
            return f"the server ended:\n{restored.log_text()[-1500:]}"
        where = oracle.lsn(restored.sql("SELECT pg_last_wal_replay_lsn()"))
    if where is not None and not (way[count - 1].lsn < where and (count == len(way) or where <= way[count].lsn)):
        return (f"replayed to {oracle.lsn_text(where)}, not to after {way[count - 1]} and before"
                f" {way[count] if count < len(way) else 'the end'}:\n{restored.log_text()[-1500:]}")
    rows = [int(row[0]) for row in restored.rows("SELECT x FROM t ORDER BY x")]
    if rows != expected:
        return f"rows {sorted(set(rows) ^ set(expected))} differ:\n{restored.log_text()[-1500:]}"
    return None


@pytest.fixture(scope="module")
def history(root, installations, binary, sockets):
    folder = system.make_dir(root / "random", 0o755)
    stanza = Stanza(folder, installations[VERSION], binary, sockets=sockets, segment_mib=1, max_wal_size="20MB",
                    min_wal_size="2MB", max_prepared_transactions=5, autovacuum=False, shared_buffers="16MB",
                    archive_timeout=0)
    yield LongHistory(stanza, random.Random(SEED))
    stanza.close()


@pytest.mark.slow
def test_random_targets(history):
    print(f"seed {SEED}")
    started = time.monotonic()
    kinds, wrong = {}, []

    def one(number):
        try:
            what, fault = try_target(history, number)
        except Exception as error:  # pylint: disable=broad-except
            what, fault = "wrong", str(error)
        arguments = " ".join(Target(history, random.Random(f"{SEED}/{number}")).arguments())
        return what, f"target {number} ({arguments}): {fault}" if fault else None
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for what, fault in pool.map(one, range(COUNT)):
            kinds[what] = kinds.get(what, 0) + 1
            if fault:
                wrong.append(fault)
    told = ", ".join(f"{count} {what}" for what, count in sorted(kinds.items()))
    report.line(f"pg{VERSION}: {COUNT} random targets, seed {SEED}, in {time.monotonic() - started:.0f} s: {told}")
    assert not wrong, f"seed {SEED}: {len(wrong)} of {COUNT}\n" + "\n".join(wrong)
