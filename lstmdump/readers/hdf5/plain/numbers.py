"""The numbers of plain datasets, read when they are requested."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from lstmdump.errors import ModelClosed
from lstmdump.model import budget
from lstmdump.model.tensor import Array, Cuts
from lstmdump.readers.hdf5.chunks import ChunkedArray
from lstmdump.readers.hdf5.plain.types import OPAQUE, Datatype
from lstmdump.readers.raw_array import COPIES, StoredArray, from_bfloat16, swapped


class CompactArray:
    """An array of the bytes `data`, which the header of its dataset holds."""

    def __init__(self, data: bytes, shape: Sequence[int]) -> None:
        self._data = data
        self._shape = shape

    def rows(self) -> Iterator[bytes | memoryview]:
        """Yield all bytes."""
        budget.allow(budget.ARRAY)
        if self._data:
            yield self._data

    def block(self, cuts: Cuts) -> bytes:
        """Return the bytes of the elements that `cuts` select."""
        import numpy as np

        budget.allow(budget.ARRAY)
        budget.allow(len(self._data), copies=COPIES)
        count = math.prod(self._shape)
        elements = np.frombuffer(self._data, f"V{len(self._data) // count}" if count else "V1")
        return elements.reshape(self._shape)[cuts].tobytes()


class PlainNumbers:
    """The numbers of the dataset at `path`.

    Args:
        path: the path of the dataset.
        kind: the type of its elements.
        stored: the array in the file.
        is_open: returns whether the file is still open.
        is_bfloat16: whether its elements of two bytes are bfloat16.
    """

    def __init__(
        self,
        path: str,
        kind: Datatype,
        stored: StoredArray | ChunkedArray | CompactArray,
        is_open: Callable[[], bool],
        *,
        is_bfloat16: bool,
    ) -> None:
        self._path = path
        self._kind = kind
        self._stored = stored
        self._is_open = is_open
        self._is_bfloat16 = is_bfloat16

    def fetch(self, cuts: Cuts) -> Array:
        """Return the elements that `cuts` select; bfloat16 becomes float32.

        Raises:
            CorruptModel: The dataset is damaged.
            ModelClosed: The file has been closed.
        """
        self._require_open()
        import numpy as np  # when the first number is read: describing a model takes none

        block = self._stored.block(cuts)
        lengths = [cut.stop - cut.start for cut in cuts]
        if self._is_bfloat16:
            return from_bfloat16(np.frombuffer(block, "<u2").reshape(lengths))
        letter = self._kind.name if self._kind.name == OPAQUE else f"{self._kind.order}{self._kind.code}"
        values: Array = np.frombuffer(block, letter).reshape(lengths)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def rows(self) -> Iterator[bytes | memoryview]:
        """Yield all bytes in blocks of whole rows, as little-endian numbers.

        Raises:
            CorruptModel: The dataset is damaged.
            ModelClosed: The file has been closed.
        """
        self._require_open()
        if self._kind.order == "<":
            yield from self._stored.rows()
        else:
            yield from (swapped(block, self._kind.width) for block in self._stored.rows())

    def _require_open(self) -> None:
        if not self._is_open():
            raise ModelClosed(f"{self._path} was requested after the model had been closed")
