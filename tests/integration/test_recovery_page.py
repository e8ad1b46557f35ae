"""The chapters of pgcairn-recovery(7), typed word for word on a Debian server that lost something."""
import re
import textwrap

import pytest

from support import machine as machines
from support import system

PAGE = (system.CHECKOUT / "man/pgcairn-recovery.7").read_text(encoding="utf-8")
README = (system.CHECKOUT / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(not machines.is_possible(), reason="only root can make such a machine, on Debian")


def commands_of(title):
    """[(command, [lines that it prints in part])] of a section or subsection, up to the next one."""
    text = re.search(rf'^\.S[hs] {re.escape(title)}\n(.*?)(?=^\.S[hs] |\Z)', PAGE, re.DOTALL | re.MULTILINE).group(1)
    found = []
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\e", "\\").splitlines():
            if line.startswith("# "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line.strip())
    return found


def shown(line, output):
    """Is such a line in the output? `...` stands for anything."""
    return re.search(".*".join(re.escape(part.strip()) for part in line.split("...")), re.sub(" +", " ", output))


def typed(machine, title, without=(), **instead):
    """Have root type a chapter into one shell a command, in the directory that `cd` led to; return what was printed."""
    directory, outputs = "/root", {}
    variables = ""
    assert set(without) <= {command for command, _ in commands_of(title)}
    for command, expected in commands_of(title):
        if command in without:
            continue
        for word, other in instead.items():
            command = command.replace(word, other)
        done = machine.run(f"cd {directory}\n{variables}\n{command}", check=False)
        assert done.returncode == 0 or command.startswith("pgcairn verify"), f"{command}\n{done.stdout}"
        for line in expected:
            assert shown(re.sub(" +", " ", line), done.stdout), f"{command}\nis said to print: {line}\nand prints:\n{done.stdout}"
        if command.startswith("cd "):
            directory = command.split()[1]
        elif re.match(r"\w+=", command):
            variables += command + "\n"
        if "systemctl start" in command:
            wait_for_the_end_of_recovery(machine)
        outputs[command] = done.stdout
    return outputs


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


SET_UP = """
set -e
apt-get install -y postgresql-15
install -d -m 755 /etc/pgcairn /mnt/safe /mnt/safe/cron.d /etc/cron.d
install -o root -g postgres -m 640 /dev/null /etc/pgcairn/pgcairn.toml
cat >/etc/pgcairn/pgcairn.toml
"""


@pytest.fixture
def machine(home, binary):
    made = machines.Machine(home, binary)
    try:
        yield made
    finally:
        made.close()


def set_up(machine, *, key=False, settings=""):
    """README, with the commands that it has, but for the schedule; a tablespace on a disk of its own; two backups."""
    text = block("toml").replace("[global]\n", "[global]\nstart-fast = true\nkeep-last = 9\n")
    if key:
        text = text.replace("[repo.local]\n", '[repo.local]\nkey-passphrase-file = "/etc/pgcairn/repo.passphrase"\n')
        machine.run("install -d /etc/pgcairn && openssl rand -base64 32 >/etc/pgcairn/repo.passphrase"
                    " && chown postgres: /etc/pgcairn/repo.passphrase && chmod 400 /etc/pgcairn/repo.passphrase")
    machine.run(SET_UP.replace("cat >/etc/pgcairn/pgcairn.toml", f"cat >/etc/pgcairn/pgcairn.toml <<'END'\n{text}END"))
    archive = re.search(r"    archive_mode = on\n    archive_command = .*\n", README).group(0)
    machine.run(f"cat >>/etc/postgresql/15/main/postgresql.conf <<'END'\n{textwrap.dedent(archive)}{settings}\nEND")
    machine.run(f"cat >/etc/cron.d/pgcairn <<'END'\n{block('cron')}END\ncp /etc/cron.d/pgcairn /mnt/safe/cron.d")
    machine.run("echo 'tmpfs /srv/fast tmpfs mode=755 0 0' >>/etc/fstab && mkdir /srv/fast && mount /srv/fast && chown postgres: /srv/fast")
    machine.run("pgcairn stanza-create && systemctl restart postgresql@15-main")
    machine.sql("CREATE TABLESPACE fast LOCATION '/srv/fast';")
    machine.sql("CREATE TABLE t AS SELECT 1 AS x; CREATE TABLE in_fast TABLESPACE fast AS SELECT g FROM generate_series(1, 1000) g")
    machine.run("pgcairn check && pgcairn backup")
    machine.sql("INSERT INTO t VALUES (2)")
    machine.run("pgcairn check && pgcairn backup")
    machine.sql("INSERT INTO t VALUES (3); INSERT INTO in_fast VALUES (0)")
    machine.run("cp -a /etc/pgcairn /mnt/safe/")


def content(machine):
    return machine.sql("SELECT (SELECT sum(x) FROM t), (SELECT count(*) FROM in_fast), pg_is_in_recovery()")


def wait_for_the_end_of_recovery(machine):
    system.wait_until(lambda: machine.run("psql -XAtqc 'SELECT pg_is_in_recovery()'", user="postgres", check=False).stdout == "f\n",
                      what="the end of recovery")


def restorable(machine):
    """A restore of what is there now gives what is there now."""
    machine.run("pgcairn check")
    plan = machine.run("pgcairn restore --pg-path=/srv/copy --tablespace-map-all=/srv/copies --dry-run").stdout
    assert "dry run: nothing was touched" in plan
    return plan


@pytest.mark.slow
def test_the_server_is_lost(machine):
    set_up(machine)
    machine.run("pgcairn check && pg_ctlcluster --skip-systemctl-redirect 15 main stop -m immediate")
    before = machine.run("cd /etc/postgresql/15/main && ls -lR --time-style=+ && cat *.conf").stdout
    machine.run("rm -rf /etc/postgresql/15 /etc/pgcairn /etc/cron.d/pgcairn /var/lib/postgresql/15 /var/spool/pgcairn /var/log/postgresql/*")
    machine.run("umount /srv/fast && mount /srv/fast && chown -R nobody /var/lib/pgcairn")  # a new disk; another number
    said = typed(machine, "THE SERVER IS LOST")
    assert machine.run("cd /etc/postgresql/15/main && ls -lR --time-style=+ && cat *.conf").stdout == before
    assert content(machine) == "6|1001|f"
    assert "no file of cron or systemd names pgcairn" in said["pgcairn restore"] and "restorable" not in said
    restorable(machine)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["answers", "is down"])
def test_the_disk_of_a_tablespace_is_lost(machine, server):
    """The last rows are in the segment that is being written, which nobody has archived yet."""
    set_up(machine)
    machine.run("umount -l /srv/fast")
    assert machine.run("psql -c 'SELECT count(*) FROM in_fast; CHECKPOINT'", user="postgres", check=False).returncode != 0
    cannot = ()
    if server == "is down":
        cannot = ("pgcairn check", "systemctl stop postgresql@15-main")
        machine.run("pg_ctlcluster --skip-systemctl-redirect 15 main stop -m immediate")
    typed(machine, "THE DISK OF A TABLESPACE IS LOST", cannot)
    assert content(machine) == "6|1001|f"
    restorable(machine)


@pytest.mark.slow
def test_a_directory_of_the_repository_is_lost(machine):
    set_up(machine, settings="wal_keep_size = 1GB")
    machine.run("pgcairn check")
    labels = machine.run("ls /var/lib/pgcairn/main/data").stdout.split()
    machine.run(f"rm -r /var/lib/pgcairn/main/data/{labels[-1]}")
    skips = restorable(machine)
    assert f"backup {labels[-1]} is skipped" in skips and "the end of the archived WAL" in skips, skips
    typed(machine, "A DIRECTORY OF THE REPOSITORY IS LOST", LABEL=labels[-1])
    assert labels[-1] not in machine.run("pgcairn info").stdout
    # WAL, too: what the server still has comes back.
    machine.run("rm -r /var/lib/pgcairn/main/wal/*/0000*")
    assert "DAMAGED main/wal/" in machine.run("pgcairn verify", check=False).stdout
    machine.run(" && ".join(command for command, _ in commands_of("A DIRECTORY OF THE REPOSITORY IS LOST") if "pg_wal" in command or "cd " in command))
    assert machine.run("pgcairn verify", check=False).returncode == 0


@pytest.mark.slow
def test_the_key_is_lost(machine):
    set_up(machine, key=True)
    typed(machine, "A second key for the safe")
    machine.run("rm /etc/pgcairn/repo.passphrase")
    lost = machine.run("pgcairn check", check=False)
    assert lost.returncode == 2 and 'or bring the key file back; "pgcairn key-list" shows which others open' in lost.stdout, lost.stdout
    typed(machine, "Another key is left")
    restorable(machine)
    machine.run("rm /etc/pgcairn/repo.passphrase")
    machine.sql("INSERT INTO t VALUES (4); SELECT pg_switch_wal()")
    typed(machine, "Every key is lost")
    restorable(machine)
