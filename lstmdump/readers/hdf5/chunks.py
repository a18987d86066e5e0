"""The chunks of HDF5 datasets: whether all are there, each in a place of its own, and each comes to its full length.

HDF5 does not look: where a chunk is not there, it gives zeros, and where one comes to less than its length once it is
unpacked, whatever lay in memory behind it. That holds for every filter, so only those are read whose output can be
measured before: gzip and lzf, with or without shuffle and Fletcher's checksum.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import h5py

from lstmdump.errors import CorruptModel, UnsupportedFormat
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.readers.hdf5.calls import H5pyCall

_GZIP, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_READ = frozenset({_GZIP, _SHUFFLE, _FLETCHER32, _LZF})
_PACKED = frozenset({_GZIP, _LZF})
_CHECKSUM = 4  # bytes that the filter fletcher32 adds
_TAKEN, _AT_ONCE = 1 << 16, 1 << 20  # bytes that are taken at a time, and that they are inflated to
_COPIES = 4  # of a chunk in memory: as it is stored, as it is unpacked, and as the caller gets it
_LITERALS = 32  # below it, the first byte of an LZF run says how many bytes follow as they are


class Chunk(NamedTuple):
    """One chunk: where in the file it lies, how many bytes it has there, and which filters were left out for it."""

    corner: tuple[int, ...]
    start: int
    size: int
    left_out: int


def iterate_chunks(dataset: h5py.Dataset, path: str, limits: Limits) -> Iterator[Chunk]:
    """Yield all chunks of `dataset`, each after a check that it comes to its full length.

    Args:
        dataset: the chunked dataset.
        path: what messages call the dataset.
        limits: how many chunks there may be, and how long.

    Raises:
        CorruptModel: a chunk is missing, or comes to another length.
        RefusedModel: the chunks are too many, or too long.
        UnsupportedFormat: the chunks are compressed in a way whose output cannot be measured.
    """
    starts = [range(0, length, chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    length = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    filters = _read_filters(dataset, path)
    wanted, there = math.prod(map(len, starts)), dataset.id.get_num_chunks()
    if there != wanted:
        raise CorruptModel(f"{max(0, wanted - there):,} of {wanted:,} chunks of {path} are not in the file")
    if wanted > limits.nodes:
        raise limit_exceeded("nodes", f"{path} lies in {wanted:,} chunks", needed=wanted)
    if length * _COPIES > limits.memory:
        raise limit_exceeded("memory", f"each chunk of {path} has {length:,} bytes", needed=length * _COPIES)
    for corner in product(*starts):
        with H5pyCall(f"reading a chunk of {path}"):
            info = dataset.id.get_chunk_info_by_coord(corner)
            if info.byte_offset is None:
                raise CorruptModel(f"a chunk of {path} is not in the file")
            chunk = Chunk(corner, info.byte_offset, info.size, info.filter_mask)
            _check_length(dataset, chunk, filters, length, path)
        yield chunk


def _read_filters(dataset: h5py.Dataset, path: str) -> list[int]:
    created = dataset.id.get_create_plist()
    found = [int(created.get_filter(turn)[0]) for turn in range(created.get_nfilters())]
    packing = [turn for turn, code in enumerate(found) if code in _PACKED]
    if not _READ.issuperset(found) or len(packing) > 1 or (packing and _SHUFFLE in found[packing[0] :]):
        words = ", ".join(map(str, found))
        raise UnsupportedFormat(f"{path} is packed in a way that Keras never uses (HDF5 filters {words}); "
                                "h5repack -f GZIP=1 makes it one that can be read")  # fmt: skip
    return found


def _check_length(dataset: h5py.Dataset, chunk: Chunk, filters: Sequence[int], length: int, path: str) -> None:
    """Check that `chunk` has `length` bytes once it is unpacked."""
    behind, packing = 0, 0
    for turn, code in enumerate(filters):
        if chunk.left_out >> turn & 1:
            continue
        if code in _PACKED:
            packing = code
        elif code == _FLETCHER32 and packing:
            behind += _CHECKSUM
        elif code == _FLETCHER32:
            length += _CHECKSUM
    if not packing:
        found = chunk.size - behind
    else:
        stored = dataset.id.read_direct_chunk(chunk.corner)[1]
        measure = _measure_inflated if packing == _GZIP else _measure_unpacked
        found = measure(memoryview(stored)[: len(stored) - behind], length, path)
    if found != length:
        words = "more than" if found > length else f"{found:,} of"
        raise CorruptModel(f"a chunk of {path} comes to {words} its {length:,} bytes")


def _measure_inflated(stored: memoryview, most: int, path: str) -> int:
    """Return how many bytes `stored` inflates to; a number above `most` where it is more than that."""
    inflate = zlib.decompressobj()
    found = 0
    try:
        for start in range(0, len(stored), _TAKEN):
            waiting: bytes | memoryview = stored[start : start + _TAKEN]
            while waiting and found <= most:
                found += len(inflate.decompress(waiting, _AT_ONCE))
                waiting = inflate.unconsumed_tail
    except zlib.error as error:
        raise CorruptModel(f"a chunk of {path} cannot be inflated ({error})") from error
    return found


def _measure_unpacked(stored: memoryview, most: int, path: str) -> int:
    """Return how many bytes `stored`, packed by LZF, comes to; a number above `most` where it is more than that."""
    position = found = 0
    end = len(stored)
    while position < end and found <= most:
        head = stored[position]
        position += 1
        if head < _LITERALS:
            position += head + 1
            found += head + 1
            continue
        length = head >> 5
        if length == 7 and position < end:
            length += stored[position]
            position += 1
        position += 1
        found += length + 2
    if position > end:
        raise CorruptModel(f"a chunk of {path} is cut short")
    return found
