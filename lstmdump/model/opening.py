"""Open files for reading without waiting: regular files only, whatever takes their place, and none that changes.

A named pipe would keep its reader waiting for a writer, and a device never ends. What has been read of a file that is
rewritten meanwhile belongs to two files.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import BinaryIO, TypeAlias, cast

from lstmdump.errors import ChangedFile

Stamp: TypeAlias = tuple[int, int]
"""The size of a file, and when it was last written."""

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)  # Windows
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # no effect on regular files
    | getattr(os, "O_NOCTTY", 0)
)
MOST = 1 << 26
"""Bytes of a file that the user gives beside the models: a list of models, records, settings."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class NotRegularError(OSError):
    """A path leads to something that is not a file; `kind` says in words to what."""

    def __init__(self, kind: str) -> None:
        super().__init__(errno.EINVAL, f"{kind}, not a file")
        self.kind = kind


class WatchedFile(io.FileIO):
    """A regular file, open for reading at any position without a buffer.

    Args:
        path: The path of the file.
        follow: Whether `path` may be a link.

    Attributes:
        stamp: Its size and time when it was opened.

    Raises:
        OSError: It cannot be opened, or is not a regular file.
    """

    def __init__(self, path: str, *, follow: bool = True) -> None:
        _require_regular(os.stat(path))  # opening some devices has effects
        descriptor = os.open(path, _FLAGS if follow else _FLAGS | _NO_LINK)
        try:
            found = os.fstat(descriptor)
            _require_regular(found)
            super().__init__(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
        self.path = path
        self.stamp = _stamp(found)

    def require_unchanged(self) -> None:
        """Check that nobody has written the file since it was opened.

        Raises:
            ChangedFile: Somebody has.
        """
        if not self.closed and _stamp(os.fstat(self.fileno())) != self.stamp:
            raise changed(self.path)


def require_unchanged(file: BinaryIO) -> None:
    """Check that nobody has written `file` since it was opened, if it is on this machine.

    Raises:
        ChangedFile: Somebody has.
    """
    check = getattr(getattr(file, "raw", file), "require_unchanged", None)
    if check is not None:
        check()


def path_of(file: BinaryIO) -> str:
    """Return a path that leads to a file of `WatchedFile`, for libraries that open files by their path.

    On Linux, it leads to the open file itself, whatever has taken its place by then.
    """
    watched = cast("WatchedFile", getattr(file, "raw", file))
    itself = f"/proc/self/fd/{watched.fileno()}"
    return itself if os.path.exists(itself) else watched.path


def find_place(file: WatchedFile) -> str | None:
    """Return where an open file is, without links, or None if the system does not tell: only Linux does."""
    try:
        place = os.readlink(f"/proc/self/fd/{file.fileno()}")
    except OSError:
        return None
    return place if place.startswith("/") else None


def require_same(path: str, stamp: Stamp) -> None:
    """Check that nobody has written the file at `path` since it had this `stamp`; it may be missing by now.

    Raises:
        ChangedFile: Somebody has.
    """
    try:
        found = os.stat(path)
    except OSError:
        return
    if _stamp(found) != stamp:
        raise changed(path)


def changed(path: str) -> ChangedFile:
    """Return the error for the file at `path`, which somebody has written while it was read."""
    return ChangedFile(f"{os.path.basename(path)} was changed while it was read; read it again when nothing writes it")


def open_given(path: str) -> io.BufferedReader:
    """Open a file that the user gives beside the models; what the shell has opened, as for `<(…)`, may be a pipe.

    Raises:
        OSError: It cannot be opened, or is something else.
    """
    number = "0" if path == "/dev/stdin" else path.removeprefix("/dev/fd/")
    if path.startswith("/dev/") and number.isdecimal():
        return io.BufferedReader(io.FileIO(int(number), closefd=False))
    return io.BufferedReader(WatchedFile(path))


def read_bounded(path: str) -> bytes:
    """Return the content of a file that the user gives beside the models.

    Raises:
        OSError: It cannot be read, is not a regular file, or has more than `MOST` bytes.
    """
    with open_given(path) as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise too_long()
    return data


def too_long() -> OSError:
    """Return the error for a file that has more than `MOST` bytes."""
    return OSError(errno.EFBIG, f"it has more than {MOST >> 20} MiB")


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns


def _require_regular(found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise NotRegularError(_KINDS.get(stat.S_IFMT(found.st_mode), "something else"))
