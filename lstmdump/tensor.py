"""A stored array: name, shape and dtype are known, numbers are fetched on demand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from lstmdump.errors import CorruptModel, UnreadableModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"
Cuts = tuple[slice, ...]


class Tensor:
    """An array in a model file, or a piece of one, not yet read.

    Attributes:
        name: the path in the file, or what the piece is called.
        shape: its shape.
        dtype: numpy's name of its element type, or `bfloat16`.
        fetch: given one slice with plain bounds per dimension, returns these elements; bfloat16 comes as float32.
    """

    __slots__ = ("dtype", "fetch", "name", "shape")

    def __init__(self, name: str, shape: tuple[int, ...], dtype: str, fetch: Callable[[Cuts], Array]) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.fetch = fetch

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
        spans = [_span(length, cut) for length, cut in zip(self.shape, cuts, strict=False)]
        spans += [(0, length) for length in self.shape[len(spans) :]]

        def fetch(inner: Cuts) -> Array:
            return self.fetch(
                tuple(slice(start + cut.start, start + cut.stop) for (start, _), cut in zip(spans, inner, strict=True))
            )

        return Tensor(name or self.name, tuple(stop - start for start, stop in spans), self.dtype, fetch)

    def fetched_by(self, fetch: Callable[[Cuts], Array]) -> Tensor:
        """The same array, fetched in another way."""
        return Tensor(self.name, self.shape, self.dtype, fetch)

    def renamed(self, name: str) -> Tensor:
        """The same array under another name."""
        return self.part(name=name)


def derived(name: str, shape: tuple[int, ...], dtype: str, compute: Callable[[], Array]) -> Tensor:
    """A tensor that COMPUTE makes as a whole from others, when it is read."""
    return Tensor(name, shape, dtype, lambda cuts: compute()[cuts])


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
