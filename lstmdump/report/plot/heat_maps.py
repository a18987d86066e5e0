"""Heat maps of the gates of a layer on one page: a row each for W, U, b, and V (peepholes), a column for each gate.

The matrices of a row share one scale, centred at 0, so that gates can be compared. If a matrix has more numbers than
can be printed, each point shows the number of largest modulus in a block: the mean of a block would be about 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstmdump.report.plot import heads, scales
from lstmdump.report.plot.arrays import LayerNumbers
from lstmdump.report.plot.sheet import CHARACTER, Sheet, choose_ticks, draw, head_height

_LEFT, _RIGHT, _BOTTOM = 0.55, 0.7, 0.42  # margins, in inches as all that follow
_GAP, _TITLE, _AXIS = 0.18, 0.29, 0.3  # between columns, for titles, below a row with an axis
_NARROWEST, _WIDEST = 0.9, 1.4  # widths of a matrix
_LOWEST, _HIGHEST = 0.34, 2.8  # heights of a matrix
_NUMBER = 0.22  # largest side of a number
_NARROWEST_PAGE = 4.1


class _FigureRow(NamedTuple):
    """Matrices in one row of the page, with one scale.

    Attributes:
        names: The name of the matrix in each column; None if there is none.
        shape: The shape of each matrix.
        across: The meaning of the columns of a matrix.
        down: The meaning of the rows of a matrix; empty if it has one row.
    """

    names: tuple[str | None, ...]
    shape: tuple[int, int]
    across: str
    down: str

    @property
    def width(self) -> float:
        """The width of a matrix in inches."""
        return min(max(self.shape[1] * _NUMBER, _NARROWEST), _WIDEST)

    @property
    def height(self) -> float:
        """The height of a matrix in inches: numbers are squares, unless they get too small or the page too high."""
        lowest = max(_LOWEST, len(self.down) * CHARACTER)
        return min(max(self.shape[0] * min(self.width / self.shape[1], _NUMBER), lowest), _HIGHEST)

    @property
    def block(self) -> tuple[int, int]:
        """The size of the block of numbers, rows and columns, that one point shows."""
        rows, columns = self.shape
        return math.ceil(rows / (self.height * scales.POINTS)), math.ceil(columns / (self.width * scales.POINTS))


def page(layer: LayerNumbers, *, with_model: bool = False) -> Figure:
    """Return the heat maps of `layer`, headed by its name and, if `with_model`, the path of its model."""
    rows = list(_make_rows(layer))
    lines = [*heads.write(layer.description, with_model=with_model), *_list_caveats(layer, rows)]
    between = sum(_AXIS for row, below in pairwise(rows) if row.across != below.across)
    column = max(rows[0].width, _NARROWEST)
    width = max(_LEFT + len(layer.gates) * (column + _GAP) - _GAP + _RIGHT, _NARROWEST_PAGE)
    height = head_height(lines) + sum(_TITLE + row.height for row in rows) + between + _BOTTOM
    sheet = Sheet(width, height, _LEFT)
    sheet.write(lines)
    for row, below in zip(rows, [*rows[1:], None], strict=True):
        _add_row(sheet, row, layer, column, has_axis=below is None or row.across != below.across)
    return sheet.figure


def _make_rows(layer: LayerNumbers) -> Iterator[_FigureRow]:
    before = "unit" if layer.projection is None else "output"
    for kind, down in (("W", "input"), ("U", f"{before} at t − 1"), ("b", ""), ("V", "")):
        names = tuple(name if (name := f"{kind}_{gate}") in layer.arrays else None for gate in layer.gates)
        if any(names):
            yield _FigureRow(names, _find_shape(layer, names), "unit", down)
    if "P" in layer.arrays:
        yield _FigureRow(("P",), _find_shape(layer, ("P",)), "output", "unit")


def _find_shape(layer: LayerNumbers, names: Iterable[str | None]) -> tuple[int, int]:
    rows, columns = np.atleast_2d(layer.arrays[next(filter(None, names))]).shape
    return rows, columns


def _list_caveats(layer: LayerNumbers, rows: Iterable[_FigureRow]) -> Iterator[str]:
    """Yield the remarks on colours and points."""
    if any(row.block != (1, 1) for row in rows):
        yield "each point is the largest of several numbers, by modulus"
    if not all(np.isfinite(values).all() for values in layer.arrays.values()):
        yield "grey: not a finite number"


def _add_row(sheet: Sheet, row: _FigureRow, layer: LayerNumbers, column: float, *, has_axis: bool) -> None:
    """Add `row` of `layer`, in columns of the width `column`."""
    matrices = {name: np.atleast_2d(layer.arrays[name]) for name in row.names if name is not None}
    limit = scales.find_limit(matrices.values())
    sheet.top += _TITLE
    for place, name in enumerate(row.names):
        if name is not None:
            axes = sheet.add_axes(_LEFT + place * (column + _GAP), row.width, row.height)
            points = scales.take_furthest(matrices[name], row.block)
            draw(axes, points, row.shape, row.block, (-limit, limit))
            axes.set_title(f"{name}  {layer.arrays[name].shape}", pad=4.5)
            _label(axes, row, is_first=place == 0, has_axis=has_axis)
    right = _LEFT + (len(row.names) - 1) * (column + _GAP) + row.width
    sheet.add_scale(right, row.height, (-limit, limit))
    sheet.top += row.height + (_AXIS if has_axis else 0)


def _label(axes: Axes, row: _FigureRow, *, is_first: bool, has_axis: bool) -> None:
    rows, columns = row.shape
    axes.set_xticks(choose_ticks(columns), labels=None if has_axis else [])
    axes.set_yticks(choose_ticks(rows) if row.down else [], labels=None if is_first else [])
    if has_axis:
        axes.set_xlabel(row.across)
    if is_first:
        axes.set_ylabel(row.down)
