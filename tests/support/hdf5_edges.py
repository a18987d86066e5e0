"""HDF5 files whose chunks at the edge are stored without filters, and too short: HDF5 reads on in its memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from lstmdump.readers.hdf5.plain.checksum import lookup3

_LAYOUT, _CHUNKED, _EDGES_UNFILTERED = 8, 2, 1


def write_short_edge(path: Path, shape: tuple[int, ...], chunk: tuple[int, ...], **options: Any) -> Path:
    """Write an array `packed` of ones whose last chunk has few bytes, which inflate to as many as a chunk has."""
    corner = tuple((length - 1) // size * size for length, size in zip(shape, chunk, strict=True))
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        made = file.create_dataset("packed", shape, "<f4", chunks=chunk, compression="gzip", **options)
        made[...] = 1
        whole = 4
        for size in chunk:
            whole *= size
        made.id.write_direct_chunk(corner, zlib.compress(bytes(whole), 9))
    return mark_edges(path)


def mark_edges(path: Path) -> Path:
    """Change the layouts in a file so that chunks at the edge have no filters."""
    data = bytearray(path.read_bytes())
    for start, end in _headers(data):
        for body in _layouts(data, start, end):
            data[body + 2] |= _EDGES_UNFILTERED
        data[end : end + 4] = lookup3(bytes(data[start:end])).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def _headers(data: bytearray) -> Iterator[tuple[int, int]]:
    start = data.find(b"OHDR")
    while start >= 0:
        flags = data[start + 5]
        first = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        yield start, first + width + int.from_bytes(data[first : first + width], "little")
        start = data.find(b"OHDR", start + 1)


def _layouts(data: bytearray, start: int, end: int) -> Iterator[int]:
    """Yield where the layouts of chunks are in the header from `start` to `end`."""
    flags = data[start + 5]
    at = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0) + (1 << (flags & 3))
    while at + 4 <= end:
        body = at + 4 + (2 if flags & 4 else 0)
        if data[at] == _LAYOUT and data[body] >= 4 and data[body + 1] == _CHUNKED:
            yield body
        at = body + int.from_bytes(data[at + 1 : at + 3], "little")
