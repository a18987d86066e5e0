"""A stored array: name, shape and dtype are known, numbers are fetched on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from lstmdump.errors import CorruptModel, UnreadableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"
Cuts = tuple[slice, ...]
Rows: TypeAlias = "Callable[[], Iterator[bytes | memoryview]]"


class Place(NamedTuple):
    """Where a block lies: the array that it is cut out of, and its first and the one after its last index there."""

    whole: Tensor
    spans: tuple[tuple[int, int], ...]


class Tensor:
    """An array in a model file, or a piece of one, not yet read.

    Attributes:
        name: the path in the file, or what the piece is called.
        shape: its shape.
        dtype: numpy's name of its element type, or `bfloat16`.
        fetch: given one slice with plain bounds per dimension, returns these elements; bfloat16 comes as float32.
        rows: gives all its bytes in order, as blocks of whole rows, numbers with the lowest byte first. A block is good
            until the next is asked for, and all are to be trusted only when the last was given without an error. None
            where numbers can but be fetched. The rows of an array of one dimension are its elements.
        place: where it lies in the array that it is a block of; None for an array that is whole.
    """

    __slots__ = ("dtype", "fetch", "name", "place", "rows", "shape")

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str,
        fetch: Callable[[Cuts], Array],
        rows: Rows | None = None,
        place: Place | None = None,
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.fetch = fetch
        self.rows = rows
        self.place = place

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.shape}, {self.dtype})"

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def read(self) -> Array:
        """The numbers, with exactly this shape.

        Raises:
            CorruptModel: the file gives another shape than it promised.
            ModelClosed: the model has been closed.
        """
        values = self.fetch(tuple(slice(0, length) for length in self.shape))
        if values.shape != self.shape:
            raise CorruptModel(f"{self.name} was promised with shape {self.shape}, but gives {values.shape}")
        return values

    def part(self, *cuts: slice, name: str | None = None) -> Tensor:
        """The block that CUTS select, one slice per dimension; missing ones take all. Nothing is read."""
        whole, outer = self.place or Place(self, tuple((0, length) for length in self.shape))
        spans = [_span(length, cut) for length, cut in zip(self.shape, cuts, strict=False)]
        spans += [(0, length) for length in self.shape[len(spans) :]]
        shape = tuple(stop - start for start, stop in spans)
        absolute = tuple((first + start, first + stop) for (first, _), (start, stop) in zip(outer, spans, strict=True))

        def fetch(inner: Cuts) -> Array:
            return whole.fetch(
                tuple(
                    slice(start + cut.start, start + cut.stop) for (start, _), cut in zip(absolute, inner, strict=True)
                )
            )

        return Tensor(name or self.name, shape, self.dtype, fetch, place=Place(whole, absolute))

    def guarded(self, check: Callable[[], None]) -> Tensor:
        """The same array, before whose numbers are read CHECK is called, which may raise."""
        rows = self.rows

        def fetch(cuts: Cuts) -> Array:
            check()
            return self.fetch(cuts)

        def checked_rows() -> Iterator[bytes | memoryview]:
            check()
            yield from rows() if rows is not None else ()

        return Tensor(self.name, self.shape, self.dtype, fetch, None if rows is None else checked_rows)

    def renamed(self, name: str) -> Tensor:
        """The same array under another name."""
        return self.part(name=name)


def derived(name: str, shape: tuple[int, ...], dtype: str, compute: Callable[[int, int], Array]) -> Tensor:
    """A tensor that is made from others when it is read: COMPUTE gives its rows from one up to another, exclusive."""

    def fetch(cuts: Cuts) -> Array:
        every: Cuts = (slice(None),)
        return compute(cuts[0].start, cuts[0].stop)[every + cuts[1:]]

    return Tensor(name, shape, dtype, fetch)


def chained(pieces: Sequence[Tensor]) -> Rows | None:
    """The rows of PIECES, which follow each other along the first axis of one array; None where one has none."""
    every = [piece.rows for piece in pieces if piece.rows is not None]
    return (lambda: (block for rows in every for block in rows())) if len(every) == len(pieces) else None


def without_numbers(name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
    """A tensor of which the file holds name and shape, but no numbers."""

    def fetch(_: Cuts) -> Array:
        raise UnreadableModel(f"the numbers of {name} are not there: the file with the variables is missing")

    return Tensor(name, shape, dtype, fetch)


def _span(length: int, cut: slice) -> tuple[int, int]:
    start, stop, step = cut.indices(length)
    if step != 1:
        raise ValueError("a part is a block: slices have no step")
    return start, max(start, stop)
