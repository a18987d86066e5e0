"""Files written whole or not at all, and the hidden files that killed runs have left behind.

Where a file cannot be written without a name, it is hidden until it is whole. A hidden file is locked while its run is
at work, and however a process ends, the system opens its locks: a file that can be locked was left behind. Locks may
not reach from one machine to another: what bears the mark of another one, or of this one before it was started anew,
was left behind when nothing has changed it for a day.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import BinaryIO, TypeVar

from lstmdump.errors import OutputExists, OutputUnwritable

try:
    import fcntl
except ImportError:  # Windows
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

Result = TypeVar("Result")
_OPEN_FILES = "/proc/self/fd"  # through it, Linux gives a name to a file that has none
_NAMELESS = getattr(os, "O_TMPFILE", 0) if os.path.isdir(_OPEN_FILES) else 0
_HAS_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # the file system, or the kernel, has no such files
_CANNOT_BE_SYNCED = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # as a directory
_RENAMES_OPEN_FILES = os.name == "posix"
_HIDDEN = os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_OPTIONS = "--force or --skip-existing"
_BEGINNING = ".lstmdump-"
_NAME = re.compile(re.escape(_BEGINNING) + r"([0-9a-f]{8})-[0-9a-f]{16}\.tmp")
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_DAY = 86_400  # seconds
_DIRECTORIES = 1024  # that are remembered to have been looked through


def already_there(path: str, options: str = "--force") -> OutputExists:
    """Return the error for an output that is there already, with the `options` that allow for it."""
    return OutputExists(f"{path} is there already; use {options}")


@contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file that becomes PATH, or what PATH links to, when the block is left without an error, and vanishes otherwise.

    Until then it has no name where the system can do that (Linux, on most file systems), so that nothing is left of it
    even by a process that is killed; elsewhere a hidden one in the same directory, from which the next run removes it.
    It is brought to the disk before it gets its own.

    Raises:
        OutputExists: PATH is there already and OVERWRITE is false.
        OutputUnwritable: it cannot be written.
    """
    target, hidden = os.fspath(path), ""
    made: list[str] = []
    try:
        target = os.path.realpath(target) if os.path.islink(target) else target  # a link stays a link
        directory = os.path.dirname(target) or os.curdir
        remove_leftovers(directory)
        hidden = os.path.join(directory, hidden_name())
        descriptor, nameless = _act_in_directory(directory, made, lambda: _open(directory, hidden))
        with os.fdopen(descriptor, "w+b") as file:
            if overwrite:
                _copy_permissions(target, descriptor)
            yield file
            file.flush()
            os.fsync(descriptor)
            if nameless:
                _act_in_directory(directory, made, lambda: _give_name(descriptor, hidden, target, overwrite=overwrite))
            elif _RENAMES_OPEN_FILES:
                _rename(hidden, target, overwrite=overwrite)
        if not nameless and not _RENAMES_OPEN_FILES:
            _rename(hidden, target, overwrite=overwrite)
        for changed in (directory, *map(os.path.dirname, made)):
            _sync_directory(changed)
    except BaseException as error:
        _remove_unfinished(hidden, made)
        if isinstance(error, OSError):
            raise OutputUnwritable(f"{target} cannot be written: {error.strerror or error}") from error
        raise


def _open(directory: str, hidden: str) -> tuple[int, bool]:
    """A new file in DIRECTORY, open for writing, and whether it is without a name; if not, it goes by HIDDEN."""
    if _NAMELESS:
        try:
            return os.open(directory, _NAMELESS | os.O_RDWR, 0o666), True
        except OSError as error:
            if error.errno not in _HAS_NO_NAMELESS:
                raise
    return _open_hidden(hidden), False


def _open_hidden(hidden: str) -> int:
    while True:
        descriptor = os.open(hidden, _HIDDEN | os.O_RDWR, 0o666)
        lock(descriptor)
        if os.path.lexists(hidden):
            return descriptor
        os.close(descriptor)  # before it was locked, another run took it for one that was left behind


def _give_name(descriptor: int, hidden: str, target: str, *, overwrite: bool) -> None:
    """Give a file without a name the name TARGET; by way of HIDDEN where it takes the place of another."""
    source = f"{_OPEN_FILES}/{descriptor}"
    try:
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)  # linkat(2), which alone follows
    except FileExistsError as error:
        if not overwrite:
            raise already_there(target, _OPTIONS) from error
        lock(descriptor)
        os.link(source, hidden, src_dir_fd=descriptor, follow_symlinks=True)
        os.replace(hidden, target)


def _rename(hidden: str, target: str, *, overwrite: bool) -> None:
    if overwrite:
        os.replace(hidden, target)
        return
    try:
        os.link(hidden, target)  # unlike a rename, fails where TARGET has come into being meanwhile
        os.unlink(hidden)
    except FileExistsError as error:
        raise already_there(target, _OPTIONS) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise already_there(target, _OPTIONS) from None
        os.replace(hidden, target)


def _act_in_directory(directory: str, made: list[str], act: Callable[[], Result]) -> Result:
    """What ACT gives; where DIRECTORY lacks, it is made first, and noted in MADE with what lacked above it."""
    try:
        return act()
    except FileNotFoundError:
        _make_directories(directory, made)
        return act()


def _make_directories(directory: str, made: list[str]) -> None:
    missing = []
    while directory and not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for lacking in reversed(missing):
        made.append(lacking)  # before it is there: a signal may come as soon as it is
        try:
            os.mkdir(lacking)
        except FileExistsError:  # made by another process meanwhile
            made.remove(lacking)


def _copy_permissions(target: str, descriptor: int) -> None:
    """Give an open file the permissions of the one at TARGET, if there is one and the system has them."""
    with suppress(FileNotFoundError):
        mode = os.stat(target).st_mode
        if not stat.S_ISREG(mode):
            raise OutputUnwritable(f"{target} is no regular file; what is there is left as it is")
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode & 0o7777)


def _sync_directory(directory: str) -> None:
    """See to it that the names in DIRECTORY outlast a power cut, where it may be read and the system can do that."""
    if os.name == "posix":
        try:
            descriptor = os.open(directory or os.curdir, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _CANNOT_BE_SYNCED:
                raise


def _remove_unfinished(hidden: str, made: list[str]) -> None:
    with suppress(OSError):
        os.unlink(hidden)
    for directory in reversed(made):
        with suppress(OSError):
            os.rmdir(directory)


def hidden_name() -> str:
    """A name for a hidden file that no other file has."""
    return f"{_BEGINNING}{_read_machine_mark()}-{os.urandom(8).hex()}.tmp"


def lock(descriptor: int) -> None:
    """Lock an open file for as long as it is open, so that it is not taken for one that was left behind."""
    if _HAS_LOCKS:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@lru_cache(_DIRECTORIES)
def remove_leftovers(directory: str) -> None:
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
    """A mark of the machine since its start, which its containers share, as they share its locks."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            start = file.read()
    except OSError:
        start = (os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")).encode()
    return f"{zlib.crc32(start):08x}"
