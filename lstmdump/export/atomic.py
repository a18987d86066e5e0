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
_OPEN_FILES = "/proc/self/fd"  # through this directory, Linux gives a name to a file without one
_NAMELESS = getattr(os, "O_TMPFILE", 0) if os.path.isdir(_OPEN_FILES) else 0
_HAS_NO_NAMELESS = (
    errno.EOPNOTSUPP,
    errno.EISDIR,
    errno.EINVAL,
)  # the file system, or the kernel, does not support them
_CANNOT_BE_SYNCED = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # a directory
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

    Until then the file has no name where the system supports that (Linux, on most file systems), so that even a killed
    process leaves nothing; elsewhere it is hidden in the same directory, from which the next run removes it. It is
    synced to the disk before it gets its name.

    Raises:
        OutputExists: `path` exists and `overwrite` is false.
        OutputUnwritable: `path` cannot be written.
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
    """Open a new file in `directory` for writing; return whether it has no name, else it is called `hidden`."""
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
        os.close(descriptor)  # another run removed it as left behind before it was locked


def _give_name(descriptor: int, hidden: str, target: str, *, overwrite: bool) -> None:
    """Give a file without a name the name `target`; by way of `hidden` where it replaces another file."""
    source = f"{_OPEN_FILES}/{descriptor}"
    try:
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)  # linkat(2), the only call that follows
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
        os.link(hidden, target)  # unlike a rename, fails if `target` has been created meanwhile
        os.unlink(hidden)
    except FileExistsError as error:
        raise already_there(target, _OPTIONS) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise already_there(target, _OPTIONS) from None
        os.replace(hidden, target)


def _act_in_directory(directory: str, made: list[str], act: Callable[[], Result]) -> Result:
    """Call `act`; if `directory` does not exist, make it first, and add all directories made to `made`."""
    try:
        return act()
    except FileNotFoundError:
        _make_directories(directory, made)
        return act()


def _make_directories(directory: str, made: list[str]) -> None:
    missing = []
    while not os.path.isdir(directory) and directory != (above := os.path.dirname(directory)):
        missing.append(directory)  # not the drive itself, which is its own parent
        directory = above
    for lacking in reversed(missing):
        made.append(lacking)  # before it exists: a signal may arrive as soon as it does
        try:
            os.mkdir(lacking)
        except FileExistsError:  # another process made it meanwhile
            made.remove(lacking)


def _copy_permissions(target: str, descriptor: int) -> None:
    """Give an open file the permissions of the one at `target`, if it exists and the system has them."""
    with suppress(FileNotFoundError):
        mode = os.stat(target).st_mode
        if not stat.S_ISREG(mode):
            raise OutputUnwritable(f"{target} is not a regular file, so it is not overwritten")
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode & 0o7777)


def _sync_directory(directory: str) -> None:
    """Make the names in `directory` survive a power cut, where it may be read and the system supports that."""
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
