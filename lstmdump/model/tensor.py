"""Stored arrays: name, shape and dtype are known, and values are read on request."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model.named_tuple import NamedTuple

if TYPE_CHECKING:
    from types import EllipsisType

    from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = "NDArray[Any]"
Index: TypeAlias = "int | slice | EllipsisType | tuple[Any, ...] | list[Any] | Array | None"
UNKNOWN_DTYPE = "unknown"
"""The `dtype` of an array whose file states it only beside the numbers, which are not read."""
_NUMBERS = ("bool", "int", "uint", "float", "complex")  # the names of numpy's types, without their bits
Cuts = tuple[slice, ...]
Rows: TypeAlias = "Callable[[], Iterator[bytes | memoryview]]"
Unverified: TypeAlias = "tuple[Rows, Callable[[], None]]"
"""The rows of an array, and the function that verifies all rows yielded so far; it raises an error if they differ."""


class Place(NamedTuple):
    """The position of a block in an array.

    Attributes:
        whole: The array that contains the block.
        spans: Start and stop index of the block in each dimension.
    """

    whole: Tensor
    spans: tuple[tuple[int, int], ...]


class Tensor:
    """A stored array or a block of one, read when requested.

    It can be indexed, iterated over and converted as an array of numpy: `tensor[:, 2]` reads one column, and
    `numpy.asarray(tensor)` all. Each reads the file anew, so keep the result of `read()` for repeated use.

    Attributes:
        name: The path in the file, or the name of the block.
        shape: The shape.
        dtype: The element type as named by numpy, or `bfloat16`, or `unknown`.
        step: The largest difference of the numbers that two neighbouring integers stand for, in an array of integers
            that stand for other numbers, which are read as float32, and in the array of those; None for other arrays.
        fetch: Returns the elements that one slice with plain bounds per dimension selects; bfloat16 and integers that
            stand for other numbers become float32.
        rows: Yields all bytes in order, little-endian, as blocks of whole rows; the rows of an array of one dimension
            are its elements. A block is valid until the next is requested, and the data is verified only when the
            iterator ends without an error. None if values can only be fetched.
        unverified: The same bytes for callers that do nothing final before they have called the function beside: one
            reading is enough then where the checksum is one of more than this array. None if there is no such function.
        place: The position in the array of which this is a block; None for a whole array.
    """

    __slots__ = ("dtype", "fetch", "name", "place", "rows", "shape", "step", "unverified")

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str,
        fetch: Callable[[Cuts], Array],
        rows: Rows | None = None,
        place: Place | None = None,
        unverified: Unverified | None = None,
        *,
        step: float | None = None,
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.fetch = fetch
        self.rows = rows
        self.place = place
        self.unverified = unverified
        self.step = step

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.shape}, {self.dtype})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Return the values for `numpy.asarray`, as `dtype` if it is given."""
        if copy is False:
            raise ValueError(f"{self.name} is in a file, so that its values cannot be had without a copy")
        values = self.read()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getitem__(self, index: Index) -> Any:
        """Return the values that `index` selects, as numpy does; whole numbers and slices read only their range.

        Raises:
            IndexError: The index is outside the array, or has too many dimensions.
            CorruptModel, ModelClosed: See `read`.
        """
        axes = _list_axes(index, self.ndim)
        if axes is None:
            return self.read()[index]
        cuts: list[slice] = []
        within: list[int | slice | EllipsisType] = []
        for axis, (at, length) in enumerate(zip(axes, self.shape, strict=True)):
            cut, rest = _cut_axis(at, length, axis)
            cuts.append(cut)
            within.append(rest)
        if isinstance(index, tuple) and any(one is Ellipsis for one in index):
            within.append(Ellipsis)  # with which numpy returns an array even of one number
        return self.part(*cuts).read()[tuple(within)]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over an array without axes")
        return iter(self.read())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        return True  # as a dataset of h5py: there is an array, whatever its numbers are

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes of the array that `read` returns.

        Raises:
            TypeError: The elements are not numbers.
        """
        letters = self.value_dtype.rstrip("0123456789")
        if letters not in _NUMBERS:
            raise TypeError(f"{self.name} holds {self.value_dtype}, which are not numbers")
        return self.size * (1 if letters == "bool" else int(self.value_dtype[len(letters) :]) // 8)

    @property
    def is_quantized(self) -> bool:
        """Whether the elements are integers that stand for other numbers."""
        return self.step is not None and "int" in self.dtype

    @property
    def value_dtype(self) -> str:
        """The element type of the values that are read: `float32` for bfloat16 and for quantized integers."""
        return "float32" if self.is_quantized or self.dtype == "bfloat16" else self.dtype

    def read(self) -> Array:
        """Return the values, with exactly the shape `shape`.

        Raises:
            CorruptModel: The stored array has another shape than the file declares.
            ModelClosed: The model has been closed.
        """
        values = self.fetch(tuple(slice(0, length) for length in self.shape))
        if values.shape != self.shape:
            raise CorruptModel(f"{self.name} is declared with shape {self.shape}, but has shape {values.shape}")
        return values

    def part(self, *cuts: slice, name: str | None = None) -> Tensor:
        """Return the block that `cuts` select, one slice per dimension, without reading it.

        A dimension without a slice is taken whole.
        """
        whole, outer = self.place or Place(self, tuple((0, length) for length in self.shape))
        spans = [_resolve_slice(length, cut) for length, cut in zip(self.shape, cuts, strict=False)]
        spans += [(0, length) for length in self.shape[len(spans) :]]
        shape = tuple(stop - start for start, stop in spans)
        absolute = tuple((first + start, first + stop) for (first, _), (start, stop) in zip(outer, spans, strict=True))

        def fetch(inner: Cuts) -> Array:
            return whole.fetch(
                tuple(
                    slice(start + cut.start, start + cut.stop) for (start, _), cut in zip(absolute, inner, strict=True)
                )
            )

        placed = Place(whole, absolute)
        return Tensor(name or self.name, shape, self.dtype, fetch, place=placed, step=self.step)

    def guarded(self, check: Callable[[], None], *, also_later: bool = False) -> Tensor:
        """Return the same array with `check`, which may raise, called before each read.

        Args:
            check: The function.
            also_later: Whether it also verifies what has been read before it is called.
        """
        rows = self.rows

        def fetch(cuts: Cuts) -> Array:
            check()
            return self.fetch(cuts)

        def checked_rows() -> Iterator[bytes | memoryview]:
            check()
            yield from rows() if rows is not None else ()

        if rows is None:
            return Tensor(self.name, self.shape, self.dtype, fetch, step=self.step)
        unverified = (rows, check) if also_later else None
        return Tensor(self.name, self.shape, self.dtype, fetch, checked_rows, unverified=unverified, step=self.step)

    def restored(self) -> Tensor:
        """Return the array of the numbers that its integers stand for, in the type that they have; others as it is."""
        return (
            Tensor(self.name, self.shape, self.value_dtype, self.fetch, step=self.step) if self.is_quantized else self
        )

    def renamed(self, name: str) -> Tensor:
        """Return the same array under another name."""
        return self.part(name=name)


def derived(name: str, shape: tuple[int, ...], dtype: str, compute: Callable[[int, int], Array]) -> Tensor:
    """Return a tensor that is computed when it is read.

    Args:
        name: The name.
        shape: The shape.
        dtype: The dtype.
        compute: Returns the rows from its first argument up to its second, exclusive.
    """

    def fetch(cuts: Cuts) -> Array:
        every: Cuts = (slice(None),)
        return compute(cuts[0].start, cuts[0].stop)[every + cuts[1:]]

    return Tensor(name, shape, dtype, fetch)


def transposed(tensor: Tensor, name: str) -> Tensor:
    """Return the transpose of `tensor`, a matrix, called `name`."""
    return Tensor(name, tensor.shape[::-1], tensor.dtype, lambda cuts: tensor.fetch(cuts[::-1]).T, step=tensor.step)


def chained(pieces: Sequence[Tensor]) -> Rows | None:
    """Return the `rows` of the concatenation of `pieces` along the first axis; None if a piece has none."""
    every = [piece.rows for piece in pieces if piece.rows is not None]
    return (lambda: (block for rows in every for block in rows())) if len(every) == len(pieces) else None


def without_numbers(name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Return a tensor whose name and shape are known but whose values are missing."""

    def fetch(_: Cuts) -> Array:
        raise UnreadableModel(f"the values of {name} cannot be read: the file with the variables is missing")

    return Tensor(name, shape, dtype, fetch)


def _list_axes(index: Index, dimensions: int) -> list[int | slice] | None:
    """Return a whole number or a slice for each dimension; None if `index` has anything else, such as a list."""
    given = index if isinstance(index, tuple) else (index,)
    if not all(one is Ellipsis or isinstance(one, slice) or _is_whole(one) for one in given):
        return None
    if sum(one is Ellipsis for one in given) > 1:
        raise IndexError("an index can have only one ellipsis ('...')")
    at = next((place for place, one in enumerate(given) if one is Ellipsis), len(given))
    before, after = given[:at], given[at + 1 :]
    missing = dimensions - len(before) - len(after)
    if missing < 0:
        raise IndexError(
            f"too many indices: the array has {dimensions} dimensions, but {dimensions - missing} are indexed"
        )
    every: list[int | slice] = [slice(None)] * missing
    return [*before, *every, *after]


def _is_whole(one: object) -> bool:
    """Return whether `one` is a whole number of Python or numpy; numpy takes True and False for masks."""
    return hasattr(one, "__index__") and not isinstance(one, bool) and getattr(one, "shape", ()) == ()


def _cut_axis(at: int | slice, length: int, axis: int) -> tuple[slice, int | slice]:
    """Return the range of an axis to read, and what of that range is selected."""
    if not isinstance(at, slice):
        place = operator.index(at)
        if not -length <= place < length:
            raise IndexError(f"index {place} is out of bounds for axis {axis} with size {length}")
        place %= length
        return slice(place, place + 1), 0
    selected = range(*at.indices(length))
    if not selected:
        return slice(0, min(1, length)), slice(0, 0)
    first, last = min(selected[0], selected[-1]), max(selected[0], selected[-1])
    return slice(first, last + 1), slice(None, None, selected.step)


def _resolve_slice(length: int, cut: slice) -> tuple[int, int]:
    start, stop, step = cut.indices(length)
    if step != 1:
        raise ValueError("a part is a block: slices have no step")
    return start, max(start, stop)
