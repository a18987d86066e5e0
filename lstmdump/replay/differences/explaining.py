"""What explains the difference of two arrays exactly: a number that is added, rounding, even steps, transposition.

All explanations are tried in one pass over both arrays, in pieces of bounded size of which the first is small: nearly
all explanations fail on it. The pass ends where none is left.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from lstmdump.model.tensor import Array, Tensor
from lstmdump.replay.differences.pairs import ArrayPair, read_pieces

_FIRST = 1 << 12  # numbers that are read first
_PIECE = 1 << 15  # numbers that are read at once: what is computed of them stays in the cache of a core
_LARGEST = 1 << 21  # numbers of a matrix that are compared with the transpose at once
_PROBED = 8, 64  # columns, and numbers of each, that are compared with the transpose before others are
_ROUNDINGS = 4  # half units in the last place that an explanation may be off
_MOST_LEVELS = 1 << 16  # of a quantised array
_DIGITS = 6  # of a number that is added or multiplied
_EPS = float(np.finfo(np.float32).eps)


class ArrayExplanation(NamedTuple):
    """What explains the difference of two arrays a and b; the first that is not empty counts.

    Attributes:
        rounded_to: the type to which one is rounded, to give the other: `float16` or `bfloat16`.
        step: the distance of the levels in which one holds the numbers of the other.
        added: the number that is added to all of a to give b, within the rounding of float32.
        factor: the number by which all of a are multiplied.
    """

    rounded_to: str = ""
    step: float | None = None
    added: float | None = None
    factor: float | None = None


class _Attempt(Protocol):
    """An explanation that has held so far."""

    def holds(self, x: Array, y: Array) -> bool:
        """Return whether it holds for the next numbers of a and b, in the type in which they are read."""


class _Added:
    """A number is added to all: the median of the differences of the first ones, to some digits."""

    def __init__(self) -> None:
        self.added: float | None = None

    def holds(self, x: Array, y: Array) -> bool:
        before, after = x.astype(np.float64), y.astype(np.float64)
        if not _are_finite(before, after):
            return False
        if self.added is None:
            self.added = _round(float(np.median(after - before)))
        off = np.abs(before + self.added - after)
        size = np.maximum(np.maximum(np.abs(before), np.abs(after)), abs(self.added))
        return bool(self.added) and bool((off <= _get_tolerance(size)).all())


class _Multiplied:
    """All are multiplied by a number: the quotient of the largest of the first ones, to some digits or to all."""

    def __init__(self) -> None:
        self.factors: list[float] | None = None

    def holds(self, x: Array, y: Array) -> bool:
        before, after = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
        if not _are_finite(before, after):
            return False
        if self.factors is None:
            place = int(np.abs(before).argmax())
            if not before[place]:
                return not after.any()
            exact = float(after[place] / before[place])
            self.factors = [] if _round(exact) in {0.0, 1.0} else [_round(exact), exact]
        tolerance = _get_tolerance(np.abs(after))
        self.factors = [factor for factor in self.factors if bool((np.abs(before * factor - after) <= tolerance).all())]
        return bool(self.factors)


class _Rounded:
    """One array is the other, rounded to a type of two bytes.

    Args:
        is_first: whether b is rounded from a, not a from b.
        kind: `float16`, `bfloat16`, or `cut off` for a bfloat16 that is not rounded.
    """

    def __init__(self, kind: str, *, is_first: bool) -> None:
        self._kind = kind
        self._is_first = is_first
        self.rounded_to = kind if kind == "float16" else "bfloat16"

    def holds(self, x: Array, y: Array) -> bool:
        exact, rounded = (x, y) if self._is_first else (y, x)
        exact, rounded = exact.astype(np.float32), rounded.astype(np.float32)
        if self._kind == "float16":
            with np.errstate(over="ignore"):
                return np.array_equal(exact.astype(np.float16).astype(np.float32), rounded)
        bits = exact.view(np.uint32).astype(np.uint64)
        if self._kind == "bfloat16":  # to the nearest, or the even one of two
            bits += 0x7FFF + (bits >> 16 & 1)
        return np.array_equal((bits >> 16 << 16 & 0xFFFFFFFF).astype(np.uint32).view(np.float32), rounded)


class _Levels:
    """One array holds the numbers of the other in even steps.

    Args:
        is_first: whether that one is a.
        largest: the largest difference of both arrays, which is half a step at most.
        scale: the largest number.
    """

    def __init__(self, *, is_first: bool, largest: float, scale: float) -> None:
        self._is_first = is_first
        self._largest = largest
        self._noise = _ROUNDINGS * _EPS * scale
        self._levels: Array = np.empty(0)
        self._count = 0

    def holds(self, x: Array, y: Array) -> bool:
        values = x if self._is_first else y
        found = np.unique(values)
        if len(found) > _MOST_LEVELS or not np.isfinite(found).all():
            return False
        self._count += values.size
        known = len(self._levels)
        self._levels = np.unique(np.concatenate((self._levels, found.astype(np.float64))))
        if len(self._levels) > _MOST_LEVELS:
            return False
        return len(self._levels) == known or self._largest <= self._find_least_gap() / 2 + self._noise

    def find_step(self) -> float | None:
        """Return the distance of the levels, if they are even, as all numbers are known; None if they are not."""
        step = self._find_least_gap()
        if not math.isfinite(step) or len(self._levels) >= self._count:
            return None
        off = self._levels - self._levels[0]
        off = np.abs(off - np.round(off / step) * step)
        return step if bool((off <= self._noise * len(self._levels)).all()) else None

    def _find_least_gap(self) -> float:
        gaps = np.diff(self._levels)
        return float(gaps[gaps > self._noise].min(initial=np.inf))


def explain(pair: ArrayPair, largest: float, scale: float) -> ArrayExplanation:
    """Return what explains the difference of two arrays, or nothing.

    Args:
        pair: the arrays.
        largest: the largest difference.
        scale: the largest number of the first.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    rounded = [_Rounded(kind, is_first=way) for way in (True, False) for kind in ("float16", "bfloat16", "cut off")]
    levels = [
        _Levels(is_first=way, largest=largest, scale=scale + largest)
        for way, one in ((False, pair.second), (True, pair.first))
        if one.step is None
    ]
    added, multiplied = _Added(), _Multiplied()
    stated = _find_stated_step(pair, largest, scale + largest)
    left: list[_Attempt] = [*rounded, added, multiplied, *levels]
    for x, y in read_pieces(pair, least=_FIRST, most=_PIECE):
        left = [attempt for attempt in left if attempt.holds(x, y)]
        if not left:
            break
    if names := [attempt.rounded_to for attempt in rounded if attempt in left]:
        return ArrayExplanation(rounded_to=names[0])
    steps = [stated, *(attempt.find_step() for attempt in levels if attempt in left)]
    if (step := next((one for one in steps if one is not None), None)) is not None:
        return ArrayExplanation(step=step)
    if added in left:
        return ArrayExplanation(added=added.added)
    return ArrayExplanation(factor=multiplied.factors[0] if multiplied in left and multiplied.factors else None)


def find_added(pair: ArrayPair) -> float | None:
    """Return the number that is added to all of the first array to give the second, or None."""
    attempt = _Added()
    return attempt.added if all(attempt.holds(x, y) for x, y in read_pieces(pair, least=_FIRST, most=_PIECE)) else None


def _find_stated_step(pair: ArrayPair, largest: float, scale: float) -> float | None:
    """Return the step that a file states for one of the arrays, in which not all levels need be there."""
    for one in (pair.second, pair.first):
        if one.step is not None and largest <= one.step / 2 + _ROUNDINGS * _EPS * scale:
            return one.step
    return None


def _are_finite(x: Array, y: Array) -> bool:
    return bool(np.isfinite(x).all() and np.isfinite(y).all())


def _get_tolerance(size: Array) -> Array:
    """Return how far a number of this size may be off by the rounding of float32."""
    tolerance: Array = _ROUNDINGS * _EPS / 2 * size
    return tolerance


def _round(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def is_reordered(a: Tensor, b: Tensor) -> bool:
    """Return whether `b`, (d, m), holds the numbers of `a` as if they had been stored as (m, d), or the other way.

    Square matrices are the transposes of each other then. Numbers are compared as float32.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    if a.shape != b.shape or len(a.shape) != 2 or min(a.shape, default=0) <= 1:
        return False
    ways = ((a, b),) if a.shape[0] == a.shape[1] else ((a, b), (b, a))
    return any(all(check(*way) for check in (_seems_reordered, _is_reordered)) for way in ways)


def _seems_reordered(by_rows: Tensor, by_columns: Tensor) -> bool:
    """Return whether the first numbers of some columns are those that follow each other in the rows of the other."""
    rows, columns = by_rows.shape
    count = min(rows, _PROBED[1])
    found = by_columns.part(slice(0, count), slice(0, _PROBED[0])).read().astype(np.float32)
    return all(
        np.array_equal(_read_flat(by_rows, column * rows, column * rows + count), found[:, column])
        for column in range(min(columns, _PROBED[0]))
    )


def _is_reordered(by_rows: Tensor, by_columns: Tensor) -> bool:
    """Return whether each column is what follows the one before in the rows of the other."""
    rows, columns = by_rows.shape
    step = max(1, _LARGEST // rows)
    for first in range(0, columns, step):
        last = min(columns, first + step)
        flat = _read_flat(by_rows, first * rows, last * rows).reshape(-1, rows)
        found = by_columns.part(slice(None), slice(first, last)).read().astype(np.float32, copy=False)
        if not np.array_equal(flat, found.T):
            return False
    return True


def _read_flat(tensor: Tensor, first: int, last: int) -> Array:
    """Return the numbers from one index to another of a matrix that is read row by row, as float32."""
    width = tensor.shape[1]
    top, bottom = first // width, -(-last // width)
    found = tensor.part(slice(top, bottom)).read().astype(np.float32, copy=False)
    return found.reshape(-1)[first - top * width : last - top * width]
