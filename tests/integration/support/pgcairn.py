"""Running pgcairn as an operator would: the binary, a TOML file, exit status and output."""
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess

from . import schemas, system


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def install_binary(root):
    """Copy the binary to where the server's user can run it. $PGCAIRN_BIN, else the dev build."""
    source = pathlib.Path(os.environ.get("PGCAIRN_BIN") or system.CHECKOUT / "build/dev/pgcairn")
    if not source.exists():
        return None
    folder = root / "bin"
    folder.mkdir(mode=0o755)
    copy = folder / "pgcairn"
    shutil.copy(source, copy)
    copy.chmod(0o755)
    return copy


def toml(tables):
    """TOML text of {"global": {...}, "repo.local": {...}}; values are strings, numbers and booleans."""
    lines = []
    for name, values in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(str(v) if isinstance(v, pathlib.Path) else v)}" for key, v in values.items()]
        lines.append("")
    return "\n".join(lines)


class Pgcairn:
    """The command with one configuration file."""

    def __init__(self, binary, config, tables):
        self.binary = binary
        self.config = pathlib.Path(config)
        self.tables = tables
        self.state_path = self.config.parent / "state"
        tables.setdefault("global", {}).setdefault("state-path", self.state_path)
        self.save()

    def save(self):
        """Write the tables to the configuration file, after a change."""
        system.write(self.config, toml(self.tables))

    def forget_credentials(self):
        """Those that a service lent to earlier commands."""
        shutil.rmtree(self.state_path / "credentials", ignore_errors=True)

    def command(self, *args):
        return [str(self.binary), f"--config={self.config}", *map(str, args)]

    def run(self, *args, env=None, cwd="/", timeout=300):
        done = system.run(self.command(*args), check=False, env=env, cwd=cwd, timeout=timeout)
        schemas.check_output(args, done.stdout)
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *args, **kw):
        result = self.run(*args, **kw)
        assert result.code == 0, result
        return result

    def start(self, *args, under=(), env=None, cwd="/"):
        """Start without waiting; `under` is a command to run it with (strace). Output goes to result_of(). Whoever runs
        the tests in the background has SIGINT ignored, and a child would ignore it too."""
        return subprocess.Popen(["env", "--default-signal=INT", *map(str, under), *self.command(*args)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                                env=system.clean_environment(env), **system.identity())


def result_of(process, timeout=300):
    """Wait for a process of start(); a signal that ended it is a negative code."""
    out, err = process.communicate(timeout=timeout)
    return Result(process.returncode, out, err)
