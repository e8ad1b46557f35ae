"""What an administrator does to the server of a storm between backups, while nobody works."""
import re
import subprocess

from . import system

# What a standby, and so a recovery, needs as much of as its primary had.
LIMITS = {"max_connections": (60, 120), "max_worker_processes": (8, 14), "max_wal_senders": (10, 16),
          "max_prepared_transactions": (20, 40), "max_locks_per_transaction": (128, 200)}


class Snapshot:
    """A copy of all volumes of the stopped cluster, which can be set back to it."""

    def __init__(self, storm, stanza):
        self.storm = storm
        self.folders = {folder: stanza.home / f"snapshot-of-{folder.name}" for folder in (stanza.cluster.data, storm.places.folder)}
        self.remembered = [session.remembered() for session in storm.sessions]
        for folder, copy in self.folders.items():
            copied(folder, copy)

    def go_back(self, new_timeline):
        for folder, copy in self.folders.items():
            copied(copy, folder)
        for session, what in zip(self.storm.sessions, self.remembered):
            session.remember(what)
        return "rolled back" + (" in a new timeline" if new_timeline else "")


class Restored:
    """A backup that the stopped cluster can be restored from, in place."""

    def __init__(self, storm, stanza, backup, remembered, delta):
        self.storm, self.stanza, self.backup, self.remembered, self.delta = storm, stanza, backup, remembered, delta

    def go_back(self, new_timeline):
        kind = ("--type=immediate", "--target-action=promote") if new_timeline else ("--type=none",)
        places = self.storm.places
        if self.delta:
            how = ["--delta", "--discard-wal", *(f"--remove-tablespace={places.folder / name}" for name in places.names)]
        else:
            how = []
            system.remove_tree(self.stanza.cluster.data)
            system.remove_tree(places.folder)
            places.make(places.names)
        result = self.stanza.cairn.run("restore", f"--set={self.backup['label']}", *kind, *how)
        assert result.code == 0, result
        for session, what in zip(self.storm.sessions, self.remembered):
            session.remember(what)
        return f"restored {self.backup['label']} by {' '.join([kind[0], *how[:1]])}"


def copied(folder, to):
    system.remove_tree(to)
    subprocess.run(["cp", "-a", "--reflink=auto", str(folder), str(to)], check=True)


class Administrator:
    """Does what a seed says. `life` counts how often the cluster went back to an earlier state of itself; `same_timeline` says
    that it did so without a new timeline, which the archive may not take."""

    KINDS = ("nothing", "limits", "crash", "promotion", "snapshot", "roll-back", "roll-back", "roll-back", "restore", "restore")

    def __init__(self, storm, stanza, chance):
        self.storm, self.stanza, self.cluster, self.chance = storm, stanza, stanza.cluster, chance
        self.past = None  # where it went back to
        self.snapshot = None
        self.backups = []  # that it can be restored from, each with what sessions knew
        self.life = 0
        self.same_timeline = False

    def knows(self, backup):
        self.backups.append((backup, [session.remembered() for session in self.storm.sessions]))

    def accepted(self, backup):
        """The archive has the WAL of this life up to the backup's end, and so nothing of another life's there."""
        self.same_timeline = False
        self.knows(backup)

    def act(self):
        """Returns what it was, in words."""
        what = self.chance.choice(self.KINDS[:3] if self.same_timeline else self.KINDS) if self.snapshot else "snapshot"
        with self.storm.paused():
            if what == "limits":
                for name, values in LIMITS.items():
                    self.cluster.rows(f"ALTER SYSTEM SET {name} = {self.chance.choice(values)}")
                self.cluster.restart()
            elif what == "crash":
                self.cluster.crash()
                self.start()
            elif what == "promotion":
                self.cluster.stop()
                self.start_in_new_timeline()
            elif what == "restore":
                self.past = Restored(self.storm, self.stanza, *self.chance.choice(self.backups), delta=self.chance.random() < 0.6)
                what = self.go_back(new_timeline=self.chance.random() < 0.5)
            elif what == "roll-back":
                self.past = self.snapshot
                what = self.go_back(new_timeline=self.chance.random() < 0.5)
            elif what == "snapshot":
                self.stop()
                self.snapshot = Snapshot(self.storm, self.stanza)
                self.start()
            self.cluster.wait_ready()
        return what

    def stop(self):
        self.cluster.stop(self.chance.choice(("fast", "immediate")))

    def go_back(self, new_timeline):
        self.stop()
        what = self.past.go_back(new_timeline)
        self.life += 1
        self.same_timeline = not new_timeline
        if new_timeline and isinstance(self.past, Snapshot):
            self.start_in_new_timeline()
        else:
            self.start()
        return what

    def start(self):
        """PostgreSQL's recovery from a crash sometimes ends at the file of an unlogged relation that replay has made."""
        if not self.cluster.start():
            file = re.findall(r'FATAL:  could not create file "([^"]+)": File exists', self.cluster.log_text()[-3000:])
            assert file, self.cluster.log_text()[-3000:]
            print("crash recovery ended at", file[0])
            (self.cluster.data / file[0]).unlink()
            self.cluster.must_start()

    def leave(self):
        """The archive has another life's WAL: back to the same point, and on in a new timeline."""
        with self.storm.paused():
            what = self.go_back(new_timeline=True)
            self.cluster.wait_ready()
        return what

    def start_in_new_timeline(self):
        """One that no life of the cluster archived: of the archive, recovery sees no WAL, and the histories, for their numbers."""
        cairn, own = self.stanza.cairn, self.cluster.overrides
        system.write(self.cluster.data / "recovery.signal", "")
        get = f"case %f in *.history) {cairn.binary} --config={cairn.config} archive-get %f %p;; *) exit 1;; esac"
        self.cluster.overrides = {**own, "recovery_target": "", "recovery_target_timeline": "current", "restore_command": get}
        self.start()
        self.cluster.wait_ready()
        self.cluster.overrides = own
