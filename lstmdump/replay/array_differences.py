"""How two arrays of one shape differ: measured in pieces, each array read once; and what explains the difference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.model.tensor import Array, Tensor

_LARGEST = 1 << 24  # numbers of an array that is read as a whole
_BAND = 1 << 18  # numbers of each array that are compared at once; they stay in the cache of a core
_ROUNDINGS = 4  # half units in the last place that an explanation may be off
_MOST_LEVELS = 1 << 16  # of a quantised array
_SAMPLE = 1 << 16  # numbers that are read first, as most explanations fail on them
_MOST_DISTINCT = 0.95  # of them, in an array of at most `_MOST_LEVELS` levels
_DIGITS = 6  # of a number that is added or multiplied


class Measured(NamedTuple):
    """How the numbers b differ from the numbers a.

    Attributes:
        size: how many there are.
        same_bits: whether all have the same type and the same bits.
        same_as_float32: whether all are the same once they are float32.
        differing: how many differ as float64.
        place: the index of the first that differs; None if none does.
        values: the numbers a and b there.
        largest: the largest |b - a|.
        scale: the largest |a|.
        norm: the Euclidean norm of b - a.
        norm_before: that of a.
    """

    size: int
    same_bits: bool
    same_as_float32: bool
    differing: int
    place: tuple[int, ...] | None
    values: tuple[float, float]
    largest: float
    scale: float
    norm: float
    norm_before: float

    @property
    def relative_norm(self) -> float:
        """The norm of the difference by that of a; infinite if a is 0."""
        if not self.norm:
            return 0.0
        return self.norm / self.norm_before if self.norm_before else math.inf


class _Sums:
    """What is known of the rows that were compared so far."""

    def __init__(self) -> None:
        self.same_bits = self.same_as_float32 = True
        self.differing = 0
        self.place: tuple[int, ...] | None = None
        self.values = (0.0, 0.0)
        self.largest = self.scale = self.squares = self.squares_before = 0.0

    def add(self, a: Array, b: Array, first: int) -> None:
        """Add the rows a and b, which begin with the row `first`."""
        before = a.astype(np.float64)
        self.scale = max(self.scale, _find_largest(before))
        self.squares_before += float(np.vdot(before, before))
        if _have_same_bits(a, b):
            return
        self.same_bits = False
        if self.same_as_float32:
            self.same_as_float32 = _have_same_bits(a.astype(np.float32), b.astype(np.float32))
        after = b.astype(np.float64)
        is_other = before != after
        if not np.isfinite(self.scale) and is_other.any():
            is_other &= ~(np.isnan(before) & np.isnan(after))
        count = int(np.count_nonzero(is_other))
        if not count:
            return
        if self.place is None:
            index = np.unravel_index(int(is_other.argmax()), a.shape)
            self.values = float(before[index]), float(after[index])
            self.place = (int(index[0]) + first, *map(int, index[1:]))
        self.differing += count
        change = np.subtract(after, before, out=after)
        change[~is_other] = 0.0
        self.largest = max(self.largest, _find_largest(change))
        self.squares += float(np.vdot(change, change))

    def summarise(self, size: int) -> Measured:
        """Return what was found of arrays of `size` numbers."""
        return Measured(
            size, self.same_bits, self.same_as_float32, self.differing, self.place, self.values, self.largest,
            self.scale, math.sqrt(self.squares), math.sqrt(self.squares_before),
        )  # fmt: skip


def _have_same_bits(a: Array, b: Array) -> bool:
    if a.dtype != b.dtype:
        return False
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return np.array_equal(np.ascontiguousarray(a).view(bits), np.ascontiguousarray(b).view(bits))


def _find_largest(values: Array) -> float:
    """Return the largest magnitude; one that is not a number counts as infinite."""
    found = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    return math.inf if math.isnan(found) else found


def measure(a: Tensor, b: Tensor) -> Measured:
    """Return how the numbers of `b` differ from those of `a`, two arrays of one shape.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    return measure_all([(a, b)])[0]


def measure_all(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[Measured]:
    """Return the same for several pairs of arrays; those that are columns of the same stored arrays are read together.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    sums = [_Sums() for _ in pairs]
    together: dict[tuple[int, int], list[int]] = {}
    for number, (a, b) in enumerate(pairs):
        key = (id(_get_whole(a)), id(_get_whole(b))) if _have_same_place(a, b) else (-1, number)
        together.setdefault(key, []).append(number)
    for numbers in together.values():
        wholes = [_get_whole(one) for one in pairs[numbers[0]]] if len(numbers) > 1 else list(pairs[numbers[0]])
        for first, last in _list_bands(wholes[0]):
            before, after = (whole.part(slice(first, last)).read() for whole in wholes)
            for number in numbers:
                cut = _find_columns(pairs[number][0]) if len(numbers) > 1 else ...
                sums[number].add(before[cut], after[cut], first)
    return [found.summarise(a.size) for found, (a, _) in zip(sums, pairs, strict=True)]


def have_same_bytes(a: Tensor, b: Tensor) -> bool:
    """Return whether two stored arrays have the same shape, type and bytes; False also where they give no bytes."""
    if (a.shape, a.dtype) != (b.shape, b.dtype) or a.rows is None or b.rows is None:
        return False
    # A bytearray is compared with any bytes at once; two memoryviews are, byte by byte, in five times that time.
    blocks = zip(a.rows(), b.rows(), strict=True)
    return all(bytearray(x) == y for x, y in blocks)  # type: ignore[comparison-overlap] # it compares any bytes


def _get_whole(tensor: Tensor) -> Tensor:
    return tensor if tensor.place is None else tensor.place.whole


def _have_same_place(a: Tensor, b: Tensor) -> bool:
    """Return whether both are blocks of all rows, at the same place of arrays of one shape."""
    if a.place is None or b.place is None or a.place.spans != b.place.spans:
        return False
    shape = a.place.whole.shape
    return shape == b.place.whole.shape and a.place.spans[0] == (0, shape[0]) and len(shape) == 2


def _find_columns(tensor: Tensor) -> tuple[slice, slice]:
    spans = ((0, 0), (0, 0)) if tensor.place is None else tensor.place.spans
    return slice(None), slice(*spans[1])


def _list_bands(tensor: Tensor) -> Iterator[tuple[int, int]]:
    rows = tensor.shape[0]
    step = max(1, _BAND // max(1, math.prod(tensor.shape[1:])))
    for first in range(0, rows, step):
        yield first, min(rows, first + step)


def are_equal(a: Tensor, b: Tensor) -> bool:
    """Return whether two arrays have the same shape and, as float32, the same numbers; stops where they differ."""
    if a.shape != b.shape:
        return False
    pairs = ((a.part(slice(*band)).read(), b.part(slice(*band)).read()) for band in _list_bands(a))
    return all(np.array_equal(x.astype(np.float32), y.astype(np.float32)) for x, y in pairs)


def is_transposed(a: Tensor, b: Tensor) -> bool:
    """Return whether `b`, a square matrix, is `a` with rows and columns exchanged, as float32."""
    if a.shape != b.shape or len(a.shape) != 2 or a.shape[0] != a.shape[1]:
        return False
    pairs = ((a.part(slice(*band)).read(), b.part(slice(None), slice(*band)).read().T) for band in _list_bands(a))
    return all(np.array_equal(x.astype(np.float32), y.astype(np.float32)) for x, y in pairs)


def is_reordered(a: Tensor, b: Tensor) -> bool:
    """Return whether `b`, (d, m), holds the numbers of `a` as if they had been stored as (m, d), or the other way."""
    if a.shape != b.shape or len(a.shape) != 2 or 1 in a.shape:
        return False
    if math.prod(a.shape) > _LARGEST:
        return False
    x, y = a.read().astype(np.float32), b.read().astype(np.float32)
    rows, columns = x.shape
    return np.array_equal(x.reshape(columns, rows).T, y) or np.array_equal(y.reshape(columns, rows).T, x)


def find_added(a: Tensor, b: Tensor) -> float | None:
    """Return the number that is added to all of `a` to give `b`, within the rounding of float32, or None."""
    if (sample := _read_samples(a, b)) is not None and _find_added(*sample) is None:
        return None
    return _find_added(*_read_exact(a, b))


def _find_added(x: Array, y: Array) -> float | None:
    if not x.size or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    added = _rounded(float(np.median(y - x)))
    off = np.abs(x + added - y)
    return added if added and bool((off <= _tolerance(np.maximum(np.abs(x), np.abs(y)), added)).all()) else None


def find_factor(a: Tensor, b: Tensor) -> float | None:
    """Return the number by which all of `a` are multiplied to give `b`, within the rounding of float32, or None."""
    if (sample := _read_samples(a, b)) is not None and _find_factor(*sample) is None:
        return None
    return _find_factor(*_read_exact(a, b))


def _find_factor(x: Array, y: Array) -> float | None:
    if not x.size or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    place = int(np.abs(x).argmax())
    if not x[place] or not y[place]:
        return None
    factor = float(y[place] / x[place])
    factor = _rounded(factor) if _fits_factor(x, y, _rounded(factor)) else factor
    return factor if factor != 1.0 and _fits_factor(x, y, factor) else None


def _fits_factor(x: Array, y: Array, factor: float) -> bool:
    return bool((np.abs(x * factor - y) <= _tolerance(np.abs(y), 0.0)).all())


def _tolerance(size: Array, added: float) -> Array:
    """Return how far a number of this size may be off by the rounding of float32."""
    tolerance: Array = _ROUNDINGS * float(np.finfo(np.float32).eps) / 2 * np.maximum(size, abs(added))
    return tolerance


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _read_samples(a: Tensor, b: Tensor) -> tuple[Array, Array] | None:
    """Return the first rows of both arrays, by which most are told apart; None for arrays that have few numbers."""
    if a.size <= _SAMPLE:
        return None
    rows = slice(0, max(1, _SAMPLE // max(1, math.prod(a.shape[1:]))))
    return _read_exact(a.part(rows), b.part(rows))


def _read_exact(a: Tensor, b: Tensor) -> tuple[Array, Array]:
    return a.read().astype(np.float64).ravel(), b.read().astype(np.float64).ravel()


def find_rounding(a: Tensor, b: Tensor) -> str:
    """Return the type to which all of `a` are rounded to give `b`, `float16` or `bfloat16`; empty if to neither."""
    if (sample := _read_samples(a, b)) is not None and not _find_rounding(*sample):
        return ""
    return _find_rounding(*_read_exact(a, b))


def _find_rounding(before: Array, after: Array) -> str:
    x, y = before.astype(np.float32), after.astype(np.float32)
    with np.errstate(over="ignore"):
        if np.array_equal(x.astype(np.float16).astype(np.float32), y):
            return "float16"
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
    to_even = bits + 0x7FFF + (bits >> 16 & 1)
    for kept in (to_even, bits):  # rounded, or cut off
        if np.array_equal((kept >> 16 << 16 & 0xFFFFFFFF).astype(np.uint32).view(np.float32), y):
            return "bfloat16"
    return ""


def find_step(b: Tensor, largest: float) -> float | None:
    """Return the distance of the levels in which `b` holds the numbers of another array, or None if it does not.

    Args:
        b: the array: its numbers are multiples of a step, from the least on, up to rounding. Where the file states the
            step, that counts, as not all levels need be there.
        largest: the largest difference from the other array, which is half a step at most.
    """
    if b.step is not None:
        noise = _ROUNDINGS * float(np.finfo(np.float32).eps) * float(np.abs(b.read()).max(initial=0.0))
        return b.step if largest <= b.step / 2 + noise else None
    if b.size > _SAMPLE:
        rows = slice(0, max(1, _SAMPLE // max(1, math.prod(b.shape[1:]))))
        sample = b.part(rows).read()
        if len(np.unique(sample)) > _MOST_DISTINCT * sample.size:
            return None
    levels = np.unique(b.read().astype(np.float64))
    if not 2 <= len(levels) <= _MOST_LEVELS or len(levels) >= b.size or not np.isfinite(levels).all():
        return None
    gaps = np.diff(levels)
    noise = _ROUNDINGS * float(np.finfo(np.float32).eps) * float(np.abs(levels).max())
    step = float(gaps[gaps > noise].min(initial=np.inf))
    counts = np.round((levels - levels[0]) / step) if math.isfinite(step) else levels
    is_even = math.isfinite(step) and bool((np.abs(levels - levels[0] - counts * step) <= noise * len(levels)).all())
    return step if is_even and largest <= step / 2 + noise else None
