"""The randomized differential test: backups of random types, taken while a storm of DDL and DML goes on, each restored to its end
and compared with what WAL alone makes of the first full backup. Between backups the cluster is promoted, crashes, gets other
limits, and goes back to what it was: its volumes to a snapshot, or all of it to a backup, in a new timeline or in the old one.

One seed on two versions by default. $PGCAIRN_STORM_SEEDS has others, such as "7" or "1-20" or "3,5,8", and all VERSIONS are
stormed; `-k pg17` chooses one. Each prints its seed. A seed repeats what each session does, not how that falls between the
backups."""
import os
import random

import pytest

from support import system, truth
from support.administrator import LIMITS, Administrator
from support.storm import Storm

SEEDS = os.environ.get("PGCAIRN_STORM_SEEDS")
VERSIONS = (13, 14, 15, 16, 17, 18, 19) if SEEDS else (15, 18)
BACKUPS = 5  # after the first one
OTHER_LIFE = "is not this cluster's: another life of it archived its own under the same name"


def seeds():
    chosen = []
    for part in (SEEDS or "1").split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    return chosen


def storm_settings(version):
    settings = {"max_wal_size": "1GB", "checkpoint_timeout": "30s", "autovacuum": True, "autovacuum_naptime": 1,
                "bgwriter_lru_maxpages": 100, "max_connections": 60, "max_prepared_transactions": 20}
    if version >= 17:
        settings["summarize_wal"] = True
    return settings


def taken(stanza, *args, type="full", other_life=False):
    """(a backup, ""), or (None, why it was refused): databases that were copied or moved, or a tablespace that went while it ran,
    twice in a row; or, where that can be, the WAL that another life of the cluster has in the archive."""
    result = stanza.cairn.run("backup", f"--type={type}", "--start-fast", "--output=json", *args)
    said = " ".join(result.err.split())
    if result.code == 1 and "copying files while the backup" in said:
        return None, "refused: databases"
    dropped = "the server does not know such a tablespace" in said or "was dropped before it was copied" in said
    if result.code == 1 and dropped and "begins again" in said:
        return None, "refused: tablespaces"
    if other_life and result.code == 1 and OTHER_LIFE in said:
        return None, OTHER_LIFE
    assert result.code == 0 or (result.code == 3 and "on a branch that was left" in said), str(result)
    assert "do not say so" not in said and "missed a change" not in said, str(result)
    return result.json["backup"], ""


def stormed(stanza, storm, chance, happened):
    """The first full backup, and [(life, backup)] of the later ones. Adds to what happened."""
    admin = Administrator(storm, stanza, chance)
    full, backups = None, []
    with storm:
        while full is None:
            full, _ = taken(stanza)
        admin.knows(full)
        for _ in range(BACKUPS):
            enough = storm.done + chance.randrange(10, 50)
            system.wait_until(lambda: storm.done >= enough, what="the storm to go on")
            happened.append(admin.act())
            more = ["--delta"] if chance.random() < 0.1 else []
            more += ["--archive-timeout=30s"] if admin.same_timeline else []
            kind = chance.choice(("incr", "incr", "incr", "diff", "diff", "full"))
            backup, refused = taken(stanza, *more, type=kind, other_life=admin.same_timeline)
            if refused == OTHER_LIFE:
                happened += ["refused: another life", admin.leave()]
                backup, refused = taken(stanza, type=kind)
            if backup is None:
                happened.append(refused)
                continue
            happened.append(f"{backup['type']} by {backup['method']} of timeline {backup['timeline']},"
                            f" read {backup['read-bytes'] >> 20} of {backup['cluster-bytes'] >> 20} MiB"
                            f" ({backup['method-reason'] or 'no reason'})")
            admin.accepted(backup)
            backups.append((admin.life, backup))
        if admin.same_timeline:
            admin.leave()
    return full, backups


@pytest.mark.slow
@pytest.mark.parametrize("postgres", VERSIONS, indirect=True, ids=lambda version: f"pg{version}")
@pytest.mark.parametrize("seed", seeds())
def test_every_backup_of_a_storm_is_what_wal_says(make_stanza, postgres, seed):
    stanza = make_stanza(postgres.version, **storm_settings(postgres.version)).create()
    storm = Storm(stanza.cluster, seed).prepare()
    happened = []
    try:
        full, backups = stormed(stanza, storm, random.Random(seed), happened)
    finally:
        print(f"seed {seed}, PostgreSQL {postgres.version}: {storm.done} statements, {len(storm.failed)} failed;", "; ".join(happened))
    assert backups, happened
    assert len(storm.failed) < 0.2 * storm.done, storm.failed[:20]
    stanza.cluster.wait_for_archived()
    stanza.cluster.stop()

    replays = {}
    for number, (life, backup) in enumerate(backups):
        where = f"seed {seed}, backup {number + 1}: {backup['label']}"
        if life not in replays:
            replays[life] = truth.Replay(stanza, full["label"], f"truth{life}", storm.places,
                                         **{name: max(values) for name, values in LIMITS.items()})
        expected = replays[life].at(backup["stop-lsn"], backup["timeline"])
        restored = truth.restored_to_its_end(stanza, backup, f"r{number}", storm.places)
        wrong = truth.different(expected, truth.contents(restored))
        assert not wrong, (where, wrong)
        truth.check_whole(restored)
        system.remove_tree(restored.data)
        print("good:", where)
