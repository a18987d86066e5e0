"""What the arrays of a model declare, held against what is stored: so many bytes, and each of them one array's.

A file of a megabyte may declare terabytes: as zeros that compress well, by many names for one array, or in chunks that
all lie at one place. What each array declares may be little; so it is their sum that counts.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, FREE, Limits, limit_exceeded


class Declared:
    """The arrays of one model, which may lie in several files, up to `limits`."""

    __slots__ = ("_bytes", "_count", "_stored", "limits")

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        self._bytes = self._count = self._stored = 0

    def store(self, size: int) -> None:
        """Add SIZE bytes to those that are stored."""
        self._stored += size

    def take(self, size: int) -> None:
        """Add an array that declares SIZE bytes.

        Raises:
            RefusedModel: there are too many.
        """
        self._bytes += size
        self._count += 1
        if self._count > self.limits.objects:
            raise limit_exceeded("objects", f"more than {self.limits.objects:,} arrays", needed=2 * self._count)

    def insist_on_stored(self) -> None:
        """What all arrays declare may be what is stored.

        Raises:
            RefusedModel: it is far more.
        """
        if self._bytes > FREE + self.limits.unfolding * self._stored:
            words = f"its arrays declare {self._bytes:,} bytes, but {self._stored:,} are stored"
            raise limit_exceeded("unfolding", words, needed=math.ceil((self._bytes - FREE) / max(1, self._stored)))


class Extents:
    """Where in a file of SIZE bytes, None where that is not known, its arrays lie: behind its HEAD of so many bytes.

    Attributes:
        end: where the last one ends, once it is known that no two lie over each other.
    """

    __slots__ = ("_apart", "_head", "_last", "_objects", "_places", "_size", "end")

    def __init__(self, size: int | None = None, head: int = 0) -> None:
        self._size = size
        self._head = head
        self._places: list[tuple[int, int, str | bytes]] = []
        self._objects: list[int] = []
        self._last = self.end = 0
        self._apart = True

    def take(self, name: str | bytes, start: int, size: int) -> None:
        """Add the array NAME, SIZE bytes from START on.

        Raises:
            CorruptModel: it reaches out of the file, or into its head.
        """
        stop = start + size
        if self._size is not None and stop > self._size:
            raise CorruptModel(f"{_text(name)} lies beyond the end of the file")
        if size:
            if start < self._head:
                raise CorruptModel(f"{_text(name)} lies over the head of the file")
            self._places.append((start, stop, name))
            if start < self._last:  # as a rule, what is met later lies further behind
                self._apart = False
            elif stop > self.end:
                self.end = stop
            self._last = stop

    def describe(self, places: Iterable[int]) -> None:
        """Note that at each of PLACES stands what describes a group or an array."""
        self._objects.extend(places)

    def insist_on_own_places(self) -> None:
        """Each byte is one array's.

        Raises:
            CorruptModel: one array reaches over bytes of another, or over what describes one.
        """
        if not self._apart:
            self._places.sort()
            for (_, stop, name), (start, _, other) in pairwise(self._places):
                if start < stop:
                    raise CorruptModel(f"{_text(name)} and {_text(other)} lie over each other in the file")
            self._last = self.end = self._places[-1][1]
            self._apart = True
        objects = sorted(self._objects)
        for start, stop, name in self._places if objects else ():
            behind = bisect_left(objects, start)
            if behind < len(objects) and objects[behind] < stop:
                raise CorruptModel(f"{_text(name)} lies over what describes another part of the file")


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
