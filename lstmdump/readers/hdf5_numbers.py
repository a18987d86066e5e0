"""The numbers of HDF5 datasets: fetched by h5py, or, where they lie in one piece, read from the file directly."""

from __future__ import annotations

import math
import os
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import product
from typing import BinaryIO

import h5py
import numpy as np

from lstmdump import budget
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel
from lstmdump.locations import Location
from lstmdump.readers.hdf5_calls import FOREIGN_ERRORS, Call
from lstmdump.readers.hdf5_headers import Headers
from lstmdump.readers.stored import COPIES, StoredArray
from lstmdump.tensor import Array, Cuts

_BAND = 1 << 22  # bytes of rows that h5py is asked for at once, if the file's chunks allow
_CHECKSUM = 4  # bytes that the filter fletcher32 adds to a chunk


class Data:
    """The bytes of the file that h5py has opened at SOURCE as FILE; AT_HAND: to be had in small pieces, too."""

    def __init__(self, source: Location | BinaryIO, file: h5py.File, *, at_hand: bool) -> None:
        self._at_hand = at_hand
        self._source = source
        self._file = file
        self._looked = False
        self._opened: BinaryIO | None = None

    @cached_property
    def headers(self) -> Headers | None:
        """The headers of the datasets in the file; None where h5py is to be asked for them."""
        file = self.opened() if self._at_hand else None
        return None if file is None else Headers(file, self._file.id)

    def dataset(self, path: str) -> h5py.Dataset:
        """The dataset at PATH, the links to which have been found to stay within the file.

        Raises:
            ModelClosed: the file has been closed.
            RefusedModel: its numbers are in another file.
        """
        if not self._file:
            raise ModelClosed(f"{path} was asked for after the model had been closed")
        with Call(f"looking up {path}"):
            dataset = h5py.h5d.open(self._file.id, path.encode("utf-8", "surrogateescape"))
            layout_inside(dataset, path)  # once more, as its header may have been decoded without h5py
            return h5py.Dataset(dataset)

    def opened(self) -> BinaryIO | None:
        """The file, open for reading; None where another has meanwhile taken its place, or no one can tell."""
        if not isinstance(self._source, Location):
            return self._source
        if not self._looked:
            self._looked = True
            with suppress(*FOREIGN_ERRORS):  # h5py then reads, and tells what is wrong
                file = self._source.open(buffered=False)
                weakref.finalize(self, file.close)  # where nobody closes us, as h5py does with its own
                if os.path.samestat(os.fstat(file.fileno()), os.fstat(self._file.id.get_vfd_handle())):
                    self._opened = file
        return self._opened

    def close(self) -> None:
        """Let go of the file."""
        if self._opened is not None:
            self._opened.close()


class Numbers:
    """The numbers of the dataset that stands at PATH in the file with those DATA; it is opened when they are read."""

    def __init__(self, path: str, data: Data, *, is_bfloat16: bool) -> None:
        self._path = path
        self._data = data
        self._is_bfloat16 = is_bfloat16
        self._stored: StoredArray | None = None
        self._known = False

    @cached_property
    def _dataset(self) -> h5py.Dataset:
        return self._data.dataset(self._path)

    def fetch(self, cuts: Cuts) -> Array:
        """The elements that CUTS select; bfloat16 as float32.

        Raises:
            CorruptModel: the file is damaged there.
            ModelClosed: it has been closed.
        """
        stored = self._in_one_piece()
        with Call(f"reading {self._path}"):
            if stored is None:
                values: Array = np.asarray(self._dataset[cuts])
            else:
                lengths = [cut.stop - cut.start for cut in cuts]
                values = np.frombuffer(stored.block(cuts), self._dataset.dtype.newbyteorder("<")).reshape(lengths)
            if self._is_bfloat16:
                return _from_bfloat16(values)
            return values.astype(values.dtype.newbyteorder("="), copy=False)

    def rows(self) -> Iterator[memoryview]:
        """All bytes in order, as blocks of whole rows, numbers with the lowest byte first.

        Raises:
            CorruptModel: the file is damaged there.
            ModelClosed: it has been closed.
        """
        stored = self._in_one_piece()
        yield from self._bands() if stored is None else stored.rows()

    def _in_one_piece(self) -> StoredArray | None:
        """Where the numbers lie one after the other, as they are to be given; None where they do not."""
        if not self._dataset:
            raise ModelClosed(f"{self._path} was asked for after the model had been closed")
        if not self._known:
            with Call(f"reading {self._path}"):
                if self._dataset.chunks is None:
                    self._stored = self._placed()
                else:
                    budget.allow(math.prod(self._dataset.shape) * self._dataset.dtype.itemsize, copies=COPIES)
                    self._insist_on_chunks()
            self._known = True
        return self._stored

    def _placed(self) -> StoredArray | None:
        dataset = self._dataset
        offset = dataset.id.get_offset()
        wanted = h5py.h5t.py_create(dataset.dtype.newbyteorder("<"))  # h5py reads many a type as the nearest of numpy's
        if offset is None or not dataset.id.get_type().equal(wanted) or (file := self._data.opened()) is None:
            return None
        return StoredArray(lambda: file, "the file", offset, dataset.shape, dataset.dtype.itemsize)

    def _bands(self) -> Iterator[memoryview]:
        """The rows, as many at a time as whole chunks are, so that each chunk is inflated once."""
        dataset = self._dataset
        if not dataset.size:
            return
        together = dataset.chunks[0] if dataset.chunks else 1
        row = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
        step = together * max(1, _BAND // (together * row))
        for start in range(0, dataset.shape[0], step):
            with Call(f"reading {self._path}"):
                values = np.ascontiguousarray(dataset[start : start + step], dataset.dtype.newbyteorder("<"))
            yield values.data.cast("B")

    def _insist_on_chunks(self) -> None:
        """Every chunk is there, and inflates to its full length.

        Where one inflates short, HDF5 hands out whatever lay in memory behind it as numbers; where one is not there,
        zeros. Other filters than gzip are left to HDF5, which checks their lengths itself.
        """
        dataset = self._dataset
        starts = [range(0, length, chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
        wanted, there = math.prod(map(len, starts)), dataset.id.get_num_chunks()
        if there != wanted:
            raise CorruptModel(f"{wanted - there} of {wanted} chunks of {self._path} are not in the file")
        if dataset.compression != "gzip":
            return
        size = math.prod(dataset.chunks) * dataset.dtype.itemsize
        for start in product(*starts):
            skipped, stored = dataset.id.read_direct_chunk(start)
            if not skipped:  # the filters that were left out when this chunk was written; none, as a rule
                _insist_on_length(stored[: -_CHECKSUM if dataset.fletcher32 else None], size, self._path)


def layout_inside(dataset: h5py.h5d.DatasetID, path: str) -> int:
    """The layout, in h5py's numbers, of the DATASET at PATH.

    Raises:
        RefusedModel: its numbers are in another file.
    """
    created = dataset.get_create_plist()
    layout = int(created.get_layout())
    if layout == h5py.h5d.VIRTUAL or created.get_external_count():
        raise RefusedModel(f"{path} keeps its numbers in another file; Keras writes no such dataset")
    return layout


def _insist_on_length(stored: bytes, size: int, path: str) -> None:
    inflate = zlib.decompressobj()
    try:
        length = len(inflate.decompress(stored, size + 1))
    except zlib.error as error:
        raise CorruptModel(f"a chunk of {path} cannot be inflated ({error})") from error
    if length != size:
        found = "more than" if length > size else f"{length} of"
        raise CorruptModel(f"a chunk of {path} inflates to {found} its {size} bytes")


def _from_bfloat16(values: Array) -> Array:
    """A bfloat16 is the upper half of a float32, stored little-endian."""
    halves = np.ascontiguousarray(values).view("<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32)
