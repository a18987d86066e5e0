"""The chunks of HDF5 datasets, with a check that all of them exist and have their full length.

HDF5 does not check: for a missing chunk it returns zeros, and for a chunk that is too short after decompression,
whatever follows it in memory. This holds for every filter, so only filters are supported whose output can be measured
beforehand: gzip and lzf, with or without shuffle and Fletcher's checksum.
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
_READABLE = frozenset({_GZIP, _SHUFFLE, _FLETCHER32, _LZF})
_COMPRESSING = frozenset({_GZIP, _LZF})
_CHECKSUM = 4  # bytes that the filter fletcher32 adds
_INPUT_BYTES, _OUTPUT_BYTES = 1 << 16, 1 << 20  # bytes of input and of output per call of zlib
_COPIES = 4  # of a chunk in memory: as it is stored, as it is decompressed, and as the caller gets it
_LITERALS = 32  # a smaller first byte of an LZF run is the number, less one, of literal bytes that follow


class Chunk(NamedTuple):
    """A chunk: the index of its first element, its offset and size in the file, and the mask of skipped filters."""

    corner: tuple[int, ...]
    start: int
    size: int
    left_out: int


def iterate_chunks(dataset: h5py.Dataset, path: str, limits: Limits) -> Iterator[Chunk]:
    """Yield all chunks of `dataset`, each after a check that it has its full length.

    Args:
        dataset: the chunked dataset.
        path: the name of the dataset in error messages.
        limits: the limits on the number and the size of the chunks.

    Raises:
        CorruptModel: A chunk is missing or has another length.
        RefusedModel: The chunks are too many or too long.
        UnsupportedFormat: The chunks have filters whose output cannot be measured.
    """
    starts = [range(0, length, chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    length = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    filters = _read_filters(dataset, path)
    expected, there = math.prod(map(len, starts)), dataset.id.get_num_chunks()
    if there != expected:
        raise CorruptModel(f"{max(0, expected - there):,} of {expected:,} chunks of {path} are missing from the file")
    if expected > limits.nodes:
        raise limit_exceeded("nodes", f"{path} has {expected:,} chunks", needed=expected)
    if length * _COPIES > limits.memory:
        raise limit_exceeded("memory", f"each chunk of {path} has {length:,} bytes", needed=length * _COPIES)
    for corner in product(*starts):
        with H5pyCall(f"reading a chunk of {path}"):
            info = dataset.id.get_chunk_info_by_coord(corner)
            if info.byte_offset is None:
                raise CorruptModel(f"a chunk of {path} is missing from the file")
            chunk = Chunk(corner, info.byte_offset, info.size, info.filter_mask)
            _check_length(dataset, chunk, filters, length, path)
        yield chunk


def _read_filters(dataset: h5py.Dataset, path: str) -> list[int]:
    created = dataset.id.get_create_plist()
    found = [int(created.get_filter(turn)[0]) for turn in range(created.get_nfilters())]
    packing = [turn for turn, code in enumerate(found) if code in _COMPRESSING]
    if not _READABLE.issuperset(found) or len(packing) > 1 or (packing and _SHUFFLE in found[packing[0] :]):
        words = ", ".join(map(str, found))
        raise UnsupportedFormat(f"{path} is compressed in a way that is not supported (HDF5 filters {words}); "
                                "rewrite the file with `h5repack -f GZIP=1`")  # fmt: skip
    return found


def _check_length(dataset: h5py.Dataset, chunk: Chunk, filters: Sequence[int], length: int, path: str) -> None:
    """Check that `chunk` has `length` bytes after decompression."""
    behind, packing = 0, 0
    for turn, code in enumerate(filters):
        if chunk.left_out >> turn & 1:
            continue
        if code in _COMPRESSING:
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
        raise CorruptModel(f"a chunk of {path} has {words} its {length:,} bytes")


def _measure_inflated(stored: memoryview, most: int, path: str) -> int:
    """Return the length of `stored` decompressed by zlib, or any number above `most` if it is longer than that."""
    inflate = zlib.decompressobj()
    found = 0
    try:
        for start in range(0, len(stored), _INPUT_BYTES):
            waiting: bytes | memoryview = stored[start : start + _INPUT_BYTES]
            while waiting and found <= most:
                found += len(inflate.decompress(waiting, _OUTPUT_BYTES))
                waiting = inflate.unconsumed_tail
    except zlib.error as error:
        raise CorruptModel(f"a chunk of {path} cannot be decompressed ({error})") from error
    return found


def _measure_unpacked(stored: memoryview, most: int, path: str) -> int:
    """Return the length of `stored` decompressed by LZF, or any number above `most` if it is longer than that."""
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
