"""The checksum of HDF5's newer structures: Bob Jenkins' lookup3, `hashlittle`, starting from 0."""

from __future__ import annotations

from struct import iter_unpack

from lstmdump.readers.hdf5.choice import NotPlain

_MASK = 0xFFFFFFFF
_SEED = 0xDEADBEEF
_WORDS = 12  # bytes that are mixed at once
SIZE = 4
"""The bytes of a checksum."""


def require_checksum(data: bytes) -> None:
    """Check that `data` ends with the checksum of what precedes it.

    Raises:
        NotPlain: It does not.
    """
    if lookup3(data[:-SIZE]) != int.from_bytes(data[-SIZE:], "little"):
        raise NotPlain("another checksum")


def lookup3(data: bytes) -> int:
    """Return the checksum of `data`."""
    a = b = c = (_SEED + len(data)) & _MASK
    if not data:
        return c
    last = (len(data) - 1) // _WORDS * _WORDS
    for x, y, z in iter_unpack("<3I", data[:last]):
        a, b, c = _mix(a + x & _MASK, b + y & _MASK, c + z & _MASK)
    ((x, y, z),) = iter_unpack("<3I", data[last:].ljust(_WORDS, b"\0"))
    return _finish(a + x & _MASK, b + y & _MASK, c + z & _MASK)


def _rotate(word: int, count: int) -> int:
    return (word << count | word >> 32 - count) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for one, two, three in ((4, 6, 8), (16, 19, 4)):
        a = (a - c & _MASK) ^ _rotate(c, one)
        c = c + b & _MASK
        b = (b - a & _MASK) ^ _rotate(a, two)
        a = a + c & _MASK
        c = (c - b & _MASK) ^ _rotate(b, three)
        b = b + a & _MASK
    return a, b, c


def _finish(a: int, b: int, c: int) -> int:
    c = (c ^ b) - _rotate(b, 14) & _MASK
    a = (a ^ c) - _rotate(c, 11) & _MASK
    b = (b ^ a) - _rotate(a, 25) & _MASK
    c = (c ^ b) - _rotate(b, 16) & _MASK
    a = (a ^ c) - _rotate(c, 4) & _MASK
    b = (b ^ a) - _rotate(a, 14) & _MASK
    return (c ^ b) - _rotate(b, 24) & _MASK
