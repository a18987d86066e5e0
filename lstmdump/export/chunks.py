"""Give the bytes of arrays for a file, in pieces of bounded size; each stored array is read only once.

The gates of a layer are columns of one stored kernel. So the kernel is read once, in blocks of rows that fit in the
processor's cache, and each block is cut into the parts of i, f, c and o.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from lstmdump.errors import CorruptModel, DoesNotFit, UnreadableModel
from lstmdump.export import npy
from lstmdump.model.tensor import UNKNOWN_DTYPE, Array, Rows, Tensor, derived

_BAND = 1 << 23  # bytes of an array that are computed, or fetched, at once

Piece = bytes | memoryview


class ArrayOutput(NamedTuple):
    """An array to be written.

    Attributes:
        name: The name in the file.
        tensor: The source of the numbers.
        dtype: numpy's name of the type to write.
        added: A number to add to each element.
        reshaped: The shape to write, of as many elements; None for that of the tensor.
    """

    name: str
    tensor: Tensor
    dtype: str
    added: float = 0.0
    reshaped: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape to write."""
        return self.tensor.shape if self.reshaped is None else self.reshaped

    @property
    def size(self) -> int:
        """The number of bytes to write.

        Raises:
            CorruptModel: The tensor does not hold numbers.
            UnreadableModel: The numbers cannot be read.
        """
        width = npy.item_size(self.dtype)
        if self.dtype == UNKNOWN_DTYPE:
            self.tensor.read()  # raises: only the reader knows why the numbers cannot be read
        if width is None:
            raise CorruptModel(f"{self.tensor.name} holds {self.dtype}, which are not numbers")
        return self.tensor.size * width


def pieces(outputs: Sequence[ArrayOutput]) -> Iterator[tuple[int, Piece]]:
    """Yield the bytes of `outputs`, row by row in little-endian order, each piece with the index of its output.

    A piece is valid until the next one is requested; the data are verified only when the last piece has been given.

    Raises:
        DoesNotFit: A number is too large for the type to write.
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    by_source: dict[int, list[int]] = {}
    for index, output in enumerate(outputs):
        by_source.setdefault(id(_get_whole_array(output)), []).append(index)
    checks: dict[Callable[[], None], None] = {}
    try:
        for indices in by_source.values():
            yield from _read_source([(index, outputs[index]) for index in indices], checks)
    except (DoesNotFit, UnreadableModel):  # which damage explains, if there is any
        _verify(checks)
        raise
    _verify(checks)


def _read_source(
    outputs: Sequence[tuple[int, ArrayOutput]], checks: dict[Callable[[], None], None]
) -> Iterator[tuple[int, Piece]]:
    """Yield the pieces of `outputs`, all of one stored array; add to `checks` what verifies them afterwards."""
    source = _get_whole_array(outputs[0][1])
    if source.rows is None or len(source.shape) not in (1, 2):
        yield from ((index, piece) for index, output in outputs for piece in _fetch(output))
        return
    rows = source.rows
    if source.unverified is not None:
        rows, check = source.unverified
        checks[check] = None
    yield from _read_once(source, rows, outputs)


def _verify(checks: Iterable[Callable[[], None]]) -> None:
    for check in checks:
        check()


def _get_whole_array(output: ArrayOutput) -> Tensor:
    return output.tensor if output.tensor.place is None else output.tensor.place.whole


def _read_once(source: Tensor, rows: Rows, outputs: Sequence[tuple[int, ArrayOutput]]) -> Iterator[tuple[int, Piece]]:
    """Yield the pieces of `outputs`, all of them blocks of `source`, whose bytes are `rows`."""
    width = npy.item_size(source.dtype)
    if width is None:
        raise CorruptModel(f"{source.name} holds {source.dtype}, which are not numbers")
    length = math.prod(source.shape[1:]) * width
    blocks = [(index, output, _BlockCutter(output.tensor, width, length)) for index, output in outputs]
    first = 0
    for data in rows():
        last = first + len(data) // length
        for index, output, block in blocks:
            if piece := block.cut(memoryview(data), first, last):
                yield index, _convert(piece, output)
        first = last


class _BlockCutter:
    """A block of rows and columns; `length` is the size of a whole row, `width` that of a number, in bytes."""

    def __init__(self, tensor: Tensor, width: int, length: int) -> None:
        spans = tensor.place.spans if tensor.place is not None else tuple((0, extent) for extent in tensor.shape)
        self._rows = spans[0]
        self._columns = (spans[1][0] * width, spans[1][1] * width) if len(spans) > 1 else (0, length)
        self._length = length

    def cut(self, data: memoryview, first: int, last: int) -> Piece:
        """Return the part of the block in `data`, the rows from `first` to `last`."""
        top, bottom = max(first, self._rows[0]), min(last, self._rows[1])
        if top >= bottom:
            return b""
        start, end = (top - first) * self._length, (bottom - first) * self._length
        left, right = self._columns
        if right - left == self._length:
            return data[start:end]
        return b"".join([data[row + left : row + right] for row in range(start, end, self._length)])


def _fetch(output: ArrayOutput) -> Iterator[Piece]:
    """Yield the pieces of `output`, whose numbers have to be fetched."""
    tensor = output.tensor
    if not tensor.size:
        return
    width = max(npy.item_size(dtype) or 0 for dtype in (output.dtype, tensor.dtype))
    step = max(1, _BAND // (math.prod(tensor.shape[1:]) * width)) if tensor.shape else 1
    for start in range(0, tensor.shape[0] if tensor.shape else 1, step):
        band = tensor.part(slice(start, start + step)) if tensor.shape else tensor
        yield _to_bytes(_change(band.read(), output))


def _convert(piece: Piece, output: ArrayOutput) -> Piece:
    if output.dtype == output.tensor.dtype and not output.added:
        return piece
    import numpy as np

    return _to_bytes(_change(np.frombuffer(piece, np.dtype(output.tensor.dtype).newbyteorder("<")), output))


def _change(values: Array, output: ArrayOutput) -> Array:
    if output.added:
        values = (values + output.added).astype(values.dtype)
    try:
        return as_type(values, output.dtype)
    except DoesNotFit as error:
        raise DoesNotFit(f"{output.name}: {error}") from error


def as_type(values: Array, dtype: str) -> Array:
    """Return `values` as `dtype`; the same array where they already have it.

    Raises:
        DoesNotFit: A finite number would become infinite.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        cast = values.astype(dtype, copy=False)
    if cast is not values and np.isinf(cast).sum() != np.isinf(values).sum():
        raise DoesNotFit(f"it holds {np.abs(values[np.isfinite(values)]).max():g}, which is too large for {dtype}")
    return cast


def in_memory(name: str, values: Array) -> ArrayOutput:
    """Return the output called `name` for `values`, an array in memory."""
    dtype = values.dtype.name
    return ArrayOutput(name, Tensor(name, values.shape, dtype, lambda cuts: values[cuts]), dtype)


def filled(name: str, length: int, number: float, dtype: str) -> Tensor:
    """Return a tensor of `length` elements, all equal to `number`."""
    import numpy as np

    return derived(name, (length,), dtype, lambda first, last: np.full(last - first, number, dtype))


def _to_bytes(values: Array) -> Piece:
    import numpy as np

    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data.cast("B")
