"""Hidden files that become outputs, and those of them that runs have left behind which were killed.

A hidden file is locked while its run is at work, and however a process ends, the system opens its locks: a file that
can be locked was left behind. Locks may not reach from one machine to another: what bears the mark of another one, or
of this one before it was started anew, was left behind when nothing has changed it for a day.
"""

from __future__ import annotations

import os
import re
import stat
import time
import zlib
from contextlib import suppress
from functools import cache, lru_cache

try:
    import fcntl
except ImportError:  # Windows
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

_BEGINNING = ".lstmdump-"
_NAME = re.compile(re.escape(_BEGINNING) + r"([0-9a-f]{8})-[0-9a-f]{16}\.tmp")
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_DAY = 86_400  # seconds
_DIRECTORIES = 1024  # that are remembered to have been looked through


def hidden_name() -> str:
    """A name for a hidden file that no other file has."""
    return f"{_BEGINNING}{_machine()}-{os.urandom(8).hex()}.tmp"


def lock(descriptor: int) -> None:
    """Lock an open file for as long as it is open, so that it is not taken for one that was left behind."""
    if _HAS_LOCKS:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@lru_cache(_DIRECTORIES)
def remove_from(directory: str) -> None:
    """Remove the hidden files that were left behind in DIRECTORY, if this process has not done so before."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(_BEGINNING) and (ours := _NAME.fullmatch(entry.name)):
                with suppress(OSError):
                    _remove_if_left(entry.path, ours[1])


def _remove_if_left(path: str, machine: str) -> None:
    there = os.lstat(path)
    if not stat.S_ISREG(there.st_mode) or (hasattr(os, "geteuid") and there.st_uid != os.geteuid()):
        return
    if machine != _machine() or not _HAS_LOCKS:
        if time.time() - there.st_mtime > _DAY:
            os.unlink(path)
        return
    descriptor = os.open(path, _LOOK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), there):
            os.unlink(path)
    finally:
        os.close(descriptor)


@cache
def _machine() -> str:
    """A mark of the machine since its start, which its containers share, as they share its locks."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            start = file.read()
    except OSError:
        start = (os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")).encode()
    return f"{zlib.crc32(start):08x}"
