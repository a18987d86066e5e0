"""Histograms of the arrays of a layer: counted in the process that opens the model, and drawn in another.

The arrays of a kind, such as all W, are counted in the same bins, so that gates can be compared. Large arrays are read
in pieces, twice: the bins depend on the extremes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.lstm import GATES, LSTM
from lstmdump.model import budget
from lstmdump.model.tensor import Array, Tensor
from lstmdump.report.plot import arrays
from lstmdump.report.plot.arrays import LayerDescription

LARGEST = 1e300
"""The largest modulus that is counted: matplotlib cannot draw what is beyond."""

_AT_ONCE = 1 << 20  # numbers that are read at once; an array of as many is kept until it is counted
_COPIES = 4  # of them in float64, while they are counted
_FEWEST, _MOST = 10, 60  # bins
_ROUND = (1.0, 2.0, 2.5, 5.0)  # widths of bins, times a power of ten
_SMALLEST = 1e-300  # modulus that is not drawn as 0
_EQUAL = 1e-12  # difference of numbers that are drawn as one, relative to their modulus


class ArrayCounts(NamedTuple):
    """The histogram of one array.

    Attributes:
        name: The name, such as `W_f`.
        shape: The shape.
        counts: The number of elements in each bin.
        mean: The mean of the elements that are counted; NaN if there are none.
        std: Their standard deviation.
        left_out: The number of elements that are not counted, as they are not finite, or their modulus exceeds
            `LARGEST`.
    """

    name: str
    shape: tuple[int, ...]
    counts: Array
    mean: float
    std: float
    left_out: int

    @property
    def counted(self) -> int:
        """The number of elements that are counted."""
        return math.prod(self.shape) - self.left_out


class KindCounts(NamedTuple):
    """The histograms of the arrays of one kind, one for each gate that has such an array.

    Attributes:
        edges: The edges of the bins, of one width.
        arrays: The histograms.
    """

    edges: Array
    arrays: tuple[ArrayCounts, ...]


class LayerCounts(NamedTuple):
    """The histograms of a layer: W, U, b, V (peepholes) and P (projection), as far as there are such."""

    description: LayerDescription
    kinds: tuple[KindCounts, ...]


def read(lstm: LSTM, model: str, gates: str = GATES) -> LayerCounts:
    """Return the histograms of `gates` of a layer of the model at the path `model`.

    Raises:
        UnreadableModel: The numbers cannot be read.
    """
    by_kind: dict[str, list[Tensor]] = {kind: [] for kind in "WUbVP"}
    for tensor in lstm.arrays(gates):
        by_kind[_get_last_name(tensor)[0]].append(tensor)
    kinds = tuple(_count_kind([_Pieces(tensor) for tensor in tensors]) for tensors in by_kind.values() if tensors)
    return LayerCounts(arrays.describe(lstm, model, gates), kinds)


def choose_edges(low: float, high: float, size: int) -> Array:
    """Return the edges of bins for so many numbers from `low` to `high`: of a round width, with a bin centred at 0.

    There are about twice the cube root of the number of values (Rice's rule), within bounds.
    """
    modulus = max(abs(low), abs(high))
    if modulus < _SMALLEST:
        low = high = modulus = 0.0
    if high - low <= _EQUAL * modulus:
        width = 10.0 ** (math.floor(math.log10(modulus)) - 1) if modulus else 0.1
        return low + (np.arange(_FEWEST + 2) - (_FEWEST + 1) / 2) * width
    most = min(max(math.ceil(2 * size ** (1 / 3)), _FEWEST), _MOST)
    decade = 10.0 ** math.floor(math.log10((high - low) / most))
    width = next(width for factor in (*_ROUND, 10.0) if (high - low) / (width := factor * decade) <= most)
    first, last = math.floor(low / width + 0.5), math.floor(high / width + 0.5)
    return (np.arange(first, last + 2) - 0.5) * width


class _Pieces:
    """The numbers of an array as float64, without those that are not counted, in pieces of bounded size."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self._kept: Array | None = None
        budget.allow(8 * min(tensor.size, _AT_ONCE), copies=_COPIES)

    def __iter__(self) -> Iterator[Array]:
        for values in self._read():
            wide = values.astype(np.float64).ravel()
            yield wide[np.abs(wide) <= LARGEST]  # False for NaN

    def _read(self) -> Iterator[Array]:
        if self.tensor.size <= _AT_ONCE:
            if self._kept is None:
                self._kept = self.tensor.read()
            yield self._kept
            return
        rows = max(1, _AT_ONCE // math.prod(self.tensor.shape[1:]))
        for start in range(0, self.tensor.shape[0], rows):
            yield self.tensor.part(slice(start, start + rows)).read()


class _Moments(NamedTuple):
    """The number of values, their mean, the sum of their squared deviations from it, and their extremes."""

    size: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: Array) -> _Moments:
        """Return the moments with those of `values` added (Chan, Golub and LeVeque)."""
        if not values.size:
            return self
        size, mean = self.size + values.size, float(values.mean())
        apart, share = mean - self.mean, values.size / size
        squares = self.squares + float(np.square(values - mean).sum()) + apart * apart * self.size * share
        low, high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        return _Moments(size, self.mean + apart * share, squares, low, high)


def _count_kind(kind: Sequence[_Pieces]) -> KindCounts:
    with np.errstate(over="ignore", invalid="ignore"):  # the deviation of numbers near `LARGEST`
        moments = [_measure(pieces) for pieces in kind]
        low, high = min(one.low for one in moments), max(one.high for one in moments)
        edges = choose_edges(low, high, max(one.size for one in moments)) if low <= high else choose_edges(0.0, 0.0, 0)
        return KindCounts(edges, tuple(_count(*one, edges) for one in zip(kind, moments, strict=True)))


def _measure(pieces: _Pieces) -> _Moments:
    moments = _Moments()
    for values in pieces:
        moments = moments.add(values)
    return moments


def _count(pieces: _Pieces, moments: _Moments, edges: Array) -> ArrayCounts:
    bins, width = len(edges) - 1, (edges[-1] - edges[0]) / (len(edges) - 1)
    counts = np.zeros(bins, np.int64)
    for values in pieces:
        places = np.floor((values - edges[0]) / width).astype(np.int64)
        counts += np.bincount(places.clip(0, bins - 1), minlength=bins)
    mean, std = (moments.mean, math.sqrt(moments.squares / moments.size)) if moments.size else (math.nan, math.nan)
    tensor = pieces.tensor
    return ArrayCounts(_get_last_name(tensor), tensor.shape, counts, mean, std, tensor.size - moments.size)


def _get_last_name(tensor: Tensor) -> str:
    return tensor.name.rpartition("/")[2]
