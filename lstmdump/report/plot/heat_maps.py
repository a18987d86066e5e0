"""Heat maps of the gates of a layer on one page: a row each for W, U, b, and V (peepholes), a column for each gate.

The matrices of a row share one scale, centred at 0, so that gates can be compared. If a matrix has more numbers than
can be printed, each point shows the number of largest modulus in a block: the mean of a block would be about 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from lstmdump.model.tensor import Array
from lstmdump.report.plot import style
from lstmdump.report.plot.arrays import LayerNumbers

_LEFT, _RIGHT, _BOTTOM = 0.55, 0.7, 0.42  # margins, in inches as all that follow
_LINE, _ABOVE = 0.16, 0.2  # heights in the head: of a line, and down to the middle of the first one
_GAP, _TITLE, _AXIS = 0.18, 0.29, 0.3  # between columns, for titles, below a row with an axis
_NARROWEST, _WIDEST = 0.9, 1.4  # widths of a matrix
_LOWEST, _HIGHEST = 0.34, 2.8  # heights of a matrix
_NUMBER = 0.22  # largest side of a number
_BAR, _TO_BAR = 0.07, 0.1  # width of a colour bar, and of the gap before it
_NARROWEST_PAGE = 4.1
_CHARACTER, _BOLD_CHARACTER = 0.062, 0.1  # widths in text
_IN_VECTORS = 1024  # most numbers of a matrix drawn as vector shapes; a larger matrix is a raster image
_POINTS = 280  # most points per inch of a raster, so that each can be seen in print
_TICKS = 5
_SMALLEST, _LARGEST = 1e-300, 1e300  # limits of a scale that matplotlib can compute with


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
        lowest = max(_LOWEST, len(self.down) * _CHARACTER)
        return min(max(self.shape[0] * min(self.width / self.shape[1], _NUMBER), lowest), _HIGHEST)

    @property
    def block(self) -> tuple[int, int]:
        """The size of the block of numbers, rows and columns, that one point shows."""
        rows, columns = self.shape
        return math.ceil(rows / (self.height * _POINTS)), math.ceil(columns / (self.width * _POINTS))


def page(layer: LayerNumbers, *, with_model: bool = False) -> Figure:
    """Return the heat maps of `layer`, headed by its name and, if `with_model`, the path of its model."""
    rows = list(_make_rows(layer))
    lines = [*_write_head(layer, with_model=with_model), *_list_caveats(layer, rows)]
    between = sum(_AXIS for row, below in pairwise(rows) if row.across != below.across)
    column = max(rows[0].width, _NARROWEST)
    width = max(_LEFT + len(layer.gates) * (column + _GAP) - _GAP + _RIGHT, _NARROWEST_PAGE)
    height = _ABOVE + (len(lines) - 0.6) * _LINE + sum(_TITLE + row.height for row in rows) + between + _BOTTOM
    sheet = _Sheet(style.page(width, height, is_laid_out=True))
    sheet.write(lines)
    for row, below in zip(rows, [*rows[1:], None], strict=True):
        sheet.add(row, layer, column, has_axis=below is None or row.across != below.across)
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


def _write_head(layer: LayerNumbers, *, with_model: bool) -> Iterator[str]:
    yield layer.name
    if with_model:
        yield layer.model
    about = f"{layer.kind} · {_format_count(layer.input_dim, 'input')}, {_format_count(layer.units, 'unit')}"
    yield about if layer.projection is None else f"{about}, projected to {_format_count(layer.projection, 'output')}"
    if "f" in layer.gates and layer.forget_bias is None:
        yield "b_f as stored; the forget bias added at run time is not in the file"
    elif "f" in layer.gates and layer.forget_bias:
        yield f"b_f as stored; the cell adds {layer.forget_bias:g} at run time"


def _list_caveats(layer: LayerNumbers, rows: Iterable[_FigureRow]) -> Iterator[str]:
    """Yield the remarks on colours and points."""
    if any(row.block != (1, 1) for row in rows):
        yield "each point is the largest of several numbers, by modulus"
    if not all(np.isfinite(values).all() for values in layer.arrays.values()):
        yield "grey: not a finite number"


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class _Sheet:
    """A page that is filled from top to bottom; all lengths are in inches."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.width, self.height = (float(inches) for inches in figure.get_size_inches())
        self.top = _ABOVE

    def write(self, lines: list[str]) -> None:
        """Add `lines`, of which the first is the title."""
        for number, line in enumerate(lines):
            most = int((self.width - _LEFT) / (_CHARACTER if number else _BOLD_CHARACTER))
            look: Any = {"color": style.FAINT} if number else {"fontsize": 9, "fontweight": "bold"}
            where = _LEFT / self.width, 1 - self.top / self.height
            self.figure.text(*where, style.legible(line, most), va="center", **look)
            self.top += _LINE
        self.top -= 0.6 * _LINE

    def add(self, row: _FigureRow, layer: LayerNumbers, column: float, *, has_axis: bool) -> None:
        """Add `row` of `layer`, in columns of the width `column`."""
        matrices = {name: np.atleast_2d(layer.arrays[name]) for name in row.names if name is not None}
        limit = _find_limit(matrices.values())
        self.top += _TITLE
        for place, name in enumerate(row.names):
            if name is not None:
                axes = self._add_axes(_LEFT + place * (column + _GAP), row.width, row.height)
                _draw(axes, matrices[name], row.block, limit)
                axes.set_title(f"{name}  {layer.arrays[name].shape}", pad=4.5)
                _label(axes, row, is_first=place == 0, has_axis=has_axis)
        left = _LEFT + (len(row.names) - 1) * (column + _GAP) + row.width + _TO_BAR
        _add_scale(self._add_axes(left, _BAR, row.height), limit)
        self.top += row.height + (_AXIS if has_axis else 0)

    def _add_axes(self, left: float, width: float, height: float) -> Axes:
        bottom = self.height - self.top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))


def _find_limit(matrices: Iterable[Array]) -> float:
    """Return the end of the scale: the largest modulus, rounded up to two digits."""
    largest = max(float(np.abs(values[np.isfinite(values)]).max(initial=0)) for values in matrices)
    if largest < _SMALLEST:
        return 1.0 if largest == 0 else _SMALLEST
    unit = 10.0 ** (math.floor(math.log10(largest)) - 1)
    return min(float(f"{math.ceil(largest / unit - 1e-9) * unit:.2g}"), _LARGEST)


def _draw(axes: Axes, values: Array, block: tuple[int, int], limit: float) -> None:
    rows, columns = values.shape
    shown = np.ma.masked_invalid(_take_largest(values, *block))
    look: Any = {"cmap": _make_colours(), "vmin": -limit, "vmax": limit}
    if values.size > _IN_VECTORS or block != (1, 1):
        bottom, right = (points * extent - 0.5 for points, extent in zip(shown.shape, block, strict=True))
        axes.imshow(shown, aspect="auto", interpolation="nearest", extent=(-0.5, right, bottom, -0.5), **look)
    else:  # edges in the colour of the face avoid gaps in viewers that smooth the edges of shapes
        edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
        axes.pcolormesh(*edges, shown, edgecolors="face", linewidth=0.1, **look)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))


def _take_largest(values: Array, down: int, across: int) -> Array:
    """Return the number of largest modulus of each block of `down` × `across`; NaN if the block has one."""
    if (down, across) == (1, 1):
        return values
    high, low = (
        reduce.reduceat(
            reduce.reduceat(values, np.arange(0, values.shape[0], down), axis=0),
            np.arange(0, values.shape[1], across),
            axis=1,
        )
        for reduce in (np.maximum, np.minimum)
    )
    return np.where(high >= -low, high, low)


def _make_colours() -> Colormap:
    """Return the colours: white at 0, and grey for NaN and infinities."""
    return colormaps[style.DIVERGING].with_extremes(bad=style.MISSING)


def _label(axes: Axes, row: _FigureRow, *, is_first: bool, has_axis: bool) -> None:
    rows, columns = row.shape
    axes.spines[:].set_visible(True)
    axes.set_xticks(_choose_ticks(columns), labels=None if has_axis else [])
    axes.set_yticks(_choose_ticks(rows) if row.down else [], labels=None if is_first else [])
    if has_axis:
        axes.set_xlabel(row.across)
    if is_first:
        axes.set_ylabel(row.down)


def _choose_ticks(extent: int) -> list[int]:
    """Return a few round numbers from 0 up to `extent`, excluding it."""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if (extent - 1) // step < _TICKS)
    return list(range(0, extent, step))


def _add_scale(axes: Axes, limit: float) -> None:
    colours = ScalarMappable(Normalize(-limit, limit), _make_colours())
    axes.figure.colorbar(colours, cax=axes, ticks=[-limit, 0, limit], format=_format_signed)
    axes.tick_params(length=2, pad=2)


def _format_signed(number: float, _: int) -> str:
    return f"{number:+.2g}".replace("-", "−") if number else "0"
