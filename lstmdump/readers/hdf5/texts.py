"""How long the text in an HDF5 attribute is, told before HDF5 reads it, which it does at once and as a whole.

Text of variable length is not in the attribute itself: there stand its length and its place in a heap of the file, and
thousands of elements may all lead to one text of megabytes. So the object's header is gone through here, in both of its
versions. Source: HDF5 File Format Specification 3.0, III.E, IV.A.1, IV.A.2.m.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_V1, _V2 = struct.Struct("<BxHII4x"), struct.Struct("<4sBB")
_MESSAGE_V1, _MESSAGE_V2 = struct.Struct("<HHB3x"), struct.Struct("<BHB")
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_PLACE = struct.Struct("<QQ")
_SIZES = struct.Struct("<BxHHH")  # the start of an attribute: its version, and how long its name, type and extent are
_ELEMENT = struct.Struct("<IQI")  # a length, where its heap begins, and its number there
_HEAP = struct.Struct("<4sB3xQ")
_TIMES, _PHASES, _CHUNK_WIDTH, _ORDERED = 0x20, 0x10, 0x03, 0x04  # flags of a header of version 2
_CHECKSUM = 4
_MOST_BLOCKS, _LONGEST_BLOCK = 1000, 1 << 24

Block = tuple[int, int]
"""Where a run of messages begins and how many bytes it has."""


class Texts:
    """The texts in attributes of a FILE, open for reading, in which addresses count from START."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start

    def length(self, address: int, name: bytes, count: int) -> int | None:
        """The bytes that HDF5 reads for the COUNT texts in the attribute NAME of the object at ADDRESS.

        None where that cannot be told, as the attribute is not stored in the object's header, or all is damaged.
        """
        try:
            value = next(self._attributes(address, name), None)
            if value is None or len(value) < count * _ELEMENT.size:
                return None
            elements: list[tuple[int, int, int]] = [
                _ELEMENT.unpack_from(value, turn * _ELEMENT.size) for turn in range(count)
            ]
            heaps = {heap for length, heap, _ in elements if length}
            return max((sum(length for length, _, _ in elements), *map(self._heap_size, heaps)))
        except (OSError, ValueError, OverflowError, struct.error):
            return None

    def _heap_size(self, address: int) -> int:
        mark, _, size = _HEAP.unpack(self._read(address, _HEAP.size))
        if mark != b"GCOL":
            raise ValueError("no heap")
        return int(size)

    def _attributes(self, address: int, name: bytes) -> Iterator[bytes]:
        """What the attributes called NAME hold, of which there is one at most."""
        head = self._read(address, _V1.size)
        messages = self._messages_v2(address) if head.startswith(b"OHDR") else self._messages_v1(address, head)
        for kind, body in messages:
            if kind == _ATTRIBUTE and (value := _value(body, name)) is not None:
                yield value

    def _messages_v1(self, address: int, head: bytes) -> Iterator[tuple[int, bytes]]:
        version, _, _, size = _V1.unpack(head)
        if version != 1:
            raise ValueError("no header")
        blocks: list[Block] = [(address + _V1.size, size)]
        for block in self._one_by_one(blocks):
            at = 0
            while at + _MESSAGE_V1.size <= len(block):
                kind, length, _ = _MESSAGE_V1.unpack_from(block, at)
                at += _MESSAGE_V1.size
                yield from self._told(kind, block[at : at + length], blocks)
                at += length

    def _messages_v2(self, address: int) -> Iterator[tuple[int, bytes]]:
        _, version, flags = _V2.unpack(self._read(address, _V2.size))
        if version != 2:
            raise ValueError("no header")
        start = address + _V2.size + (16 if flags & _TIMES else 0) + (4 if flags & _PHASES else 0)
        width = 1 << (flags & _CHUNK_WIDTH)
        blocks: list[Block] = [(start + width, int.from_bytes(self._read(start, width), "little"))]
        for turn, block in enumerate(self._one_by_one(blocks)):
            at, end = (0, len(block)) if not turn else (4, len(block) - _CHECKSUM)  # the others have a mark, OCHK
            while at + _MESSAGE_V2.size <= end:
                kind, length, _ = _MESSAGE_V2.unpack_from(block, at)
                at += _MESSAGE_V2.size + (2 if flags & _ORDERED else 0)
                yield from self._told(kind, block[at : at + length], blocks)
                at += length

    def _told(self, kind: int, body: bytes, blocks: list[Block]) -> Iterator[tuple[int, bytes]]:
        if kind == _CONTINUATION:
            blocks.append(_PLACE.unpack_from(body))
        else:
            yield kind, body

    def _one_by_one(self, blocks: list[Block]) -> Iterator[bytes]:
        """The bytes of each of BLOCKS, to which more may be added meanwhile."""
        for turn, (start, size) in enumerate(blocks):
            if turn == _MOST_BLOCKS or size > _LONGEST_BLOCK:
                raise ValueError("no header")
            yield self._read(start, size)

    def _read(self, address: int, size: int) -> bytes:
        self._file.seek(self._start + address)
        return self._file.read(size)


def _value(body: bytes, name: bytes) -> bytes | None:
    """What the attribute in the message BODY holds, if it is called NAME."""
    version, name_size, type_size, extent_size = _SIZES.unpack_from(body)
    at = _SIZES.size + (1 if version == 3 else 0)  # version 3 tells how the name is encoded
    if body[at : at + name_size].rstrip(b"\0") != name:
        return None
    lengths = (name_size, type_size, extent_size)
    return body[at + sum(-(-length // 8) * 8 if version == 1 else length for length in lengths) :]
