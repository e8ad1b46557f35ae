"""A command at a terminal."""
import fcntl
import os
import pty
import struct
import subprocess
import termios

from . import system


def run(command, cwd="/", columns=80):
    """Run it with a terminal as standard input, output and error; return its status and what the terminal showed."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(list(map(str, command)), stdin=other, stdout=other, stderr=other, cwd=cwd,
                          env=system.clean_environment(), **system.identity()) as process:
        os.close(other)
        shown = b""
        while True:
            try:
                piece = os.read(main, 1 << 16)
            except OSError:  # the other end is closed
                break
            shown += piece
    os.close(main)
    return process.returncode, shown.decode()
