"""The headers of HDF5 objects, decoded for two purposes.

Plain datasets: h5py takes 35 µs to open a dataset and return its shape, this module 6 µs. Plain datasets are what Keras
writes: contiguous float32. If any byte of a header indicates anything else, the dataset is left to h5py.

The length of the text in an attribute, before HDF5 reads it as a whole. The attribute itself holds only the length of a
variable-length text and its position in a heap of the file, and thousands of elements may refer to the same text of
megabytes.

Source: HDF5 File Format Specification 3.0, III.E, IV.A.1 (object headers of version 1 and 2) and IV.A.2.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import BinaryIO

import h5py

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.hdf5.library.calls import H5pyCall

# The start of an object header, and of each message in it: type, length and flags.
_HEADER_V1, _HEADER_V2 = struct.Struct("<BxHII4x"), struct.Struct("<4sBB")
_MESSAGE_V1, _MESSAGE_V2 = struct.Struct("<HHB3x"), struct.Struct("<BHB")
_HAS_TIMES, _HAS_PHASES, _CHUNK_WIDTH, _ORDERED = 0x20, 0x10, 0x03, 0x04  # flags of a version 2 header
_CHECKSUM = 4

# Types of messages.
_NIL, _DATASPACE, _DATATYPE, _OLD_FILL_VALUE, _FILL_VALUE, _LAYOUT, _TIME = 0, 1, 3, 4, 5, 8, 0x12
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10

# Plain datasets.
_MAX_HEADER = 512  # bytes of a header; h5py writes 272
_CONTIGUOUS = struct.Struct("<BBQQ")
_PLAIN = frozenset({_NIL, _DATASPACE, _DATATYPE, _OLD_FILL_VALUE, _FILL_VALUE, _LAYOUT, _TIME})
_SHARED = 0x2  # the message is stored elsewhere
_FLOAT32 = struct.pack("<B3sI2H4BI", 0x11, b"\x20\x1f\x00", 4, 0, 32, 23, 8, 0, 23, 127)
_MAX_DIMENSIONS = 32
_UNDEFINED_ADDRESS = 2**64 - 1

# Attributes.
_PLACE = struct.Struct("<QQ")
_SIZES = struct.Struct("<BxHHH")  # the start of an attribute: its version, and the sizes of its name, type and extent
_ELEMENT = struct.Struct("<IQI")  # the length of a text, the address of its heap, and its index there
_HEAP = struct.Struct("<4sB3xQ")
_MAX_BLOCKS, _MAX_BLOCK_SIZE = 1000, 1 << 24

MessageBlock = tuple[int, int]
"""The address and the size in bytes of a block of messages."""


class PlainDataset(NamedTuple):
    """A plain dataset: its shape, and the offset and the number of its bytes in the file."""

    shape: tuple[int, ...]
    start: int
    size: int


class DatasetHeaders:
    """The headers of the datasets in a file.

    Args:
        file: the file, open for reading.
        opened: the same file, opened by h5py.
    """

    def __init__(self, file: BinaryIO, opened: h5py.h5f.FileID) -> None:
        with H5pyCall("looking up /"):
            created = opened.get_create_plist()
            self._start = created.get_userblock()
            self._known = tuple(created.get_sizes()) == (8, 8)
        self._file = file

    def plain(self, address: int) -> PlainDataset | None:
        """Return the plain dataset with the header at `address`, or None if that is anything else."""
        if not self._known:
            return None
        try:
            self._file.seek(self._start + address)
            return _parse_plain(self._file.read(_MAX_HEADER), self._start)
        except (OSError, ValueError, OverflowError, struct.error):
            return None


class _PlainMessages(NamedTuple):
    """The messages of a header with the shape, the type and the position of a dataset."""

    dataspace: bytes
    datatype: bytes
    layout: bytes


def _parse_plain(header: bytes, base: int) -> PlainDataset | None:
    """Return the plain dataset with this header, in a file whose addresses are relative to `base`, or None."""
    messages = _parse_messages(header)
    if messages is None or not messages.datatype.startswith(_FLOAT32):
        return None
    version, rank, flags = messages.dataspace[:3]
    form, storage, place, size = _CONTIGUOUS.unpack_from(messages.layout)
    if (version, form, storage) != (1, 3, 1) or flags > 1 or rank > _MAX_DIMENSIONS or place == _UNDEFINED_ADDRESS:
        return None
    shape: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", messages.dataspace, 8)
    return PlainDataset(shape, base + place, size) if size == 4 * math.prod(shape) else None


def _parse_messages(header: bytes) -> _PlainMessages | None:
    version, count, _, size = _HEADER_V1.unpack_from(header)
    end = _HEADER_V1.size + size
    if version != 1 or end > len(header):
        return None
    found: dict[int, bytes] = {}
    at = _HEADER_V1.size
    for _ in range(count):
        kind, length, flags = _MESSAGE_V1.unpack_from(header, at)
        at += _MESSAGE_V1.size
        if kind not in _PLAIN or flags & _SHARED or at + length > end or (kind in found and kind != _NIL):
            return None
        found[kind] = header[at : at + length]
        at += length
    if at != end or not found.keys() >= {_DATASPACE, _DATATYPE, _LAYOUT}:
        return None
    return _PlainMessages(found[_DATASPACE], found[_DATATYPE], found[_LAYOUT])


class AttributeTexts:
    """The texts in the attributes of the objects in a file.

    Args:
        file: the file, open for reading.
        start: the offset of address 0 in the file.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start

    def length(self, address: int, name: bytes, count: int) -> int | None:
        """Return the bytes that HDF5 reads for the `count` texts in the attribute `name` of the object at `address`.

        None if they are unknown, because the attribute is not stored in the object header or the file is damaged.
        """
        try:
            value = next(self._find_attributes(address, name), None)
            if value is None or len(value) < count * _ELEMENT.size:
                return None
            elements: list[tuple[int, int, int]] = [
                _ELEMENT.unpack_from(value, turn * _ELEMENT.size) for turn in range(count)
            ]
            heaps = {heap for length, heap, _ in elements if length}
            return max((sum(length for length, _, _ in elements), *map(self._read_heap_size, heaps)))
        except (OSError, ValueError, OverflowError, struct.error):
            return None

    def _read_heap_size(self, address: int) -> int:
        mark, _, size = _HEAP.unpack(self._read(address, _HEAP.size))
        if mark != b"GCOL":
            raise ValueError("no heap")
        return int(size)

    def _find_attributes(self, address: int, name: bytes) -> Iterator[bytes]:
        """Yield the values of the attributes named `name`, of which a valid header has at most one."""
        head = self._read(address, _HEADER_V1.size)
        messages = self._iterate_v2(address) if head.startswith(b"OHDR") else self._iterate_v1(address, head)
        for kind, body in messages:
            if kind == _ATTRIBUTE and (value := _read_attribute_value(body, name)) is not None:
                yield value

    def _iterate_v1(self, address: int, head: bytes) -> Iterator[tuple[int, bytes]]:
        version, _, _, size = _HEADER_V1.unpack(head)
        if version != 1:
            raise ValueError("no header")
        blocks: list[MessageBlock] = [(address + _HEADER_V1.size, size)]
        for block in self._read_blocks(blocks):
            at = 0
            while at + _MESSAGE_V1.size <= len(block):
                kind, length, _ = _MESSAGE_V1.unpack_from(block, at)
                at += _MESSAGE_V1.size
                yield from self._follow(kind, block[at : at + length], blocks)
                at += length

    def _iterate_v2(self, address: int) -> Iterator[tuple[int, bytes]]:
        _, version, flags = _HEADER_V2.unpack(self._read(address, _HEADER_V2.size))
        if version != 2:
            raise ValueError("no header")
        start = address + _HEADER_V2.size + (16 if flags & _HAS_TIMES else 0) + (4 if flags & _HAS_PHASES else 0)
        width = 1 << (flags & _CHUNK_WIDTH)
        blocks: list[MessageBlock] = [(start + width, int.from_bytes(self._read(start, width), "little"))]
        for turn, block in enumerate(self._read_blocks(blocks)):
            at, end = (0, len(block)) if not turn else (4, len(block) - _CHECKSUM)  # the others begin with OCHK
            while at + _MESSAGE_V2.size <= end:
                kind, length, _ = _MESSAGE_V2.unpack_from(block, at)
                at += _MESSAGE_V2.size + (2 if flags & _ORDERED else 0)
                yield from self._follow(kind, block[at : at + length], blocks)
                at += length

    def _follow(self, kind: int, body: bytes, blocks: list[MessageBlock]) -> Iterator[tuple[int, bytes]]:
        """Yield a message as its type and body; where it is a continuation, add its block to `blocks` instead."""
        if kind == _CONTINUATION:
            blocks.append(_PLACE.unpack_from(body))
        else:
            yield kind, body

    def _read_blocks(self, blocks: list[MessageBlock]) -> Iterator[bytes]:
        """Yield the bytes of each block; blocks may be added to the list during the iteration."""
        for turn, (start, size) in enumerate(blocks):
            if turn == _MAX_BLOCKS or size > _MAX_BLOCK_SIZE:
                raise ValueError("no header")
            yield self._read(start, size)

    def _read(self, address: int, size: int) -> bytes:
        self._file.seek(self._start + address)
        return self._file.read(size)


def _read_attribute_value(body: bytes, name: bytes) -> bytes | None:
    """Return the value of the attribute in the message `body` if it is named `name`, else None."""
    version, name_size, type_size, extent_size = _SIZES.unpack_from(body)
    at = _SIZES.size + (1 if version == 3 else 0)  # version 3 has a byte for the encoding of the name
    if body[at : at + name_size].rstrip(b"\0") != name:
        return None
    lengths = (name_size, type_size, extent_size)
    return body[at + sum(-(-length // 8) * 8 if version == 1 else length for length in lengths) :]
