"""Checks of the sizes that the arrays of a model declare against the bytes that are stored, each for one array only.

A file of a megabyte can declare terabytes: as zeros that compress well, by many names for one array, or in chunks that
are all at one offset. Each single array may declare little, so the sum is checked.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import pairwise

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, FREE, Limits, limit_exceeded


class Declared:
    """The arrays of one model, which may be stored in several files, up to `limits`."""

    __slots__ = ("_bytes", "_count", "_stored", "limits")

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        self._bytes = self._count = self._stored = 0

    def store(self, size: int) -> None:
        """Add `size` to the stored bytes."""
        self._stored += size

    def take(self, size: int, count: int = 1) -> None:
        """Add an array that declares `size` bytes, or `count` arrays that do together.

        Raises:
            RefusedModel: There are too many arrays.
        """
        self._bytes += size
        self._count += count
        if self._count > self.limits.objects:
            raise limit_exceeded("objects", f"more than {self.limits.objects:,} arrays", needed=2 * self._count)

    def require_stored(self) -> None:
        """Check the sum of the declared bytes.

        Raises:
            RefusedModel: The arrays declare far more bytes than are stored.
        """
        if self._bytes > FREE + self.limits.unfolding * self._stored:
            words = f"its arrays declare {self._bytes:,} bytes, but {self._stored:,} are stored"
            raise limit_exceeded("unfolding", words, needed=math.ceil((self._bytes - FREE) / max(1, self._stored)))


class Extents:
    """The extents of the arrays in a file.

    Args:
        size: the size of the file in bytes, or None if it is unknown.
        head: the size in bytes of the file's header, which precedes all arrays.

    Attributes:
        end: the end of the last array, valid after `require_disjoint`.
        describe: records offsets of metadata that describes groups and arrays.
    """

    __slots__ = ("_head", "_last", "_objects", "_places", "_size", "_sorted", "describe", "end")

    def __init__(self, size: int | None = None, head: int = 0) -> None:
        self._size = size
        self._head = head
        self._places: list[tuple[int, int, str | bytes]] = []
        self._objects: list[int] = []
        self.describe: Callable[[Iterable[int]], None] = self._objects.extend
        self._last = self.end = 0
        self._sorted = True

    def take(self, name: str | bytes, start: int, size: int) -> None:
        """Add the array `name`, which has `size` bytes from the offset `start`.

        Raises:
            CorruptModel: The array reaches beyond the file, or overlaps its header.
        """
        stop = start + size
        if self._size is not None and stop > self._size:
            raise CorruptModel(f"{_decode(name)} reaches beyond the end of the file")
        if size:
            if start < self._head:
                raise CorruptModel(f"{_decode(name)} overlaps the file header")
            self._places.append((start, stop, name))
            if start < self._last:  # arrays are usually listed in the order of their offsets
                self._sorted = False
            elif stop > self.end:
                self.end = stop
            self._last = stop

    def require_disjoint(self) -> None:
        """Check that each byte belongs to one array only.

        Raises:
            CorruptModel: An array overlaps another array or the file's metadata.
        """
        if not self._sorted:
            self._places.sort()
            for (_, stop, name), (start, _, other) in pairwise(self._places):
                if start < stop:
                    raise CorruptModel(f"{_decode(name)} and {_decode(other)} overlap in the file")
            self._last = self.end = self._places[-1][1]
            self._sorted = True
        objects = sorted(self._objects)
        for start, stop, name in self._places if objects else ():
            behind = bisect_left(objects, start)
            if behind < len(objects) and objects[behind] < stop:
                raise CorruptModel(f"{_decode(name)} overlaps the file's metadata")


def _decode(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
