"""The numbers of HDF5 datasets: read directly from the file if they are contiguous or in chunks, else by h5py."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import Any, BinaryIO

import h5py
import numpy as np

from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnsupportedFormat
from lstmdump.model import budget
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.opening import require_unchanged
from lstmdump.model.tensor import Array, Cuts
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.chunks import ChunkedArray, Chunking
from lstmdump.readers.hdf5.library.calls import H5pyCall
from lstmdump.readers.hdf5.library.chunks import iterate_chunks, read_chunk, read_filters
from lstmdump.readers.hdf5.library.object_headers import AttributeTexts, DatasetHeaders
from lstmdump.readers.hdf5.plain.blocks import Blocks
from lstmdump.readers.hdf5.plain.headers import read_layout_message
from lstmdump.readers.hdf5.plain.layouts import require_filtered_edges
from lstmdump.readers.hdf5.storage import Storage
from lstmdump.readers.raw_array import COPIES, StoredArray, from_bfloat16, swapped

_SUPERBLOCK, _SUPERBLOCK_V2 = 96, 48  # bytes of the superblock, and of versions 2 and later; HDF5 file format, II.A
_BAND = 1 << 22  # bytes of rows that h5py reads at once, if the chunks of the file allow
_COPIES = 4  # of such a band in memory: h5py's, in the caller's form, and what Python has not freed yet


class HDF5Data:
    """The bytes of an HDF5 file, and the extents of the arrays that have been looked up.

    Attributes:
        opened: the file, open for reading at any position.

    Args:
        opened: as the attribute.
        file: the same file, opened by h5py.
        at_hand: whether small parts of the file can be read fast.
        declared: the sizes of all arrays of the model, some of which are in this file.
        stored: the bytes that the file takes where it is stored, by default its size.
    """

    def __init__(
        self,
        opened: BinaryIO,
        file: h5py.File,
        *,
        at_hand: bool,
        declared: Declared | None = None,
        stored: int | None = None,
    ) -> None:
        self._at_hand = at_hand
        self.opened = opened
        self._file = file
        with H5pyCall("reading the file size"):
            self._size = file.id.get_filesize()
            created = file.id.get_create_plist()
            self._base = created.get_userblock()
            head = self._base + (_SUPERBLOCK if created.get_version()[0] < 2 else _SUPERBLOCK_V2)
        self.storage = Storage(self._size, head, declared or Declared(), stored)
        self.limits = self.storage.limits
        self.most_text = self.limits.json_size

    def describe(self, addresses: Iterable[int]) -> None:
        """Record the addresses in the file of the headers of groups and arrays."""
        self.storage.describe(self._base + address for address in addresses)

    def require_filtered_edges(self, dataset: h5py.Dataset, path: str) -> None:
        """Check that the filters of the chunks at `path` were applied to all of them, which h5py does not tell.

        Raises:
            CorruptModel: The header of the dataset cannot be read without h5py.
            UnsupportedFormat: They were not.
        """
        try:
            address = self._base + int(h5py.h5o.get_info(dataset.id).addr)
            message = read_layout_message(Blocks(self.opened, self._size), address)
            require_filtered_edges(message, dataset.shape, path)
        except (NotPlain, OSError, ValueError, IndexError, struct.error) as error:
            raise CorruptModel(f"the chunks of {path} cannot be checked: its header is damaged") from error

    def text_length(self, holder: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes, count: int) -> int:
        """Return an upper bound of the bytes that HDF5 reads for `count` variable-length texts in an attribute.

        No text is longer than the file. Only if that bound exceeds the limit are the lengths looked up.
        """
        bound = int(count * self._size)
        if bound <= self.most_text:
            return bound
        found = self._texts.length(int(h5py.h5o.get_info(holder).addr), name, count)
        return bound if found is None else found

    @cached_property
    def _texts(self) -> AttributeTexts:
        return AttributeTexts(self.opened, self._file.id.get_create_plist().get_userblock())

    @cached_property
    def headers(self) -> DatasetHeaders | None:
        """The headers of the datasets in the file, or None if h5py has to read them."""
        return DatasetHeaders(self.opened, self._file.id) if self._at_hand else None

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

    def require_unchanged(self) -> None:
        """Check that nobody has written the file since it was opened.

        Raises:
            ChangedFile: Somebody has.
        """
        require_unchanged(self.opened)


class DatasetNumbers:
    """The numbers of the dataset at `path` in the file of `data`; the dataset is opened when they are read."""

    def __init__(self, path: str, data: HDF5Data, *, is_bfloat16: bool) -> None:
        self._path = path
        self._data = data
        self._is_bfloat16 = is_bfloat16
        self._stored: StoredArray | ChunkedArray | None = None
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
        stored = self._find_stored()
        with H5pyCall(f"reading {self._path}"):
            if stored is None:
                values: Array = np.asarray(self._dataset[cuts])
            else:
                lengths = [cut.stop - cut.start for cut in cuts]
                values = np.frombuffer(stored.block(cuts), self._stored_dtype).reshape(lengths)
            self._data.require_unchanged()
            if self._is_bfloat16:
                return from_bfloat16(np.ascontiguousarray(values).view("<u2"))  # HDF5 has no type for it
            return values.astype(values.dtype.newbyteorder("="), copy=False)

    def rows(self) -> Iterator[memoryview]:
        """Yield all bytes in blocks of whole rows, as little-endian numbers.

        Raises:
            CorruptModel: The dataset is damaged.
            ModelClosed: The file has been closed.
        """
        stored = self._find_stored()
        if stored is None:
            yield from self._read_bands()
        elif self._stored_dtype == self._stored_dtype.newbyteorder("<"):
            yield from stored.rows()
        else:
            yield from (swapped(block, self._stored_dtype.itemsize) for block in stored.rows())
        self._data.require_unchanged()

    def _find_stored(self) -> StoredArray | ChunkedArray | None:
        """Return the array in the file, or None if h5py has to read it: never if it has chunks."""
        if not self._dataset:
            raise ModelClosed(f"{self._path} was requested after the model had been closed")
        if not self._known:
            with H5pyCall(f"reading {self._path}"):
                self._stored = self._locate() if self._dataset.chunks is None else self._divide()
                if self._stored is None:
                    budget.allow(math.prod(self._dataset.shape) * self._dataset.dtype.itemsize, copies=COPIES)
            self._known = True
        if self._stored is None:
            budget.allow(budget.ARRAY)
        return self._stored

    @cached_property
    def _stored_dtype(self) -> np.dtype[Any]:
        """The type of the numbers as they are in the file; h5py reads some types as similar ones of numpy.

        Raises:
            UnsupportedFormat: numpy has no such type.
        """
        dtype: np.dtype[Any] = self._dataset.dtype
        found: np.dtype[Any]
        for found in (dtype.newbyteorder("<"), dtype.newbyteorder(">")):
            if self._dataset.id.get_type().equal(h5py.h5t.py_create(found)):
                return found
        raise UnsupportedFormat(f"{self._path} has chunks of numbers of an unusual form, which are not read")

    def _locate(self) -> StoredArray | None:
        dataset = self._dataset
        offset = dataset.id.get_offset()
        expected = h5py.h5t.py_create(dataset.dtype.newbyteorder("<"))
        if offset is None or not dataset.id.get_type().equal(expected):
            return None
        file = self._data.opened
        return StoredArray(lambda: file, "the file", offset, dataset.shape, dataset.dtype.itemsize)

    def _divide(self) -> ChunkedArray:
        dataset = self._dataset
        chunking = Chunking(dataset.shape, dataset.chunks, self._stored_dtype.itemsize, read_filters(dataset))
        find, read = partial(iterate_chunks, dataset, self._path), partial(read_chunk, dataset, self._path)
        if chunking.filters:
            self._data.require_filtered_edges(dataset, self._path)
        return ChunkedArray(self._path, chunking, find, read, self._data.storage.take_chunks, self._data.limits)

    def _read_bands(self) -> Iterator[memoryview]:
        """Yield the rows in bands of bounded size."""
        dataset = self._dataset
        if not dataset.size:
            return
        row = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
        most = self._data.limits.memory // _COPIES
        if row > most:
            raise limit_exceeded("memory", f"each row of {self._path} has {row:,} bytes", needed=row * _COPIES)
        step = min(max(1, _BAND // row), most // row)
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
