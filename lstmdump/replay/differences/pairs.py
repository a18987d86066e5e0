"""Pairs of arrays that are compared, and the pieces in which they are read; without numpy, until numbers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lstmdump.model.tensor import Array, Place, Tensor

BAND = 1 << 18
"""How many numbers of each array are compared at once; they stay in the cache of a core."""

# Rows and columns of a block of a matrix that is compared with one that is stored as its transpose. A power of 2 takes
# six times as long, as all numbers of a column fall on the same lines of a cache.
_TILE = 1000


class ArrayPair(NamedTuple):
    """Two arrays of one shape.

    Attributes:
        first: the array a.
        second: the array b.
        is_transposed: whether both are the transposes of what is compared, so that indices are exchanged.
        is_mixed: whether one of them is read as the transpose of what is stored, and the other as it is stored.
        same_rows: how many rows from the first on are known to have the same bits.
    """

    first: Tensor
    second: Tensor
    is_transposed: bool = False
    is_mixed: bool = False
    same_rows: int = 0

    @property
    def places(self) -> tuple[Place, Place]:
        """Where both are in the stored arrays of which they are blocks."""
        return get_place(self.first), get_place(self.second)


def get_place(tensor: Tensor) -> Place:
    """Return where a block is in a stored array; an array that is no block is its own."""
    return tensor.place or Place(tensor, tuple((0, length) for length in tensor.shape))


def list_bands(tensor: Tensor, *, first: int = 0, least: int = BAND, most: int = BAND) -> Iterator[slice]:
    """Yield slices of the rows of a matrix, or of the elements of a vector, that have few numbers each.

    Args:
        tensor: the array.
        first: the row with which the first begins.
        least: how many numbers the first has; each has twice as many as the one before.
        most: how many one may have.
    """
    rows, width = tensor.shape[0], max(1, math.prod(tensor.shape[1:]))
    while first < rows:
        last = min(rows, first + max(1, least // width))
        yield slice(first, last)
        first, least = last, min(most, 2 * least)


def list_tiles(shape: Sequence[int], *, least: int = _TILE * _TILE) -> Iterator[tuple[slice, slice]]:
    """Yield blocks of a matrix that have as many rows as columns, so that runs are long in the transpose, too.

    Args:
        shape: the shape of the matrix.
        least: how many numbers the first block may have, if that is less.
    """
    row, height = 0, max(1, min(_TILE, least // min(_TILE, max(1, shape[1]))))
    while row < shape[0]:
        last = min(shape[0], row + height)
        for column in range(0, shape[1], _TILE):
            yield slice(row, last), slice(column, min(shape[1], column + _TILE))
        row, height = last, _TILE


def read_pieces(pair: ArrayPair, *, least: int = BAND, most: int = BAND) -> Iterator[tuple[Array, Array]]:
    """Yield the numbers of both arrays in pieces; the first has about `least`, others at most `most`, or a tile.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    if pair.is_mixed and len(pair.first.shape) == 2:
        cuts: Iterator[tuple[slice, ...]] = list_tiles(pair.first.shape, least=least)
    else:
        cuts = ((band,) for band in list_bands(pair.first, least=least, most=most))
    for cut in cuts:
        yield pair.first.part(*cut).read(), pair.second.part(*cut).read()


def count_same_rows(a: Tensor, b: Tensor) -> int:
    """Return how many rows of two stored arrays, from the first on, surely have the same bytes, without numpy.

    Rows are compared in blocks, up to the first that differs; 0 also where arrays have other shapes or give no bytes.

    Raises:
        CorruptModel, UnreadableModel: The bytes cannot be read.
    """
    if (a.shape, a.dtype) != (b.shape, b.dtype) or a.rows is None or b.rows is None:
        return 0
    size = 0
    for x, y in zip(a.rows(), b.rows(), strict=True):  # to the end of both, which is where they are verified
        # A bytearray is compared with any bytes at once; two memoryviews are, byte by byte, in five times that time.
        if bytearray(x) != y:  # type: ignore[comparison-overlap] # it compares any bytes
            bits = _count_bits(a.dtype) * math.prod(a.shape[1:])
            return size * 8 // bits if bits else 0
        size += len(x)
    return a.shape[0]


def _count_bits(dtype: str) -> int:
    """Return the bits of a number of a type; 0 for a type without a number in its name."""
    digits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) if digits.isdigit() else 0
