"""Attributes of HDF5 objects as Python values: text, lists and numbers; HDF5 file format, IV.A.2.m."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from lstmdump.readers.hdf5.choice import MOST_OBJECTS, NotPlain, require_usual
from lstmdump.readers.hdf5.groups import AttributeTooLong
from lstmdump.readers.hdf5.plain.blocks import Blocks
from lstmdump.readers.hdf5.plain.headers import ATTRIBUTE_INFO, ObjectHeader
from lstmdump.readers.hdf5.plain.heaps import GlobalHeap
from lstmdump.readers.hdf5.plain.superblock import UNDEFINED
from lstmdump.readers.hdf5.plain.types import OPAQUE, TEXT, TEXTS, Datatype, parse_dataspace, parse_datatype

_SIZES = struct.Struct("<BBHHH")  # version and flags, and the sizes of name, type and extent
_ALIGNED = 8  # in version 1
_ELEMENT = struct.Struct("<IQI")  # the length of a text, the address of its heap, and its number there
_ENDS_WITH_ZERO, _FILLED_WITH_BLANKS = 0, 2  # how a text of one length ends; else it is filled with zeros


class PlainAttribute:
    """An attribute that has not been read: the messages that describe it, and the bytes of its value."""

    __slots__ = ("extent", "kind", "value")

    def __init__(self, kind: bytes, extent: bytes, value: bytes) -> None:
        self.kind = kind
        self.extent = extent
        self.value = value


def parse_attributes(header: ObjectHeader) -> dict[bytes, PlainAttribute]:
    """Return the attributes of an object by name.

    Raises:
        NotPlain: They are damaged, or stored in another way.
    """
    if ATTRIBUTE_INFO in header.single:
        _require_compact(header.single[ATTRIBUTE_INFO])
    found = dict(map(_parse_attribute, header.attributes))
    if len(found) != len(header.attributes):
        raise NotPlain("a name twice")
    return found


def _require_compact(message: bytes) -> None:
    """Check that the attributes are in messages of the header, by the message that says where they are."""
    version, flags = message[:2]
    heap = int.from_bytes(message[2 + 2 * (flags & 1) :][:8], "little")
    if version or flags > 3 or heap != UNDEFINED:
        raise NotPlain("attributes in a heap")


def _parse_attribute(message: bytes) -> tuple[bytes, PlainAttribute]:
    version, flags, name, kind, extent = _SIZES.unpack_from(message)  # the last three are sizes
    if version not in (1, 2, 3) or (flags and version > 1):
        raise NotPlain("an unusual attribute")
    at = _SIZES.size + (1 if version == 3 else 0)  # version 3 has a byte for the encoding of the name
    odd = _ALIGNED - 1 if version == 1 else 0
    kind_at = at + (name + odd & ~odd)
    extent_at = kind_at + (kind + odd & ~odd)
    value_at = extent_at + (extent + odd & ~odd)
    if value_at > len(message) or message.find(b"\0", at) != at + name - 1:
        raise NotPlain("a damaged attribute")
    value = PlainAttribute(
        message[kind_at : kind_at + kind], message[extent_at : extent_at + extent], message[value_at:]
    )
    return message[at : at + name - 1], value


class AttributeReader:
    """Reads the values of the attributes in a file.

    Args:
        blocks: the bytes of the file.
        most: the largest number of bytes of a value.
        describe: records the addresses of the heaps that texts are in.
    """

    __slots__ = ("_blocks", "_describe", "_heaps", "_most")

    def __init__(self, blocks: Blocks, most: int, describe: Callable[[Iterable[int]], None]) -> None:
        self._blocks = blocks
        self._most = most
        self._describe = describe
        self._heaps: dict[int, GlobalHeap] = {}

    def read(self, attribute: PlainAttribute) -> Any:
        """Return the value: str for text, a list for an array, else a number.

        Raises:
            AttributeTooLong: It has too many bytes; it was not read.
            NotPlain: It is of another type, or damaged.
        """
        kind, extent = parse_datatype(attribute.kind), parse_dataspace(attribute.extent)
        count, length = extent.count, extent.count * kind.width
        if length > self._most:
            raise AttributeTooLong(length)
        require_usual(count, MOST_OBJECTS)
        if length > len(attribute.value):
            raise NotPlain("an attribute cut short")
        if kind.name == OPAQUE:
            raise NotPlain("neither text nor numbers")
        value = attribute.value[:length]
        if kind.name == TEXTS:
            found: list[Any] = self._read_texts(_ELEMENT.iter_unpack(value))
        elif kind.name == TEXT:
            found = [_decode(value[at : at + kind.width], kind) for at in range(0, length, kind.width)]
        else:
            found = list(struct.unpack(f"{kind.order}{count}{kind.code}", value))
        return found if extent.shape else found[0]

    def _read_texts(self, elements: Iterable[tuple[Any, ...]]) -> list[str]:
        """Return texts that are stored in global heaps; each heap counts as a whole, as HDF5 reads it."""
        places: list[tuple[int, int]] = []
        largest = 0
        for length, address, number in elements:
            if not length or not address:
                places.append((0, 0))
                continue
            heap = self._heap(address)
            start, size = heap.objects.get(number, (0, -1))
            if size != length:
                raise NotPlain("a text of another length")
            places.append((start, size))
            largest = max(largest, heap.size)
        total = max(largest, sum(size for _, size in places))
        if total > self._most:
            raise AttributeTooLong(total)
        return [self._blocks.read(*place).split(b"\0", 1)[0].decode("utf-8", "surrogateescape") for place in places]

    def _heap(self, address: int) -> GlobalHeap:
        found = self._heaps.get(address)
        if found is None:
            found = self._heaps[address] = GlobalHeap(self._blocks, address)
            self._describe((address,))
        return found


def _decode(value: bytes, kind: Datatype) -> str:
    if kind.padding == _ENDS_WITH_ZERO:
        value = value.split(b"\0", 1)[0]
    elif kind.padding == _FILLED_WITH_BLANKS:
        value = value.rstrip(b" ")
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")
