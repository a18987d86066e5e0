"""How two arrays of one shape differ: measured in pieces of bounded size, each array read once.

Numbers of at most four bytes are subtracted as float32, which gives each difference to seven digits and takes a third
of the time that float64 takes; sums of squares are those of a row in float32, then of all rows in float64.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.model.tensor import Array, Rows, Tensor
from lstmdump.replay.differences.pairs import ArrayPair, get_place, list_bands, list_tiles, read_pieces

_STORED = {name: np.dtype(name).newbyteorder("<") for name in ("float16", "float32", "float64")}
_SHORT_ROW = 64  # numbers; below, a product of each row takes longer than float64
_SQUARES = 1e-15, 1e15  # within which the squares of float32 numbers are float32 numbers, too


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
        scale: the largest |a|; 0.0 if none differs.
        norm: the Euclidean norm of b - a.
        norm_before: that of a; 0.0 if none differs.
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
    """What is known of the pieces of a pair that were compared so far."""

    def __init__(self, pair: ArrayPair) -> None:
        self._pair = pair
        self._waiting: list[tuple[int, int]] = []  # rows without a difference, of which only a has to be measured
        self.same_bits = self.same_as_float32 = True
        self.differing = 0
        self.place: tuple[int, ...] | None = None
        self.values = (0.0, 0.0)
        self.largest = self.scale = self.squares = self.squares_before = 0.0

    def pass_over(self, first: int, last: int) -> None:
        """Take note of rows that have the same bits in both arrays, without their numbers."""
        if self._waiting and self._waiting[-1][1] == first:
            first = self._waiting.pop()[0]
        self._waiting.append((first, last))

    def add(self, a: Array, b: Array, origin: tuple[int, int]) -> None:
        """Add the pieces a and b, whose first number has the index `origin`."""
        if self.same_bits and _have_same_bits(a, b) and a.shape[1:] == self._pair.first.shape[1:]:
            self.pass_over(origin[0], origin[0] + len(a))
            return
        if self.same_as_float32:
            self.same_as_float32 = _have_same_bits(a.astype(np.float32), b.astype(np.float32))
        self.same_bits = self.same_bits and _have_same_bits(a, b)
        is_wide = max(a.dtype.itemsize, b.dtype.itemsize) > np.dtype(np.float32).itemsize
        with np.errstate(over="ignore", invalid="ignore"):
            if is_wide or not self._add_numbers(a, b, origin, np.dtype(np.float32)):
                self._add_numbers(a, b, origin, np.dtype(np.float64))

    def _add_numbers(self, a: Array, b: Array, origin: tuple[int, int], dtype: np.dtype[np.floating]) -> bool:
        """Add the pieces, computed with in a type; return False, and add nothing, if the numbers do not fit it."""
        before, after = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
        scale, largest = _find_largest(before), 0.0
        is_other = before != after
        if not math.isfinite(scale):
            is_other &= ~(np.isnan(before) & np.isnan(after))
        count = int(np.count_nonzero(is_other))
        change = None
        if count:
            change = np.subtract(after, before)
            if not math.isfinite(scale):
                change[~is_other] = 0.0
            largest = _find_largest(change)
        if dtype == np.float32 and not (_have_squares(scale) and _have_squares(largest)):
            return False
        self.scale = max(self.scale, scale)
        self.squares_before += _sum_squares(before)
        if change is not None:
            self.differing += count
            self.largest = max(self.largest, largest)
            self.squares += _sum_squares(change)
            self._find_place(before, after, is_other, origin)
        return True

    def _find_place(self, before: Array, after: Array, is_other: Array, origin: tuple[int, int]) -> None:
        """Set the index of the first number that differs, if it is in this piece; there is one here."""
        turn = -1 if self._pair.is_transposed else 1
        if self.place is not None and self.place <= origin[: is_other.ndim][::turn]:
            return
        in_order = is_other.T if self._pair.is_transposed else is_other
        index = tuple(map(int, np.unravel_index(int(in_order.argmax()), in_order.shape)))
        starts = (*origin, *[0] * is_other.ndim)[: is_other.ndim][::turn]
        place = tuple(start + step for start, step in zip(starts, index, strict=True))
        if self.place is None or place < self.place:
            self.place = place
            self.values = float(before[index[::turn]]), float(after[index[::turn]])

    def summarise(self) -> Measured:
        """Return what was found; of rows that are the same, a is read again for its size if others differ."""
        if not self.same_bits:
            for first, last in self._waiting:
                rows = self._pair.first.part(slice(first, last))
                for band in list_bands(rows):
                    self._add_before(rows.part(band).read())
        return Measured(
            self._pair.first.size, self.same_bits, self.same_as_float32, self.differing, self.place, self.values,
            self.largest, self.scale, math.sqrt(self.squares), math.sqrt(self.squares_before),
        )  # fmt: skip

    def _add_before(self, a: Array) -> None:
        scale = _find_largest(a)
        self.scale = max(self.scale, scale)
        self.squares_before += _sum_squares(a if _have_squares(scale) else a.astype(np.float64))


def _have_squares(largest: float) -> bool:
    return not largest or _SQUARES[0] < largest < _SQUARES[1]


def _sum_squares(values: Array) -> float:
    """Return the sum of the squares of numbers, infinite for those that are not finite."""
    if values.dtype == np.float32 and values.ndim == 2 and values.shape[1] >= _SHORT_ROW:
        of_rows = np.matmul(values[:, None, :], values[:, :, None])  # which takes half the time of np.einsum
        found = float(of_rows.sum(dtype=np.float64))
    else:
        flat = values.astype(np.float64).ravel()
        found = float(np.einsum("i,i->", flat, flat))  # np.vdot would start threads, which wait for each other
    return math.inf if math.isnan(found) else found


def _have_same_bits(a: Array, b: Array) -> bool:
    if a.dtype != b.dtype:
        return False
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return np.array_equal(a.view(bits), b.view(bits))


def _find_largest(values: Array) -> float:
    """Return the largest magnitude; one that is not a number counts as infinite."""
    found = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    return math.inf if math.isnan(found) else found


def measure(a: Tensor, b: Tensor) -> Measured:
    """Return how the numbers of `b` differ from those of `a`, two arrays of one shape.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    return measure_all([ArrayPair(a, b)])[0]


def measure_all(pairs: Sequence[ArrayPair]) -> list[Measured]:
    """Return the same for several pairs of arrays; those that are columns of the same stored arrays are read together.

    Raises:
        CorruptModel, UnreadableModel: The numbers cannot be read.
    """
    sums = [_Sums(pair) for pair in pairs]
    together: dict[Hashable, list[int]] = {}
    for number, pair in enumerate(pairs):
        key = _find_shared_rows(pair)
        together.setdefault(number if key is None else key, []).append(number)
    for numbers in together.values():
        if len(numbers) > 1:
            _measure_columns([pairs[number] for number in numbers], [sums[number] for number in numbers])
        else:
            _measure_alone(pairs[numbers[0]], sums[numbers[0]])
    return [found.summarise() for found in sums]


def _find_shared_rows(pair: ArrayPair) -> Hashable | None:
    """Return the stored arrays and their rows of which the pair is some columns, or None."""
    if pair.is_mixed or any(len(place.spans) != 2 for place in pair.places):
        return None
    return tuple((id(place.whole), place.spans[0]) for place in pair.places)


def _measure_columns(pairs: Sequence[ArrayPair], sums: Sequence[_Sums]) -> None:
    """Compare pairs of columns of the same rows of two stored arrays, which are read once."""
    wholes = [place.whole.part(slice(*place.spans[0])) for place in pairs[0].places]
    cuts = [[(slice(None), slice(*place.spans[1])) for place in pair.places] for pair in pairs]
    same = min(pair.same_rows for pair in pairs)
    for found in sums:
        found.pass_over(0, same)
    for row, before, after in _read_both(wholes[0], wholes[1], same):
        for found, cut in zip(sums, cuts, strict=True):
            found.add(before[cut[0]], after[cut[1]], (row, 0))


def _measure_alone(pair: ArrayPair, found: _Sums) -> None:
    if pair.is_mixed and len(pair.first.shape) == 2:
        for rows, columns in list_tiles(pair.first.shape):
            before, after = (one.part(rows, columns).read() for one in (pair.first, pair.second))
            found.add(np.ascontiguousarray(before), np.ascontiguousarray(after), (rows.start, columns.start))
        return
    found.pass_over(0, pair.same_rows)
    for row, before, after in _read_both(pair.first, pair.second, pair.same_rows):
        found.add(before, after, (row, 0))


def _read_both(a: Tensor, b: Tensor, first: int) -> Iterator[tuple[int, Array, Array]]:
    """Yield the rows of two arrays from one on, in pieces of bounded size, each with the index of its first row.

    A piece is valid until the next is requested.
    """
    of_a, of_b, row = _find_rows(a), _find_rows(b), 0
    if a.dtype == b.dtype in _STORED and of_a is not None and of_b is not None:
        # This takes a third of the time of reading parts, each of which is given memory of its own.
        for x, y in zip(of_a(), of_b(), strict=True):
            if len(x) != len(y):  # other readers may have blocks of another size
                break
            before, after = (np.frombuffer(block, _STORED[a.dtype]).reshape(-1, *a.shape[1:]) for block in (x, y))
            skipped = max(0, first - row)
            if skipped < len(before):
                yield row + skipped, before[skipped:], after[skipped:]
            row += len(before)
        else:
            return
    for band in list_bands(max(a, b, key=lambda one: math.prod(one.shape[1:])), first=max(row, first)):
        yield band.start, a.part(band).read(), b.part(band).read()


def _find_rows(tensor: Tensor) -> Rows | None:
    """Return what yields all bytes of an array, maybe under another name than its own; None for a block of one."""
    whole = get_place(tensor).whole
    return whole.rows if whole.shape == tensor.shape else None


def are_equal(pair: ArrayPair) -> bool:
    """Return whether two arrays have the same shape and, as float32, the same numbers; stops where they differ."""
    if pair.first.shape != pair.second.shape:
        return False
    return all(np.array_equal(x.astype(np.float32), y.astype(np.float32)) for x, y in read_pieces(pair, least=1))
