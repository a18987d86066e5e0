"""Pages of heat maps: a head of text, and matrices with axes and scales, placed from top to bottom."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from lstmdump.model.tensor import Array
from lstmdump.report.plot import style

LINE = 0.16
"""The height of a line of the head, in inches as all lengths."""

ABOVE = 0.2
"""The height from the top of the page down to the middle of the first line."""

CHARACTER = 0.062
"""The width of a character."""

_BOLD_CHARACTER = 0.1
_BAR, _TO_BAR = 0.07, 0.1  # width of a colour bar, and of the gap before it
_IN_VECTORS = 1024  # most numbers of a matrix drawn as vector shapes; a larger matrix is a raster image
_SHADES = 256
_TICKS = 5


class Sheet:
    """A page that is filled from top to bottom.

    Attributes:
        figure: The page.
        top: How far it is filled.

    Args:
        width: Its width in inches.
        height: Its height.
        left: The width of the left margin.
    """

    def __init__(self, width: float, height: float, left: float) -> None:
        self.figure: Figure = style.page(width, height, is_laid_out=True)
        self.top = ABOVE
        self._width, self._height, self._left = width, height, left

    def write(self, lines: list[str]) -> None:
        """Add `lines`, of which the first is the title."""
        for number, line in enumerate(lines):
            most = int((self._width - self._left) / (CHARACTER if number else _BOLD_CHARACTER))
            look: Any = {"color": style.FAINT} if number else {"fontsize": 9, "fontweight": "bold"}
            where = self._left / self._width, 1 - self.top / self._height
            self.figure.text(*where, style.legible(line, most), va="center", **look)
            self.top += LINE
        self.top -= 0.6 * LINE

    def add_axes(self, left: float, width: float, height: float) -> Axes:
        """Add axes of `width` × `height` inches, whose upper edge is at the top of the part not filled."""
        bottom = self._height - self.top - height
        return self.figure.add_axes(
            (left / self._width, bottom / self._height, width / self._width, height / self._height)
        )

    def add_scale(self, left: float, height: float, limits: tuple[float, float]) -> None:
        """Add the scale of matrices whose right edge is at `left`.

        A colour bar of matplotlib in a `.pdf` would keep a raster of the whole page in memory until the file is closed.
        """
        axes = self.add_axes(left + _TO_BAR, _BAR, height)
        shades = np.linspace(1, 0, _SHADES)[:, np.newaxis]
        axes.imshow(shades, cmap=_make_colours(limits), vmin=0, vmax=1, aspect="auto", extent=(0, 1, 0, 1))
        low, high = limits
        axes.set_yticks((0, 0.5, 1), labels=[_format_number(end, limits) for end in (low, (low + high) / 2, high)])
        axes.set_xticks(())
        axes.yaxis.tick_right()
        axes.tick_params(length=2, pad=2)
        axes.spines[:].set_visible(True)


def head_height(lines: list[str]) -> float:
    """Return the height of a head of `lines`, with the space above it."""
    return ABOVE + (len(lines) - 0.6) * LINE


def draw(
    axes: Axes, points: Array, shape: tuple[int, int], block: tuple[int, int], limits: tuple[float, float]
) -> None:
    """Draw a matrix of `shape`, each of whose `points` stands for a `block` of numbers; NaN and infinities are grey."""
    rows, columns = shape
    shown = np.ma.masked_invalid(points)
    look: Any = {"cmap": _make_colours(limits), "vmin": limits[0], "vmax": limits[1]}
    if rows * columns > _IN_VECTORS or block != (1, 1):
        bottom, right = (count * extent - 0.5 for count, extent in zip(shown.shape, block, strict=True))
        axes.imshow(shown, aspect="auto", interpolation="nearest", extent=(-0.5, right, bottom, -0.5), **look)
    else:  # edges in the colour of the face avoid gaps in viewers that smooth the edges of shapes
        edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
        axes.pcolormesh(*edges, shown, edgecolors="face", linewidth=0.1, **look)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.spines[:].set_visible(True)


def choose_ticks(extent: int) -> list[int]:
    """Return a few round numbers from 0 up to `extent`, excluding it."""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if (extent - 1) // step < _TICKS)
    return list(range(0, extent, step))


def _make_colours(limits: tuple[float, float]) -> Colormap:
    """Return the colours: of numbers of both signs, white at 0, or of numbers from 0; grey for NaN and infinities."""
    name = style.DIVERGING if limits[0] < 0 else style.SEQUENTIAL
    return colormaps[name].with_extremes(bad=style.MISSING)


def _format_number(number: float, limits: tuple[float, float]) -> str:
    sign = "+" if limits[0] < 0 else ""
    return f"{number:{sign}.5g}".replace("-", "−") if number else "0"
