"""Histograms of the gates of a layer on one page: a row each for W, U, b, V and P, a column for each gate.

The histograms of a row have the same bins and the same scale of counts, so that gates can be compared. Counts are
logarithmic where one bin has more than half of the numbers, so that the bars of others could not be seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lstmdump.model.tensor import Array
from lstmdump.report.plot import heads, style, ticks
from lstmdump.report.plot.counts import ArrayCounts, KindCounts, LayerCounts
from lstmdump.report.plot.sheet import Sheet, head_height

_RIGHT, _BOTTOM = 0.12, 0.06  # margins, in inches as all that follow
_LABEL, _TICK = 0.3, 0.08  # width of the label on the left, and of the marks of an axis
_WIDTH, _HEIGHT, _GAP = 1.5, 0.95, 0.14  # of a histogram, and between columns
_TITLE, _AXIS = 0.42, 0.2  # above a row, for two lines, and below it
_NARROWEST_PAGE = 5.0
_ABOVE = 1.22  # the height of the axes, as a multiple of that of the highest bar; in logarithms where these are drawn
_BESIDE = 0.03  # the width left and right of the bars, as a share of theirs
_LINE = 0.92  # the height at which mean and deviation are drawn, as a share of that of the axes
_MOST_IN_ONE_BIN, _MOST_TIMES = 0.5, 100  # share of the numbers, and ratio of bars, with plain counts
_MOST_APART = 25  # bars with a gap between them
_MOST_NAMED = 5  # arrays with numbers that are left out


def page(layer: LayerCounts, *, with_model: bool = False) -> Figure:
    """Return the histograms of `layer`, headed by its name and, if `with_model`, the path of its model."""
    gates = layer.description.gates
    rows = [_Row(kind) for kind in layer.kinds]
    left = _LABEL + _TICK + max(row.width_of_labels for row in rows)
    lines = [*heads.write(layer.description, with_model=with_model), *_list_remarks(layer, rows)]
    width = max(left + len(gates) * (_WIDTH + _GAP) - _GAP + _RIGHT, _NARROWEST_PAGE)
    height = head_height(lines) + len(rows) * (_TITLE + _HEIGHT + _AXIS) + _BOTTOM
    sheet = Sheet(width, height, left)
    sheet.write(lines)
    for row in rows:
        sheet.top += _TITLE
        for number, one in enumerate(row.kind.arrays):
            column = max(gates.find(one.name[-1]), 0)  # the projection belongs to no gate
            axes = sheet.add_axes(left + column * (_WIDTH + _GAP), _WIDTH, _HEIGHT)
            _draw_bars(axes, one, row.kind.edges)
            _draw_mean(axes, one)
            _write_title(axes, one)
            row.set_scales(axes, left, is_first=number == 0)
        sheet.top += _HEIGHT + _AXIS
    return sheet.figure


class _Row:
    """The histograms of one kind of arrays: their common scales.

    Attributes:
        kind: The histograms.
        is_logarithmic: Whether their counts are.
    """

    def __init__(self, kind: KindCounts) -> None:
        self.kind = kind
        self.is_logarithmic = any(_has_one_high_bar(one) for one in kind.arrays)
        self._highest = max(int(one.counts.max()) for one in kind.arrays) or 1
        self._counts = self._choose_counts()

    @property
    def width_of_labels(self) -> float:
        """The width in inches of the labels on the left."""
        return ticks.DIGIT * max(len(_format_count(count)) for count in self._counts)

    def _choose_counts(self) -> list[int]:
        if self.is_logarithmic:
            digits = len(str(self._highest))
            return [10**power for power in range(0, digits, 1 + digits // 4)]
        return ticks.choose_counts(self._highest)

    def set_scales(self, axes: Axes, left: float, *, is_first: bool) -> None:
        """Set the scales of one histogram of the row, with labels `left` inches wide beside the first."""
        edges = self.kind.edges
        beside = _BESIDE * (edges[-1] - edges[0])
        low, high = float(edges[0] - beside), float(edges[-1] + beside)
        numbers = ticks.choose(low, high, _WIDTH, _GAP)
        axes.set_xlim(low, high)
        axes.set_xticks(numbers, labels=[ticks.label(number) for number in numbers])
        if self.is_logarithmic:
            axes.set_yscale("log")
            axes.set_ylim(0.5, 0.5 * (2 * self._highest) ** _ABOVE)
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            axes.set_ylim(0, self._highest * _ABOVE)
        axes.set_yticks(self._counts, labels=[_format_count(count) for count in self._counts] if is_first else [])
        if is_first:
            axes.set_ylabel("numbers (log)" if self.is_logarithmic else "numbers")
            axes.yaxis.set_label_coords((0.6 * _LABEL - left) / _WIDTH, 0.5)


def _has_one_high_bar(one: ArrayCounts) -> bool:
    """Return whether one bin has most of the numbers, beside which the bar of another one could not be seen."""
    highest, others = one.counts.max(), one.counts[one.counts > 0]
    return bool(highest > _MOST_IN_ONE_BIN * one.counted and highest > _MOST_TIMES * others.min())


def _list_remarks(layer: LayerCounts, rows: list[_Row]) -> Iterator[str]:
    yield "below each name: numbers · mean ± standard deviation"
    if any(row.is_logarithmic for row in rows):
        yield "log: one bin has more than half of a gate's numbers"
    left_out = [one for kind in layer.kinds for one in kind.arrays if one.left_out]
    if left_out:
        named = ", ".join(f"{one.left_out:,} of {one.name}" for one in left_out[:_MOST_NAMED])
        more = len(left_out) - _MOST_NAMED
        yield f"not finite, left out: {named}" + (f", and of {heads.count(more, 'other array')}" if more > 0 else "")


def _draw_bars(axes: Axes, one: ArrayCounts, edges: Array) -> None:
    """Draw the bars; if they are many, with edges of their colour, as viewers that smooth edges show gaps otherwise."""
    look: Any = {"edgecolor": "white", "linewidth": 0.4} if len(edges) <= _MOST_APART else {"linewidth": 0.1}
    axes.bar(edges[:-1], one.counts, np.diff(edges), align="edge", **({"color": style.BAR} | look))


def _draw_mean(axes: Axes, one: ArrayCounts) -> None:
    if not math.isfinite(one.mean + one.std):
        return
    place = axes.get_xaxis_transform()
    axes.plot([one.mean - one.std, one.mean + one.std], [_LINE, _LINE], color=style.INK, linewidth=0.8, transform=place)
    axes.plot([one.mean], [_LINE], color=style.INK, marker="o", markersize=2.5, linestyle="", transform=place)


def _format_count(count: int) -> str:
    return f"{count // 1_000_000:,} M" if count and count % 1_000_000 == 0 else f"{count:,}"


def _write_title(axes: Axes, one: ArrayCounts) -> None:
    axes.set_title(f"{one.name}  {one.shape}", pad=13)
    about = f"{one.counted:,} · {_format(one.mean)} ± {_format(one.std)}" if one.counted else "no finite number"
    axes.annotate(about, (0.5, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", ha="center",
                  color=style.FAINT, fontsize=6)  # fmt: skip


def _format(number: float) -> str:
    return f"{number:.3g}".replace("-", "−")
