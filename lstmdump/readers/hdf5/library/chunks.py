"""The chunks of HDF5 datasets, found by h5py. HDF5 does not unpack them: see `lstmdump.readers.hdf5.filters`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import h5py

from lstmdump.errors import CorruptModel
from lstmdump.readers.hdf5.chunks import Chunk
from lstmdump.readers.hdf5.filters import Filter
from lstmdump.readers.hdf5.library.calls import H5pyCall


def iterate_chunks(dataset: h5py.Dataset, path: str) -> Iterator[Chunk]:
    """Yield the chunks that the dataset at `path` has; their number has been limited.

    Raises:
        CorruptModel: They cannot be found.
    """
    starts = [range(0, length, chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    expected = math.prod(map(len, starts))
    with H5pyCall(f"counting the chunks of {path}"):
        found = dataset.id.get_num_chunks()
    if found != expected:
        raise CorruptModel(f"{max(0, expected - found):,} of {expected:,} chunks of {path} are missing from the file")
    for corner in product(*starts):
        with H5pyCall(f"looking up a chunk of {path}"):
            info = dataset.id.get_chunk_info_by_coord(corner)
        if info.byte_offset is not None:
            yield Chunk(corner, info.byte_offset, info.size, info.filter_mask)


def read_chunk(dataset: h5py.Dataset, path: str, chunk: Chunk) -> bytes:
    """Return a chunk of the dataset at `path` as it is stored.

    Raises:
        CorruptModel: It cannot be read.
    """
    with H5pyCall(f"reading a chunk of {path}"):
        return bytes(dataset.id.read_direct_chunk(chunk.corner)[1])


def read_filters(dataset: h5py.Dataset) -> list[Filter]:
    """Return the filters of `dataset`, in the order in which they are applied."""
    created = dataset.id.get_create_plist()
    found = (created.get_filter(turn) for turn in range(created.get_nfilters()))
    return [(int(code), tuple(map(int, values))) for code, _, values, _ in found]
