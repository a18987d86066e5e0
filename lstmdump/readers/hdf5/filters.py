"""The filters of the chunks of an HDF5 dataset: gzip, lzf, shuffle and Fletcher's checksum, undone with checks.

HDF5 itself does not check the length of what its filters return: for a chunk that is too short after decompression, it
takes whatever follows in memory. Here a chunk is what its own bytes say, or an error.

Source: HDF5 File Format Specification 3.0, IV.A.2.l (the filter pipeline).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from lstmdump.errors import CorruptModel, UnsupportedFormat

Filter = tuple[int, tuple[int, ...]]
"""The number of a filter and its parameters."""

_GZIP, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_READABLE = frozenset({_GZIP, _SHUFFLE, _FLETCHER32, _LZF})
_COMPRESSING = frozenset({_GZIP, _LZF})
_CHECKSUM = 4  # bytes that the filter fletcher32 adds
_LITERALS = 32  # a smaller first byte of an LZF run is the number, less one, of literal bytes that follow
_LONG = 7  # the length of a repetition whose next byte adds to it


def require_readable(filters: Sequence[Filter], path: str) -> None:
    """Check that the filters of the array at `path` can be undone: at most one compresses, and shuffle comes first.

    Raises:
        UnsupportedFormat: There are others.
    """
    found = [code for code, _ in filters]
    packing = [turn for turn, code in enumerate(found) if code in _COMPRESSING]
    if not _READABLE.issuperset(found) or len(packing) > 1 or (packing and _SHUFFLE in found[packing[0] :]):
        words = ", ".join(map(str, found))
        raise UnsupportedFormat(f"{path} is compressed in a way that is not supported (HDF5 filters {words}); "
                                "rewrite the file with `h5repack -f GZIP=1`")  # fmt: skip


def unpack(stored: bytes, filters: Sequence[Filter], left_out: int, length: int, path: str) -> bytes | bytearray:
    """Return the bytes of a chunk.

    Args:
        stored: the chunk as it is stored.
        filters: the filters of the dataset, in the order in which they were applied.
        left_out: the mask of those that were not applied to this chunk.
        length: the bytes of each chunk.
        path: the path of the dataset, for error messages.

    Raises:
        CorruptModel: The chunk cannot be decompressed, has another length, or differs from its checksum.
    """
    if left_out >> len(filters):
        raise CorruptModel(f"a chunk of {path} leaves out filters that the array does not have")
    data: bytes | bytearray = stored
    applied = [row for turn, row in enumerate(filters) if not left_out >> turn & 1]
    for turn in reversed(range(len(applied))):
        code, values = applied[turn]
        most = length + _CHECKSUM * sum(before == _FLETCHER32 for before, _ in applied[:turn])
        if code == _GZIP:
            data = _inflate(data, most, path)
        elif code == _LZF:
            data = _expand(data, most, path)
        elif code == _FLETCHER32:
            data = _verify(data, path)
        else:
            data = _unshuffle(data, values, most, path)
    _require_length(len(data), length, path)
    return data


def _require_length(found: int, length: int, path: str) -> None:
    if found != length:
        words = "more than" if found > length else f"{found:,} of"
        raise CorruptModel(f"a chunk of {path} has {words} its {length:,} bytes")


def _inflate(stored: bytes | bytearray, most: int, path: str) -> bytes:
    """Return `stored` decompressed by zlib, up to one byte more than `most`."""
    import zlib  # 160 KiB with its library, for compressed arrays only

    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(stored, most + 1)
    except zlib.error as error:
        raise CorruptModel(f"a chunk of {path} cannot be decompressed ({error})") from error
    if len(found) == most and not inflate.eof:
        raise CorruptModel(f"a chunk of {path} is cut short")
    return found


def _expand(stored: bytes | bytearray, most: int, path: str) -> bytearray:
    """Return `stored` decompressed by LZF, up to a run that exceeds `most`."""
    found = bytearray()
    at, end = 0, len(stored)
    while at < end and len(found) <= most:
        head = stored[at]
        at += 1
        if head < _LITERALS:
            found += stored[at : at + head + 1]
            at += head + 1
            continue
        length = head >> 5
        if length == _LONG and at < end:
            length += stored[at]
            at += 1
        if at >= end:
            break
        distance = ((head & 31) << 8 | stored[at]) + 1
        at += 1
        if distance > len(found):
            raise CorruptModel(f"a chunk of {path} repeats bytes before its start")
        _repeat(found, distance, length + 2)
    if at > end:
        raise CorruptModel(f"a chunk of {path} is cut short")
    return found


def _repeat(found: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes, which begin `distance` bytes before the end and may overlap what is appended."""
    start = len(found) - distance
    piece = bytes(found[start : start + length])
    found += (piece * -(-length // len(piece)))[:length]


def _unshuffle(data: bytes | bytearray, values: tuple[int, ...], length: int, path: str) -> bytes | bytearray:
    """Return `data`, which holds the first bytes of all elements, then the second ones, …, element by element."""
    _require_length(len(data), length, path)
    width = values[0] if values else 0
    if width < 1 or width > max(1, length):
        raise CorruptModel(f"the chunks of {path} are shuffled by elements of {width:,} bytes")
    if width == 1:
        return data
    count = length // width
    found = bytearray(data)  # what remains behind the last whole element is not shuffled
    for turn in range(width):
        found[turn : count * width : width] = data[turn * count : (turn + 1) * count]
    return found


def _verify(data: bytes | bytearray, path: str) -> bytes | bytearray:
    """Return `data` without Fletcher's checksum at its end."""
    body, expected = data[:-_CHECKSUM], data[-_CHECKSUM:]
    found = fletcher32(body)
    # HDF5 1.6.2 and earlier swapped the bytes of both halves on little-endian machines, and HDF5 still accepts that
    swapped = (found & 0x00FF00FF) << 8 | found >> 8 & 0x00FF00FF
    if len(expected) < _CHECKSUM or int.from_bytes(expected, "little") not in (found, swapped):
        raise CorruptModel(f"a chunk of {path} is damaged: its checksum differs")
    return body


def fletcher32(data: bytes | bytearray) -> int:
    """Return Fletcher's checksum of `data`, as the filter of HDF5 computes it: of big-endian words of two bytes."""
    words = memoryview(bytes(data) + b"\0" * (len(data) % 2)).cast("H").tolist()
    swapped = memoryview(b"\1\0").cast("H")[0] == 1  # the words of a little-endian machine
    if swapped:
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    first, second = sum(words), sum(accumulate(words))
    return _fold(second) << 16 | _fold(first)


def _fold(total: int) -> int:
    """Return `total` in one's complement of 16 bits, where only 0 itself is 0."""
    return (total - 1) % 0xFFFF + 1 if total else 0
