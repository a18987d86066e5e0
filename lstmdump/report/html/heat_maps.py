"""Heat maps of the gates of a layer in HTML: a row each for W, U, b and V (peepholes), a picture for each gate.

As in `report.plot.heat_maps`, the matrices of a row share one scale, centred at 0, and where a matrix has more numbers
than a picture has points, each point shows the number of largest modulus in a block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.lstm import GATES, LSTM
from lstmdump.model import budget
from lstmdump.model.sentences import count
from lstmdump.model.tensor import Array, Tensor
from lstmdump.report.html import png
from lstmdump.report.html.colours import MISSING, PALETTE, SHADES
from lstmdump.report.html.elements import name as name_of
from lstmdump.report.html.elements import text
from lstmdump.report.plot import scales

LARGEST = 192
"""The most points on a side of a picture."""

_POINT = 20  # the largest width of a number in CSS pixels
_NARROWEST, _WIDEST = 60, 240  # the width of a picture in CSS pixels
_TIE = "\N{NO-BREAK SPACE}"
_COPIES = 3  # of an array: which numbers are finite, those that are, and their moduli
_GATE_WORDS = {"i": "input gate", "f": "forget gate", "c": "candidate", "o": "output gate", "": "projection"}
_ACROSS = {"P": "output"}  # the meaning of the columns, if it is not a unit
_SCALE = png.address(png.picture([bytes(range(SHADES))], PALETTE))


class _Matrix(NamedTuple):
    """An array reduced to the points of a picture, with what is known of all of its numbers.

    Attributes:
        name: `W_i` to `V_o`, or `P`.
        shape: The shape of the array.
        points: At most `LARGEST` × `LARGEST` numbers.
        block: The number of rows and of columns that a point stands for.
        limit: The end of its scale.
        words: Its extremes and its mean.
        is_finite: Whether all numbers are finite.
    """

    name: str
    shape: tuple[int, ...]
    points: Array
    block: tuple[int, int]
    limit: float
    words: str
    is_finite: bool

    @property
    def size(self) -> str:
        """Its numbers of rows and columns: `12 × 64`."""
        return f"{_TIE}×{_TIE}".join(map(count, self.shape))


def section(lstm: LSTM, gates: str = GATES) -> str:
    """Return the heat maps of `gates` of a layer; its numbers are read one array after the other.

    Raises:
        UnreadableModel: The numbers cannot be read.
    """
    matrices = [_reduce(tensor) for tensor in lstm.arrays(gates)]
    rows = [
        [matrix for matrix in matrices if matrix.name.startswith(kind)]
        for kind in ("W", "U", "b", "V", "P")
    ]  # fmt: skip
    remarks = "".join(f"<p>{text(remark)}</p>\n" for remark in _list_remarks(lstm, gates, matrices))
    maps = "\n".join(_make_row(lstm, row) for row in rows if row)
    return f'<section class="maps">\n<h4>{name_of(lstm.name)}</h4>\n{remarks}{maps}\n</section>'


def _reduce(tensor: Tensor) -> _Matrix:
    values = tensor.read()
    budget.allow(values.nbytes, copies=_COPIES)
    matrix = np.atleast_2d(values)
    rows, columns = matrix.shape
    block = math.ceil(rows / LARGEST) or 1, math.ceil(columns / LARGEST) or 1
    finite = matrix[np.isfinite(matrix)]
    return _Matrix(
        tensor.name.rpartition("/")[2], values.shape, scales.take_furthest(matrix, block).astype(np.float64), block,
        scales.find_limit([finite]), _describe_numbers(finite), finite.size == matrix.size,
    )  # fmt: skip


def _describe_numbers(finite: Array) -> str:
    if not finite.size:
        return "no finite number"
    with np.errstate(over="ignore", invalid="ignore"):
        low, high, mean = finite.min(), finite.max(), finite.mean(dtype=np.float64)
    return f"{_format_number(low)} … {_format_number(high)}, mean{_TIE}{_format_number(mean)}"


def _format_number(number: float) -> str:
    return f"{float(number):+.2g}".replace("-", "−") if number else "0"


def _list_remarks(lstm: LSTM, gates: str, matrices: Sequence[_Matrix]) -> Iterator[str]:
    if "f" in gates and lstm.forget_bias is None:
        yield "b_f as stored; the forget bias added at run time is not in the file"
    elif "f" in gates and lstm.forget_bias:
        yield f"b_f as stored; the cell adds {lstm.forget_bias:g} at run time"
    if not all(matrix.is_finite for matrix in matrices):
        yield "grey: not a finite number"


def _make_row(lstm: LSTM, matrices: Sequence[_Matrix]) -> str:
    limit = max(matrix.limit for matrix in matrices)
    kind = matrices[0].name[:1]
    figures = "".join(_make_figure(lstm, matrix, limit) for matrix in matrices)
    ends = "".join(f"<span>{_format_number(end)}</span>" for end in (-limit, 0.0, limit))
    scale = f'<img src="{_SCALE}" width="{SHADES}" height="10" alt="from blue through white to red">'
    return (
        f'<div class="maps-row"><p><b>{kind}</b> {text(_describe_axes(lstm, matrices[0]))}</p>\n'
        f'<div class="scale">{scale}<div class="ends">{ends}</div></div>\n<div class="gates">\n{figures}</div></div>'
    )


def _describe_axes(lstm: LSTM, matrix: _Matrix) -> str:
    """Return what the rows and the columns of a matrix are."""
    kind = matrix.name[:1]
    columns = f"a column for each {_ACROSS.get(kind, 'unit')}"
    before = "unit" if lstm.projection is None else "output"
    down = {"W": "input", "U": f"{before} at t − 1", "P": "unit"}.get(kind)
    axes = columns if down is None else f"a row for each {down}, {columns}"
    if matrix.block == (1, 1):
        return axes
    across, each = f"{_TIE}×{_TIE}".join(map(count, matrix.block)), "each point shows the largest, by modulus, of"
    return f"{axes}; {each} {across} numbers (lstmdump export writes all)"


def _make_figure(lstm: LSTM, matrix: _Matrix, limit: float) -> str:
    rows, columns = matrix.points.shape
    width = min(max(columns * _POINT, _NARROWEST), _WIDEST)
    kind, _, letter = matrix.name.partition("_")
    alt = text(f"Heat map of {matrix.name} of {lstm.name}, {matrix.size}: {matrix.words}")
    picture = png.address(png.picture(_shade(matrix.points, limit), PALETTE)) if rows and columns else _SCALE
    index = f"<sub>{letter}</sub>" if letter else ""
    caption = f"<b>{kind}{index}</b> {_GATE_WORDS[letter]}, {matrix.size}<br>{text(matrix.words)}"
    return f'<figure><img src="{picture}" width="{width}" alt="{alt}"><figcaption>{caption}</figcaption></figure>\n'


def _shade(points: Array, limit: float) -> list[bytes]:
    """Return the place of each point in the palette, a line for each row."""
    middle = SHADES // 2
    with np.errstate(invalid="ignore"):
        places = np.rint(np.clip(points / limit, -1, 1) * middle) + middle
    places[~np.isfinite(points)] = MISSING
    return [row.tobytes() for row in places.astype(np.uint8)]
