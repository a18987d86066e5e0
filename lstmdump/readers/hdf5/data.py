"""The numbers of HDF5 datasets: read directly from the file if they are contiguous, else by h5py."""

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

_SUPERBLOCK, _SUPERBLOCK_V2 = 96, 48  # bytes of the superblock, and of versions 2 and later; HDF5 file format, II.A
_BAND = 1 << 22  # bytes of rows that h5py reads at once, if the chunks of the file allow
_COPIES = 4  # of such a band in memory: h5py's, in the caller's form, and what Python has not freed yet


class HDF5Data:
    """The bytes of an HDF5 file, and the extents of the arrays that have been looked up.

    Args:
        source: the location of the file, or the open file.
        file: the same file, opened by h5py.
        at_hand: whether small parts of the file can be read fast.
        declared: the sizes of all arrays of the model, some of which are in this file.
        stored: the bytes that the file takes where it is stored, by default its size.
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
        self._open_tried = False
        self._opened: BinaryIO | None = None
        self._taken: set[str] = set()
        self._taken_chunks: set[str] = set()
        with H5pyCall("reading the file size"):
            self._size = file.id.get_filesize()
            created = file.id.get_create_plist()
            self._base = created.get_userblock()
            head = self._base + (_SUPERBLOCK if created.get_version()[0] < 2 else _SUPERBLOCK_V2)
        self._extents = Extents(self._size, head)
        self.declared.store(self._size if stored is None else stored)
        self.most_text = self.declared.limits.json_size

    def take(self, path: str, size: int, start: int | None) -> None:
        """Record the `size` bytes of the array at `path`, contiguous in the file from `start` unless that is None.

        Raises:
            CorruptModel: The array is outside the file, or overlaps the file header.
            RefusedModel: There are too many arrays.
        """
        if path not in self._taken:  # arrays are looked up more than once while the format of the file is detected
            self._taken.add(path)
            self.declared.take(size)
            if start is not None:
                self._extents.take(path, start, size)

    def take_chunks(self, path: str, dataset: h5py.Dataset) -> None:
        """Check and record the chunks of the dataset at `path`.

        Raises:
            CorruptModel: A chunk is missing, has another length, or overlaps something else.
            RefusedModel, UnsupportedFormat: As in `iterate_chunks`.
        """
        if path not in self._taken_chunks:
            self._taken_chunks.add(path)
            for chunk in iterate_chunks(dataset, path, self.declared.limits):
                self._extents.take(f"a chunk of {path}", chunk.start, chunk.size)
            self._extents.require_disjoint()

    def describe(self, addresses: Iterable[int]) -> None:
        """Record the addresses in the file of the headers of groups and arrays."""
        self._extents.describe(self._base + address for address in addresses)

    def check_declared_sizes(self) -> None:
        """Check the declared sizes of the arrays against the stored bytes.

        Raises:
            CorruptModel: Two arrays overlap.
            RefusedModel: The arrays declare far more bytes than are stored.
        """
        self._extents.require_disjoint()
        self.declared.require_stored()

    def text_length(self, holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes, count: int) -> int:
        """Return an upper bound of the bytes that HDF5 reads for `count` variable-length texts in an attribute.

        No text is longer than the file. Only if that bound exceeds the limit are the lengths looked up.
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
        """The headers of the datasets in the file, or None if h5py has to read them."""
        file = self.opened() if self._at_hand else None
        return None if file is None else DatasetHeaders(file, self._file.id)

    def dataset(self, path: str) -> h5py.Dataset:
        """Open the dataset at `path`; the links of the path must have been checked.

        Raises:
            ModelClosed: The file has been closed.
            RefusedModel: The numbers are in another file.
        """
        if not self._file:
            raise ModelClosed(f"{path} was requested after the model had been closed")
        with H5pyCall(f"looking up {path}"):
            dataset = h5py.h5d.open(self._file.id, path.encode("utf-8", "surrogateescape"))
            require_internal_layout(dataset, path)  # again, because the header may have been decoded without h5py
            return h5py.Dataset(dataset)

    def opened(self) -> BinaryIO | None:
        """Return the file, open for reading, or None if it is not, or may not be, the file that h5py has opened."""
        if not isinstance(self._source, Location):
            return self._source
        if not self._open_tried:
            self._open_tried = True
            with suppress(*FOREIGN_ERRORS):  # then h5py reads the file, and reports what is wrong
                file = self._source.open(buffered=False)
                weakref.finalize(self, file.close)  # if the model is not closed; h5py does the same with its file
                if os.path.samestat(os.fstat(file.fileno()), os.fstat(self._file.id.get_vfd_handle())):
                    self._opened = file
        return self._opened

    def close(self) -> None:
        """Close the file."""
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
        """Return the elements that `cuts` select; bfloat16 becomes float32.

        Raises:
            CorruptModel: The dataset is damaged.
            ModelClosed: The file has been closed.
        """
        stored = self._find_contiguous()
        with H5pyCall(f"reading {self._path}"):
            if stored is None:
                values: Array = np.asarray(self._dataset[cuts])
            else:
                lengths = [cut.stop - cut.start for cut in cuts]
                values = np.frombuffer(stored.block(cuts), self._dataset.dtype.newbyteorder("<")).reshape(lengths)
            if self._is_bfloat16:
                return from_bfloat16(np.ascontiguousarray(values).view("<u2"))  # HDF5 has no type for it
            return values.astype(values.dtype.newbyteorder("="), copy=False)

    def rows(self) -> Iterator[memoryview]:
        """Yield all bytes in blocks of whole rows, as little-endian numbers.

        Raises:
            CorruptModel: The dataset is damaged.
            ModelClosed: The file has been closed.
        """
        stored = self._find_contiguous()
        yield from self._read_bands() if stored is None else stored.rows()

    def _find_contiguous(self) -> StoredArray | None:
        """Return the array in the file if it is contiguous and little-endian, else None."""
        if not self._dataset:
            raise ModelClosed(f"{self._path} was requested after the model had been closed")
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
        expected = h5py.h5t.py_create(dataset.dtype.newbyteorder("<"))  # h5py reads some types as similar ones of numpy
        if offset is None or not dataset.id.get_type().equal(expected) or (file := self._data.opened()) is None:
            return None
        return StoredArray(lambda: file, "the file", offset, dataset.shape, dataset.dtype.itemsize)

    def _read_bands(self) -> Iterator[memoryview]:
        """Yield the rows in bands of whole chunks, so that each chunk is decompressed once."""
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
    """Return the layout of `dataset`, as a constant of `h5py.h5d`, after a check that its numbers are in this file.

    Raises:
        RefusedModel: The numbers are in another file.
    """
    created = dataset.get_create_plist()
    layout = int(created.get_layout())
    if layout == h5py.h5d.VIRTUAL or created.get_external_count():
        raise RefusedModel(f"{path} stores its numbers in another file, which Keras never does")
    return layout
