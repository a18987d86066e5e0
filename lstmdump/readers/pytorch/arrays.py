"""Arrays in a buffer: any offset and strides, checked against the size of the buffer before anything is read.

A pickle of a kilobyte can name an array of 2**63 elements, so no size is believed before it is known to be stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import BinaryIO

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.raw_array import COPIES, StoredArray, from_bfloat16

ITEM_SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1, "complex64": 8, "complex128": 16,
}  # fmt: skip
"""Bytes per element of the types whose numbers can be read, by the names of numpy, or `bfloat16`."""

_MOST_AXES = 32  # of an array in numpy 1
_MOST_ELEMENTS = 1 << 60  # numpy counts bytes in 64 bits


class ByteBuffer(NamedTuple):
    """Bytes in a file in which arrays are stored.

    Attributes:
        called: What error messages call it.
        size: Its size in bytes.
        locate: Returns the file and the offset of the first byte, for the array of the given name.
    """

    called: str
    size: int
    locate: Callable[[str], tuple[BinaryIO, int]]


class View(NamedTuple):
    """Which bytes of a buffer are an array, and how.

    Attributes:
        dtype: The type of the elements, by numpy's name, or any other that cannot be read as numbers.
        shape: The shape.
        strides: By axis, how many elements on the next one is; None for an array that is stored row by row.
        start: The offset of the first element, in elements.
        is_big_endian: Whether the bytes of an element are in reverse order.
    """

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None
    start: int = 0
    is_big_endian: bool = False

    @property
    def extent(self) -> int:
        """The number of elements from the first to the last, including both; 0 for an empty array."""
        if self.strides is None:
            return math.prod(self.shape)
        extent = 1
        for length, stride in zip(self.shape, self.strides, strict=True):
            if not length:
                return 0
            extent += (length - 1) * stride
        return extent

    @property
    def is_by_rows(self) -> bool:
        """Whether the elements are one after the other, row by row."""
        if self.strides is None:
            return True
        size = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if stride != size:
                return False
            size *= length
        return True


def require_usual_shape(name: str, shape: tuple[int, ...]) -> None:
    """Check that numpy can hold an array `name` of this shape, however little of it is stored.

    Raises:
        CorruptModel: It has too many axes, or too many elements.
    """
    lengths = shape if 0 not in shape else [length or 1 for length in shape]
    if len(shape) > _MOST_AXES or math.prod(lengths) > _MOST_ELEMENTS:
        shown = ", ".join(map(str, shape[:_MOST_AXES]))
        raise CorruptModel(f"{_shorten(name)} is declared with the shape ({_shorten(shown)}), which cannot be")


def _shorten(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def tensor_in(name: str, view: View, buffer: ByteBuffer) -> Tensor:
    """Return the array `name` that is a view of `buffer`.

    Raises:
        CorruptModel: It does not lie within the buffer.
    """
    require_usual_shape(name, view.shape)
    width = ITEM_SIZES.get(view.dtype)
    if width is None:
        return Tensor(name, view.shape, view.dtype, lambda _: _refuse(name, view.dtype))
    is_by_rows = view.is_by_rows
    extent = math.prod(view.shape) if is_by_rows else view.extent
    if extent and (view.start + extent) * width > buffer.size:
        raise CorruptModel(f"{name} reaches beyond the end of {buffer.called}, which has {buffer.size:,} bytes")
    if is_by_rows:
        return _stored_by_rows(name, view, buffer, width)
    return Tensor(name, view.shape, view.dtype, lambda cuts: _fetch_strided(name, view, buffer, width, cuts))


def _refuse(name: str, dtype: str) -> Array:
    raise CorruptModel(f"{name} holds {dtype} values, which cannot be read as numbers")


def _stored_by_rows(name: str, view: View, buffer: ByteBuffer, width: int) -> Tensor:
    def place() -> StoredArray:
        file, start = buffer.locate(name)
        return StoredArray(lambda: file, buffer.called, start + view.start * width, view.shape, width)

    def fetch(cuts: Cuts) -> Array:
        return _convert(place().block(cuts), view, tuple(cut.stop - cut.start for cut in cuts))

    as_written = view.dtype != "bfloat16" and not view.is_big_endian
    return Tensor(name, view.shape, view.dtype, fetch, (lambda: place().rows()) if as_written else None)


def _fetch_strided(name: str, view: View, buffer: ByteBuffer, width: int, cuts: Cuts) -> Array:
    """Read the bytes from the first to the last of the elements that `cuts` select, and pick those out."""
    import numpy as np  # when the first number is read: describing a model takes none

    strides = view.strides or ()
    chosen = View(view.dtype, tuple(cut.stop - cut.start for cut in cuts), strides)
    first = view.start + sum(cut.start * stride for cut, stride in zip(cuts, strides, strict=True))
    file, start = buffer.locate(name)
    stored = StoredArray(lambda: file, buffer.called, start + first * width, (chosen.extent,), width)
    flat = _convert(stored.block((slice(0, chosen.extent),)), view, (chosen.extent,))
    budget.allow(math.prod(chosen.shape) * flat.itemsize, copies=COPIES)
    if not flat.size:
        return np.empty(chosen.shape, flat.dtype)
    in_bytes = [stride * flat.itemsize for stride in strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, chosen.shape, in_bytes)).reshape(chosen.shape)


def _convert(data: bytearray, view: View, shape: tuple[int, ...]) -> Array:
    """Return the numbers stored row by row in `data`, which becomes their memory; bfloat16 becomes float32."""
    import numpy as np

    is_half = view.dtype == "bfloat16"
    stored = np.dtype("uint16" if is_half else view.dtype).newbyteorder(">" if view.is_big_endian else "<")
    values: Array = np.frombuffer(data, stored).reshape(shape)
    return from_bfloat16(values) if is_half else values.astype(stored.newbyteorder("="), copy=False)
