"""Measuring whole commands."""
import mmap
import os
import pathlib
import statistics
import subprocess
import sys
import time

from support import system


def warm_memory(mebibytes):
    """Touch that much free memory. A virtual machine may have handed it back to its host, and whoever uses it first then pays,
    seconds a GiB: the tool that happens to come first would seem the slow one."""
    child = os.fork()  # whose peak of memory is not counted as ours, which the measured ones inherit
    if child == 0:
        mmap.mmap(-1, int(mebibytes) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        os._exit(0)
    os.waitpid(child, 0)


class Measure(dict):
    """{"wall": s, "cpu": s, "rss": MiB, "read": MiB by the kernel's account} of a command's process tree, and its `output`."""

    output = ""


def measured(home, command, server=None, as_server=True, memory=128):
    """Run, as the server's user or as we are, with `memory` MiB touched before."""
    os.sync()  # what the one before left to write is not this one's to wait for
    warm_memory(memory)
    before = server_cpu(server)
    said, result = home / "said.log", home / "result.log"
    with open(os.devnull, "rb") as nothing, open(said, "wb") as err, open(result, "wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdin=nothing, stdout=out, stderr=err, cwd="/",
                                   env=system.clean_environment(), **(system.identity() if as_server else {}))
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - started
        read = bytes_read(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    output = result.read_text(errors="replace")
    if process.returncode != 0:
        sys.exit(f"error: exit {process.returncode}: {' '.join(map(str, command))}\n{output[-2000:]}\n"
                 f"{said.read_text(errors='replace')[-3000:]}")
    time.sleep(0.2)  # let the postmaster reap the session, whose time then counts
    measure = Measure(wall=wall, cpu=usage.ru_utime + usage.ru_stime + server_cpu(server) - before,
                      rss=usage.ru_maxrss / 1024, read=read / (1 << 20))
    measure.output = output
    return measure


def bytes_read(pid):
    """What a process has read, from caches or disks, while nobody has waited for it yet."""
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel keeps no account of I/O")


def server_cpu(server):
    """CPU seconds of the server's ended children."""
    if server is None or server.pid() is None:
        return 0.0
    fields = pathlib.Path(f"/proc/{server.pid()}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def mebibytes(path):
    return sum(p.lstat().st_size for p in pathlib.Path(path).rglob("*") if p.is_file()) / (1 << 20)


class Results:
    """What was measured: a list of measures for each tool and work."""

    COLUMNS = ("wall", "cpu", "rss", "stored")

    def __init__(self):
        self.measures = {}  # {(work, tool): [Measure]}
        self.verdicts = []

    def add(self, work, tool, measure):
        self.measures.setdefault((work, tool), []).append(measure)
        print(f"  {tool:14} {work:32} {measure['wall']:8.3f} s", file=sys.stderr)
        return measure

    def median(self, work, tool, what="wall"):
        values = [m[what] for m in self.measures.get((work, tool), []) if what in m]
        return statistics.median(values) if values else None

    def ratio(self, work, tool="pgcairn", other="pgbackrest", other_work=None):
        return self.median(work, tool) / self.median(other_work or work, other)

    def judge(self, what, value, most, unit):
        """Note how a figure compares with the most that it may be."""
        verdict = "met" if value <= most else f"missed by {100 * (value / most - 1):.0f} %"
        self.verdicts.append(f"- {what}: {value:.3f} {unit}, at most {most:.3g}: {verdict}")

    def table(self):
        lines = [f"| {'':32} | tool           | wall s | ratio | CPU s | RSS MiB | stored MiB |", "|---|---|---:|---:|---:|---:|---:|"]
        for work, tool in self.measures:
            reference = self.median(work, "pgbackrest")
            wall, cpu, rss, stored = (self.median(work, tool, column) for column in self.COLUMNS)
            lines.append(f"| {work:32} | {tool:14} | {wall:.3f} | {'' if reference is None else f'{wall / reference:.2f}'} |"
                         f" {cpu:.3f} | {rss:.0f} | {'' if stored is None else f'{stored:.1f}'} |")
        return lines
