"""A Debian server of the tests' own, in namespaces of this machine: the real programs of PostgreSQL 15 and postgresql-common,
with directories and a network that nobody else sees. What an operator types there as root needs no other words."""
import os
import pathlib
import shutil
import signal
import subprocess

from . import system

OWN_FOLDERS = ("/srv", "/root", "/mnt", "/var/lib", "/var/log", "/var/spool", "/run", "/usr/local/bin")

# Runs first in the namespaces; $1 is a folder for a copy of /etc, $2 the program, $3 the folder of the stand-ins.
SETUP = f"""
set -e
mount -t tmpfs own "$1"
cp -a /etc "$1/etc"
cp "$2" "$3"/* "$1"
mount --bind "$1/etc" /etc
for folder in {' '.join(OWN_FOLDERS)}; do mount -t tmpfs -o mode=755 own $folder; done
install -m 755 "$1/pgcairn" "$1/systemctl" "$1/apt-get" /usr/local/bin
if [ -e /usr/bin/systemctl ]; then mount --bind /usr/local/bin/systemctl /usr/bin/systemctl; fi
rm -rf /etc/postgresql/* /etc/pgcairn /etc/cron.d/pgcairn
install -d -o postgres -g postgres /var/lib/postgresql
install -d -o postgres -g postgres -m 2775 /run/postgresql
install -d -o root -g postgres -m 1775 /var/log/postgresql
mkdir -p /run/systemd/system
ip link set lo up
echo ready
exec sleep infinity
"""

# systemd starts a cluster by pg_ctlcluster.
SYSTEMCTL = """#!/bin/bash
[[ $1 =~ ^(start|stop|restart)$ && $2 =~ ^postgresql@([0-9]+)-(.+)$ ]] || exit 0
exec pg_ctlcluster --skip-systemctl-redirect "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "$1"
"""

# The package makes a cluster and starts it, if there is none.
APT_GET = """#!/bin/bash
[[ $* == *postgresql-15* && ! -e /etc/postgresql/15/main ]] || exit 0
pg_createcluster 15 main && pg_ctlcluster --skip-systemctl-redirect 15 main start
"""


class Machine:
    """Servers that are started in it end with it."""

    def __init__(self, folder, binary):
        own = system.make_dir(folder / "machine", 0o755)
        stand_ins = system.make_dir(folder / "stand-ins", 0o755)
        for name, text in {"systemctl": SYSTEMCTL, "apt-get": APT_GET}.items():
            system.write(stand_ins / name, text, 0o755)
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "--ipc", "sh", "-c", SETUP, "sh", own, binary, stand_ins],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self.holder.stdout.readline()
        assert said == "ready\n", said + self.holder.stdout.read()
        self.root = pathlib.Path(f"/proc/{self.holder.pid}/root")  # "/" there, seen from here

    def run(self, command, *, user="root", check=True):
        """Have a shell run a command line there; return what it did, with all that it printed in stdout."""
        env = {"HOME": "/root" if user == "root" else "/var/lib/postgresql", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb",
               "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        switch = [] if user == "root" else ["runuser", "-u", user, "--"]
        done = subprocess.run(["nsenter", f"--target={self.holder.pid}", "--mount", "--net", "--ipc", f"--wd={env['HOME']}", *switch,
                               "bash", "-c", command],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                              env=env, check=False)
        assert not check or done.returncode == 0, f"exit {done.returncode}: {command}\n{done.stdout}"
        return done

    def sql(self, query):
        return self.run(f"psql -XAtq <<'END'\n{query}\nEND", user="postgres").stdout.strip()

    def close(self):
        for pid_file in self.root.glob("var/lib/postgresql/*/*/postmaster.pid"):
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
        inside = os.stat(f"/proc/{self.holder.pid}/ns/mnt").st_ino
        system.wait_until(lambda: not self.others(inside), what="the machine's processes to end")
        self.holder.kill()
        self.holder.wait()

    def others(self, inside):
        """Processes that are in its namespaces, but for the one that holds them."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.stat(process / "ns/mnt").st_ino == inside and process.name != str(self.holder.pid):
                    found.append(process.name)
            except OSError:
                continue
        return found


def is_possible():
    """Root may make such a machine, and Debian's programs for clusters are there."""
    return os.geteuid() == 0 and shutil.which("pg_createcluster") and shutil.which("nsenter")
