"""The randomized differential test: backups of random types, taken while a storm of DDL and DML goes on, each restored to its end
and compared with what WAL alone makes of the first full backup.

One seed on two versions by default. $PGCAIRN_STORM_SEEDS has others, such as "7" or "1-20" or "3,5,8", and all VERSIONS are
stormed; `-k pg17` chooses one. Each prints its seed. A seed repeats what each session does, not how that falls between the
backups."""
import os
import random
import time

import pytest

from support import system, truth
from support.storm import LIMITS, Storm

SEEDS = os.environ.get("PGCAIRN_STORM_SEEDS")
VERSIONS = (13, 15, 17, 18, 19) if SEEDS else (15, 18)
BACKUPS = 4  # after the first one


def seeds():
    chosen = []
    for part in (SEEDS or "1").split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    return chosen


def storm_settings(version):
    settings = {"max_wal_size": "1GB", "checkpoint_timeout": "30s", "autovacuum_naptime": 1, "max_connections": 60,
                "max_prepared_transactions": 20}
    if version >= 17:
        settings["summarize_wal"] = True
    return settings


def taken(stanza, *args, type="full"):
    """A backup; None when it was refused, twice in a row, because of databases that were copied or moved while it ran."""
    result = stanza.cairn.run("backup", f"--type={type}", "--start-fast", "--output=json", *args)
    if result.code == 1 and "copying files while the backup" in " ".join(result.err.split()):
        return None
    assert result.code == 0, result
    assert "do not say so" not in result.err and "missed a change" not in result.err, result
    return result.json["backup"]


@pytest.mark.slow
@pytest.mark.parametrize("postgres", VERSIONS, indirect=True, ids=lambda version: f"pg{version}")
@pytest.mark.parametrize("seed", seeds())
def test_every_backup_of_a_storm_is_what_wal_says(make_stanza, postgres, seed):
    chance = random.Random(seed)
    stanza = make_stanza(postgres.version, **storm_settings(postgres.version)).create()
    storm = Storm(stanza.cluster, seed).prepare()
    full = None
    backups, happened = [], []
    with storm:
        while full is None:
            full = taken(stanza)
        for _ in range(BACKUPS):
            time.sleep(chance.uniform(0.5, 2.5))
            happened.append(storm.administer(chance))
            more = ["--delta"] if chance.random() < 0.1 else []
            backup = taken(stanza, *more, type=chance.choice(("incr", "incr", "incr", "diff", "diff", "full")))
            happened += ["refused"] if backup is None else []
            backups += [backup] if backup is not None else []
    assert backups, happened
    print(f"seed {seed}, PostgreSQL {postgres.version}: {storm.done} statements, {len(storm.failed)} failed;",
          ", ".join(happened) + ";",
          ", ".join(f"{b['type']} by {b['method']}, read {b['read-bytes'] >> 20} of {b['cluster-bytes'] >> 20} MiB,"
                    f" stored {b['stored-bytes'] >> 20}" for b in backups))
    assert len(storm.failed) < 0.2 * storm.done, storm.failed[:20]
    stanza.cluster.wait_for_archived()
    stanza.cluster.stop()

    replay = truth.Replay(stanza, full["label"], **{name: max(values) for name, values in LIMITS.items()})
    for number, backup in enumerate(backups):
        where = f"seed {seed}, backup {number + 1}: {backup['label']}"
        expected = replay.at(backup["stop-lsn"])
        restored = truth.restored_to_its_end(stanza, backup, f"r{number}")
        wrong = truth.different(expected, truth.contents(restored))
        assert not wrong, (where, wrong)
        truth.check_whole(restored)
        system.remove_tree(restored.data)
        print("good:", where)
