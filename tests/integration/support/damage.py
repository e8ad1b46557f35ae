"""Harm done to objects in a repository. They are read-only by intent, so each is replaced, owner and mode kept."""
import os

from . import system


def _replace(path, data):
    mode = path.stat().st_mode & 0o7777
    path.unlink()
    system.write(path, data, mode)


def flip(path, offset=None):
    """Flip one bit, in the middle unless told where."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if offset is None else offset] ^= 0x10
    _replace(path, data)


def flip_throughout(path, every_bytes=16384):
    """Flip one bit in each run of so many bytes: nothing of that length can be read past it. Twice is once undone."""
    data = bytearray(path.read_bytes())
    for offset in range(every_bytes // 2, len(data), every_bytes):
        data[offset] ^= 0x10
    _replace(path, data)


def truncate(path):
    _replace(path, path.read_bytes()[:-1000])


def remove(path):
    path.unlink()


def swap(one, other):
    """Exchange two objects: both whole, each in the wrong place."""
    aside = one.with_name("aside")
    os.rename(one, aside)
    os.rename(other, one)
    os.rename(aside, other)
