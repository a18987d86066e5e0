"""The bytes of a file, read as a whole or in parts, and not mapped: cutting a mapped file short kills the process."""

from __future__ import annotations

import os
import weakref
from typing import BinaryIO

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.opening import require_unchanged


def read_whole(location: Location, called: str = "it", *, copies: int = 1) -> bytes:
    """Return all bytes of the file at `location`, which error messages name `called`.

    Args:
        location: The file.
        called: Its name in error messages.
        copies: How often the bytes, and what is made of them, will be in memory.

    Raises:
        CorruptModel: The file is empty.
        RefusedModel: It is longer than the limit on memory.
        UnreadableModel: It cannot be read, or was changed while it was read.
    """
    try:
        with location.open(buffered=False) as file:
            size = file.seek(0, os.SEEK_END)
            require_memory(size * copies, f"{called} has {size:,} bytes", location)
            budget.allow(size, copies=1)
            data = read_at(file, 0, size, called)
    except (OSError, ValueError) as error:
        raise as_unreadable(error, called) from error
    if not data:
        raise CorruptModel(f"{called} is empty")
    return data


class FileBytes:
    """The bytes of the file at `location`, of which slices are read when they are asked for.

    Raises:
        CorruptModel: The file is empty.
        UnreadableModel: The file cannot be opened.
    """

    def __init__(self, location: Location, called: str = "it") -> None:
        self._called = called
        try:
            self._file = location.open(buffered=False)
            weakref.finalize(self, self._file.close)  # if nobody closes it
            self._size = self._file.seek(0, os.SEEK_END)
        except (OSError, ValueError) as error:
            raise as_unreadable(error, called) from error
        if not self._size:
            self._file.close()
            raise CorruptModel(f"{called} is empty")

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> memoryview:
        start, stop, _ = part.indices(self._size)
        size = max(0, stop - start)
        budget.allow(size, copies=1)
        try:
            return memoryview(read_at(self._file, start, size, self._called))
        except (OSError, ValueError) as error:
            raise as_unreadable(error, self._called) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def require_memory(size: int, words: str, location: Location) -> None:
    """Check that the limits of `location` allow `size` bytes in memory.

    Raises:
        RefusedModel: They do not; the message begins with `words`.
    """
    if size > location.limits.memory:
        raise limit_exceeded("memory", words, needed=size)


def read_at(file: BinaryIO, start: int, size: int, called: str) -> bytes:
    """Return the `size` bytes of `file` from `start` on.

    Raises:
        ChangedFile: Somebody has written the file meanwhile.
        CorruptModel: It has fewer.
    """
    file.seek(start)
    found = file.read(size)
    while len(found) < size and (more := file.read(size - len(found))):  # a file without a buffer may return less
        found += more
    require_unchanged(file)
    if len(found) < size:
        raise CorruptModel(f"{called} is cut short")
    return found


def as_unreadable(error: OSError | ValueError, called: str) -> UnreadableModel:
    """Return the error for the file `called`, which cannot be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return UnreadableModel(f"{called} cannot be read: {reason}")
