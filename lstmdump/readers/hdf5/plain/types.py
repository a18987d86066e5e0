"""Dataspaces and datatypes: the shapes of arrays and the types of their elements; HDF5 file format, IV.A.2.b and d."""

from __future__ import annotations

import math
import struct
from functools import lru_cache

from lstmdump.readers.hdf5.choice import NotPlain

_MAX_DIMENSIONS = 32
_MOST_KEPT = 128  # messages that have been parsed, of at most 64 KiB
_HAS_MOST = 0x1  # the flag of a dataspace that can grow
UNLIMITED = 2**64 - 1
"""The largest length of a dimension that can grow without limit."""

_INTEGER, _FLOAT, _TEXT, _OPAQUE, _ENUM, _VARYING = 0, 1, 3, 5, 8, 9  # classes
_VERSIONS = (1, 2, 3, 4, 5)
_BIG, _SIGNED, _SEQUENCE, _OF_TEXT = 0x1, 0x8, 0x0F, 1
_NORMALISED = 0x20  # of a float: the highest bit of the mantissa is 1 and is not stored
_PRECISION = struct.Struct("<HH")
_FLOATS = {  # the position of the sign, and what follows the size, of IEEE 754's types by size
    2: (15, struct.pack("<HHBBBBI", 0, 16, 10, 5, 0, 10, 15)),
    4: (31, struct.pack("<HHBBBBI", 0, 32, 23, 8, 0, 23, 127)),
    8: (63, struct.pack("<HHBBBBI", 0, 64, 52, 11, 0, 52, 1023)),
}
_INTEGERS = {(1, False): "B", (1, True): "b", (2, False): "H", (2, True): "h", (4, False): "I", (4, True): "i",
             (8, False): "Q", (8, True): "q"}  # fmt: skip
_FLOAT_CODES = {2: "e", 4: "f", 8: "d"}
_BOOL = (b"FALSE\0TRUE\0", b"FALSE\0\0\0TRUE\0\0\0\0")  # the names of h5py's booleans, from version 3 on and before
_VARYING_SIZE = 16  # bytes of an element that refers to a text in a global heap


class Datatype:
    """The type of an element.

    Attributes:
        name: the name of the type as in numpy; `text` or `texts` for text of one or of any length.
        width: the bytes per element.
        code: the letter of the type of a number for the module struct.
        order: the byte order, as for the module struct.
        padding: how a text of one length ends: with a zero, zeros, or blanks.
    """

    __slots__ = ("code", "name", "order", "padding", "width")

    def __init__(self, name: str, width: int, code: str = "", order: str = "<", padding: int = 0) -> None:
        self.name = name
        self.width = width
        self.code = code
        self.order = order
        self.padding = padding


TEXT, TEXTS, OPAQUE = "text", "texts", "|V2"
"""Names of types that are not numbers."""

_FLOAT32 = Datatype("float32", 4, "f")
_FLOAT32_MESSAGE = struct.pack("<B3BI", 0x11, _NORMALISED, 31, 0, 4) + _FLOATS[4][1]


@lru_cache(_MOST_KEPT)
def parse_datatype(message: bytes) -> Datatype:
    """Return the type in a message, which is not to be changed; the same few messages are in all files.

    Raises:
        NotPlain: It is another type.
    """
    if message.startswith(_FLOAT32_MESSAGE):
        return _FLOAT32
    kind, version = message[0] & 0x0F, message[0] >> 4
    if version not in _VERSIONS:
        raise NotPlain("another version of types")
    bits, size, rest = message[1:4], int.from_bytes(message[4:8], "little"), message[8:]
    if kind == _INTEGER:
        return _parse_integer(bits, size, rest)
    if kind == _FLOAT:
        return _parse_float(bits, size, rest)
    if kind == _TEXT and size and bits[0] & 0x0F < 3:
        return Datatype(TEXT, size, padding=bits[0] & 0x0F)
    if kind == _OPAQUE and size == 2 and not rest.startswith(b"NUMPY:"):  # h5py's mark of its own types
        return Datatype(OPAQUE, 2)
    if kind == _ENUM and size == 1:
        return _parse_bool(bits, version, rest)
    if kind == _VARYING and bits[0] & _SEQUENCE == _OF_TEXT and size == _VARYING_SIZE:
        return Datatype(TEXTS, size)
    raise NotPlain(f"a type of class {kind}")


def _parse_integer(bits: bytes, size: int, rest: bytes) -> Datatype:
    signed = bool(bits[0] & _SIGNED)
    if bits[0] & ~(_BIG | _SIGNED) or any(bits[1:]) or _PRECISION.unpack_from(rest) != (0, 8 * size):
        raise NotPlain("unusual integers")
    code = _INTEGERS.get((size, signed))
    if code is None:
        raise NotPlain("integers of another size")
    return Datatype(f"{'' if signed else 'u'}int{8 * size}", size, code, ">" if bits[0] & _BIG else "<")


def _parse_float(bits: bytes, size: int, rest: bytes) -> Datatype:
    sign, properties = _FLOATS.get(size, (0, b""))
    if (
        not properties
        or not rest.startswith(properties)
        or bits[0] & ~_BIG != _NORMALISED
        or bits[1:] != bytes([sign, 0])
    ):
        raise NotPlain("unusual floats")
    return Datatype(f"float{8 * size}", size, _FLOAT_CODES[size], ">" if bits[0] & _BIG else "<")


def _parse_bool(bits: bytes, version: int, rest: bytes) -> Datatype:
    base, names = rest[:12], _BOOL[0] if version >= 3 else _BOOL[1]
    inner = parse_datatype(base)
    if inner.name != "int8" or bits != b"\2\0\0" or not rest[12:].startswith(names + b"\0\1"):
        raise NotPlain("an enumeration")
    return Datatype("bool", 1, "?")


class Dataspace:
    """The shape of an array, the most that it can grow to, and the number of its elements."""

    __slots__ = ("count", "most", "shape")

    def __init__(self, shape: tuple[int, ...], most: tuple[int, ...]) -> None:
        self.shape = shape
        self.most = most
        self.count = math.prod(shape)


@lru_cache(_MOST_KEPT)
def parse_dataspace(message: bytes) -> Dataspace:
    """Return the shape in a message, which is not to be changed.

    Raises:
        NotPlain: It is damaged, or says that there is no array.
    """
    version, rank, flags = message[:3]
    kind = message[3] if version == 2 else int(rank > 0)
    if version not in (1, 2) or flags & ~_HAS_MOST or rank > _MAX_DIMENSIONS or kind != int(rank > 0):
        raise NotPlain("an unusual dataspace")
    start = 8 if version == 1 else 4
    shape: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", message, start)
    most: tuple[int, ...] = struct.unpack_from(f"<{rank}Q", message, start + 8 * rank) if flags & _HAS_MOST else shape
    if any(length > limit for length, limit in zip(shape, most, strict=True)):
        raise NotPlain("longer than it can be")
    return Dataspace(shape, most)
