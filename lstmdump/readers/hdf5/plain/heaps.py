"""Heaps: local ones for the names in a group, global ones for texts; HDF5 file format, III.D and III.E."""

from __future__ import annotations

import struct

from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.plain.blocks import Blocks

_LOCAL = struct.Struct("<4sB3xQQQ")
_GLOBAL, _OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<HH4xQ")
_SMALLEST = 4096  # bytes of a global heap
_ALIGNED = 8


def read_local_heap(blocks: Blocks, address: int) -> tuple[int, bytes]:
    """Return the address and the content of the local heap with the header at `address`.

    Raises:
        NotPlain: It is damaged.
    """
    mark, version, size, _, place = _LOCAL.unpack(blocks.read(address, _LOCAL.size))
    if (mark, version) != (b"HEAP", 0):
        raise NotPlain("not a local heap")
    return place, blocks.read(place, size)


class GlobalHeap:
    """A collection of texts in the file.

    Attributes:
        size: the bytes of the collection.
        objects: the address and the size of each object, by its number.
    """

    __slots__ = ("objects", "size")

    def __init__(self, blocks: Blocks, address: int) -> None:
        """Read the heap at `address`.

        Raises:
            NotPlain: It is damaged.
        """
        mark, version, self.size = _GLOBAL.unpack(blocks.read(address, _GLOBAL.size))
        if (mark, version) != (b"GCOL", 1) or self.size < _SMALLEST or address + self.size > blocks.end:
            raise NotPlain("not a global heap")
        self.objects: dict[int, tuple[int, int]] = {}
        at, end = address + _GLOBAL.size, address + self.size
        while at + _OBJECT.size <= end:
            number, _, size = _OBJECT.unpack(blocks.read(at, _OBJECT.size))
            if not number:  # the free space at the end
                break
            start = at + _OBJECT.size
            at = start + -(-size // _ALIGNED) * _ALIGNED
            if at > end or number in self.objects:
                raise NotPlain("a damaged global heap")
            self.objects[number] = start, size
