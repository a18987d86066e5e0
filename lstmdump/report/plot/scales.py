"""The scale of colours of a matrix, and fewer numbers in place of more than can be printed. Needs numpy only."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lstmdump.model.tensor import Array

POINTS = 280
"""The most points per inch of a picture, so that each can be seen in print."""

_SMALLEST, _LARGEST = 1e-300, 1e300  # limits of a scale that matplotlib can compute with


def find_limit(matrices: Iterable[Array]) -> float:
    """Return the end of a scale centred at 0: the largest finite modulus, rounded up to two digits."""
    largest = max(float(np.abs(values[np.isfinite(values)]).max(initial=0)) for values in matrices)
    if largest < _SMALLEST:
        return 1.0 if largest == 0 else _SMALLEST
    unit = 10.0 ** (math.floor(math.log10(largest)) - 1)
    return min(float(f"{math.ceil(largest / unit - 1e-9) * unit:.2g}"), _LARGEST)


def take_furthest(values: Array, block: tuple[int, int], middle: float = 0.0) -> Array:
    """Return one number for each block of `values`, a matrix: that furthest from `middle`; NaN if the block has one.

    Args:
        values: The matrix.
        block: The number of rows and of columns of a block.
        middle: The middle of the scale; the number of largest modulus is taken if it is 0.
    """
    if block == (1, 1):
        return values
    down, across = (np.arange(0, extent, size) for extent, size in zip(values.shape, block, strict=True))
    high, low = (
        reduce.reduceat(reduce.reduceat(values, down, axis=0), across, axis=1) for reduce in (np.maximum, np.minimum)
    )
    return np.where(high - middle >= middle - low, high, low)
