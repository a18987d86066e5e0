"""Write files completely or not at all, and remove the hidden files of killed runs.

Where a file cannot be written without a name, it is hidden until it is complete. A hidden file is locked while its run
is at work, and however a process ends, the system releases its locks: a file that can be locked was left behind. Locks
may not reach from one machine to another: a file with the mark of another machine, or of this one before a restart, was
left behind if nothing has changed it for a day.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import BinaryIO

from lstmdump.errors import OutputExists, OutputUnwritable
from lstmdump.export.directories import Directory, OutputDirectory

try:
    import fcntl
except ImportError:  # Windows
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

_OPEN_FILES = "/proc/self/fd"  # through this directory, Linux gives a name to a file without one
_NAMELESS = getattr(os, "O_TMPFILE", 0) if os.path.isdir(_OPEN_FILES) else 0
_HAS_NO_NAMELESS = (
    errno.EOPNOTSUPP,
    errno.EISDIR,
    errno.EINVAL,
)  # the file system, or the kernel, does not support them
_RENAMES_OPEN_FILES = os.name == "posix"
_HIDDEN = os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_OPTIONS = "--force or --skip-existing"
_BEGINNING = ".lstmdump-"
_NAME = re.compile(re.escape(_BEGINNING) + r"([0-9a-f]{8})-[0-9a-f]{16}\.tmp")
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_DAY = 86_400  # seconds
_DIRECTORIES = 1024  # remembered as searched


def already_there(path: str, options: str = "--force") -> OutputExists:
    """Return the error for an output that already exists, with the `options` that allow it."""
    return OutputExists(f"{path} already exists; use {options}")


@contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file that replaces `path`, or the target of its link, if the block ends without an error; else discard it.

    A link that leads nowhere is replaced itself.

    Until then the file has no name where the system supports that (Linux, on most file systems), so that even a killed
    process leaves nothing; elsewhere it is hidden in the same directory, from which the next run removes it. It is
    synced to the disk before it gets its name.

    Raises:
        OutputExists: `path` exists and `overwrite` is false.
        OutputUnwritable: `path` cannot be written.
    """
    target, hidden = os.fspath(path), hidden_name()
    try:
        target = _choose_target(target, overwrite=overwrite)
        directory = os.path.dirname(target)
        remove_leftovers(directory or os.curdir)
        with OutputDirectory(directory or os.curdir, hidden) as outputs:
            descriptor, nameless = outputs.act(lambda place: _open(place, hidden))
            with os.fdopen(descriptor, "w+b") as file:
                if overwrite:
                    outputs.act(lambda place: _copy_permissions(place, target, descriptor))
                yield file
                file.flush()
                os.fsync(descriptor)
                if nameless:
                    outputs.act(lambda place: _give_name(place, descriptor, hidden, target, overwrite=overwrite))
                elif _RENAMES_OPEN_FILES:
                    outputs.act(lambda place: _rename(place, hidden, target, overwrite=overwrite))
            if not nameless and not _RENAMES_OPEN_FILES:
                outputs.act(lambda place: _rename(place, hidden, target, overwrite=overwrite))
            outputs.sync()
            if not outputs.is_in_place():
                words = f"{directory or os.curdir} was replaced while {os.path.basename(target)} was written"
                raise OutputUnwritable(f"{words}, which is in the directory that was there")
    except OSError as error:
        raise OutputUnwritable(f"{target} cannot be written: {error.strerror or error}") from error


def _choose_target(path: str, *, overwrite: bool) -> str:
    """Return the file to write: the target of the link at `path`, if there is a link that may be followed.

    One that leads nowhere is never followed, nor is one that somebody else has put into a directory where everybody may
    write: as Linux has it for whoever opens a file there.

    Raises:
        OutputExists: There is a link that may not be followed, nor replaced.
    """
    if not os.path.islink(path):
        return path
    if os.path.exists(path) and _may_be_followed(path):
        return os.path.realpath(path)
    if not overwrite:
        raise OutputExists(f"{path} is a link; use {_OPTIONS.partition(' ')[0]} to replace it")
    return path


def _may_be_followed(link: str) -> bool:
    around = os.stat(os.path.dirname(link) or os.curdir)
    is_shared = around.st_mode & (stat.S_ISVTX | stat.S_IWOTH) == stat.S_ISVTX | stat.S_IWOTH
    return not is_shared or os.lstat(link).st_uid in (os.geteuid(), around.st_uid)


def _open(place: Directory, hidden: str) -> tuple[int, bool]:
    """Open a new file in `place` for writing; return whether it has no name, else it is called `hidden`."""
    if _NAMELESS:
        try:
            return place.open_nameless(_NAMELESS | os.O_RDWR), True
        except OSError as error:
            if error.errno not in _HAS_NO_NAMELESS:
                raise
    return _open_hidden(place, hidden), False


def _open_hidden(place: Directory, hidden: str) -> int:
    while True:
        descriptor = place.open(hidden, _HIDDEN | os.O_RDWR)
        lock(descriptor)
        if place.exists(hidden):
            return descriptor
        os.close(descriptor)  # another run removed it as left behind before it was locked


def _give_name(place: Directory, descriptor: int, hidden: str, target: str, *, overwrite: bool) -> None:
    """Give a file without a name that of `target`; by way of `hidden` where it replaces another file."""
    source, name = f"{_OPEN_FILES}/{descriptor}", os.path.basename(target)
    try:
        place.adopt(source, name)
    except FileExistsError as error:
        if not overwrite:
            raise already_there(target, _OPTIONS) from error
        lock(descriptor)
        place.adopt(source, hidden)
        place.replace(hidden, name)


def _rename(place: Directory, hidden: str, target: str, *, overwrite: bool) -> None:
    name = os.path.basename(target)
    if overwrite:
        place.replace(hidden, name)
        return
    try:
        place.link(hidden, name)  # unlike a rename, fails if `name` has been created meanwhile
        place.unlink(hidden)
    except FileExistsError as error:
        raise already_there(target, _OPTIONS) from error
    except OSError:  # a file system without hard links
        if place.exists(name):
            raise already_there(target, _OPTIONS) from None
        place.replace(hidden, name)


def _copy_permissions(place: Directory, target: str, descriptor: int) -> None:
    """Give an open file the permissions of the one at `target`, if it exists and the system has them."""
    with suppress(FileNotFoundError):
        mode = place.status(os.path.basename(target)).st_mode
        if stat.S_ISLNK(mode):
            return
        if not stat.S_ISREG(mode):
            raise OutputUnwritable(f"{target} is not a regular file, so it is not overwritten")
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode & 0o7777)


def hidden_name() -> str:
    """Return a unique name for a hidden file."""
    return f"{_BEGINNING}{_read_machine_mark()}-{os.urandom(8).hex()}.tmp"


def lock(descriptor: int) -> None:
    """Lock an open file as long as it is open, so that it is not removed as left behind."""
    if _HAS_LOCKS:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@lru_cache(_DIRECTORIES)
def remove_leftovers(directory: str) -> None:
    """Remove the hidden files left behind in `directory`, once in a process."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(_BEGINNING) and (ours := _NAME.fullmatch(entry.name)):
                with suppress(OSError):
                    _remove_if_left(entry.path, ours[1])


def _remove_if_left(path: str, machine: str) -> None:
    there = os.lstat(path)
    if not stat.S_ISREG(there.st_mode) or (hasattr(os, "geteuid") and there.st_uid != os.geteuid()):
        return
    if machine != _read_machine_mark() or not _HAS_LOCKS:
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
def _read_machine_mark() -> str:
    """Return a mark of the machine since its start, which is shared by its containers, as its locks are."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            start = file.read()
    except OSError:
        start = (os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")).encode()
    return f"{zlib.crc32(start):08x}"
