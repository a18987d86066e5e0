"""The headers of plain HDF5 datasets, decoded here: h5py takes 35 µs to open one and ask for its shape, this takes 6.

Plain is what Keras writes: float32 in one piece. What is anything else, by any byte that is looked at, is left to h5py.
Source: HDF5 File Format Specification 3.0, IV.A.1.a (version 1 object header) and IV.A.2.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO, NamedTuple

import h5py

from lstmdump.readers.hdf5.calls import Call

_LONGEST = 512  # bytes; those that h5py writes have 272
_PREFIX = struct.Struct("<BxHII4x")
_MESSAGE = struct.Struct("<HHB3x")
_CONTIGUOUS = struct.Struct("<BBQQ")
_NIL, _DATASPACE, _DATATYPE, _OLD_FILL_VALUE, _FILL_VALUE, _LAYOUT, _TIME = 0, 1, 3, 4, 5, 8, 0x12
_PLAIN = frozenset({_NIL, _DATASPACE, _DATATYPE, _OLD_FILL_VALUE, _FILL_VALUE, _LAYOUT, _TIME})
_SHARED = 0x2  # the message is elsewhere
_FLOAT32 = struct.pack("<B3sI2H4BI", 0x11, b"\x20\x1f\x00", 4, 0, 32, 23, 8, 0, 23, 127)
_MOST_DIMENSIONS = 32
_NOWHERE = 2**64 - 1


class Plain(NamedTuple):
    """A plain dataset: its shape, and where in the file its bytes begin and how many there are."""

    shape: tuple[int, ...]
    start: int
    size: int


class Headers:
    """The headers in a FILE, open for reading, that h5py has OPENED as well."""

    def __init__(self, file: BinaryIO, opened: h5py.h5f.FileID) -> None:
        with Call("looking up /"):
            created = opened.get_create_plist()
            self._start = created.get_userblock()
            self._known = tuple(created.get_sizes()) == (8, 8)
        self._file = file

    def plain(self, address: int) -> Plain | None:
        """The plain dataset whose header stands at ADDRESS; None where there is none."""
        if not self._known:
            return None
        try:
            self._file.seek(self._start + address)
            return _plain(self._file.read(_LONGEST), self._start)
        except (OSError, ValueError, OverflowError, struct.error):
            return None


class _Messages(NamedTuple):
    """Those of the messages in a header that tell the shape, the type and the place."""

    dataspace: bytes
    datatype: bytes
    layout: bytes


def _plain(header: bytes, base: int) -> Plain | None:
    """The plain dataset with that HEADER in a file whose addresses count from BASE."""
    messages = _messages(header)
    if messages is None or not messages.datatype.startswith(_FLOAT32):
        return None
    version, rank, flags = messages.dataspace[:3]
    form, storage, place, size = _CONTIGUOUS.unpack_from(messages.layout)
    if (version, form, storage) != (1, 3, 1) or flags > 1 or rank > _MOST_DIMENSIONS or place == _NOWHERE:
        return None
    shape: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", messages.dataspace, 8)
    return Plain(shape, base + place, size) if size == 4 * math.prod(shape) else None


def _messages(header: bytes) -> _Messages | None:
    version, count, _, size = _PREFIX.unpack_from(header)
    end = _PREFIX.size + size
    if version != 1 or end > len(header):
        return None
    found: dict[int, bytes] = {}
    at = _PREFIX.size
    for _ in range(count):
        kind, length, flags = _MESSAGE.unpack_from(header, at)
        at += _MESSAGE.size
        if kind not in _PLAIN or flags & _SHARED or at + length > end or (kind in found and kind != _NIL):
            return None
        found[kind] = header[at : at + length]
        at += length
    if at != end or not found.keys() >= {_DATASPACE, _DATATYPE, _LAYOUT}:
        return None
    return _Messages(found[_DATASPACE], found[_DATATYPE], found[_LAYOUT])
