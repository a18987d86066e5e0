"""The numbers of HDF5 datasets: fetched by h5py, or, where they lie in one piece, read from the file directly."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import BinaryIO

import h5py
import numpy as np

from lstmdump.errors import ModelClosed, RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.tensor import Array, Cuts
from lstmdump.readers.declared_sizes import Declared, Extents
from lstmdump.readers.hdf5.calls import FOREIGN_ERRORS, H5pyCall
from lstmdump.readers.hdf5.chunks import iterate_chunks
from lstmdump.readers.hdf5.object_headers import AttributeTexts, DatasetHeaders
from lstmdump.readers.raw_array import COPIES, StoredArray, from_bfloat16

_HEAD, _SHORTER_HEAD = 96, 48  # bytes of the superblock, and of one of version 2 and later; HDF5 file format, II.A
_BAND = 1 << 22  # bytes of rows that h5py is asked for at once, if the file's chunks allow
_COPIES = 4  # of such a band in memory: h5py's own, in the caller's form, and what Python has not let go of yet


class HDF5Data:
    """The bytes of an HDF5 file, and where in it the arrays are that have been looked up.

    Args:
        source: where the file is, or the file itself.
        file: the same file, opened by h5py.
        at_hand: whether small parts of the file can be read fast.
        declared: the sizes of all arrays of the model, some of which are in this file.
        stored: the bytes that the file has where it is stored, by default its size.
    """

    def __init__(
        self,
        source: Location | BinaryIO,
        file: h5py.File,
        *,
        at_hand: bool,
        declared: Declared | None = None,
        stored: int | None = None,
    ) -> None:
        self.declared = declared or Declared()
        self._at_hand = at_hand
        self._source = source
        self._file = file
        self._looked = False
        self._opened: BinaryIO | None = None
        self._taken: set[str] = set()
        self._taken_chunks: set[str] = set()
        with H5pyCall("asking for its size"):
            self._size = file.id.get_filesize()
            created = file.id.get_create_plist()
            self._base = created.get_userblock()
            head = self._base + (_HEAD if created.get_version()[0] < 2 else _SHORTER_HEAD)
        self._extents = Extents(self._size, head)
        self.declared.store(self._size if stored is None else stored)
        self.most_text = self.declared.limits.json_size

    def take(self, path: str, size: int, start: int | None) -> None:
        """Note that the array at PATH declares SIZE bytes, and where in the file they begin, if they lie in one piece.

        Raises:
            CorruptModel: they are not in the file, or in its head.
            RefusedModel: there are too many arrays.
        """
        if path not in self._taken:  # each is looked up more than once, where it is not yet known what the file is
            self._taken.add(path)
            self.declared.take(size)
            if start is not None:
                self._extents.take(path, start, size)

    def take_chunks(self, path: str, dataset: h5py.Dataset) -> None:
        """Note where the chunks of the DATASET at PATH lie, each of which is all there.

        Raises:
            CorruptModel: it is not, or its place is another's as well.
            RefusedModel, UnsupportedFormat: as in `iterate_chunks`.
        """
        if path not in self._taken_chunks:
            self._taken_chunks.add(path)
            for chunk in iterate_chunks(dataset, path, self.declared.limits):
                self._extents.take(f"a chunk of {path}", chunk.start, chunk.size)
            self._extents.require_disjoint()

    def describe(self, addresses: Iterable[int]) -> None:
        """Note that what describes a group or an array stands at each of ADDRESSES, counted as the file counts."""
        self._extents.describe(self._base + address for address in addresses)

    def check_declared_sizes(self) -> None:
        """Check that what the arrays declare may be what is stored: each has its own bytes.

        Raises:
            CorruptModel: two lie over each other.
            RefusedModel: they declare far more.
        """
        self._extents.require_disjoint()
        self.declared.require_stored()

    def text_length(self, holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes, count: int) -> int:
        """How many bytes HDF5 reads for the COUNT texts of variable length in the attribute NAME of HOLDER, at most.

        No text is longer than the file; where that is no bound that helps, the lengths are looked up.
        """
        bound = int(count * self._size)
        if bound <= self.most_text or (texts := self._texts) is None:
            return bound
        found = texts.length(int(h5py.h5o.get_info(holder).addr), name, count)
        return bound if found is None else found

    @cached_property
    def _texts(self) -> AttributeTexts | None:
        file = self.opened()
        return None if file is None else AttributeTexts(file, self._file.id.get_create_plist().get_userblock())

    @cached_property
    def headers(self) -> DatasetHeaders | None:
        """The headers of the datasets in the file; None where h5py is to be asked for them."""
        file = self.opened() if self._at_hand else None
        return None if file is None else DatasetHeaders(file, self._file.id)

    def dataset(self, path: str) -> h5py.Dataset:
        """The dataset at PATH, the links to which have been found to stay within the file.

        Raises:
            ModelClosed: the file has been closed.
            RefusedModel: its numbers are in another file.
        """
        if not self._file:
            raise ModelClosed(f"{path} was asked for after the model had been closed")
        with H5pyCall(f"looking up {path}"):
            dataset = h5py.h5d.open(self._file.id, path.encode("utf-8", "surrogateescape"))
            require_internal_layout(dataset, path)  # once more, as its header may have been decoded without h5py
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


class DatasetNumbers:
    """The numbers of the dataset at `path` in the file of `data`; the dataset is opened when they are read."""

    def __init__(self, path: str, data: HDF5Data, *, is_bfloat16: bool) -> None:
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
        stored = self._find_contiguous()
        with H5pyCall(f"reading {self._path}"):
            if stored is None:
                values: Array = np.asarray(self._dataset[cuts])
            else:
                lengths = [cut.stop - cut.start for cut in cuts]
                values = np.frombuffer(stored.block(cuts), self._dataset.dtype.newbyteorder("<")).reshape(lengths)
            if self._is_bfloat16:
                return from_bfloat16(np.ascontiguousarray(values).view("<u2"))  # of a type that HDF5 has no name for
            return values.astype(values.dtype.newbyteorder("="), copy=False)

    def rows(self) -> Iterator[memoryview]:
        """All bytes in order, as blocks of whole rows, numbers with the lowest byte first.

        Raises:
            CorruptModel: the file is damaged there.
            ModelClosed: it has been closed.
        """
        stored = self._find_contiguous()
        yield from self._read_bands() if stored is None else stored.rows()

    def _find_contiguous(self) -> StoredArray | None:
        """Return where the numbers are one after the other, as they are to be given; None where they are not."""
        if not self._dataset:
            raise ModelClosed(f"{self._path} was asked for after the model had been closed")
        if not self._known:
            with H5pyCall(f"reading {self._path}"):
                if self._dataset.chunks is None:
                    self._stored = self._locate()
                if self._stored is None:
                    budget.allow(math.prod(self._dataset.shape) * self._dataset.dtype.itemsize, copies=COPIES)
                if self._dataset.chunks is not None:
                    self._data.take_chunks(self._path, self._dataset)
            self._known = True
        if self._stored is None:
            budget.allow(budget.ARRAY)
        return self._stored

    def _locate(self) -> StoredArray | None:
        dataset = self._dataset
        offset = dataset.id.get_offset()
        wanted = h5py.h5t.py_create(dataset.dtype.newbyteorder("<"))  # h5py reads many a type as the nearest of numpy's
        if offset is None or not dataset.id.get_type().equal(wanted) or (file := self._data.opened()) is None:
            return None
        return StoredArray(lambda: file, "the file", offset, dataset.shape, dataset.dtype.itemsize)

    def _read_bands(self) -> Iterator[memoryview]:
        """Yield the rows, as many at a time as whole chunks are, so that each chunk is inflated once."""
        dataset = self._dataset
        if not dataset.size:
            return
        together = dataset.chunks[0] if dataset.chunks else 1
        row = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
        most = self._data.declared.limits.memory // _COPIES
        if row > most:
            raise limit_exceeded("memory", f"each row of {self._path} has {row:,} bytes", needed=row * _COPIES)
        step = min(together * max(1, _BAND // (together * row)), most // row)
        for start in range(0, dataset.shape[0], step):
            with H5pyCall(f"reading {self._path}"):
                values = np.ascontiguousarray(dataset[start : start + step], dataset.dtype.newbyteorder("<"))
            yield values.data.cast("B")


def require_internal_layout(dataset: h5py.h5d.DatasetID, path: str) -> int:
    """Return the layout of `dataset`, in h5py's numbers, after a check that its numbers are in this file.

    Raises:
        RefusedModel: its numbers are in another file.
    """
    created = dataset.get_create_plist()
    layout = int(created.get_layout())
    if layout == h5py.h5d.VIRTUAL or created.get_external_count():
        raise RefusedModel(f"{path} keeps its numbers in another file; Keras writes no such dataset")
    return layout
