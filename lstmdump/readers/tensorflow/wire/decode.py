"""Conversion of stored bytes to numpy arrays, for the readers of all formats but HDF5.

numpy is imported when the first number is read: listing the contents of a checkpoint does not need it, and importing
it takes longer than everything else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.protobuf import Buffer
from lstmdump.readers.raw_array import from_bfloat16
from lstmdump.readers.tensorflow.wire import dtypes

if TYPE_CHECKING:
    import numpy as np

# Arrays of at most so many numbers (64 MB of float32) may be filled up from fewer stored ones: a file of 100 bytes can
# declare terabytes.
_MAX_FILLED = 1 << 24


def array_of(data: bytearray, dtype: str, shape: tuple[int, ...], *, big_endian: bool = False) -> Array:
    """Return the array of `shape` stored row by row in `data`, which becomes its memory; bfloat16 becomes float32.

    Raises:
        RefusedModel: numpy does not support arrays of this shape.
    """
    import numpy as np

    stored = _stored_type(dtype, big_endian=big_endian)
    try:
        values: Array = np.frombuffer(data, stored).reshape(shape)
    except ValueError as error:
        raise _too_large(shape) from error
    return from_bfloat16(values) if dtype == "bfloat16" else values.astype(stored.newbyteorder("="), copy=False)


def cut_out(data: Buffer, dtype: str, shape: tuple[int, ...], cuts: Cuts) -> Array:
    """Return a copy of the elements that `cuts` select from an array stored row by row in `data`.

    bfloat16 becomes float32.

    Raises:
        RefusedModel: numpy does not support arrays of this shape.
    """
    import numpy as np

    stored = _stored_type(dtype)
    try:
        chosen: Array = np.frombuffer(data, stored).reshape(shape)[cuts]
    except ValueError as error:
        raise _too_large(shape) from error
    return from_bfloat16(chosen) if dtype == "bfloat16" else chosen.astype(stored.newbyteorder("="), copy=True)


def _stored_type(dtype: str, *, big_endian: bool = False) -> np.dtype[Any]:
    import numpy as np

    stored: np.dtype[Any] = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder(
        ">" if big_endian else "<"
    )
    return stored


def _too_large(shape: tuple[int, ...]) -> RefusedModel:
    return RefusedModel(f"an array of shape {shape} is too large or has too many dimensions for numpy")


def filled_up(values: bytes | list[int], dtype: str, shape: tuple[int, ...], *, may_be_short: bool = True) -> Array:
    """Return an array of `shape` from its first values; the last value fills the rest, as in TensorFlow's constants.

    `values` are bytes or integers; float16 and bfloat16 numbers are given as the integers of their bits. Fewer values
    than elements are allowed only if `may_be_short`.

    Raises:
        CorruptModel: There are more values than elements, or fewer where that is not allowed, or part of a number.
        RefusedModel: The array has millions of elements and most of them are not stored.
    """
    import numpy as np

    halves = dtype in ("float16", "bfloat16")
    if isinstance(values, bytes):
        if len(values) % np.dtype(dtype).itemsize:
            raise CorruptModel(f"{len(values)} bytes are not a whole number of {dtype} values")
        first: Array = np.frombuffer(values, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    else:
        first = np.array(values, np.int64).astype(np.uint16 if halves else dtype)
    if halves:
        first = first.view(np.float16) if dtype == "float16" else from_bfloat16(first)
    return _pad(first, shape, may_be_short=may_be_short)


def _pad(first: Array, shape: tuple[int, ...], *, may_be_short: bool) -> Array:
    import numpy as np

    size = math.prod(shape)
    if first.size > size or (first.size < size and not may_be_short):
        raise CorruptModel(f"{first.size} numbers are stored for an array of shape {shape}")
    if first.size < size > _MAX_FILLED:
        raise RefusedModel(f"an array of shape {shape} declares {size} numbers, but {first.size} are stored")
    whole = np.full(size, first[-1] if first.size else 0, first.dtype)
    whole[: first.size] = first
    return whole.reshape(shape)


def assembled(pieces: Sequence[tuple[tuple[int, ...], Tensor]], dtype: str, cuts: Cuts) -> Array:
    """Return the elements that `cuts` select from an array stored in pieces, each with the index of its first element.

    Raises:
        CorruptModel: Values of this dtype cannot be read as numbers.
        RefusedModel: There is not enough memory for the elements.
    """
    import numpy as np

    if dtypes.item_size(dtype) is None:
        raise CorruptModel(f"its pieces hold {dtype} values, which cannot be read as numbers")
    lengths = tuple(cut.stop - cut.start for cut in cuts)
    try:
        whole: Array = np.zeros(lengths, np.float32 if dtype == "bfloat16" else dtype)
    except (MemoryError, ValueError) as error:
        raise RefusedModel(f"there is not enough memory for an array of shape {lengths}") from error
    for start, piece in pieces:
        inside, there = [], []
        for first, length, cut in zip(start, piece.shape, cuts, strict=True):
            low, high = max(first, cut.start), min(first + length, cut.stop)
            inside.append(slice(low - first, max(low, high) - first))
            there.append(slice(low - cut.start, max(low, high) - cut.start))
        part = piece.part(*inside)
        if part.size:
            whole[tuple(there)] = part.read()
    return whole
