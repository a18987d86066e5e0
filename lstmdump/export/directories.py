"""Directories of outputs, held open, so that nobody can move outputs elsewhere while they are written.

Whoever may write in the directory around one of them can put a link in its place. Where the system makes names relative
to an open directory, which Windows does not, they stay in the directory that was opened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TypeVar

Result = TypeVar("Result")
_IS_RELATIVE = {os.open, os.stat, os.unlink, os.rename, os.link, os.mkdir, os.rmdir} <= os.supports_dir_fd
_OPEN = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CANNOT_BE_SYNCED = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # a directory
_MOST_KEPT = 64  # directories that a run holds open

_runs: list[tuple[int, dict[str, Directory]]] = []  # the present one: its process, and what that keeps, by path


def _find_kept() -> dict[str, Directory] | None:
    """Return the directories that this process keeps during a run; a forked one does not have those of its parent."""
    return next((kept for process, kept in _runs if process == os.getpid()), None)


class Directory:
    """An open directory.

    Args:
        path: Its path.
        around: The directory that `path` is relative to.
        follow: Whether `path` may be a link.

    Attributes:
        path: Its path, from the current directory.
        descriptor: What names in it are relative to; None where they cannot be.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: str, around: Directory | None = None, *, follow: bool = True) -> None:
        self.path: str = path if around is None else os.path.join(around.path, path)
        self.descriptor: int | None = None
        if not _IS_RELATIVE:
            if not os.path.isdir(self.path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return
        with suppress(PermissionError):  # where reading it is needed to open it, and not allowed
            place = None if around is None else around.descriptor
            where = path if place is not None else self.path
            self.descriptor = os.open(where, _OPEN | (0 if follow else _NO_LINK), dir_fd=place)

    def open(self, name: str, flags: int) -> int:
        """Open the file `name`, and never the target of a link."""
        return os.open(self._at(name), flags | _NO_LINK, 0o666, dir_fd=self.descriptor)

    def open_nameless(self, flags: int) -> int:
        """Open a new file without a name; `flags` are those that ask for one."""
        return os.open(self._at(os.curdir), flags, 0o666, dir_fd=self.descriptor)

    def status(self, name: str) -> os.stat_result:
        """Return the status of `name`, or of a link of that name."""
        return os.stat(self._at(name), follow_symlinks=False, dir_fd=self.descriptor)

    def exists(self, name: str) -> bool:
        """Return whether there is something called `name`, such as a link."""
        with suppress(OSError):
            self.status(name)
            return True
        return False

    def link(self, source: str, name: str) -> None:
        """Give the file `source` in this directory the name `name`, too."""
        os.link(self._at(source), self._at(name), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def adopt(self, source: str, name: str) -> None:
        """Give the file to which the link at the absolute path `source` leads the name `name`."""
        place = -1 if self.descriptor is None else self.descriptor  # linkat(2), the only call that follows
        os.link(source, self._at(name), src_dir_fd=place, dst_dir_fd=self.descriptor, follow_symlinks=True)

    def replace(self, source: str, name: str) -> None:
        """Rename `source` to `name`, which it replaces: a link of that name, not its target."""
        os.replace(self._at(source), self._at(name), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def unlink(self, name: str) -> None:
        """Remove the file `name`."""
        os.unlink(self._at(name), dir_fd=self.descriptor)

    def make(self, name: str) -> None:
        """Make the directory `name`."""
        os.mkdir(self._at(name), dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove the empty directory `name`."""
        os.rmdir(self._at(name), dir_fd=self.descriptor)

    def is_at(self, path: str) -> bool:
        """Return whether `path` leads to this directory, as far as the system can tell."""
        if self.descriptor is None:
            return True
        with suppress(OSError):
            return os.path.samestat(os.stat(path), os.fstat(self.descriptor))
        return False

    def sync(self) -> None:
        """Make the names survive a power cut, where the directory may be read and the system supports that."""
        if os.name != "posix":
            return
        try:
            descriptor = os.open(self._at(os.curdir), os.O_RDONLY, dir_fd=self.descriptor)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _CANNOT_BE_SYNCED:
                raise

    def close(self) -> None:
        """Let go of the directory."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _at(self, name: str) -> str:
        return name if self.descriptor is not None else os.path.join(self.path, name)


class OutputDirectory:
    """The directory at `path` while a file in it is written. Use it as a context manager.

    It is made when it is needed and does not exist. If the block ends with an error, what was made is removed.

    Args:
        path: The path.
        unfinished: The name of a file that is removed after an error, if it exists.
    """

    def __init__(self, path: str, unfinished: str) -> None:
        self._path = path
        self._unfinished = unfinished
        self._held: Directory | None = None
        self._around: list[Directory] = []  # directories in which others were made
        self._made: list[tuple[Directory, str]] = []  # with the directory around each

    def act(self, action: Callable[[Directory], Result]) -> Result:
        """Return the result of `action` in the directory; if it has been removed meanwhile, it is made again."""
        try:
            return action(self._hold())
        except FileNotFoundError:
            self._make()
            return action(self._hold())

    def sync(self) -> None:
        """Make the names of the file and of directories that were made survive a power cut."""
        for directory in (self._hold(), *self._around):
            directory.sync()

    def is_in_place(self) -> bool:
        """Return whether the path still leads to the directory, as far as the system can tell."""
        return self._held is None or self._held.is_at(self._path)

    def __enter__(self) -> OutputDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
        for directory in self._around:
            directory.close()
        if self._held is not None and not self._keep(self._held):
            self._held.close()

    def _discard(self) -> None:
        if self._held is not None:
            with suppress(OSError):
                self._held.unlink(self._unfinished)
        for around, name in reversed(self._made):
            with suppress(OSError):
                around.remove(name)

    def _hold(self) -> Directory:
        if self._held is None and (kept := _find_kept()) is not None:
            self._held = kept.get(os.path.abspath(self._path))
        if self._held is None:
            self._held = Directory(self._path)
        return self._held

    def _keep(self, directory: Directory) -> bool:
        """Keep an open directory until the run ends, and return whether it is kept."""
        kept = _find_kept()
        if kept is None:
            return False
        kept[os.path.abspath(self._path)] = directory
        while len(kept) > _MOST_KEPT:
            kept.pop(next(iter(kept))).close()
        return True

    def _make(self) -> None:
        """Make the directory and those around it that are missing; one that was open must not have become a link."""
        path, missing = self._path, []
        while not os.path.isdir(path) and path != (above := os.path.dirname(path) or os.curdir):
            missing.append(os.path.basename(path))  # not the drive itself, which is its own parent
            path = above
        directory = Directory(path, follow=self._held is None or bool(missing))
        for name in reversed(missing):
            self._around.append(directory)
            self._made.append((directory, name))  # before it exists: a signal may arrive as soon as it does
            try:
                directory.make(name)
            except FileExistsError:  # another process made it meanwhile
                self._made.pop()
            directory = Directory(name, directory, follow=False)
        if self._held is not None:
            self._held.close()
        self._held = directory


@contextmanager
def held() -> Iterator[None]:
    """Hold the directories of outputs open until the block ends: all outputs go into those that the first ones met."""
    kept: dict[str, Directory] = {}
    _runs[:] = [(os.getpid(), kept)]
    try:
        yield
    finally:
        _runs.clear()
        for directory in kept.values():
            directory.close()
