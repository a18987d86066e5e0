"""Figure of the influence of each lag: a bar per lag and, on request, the share of each input feature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from lstmdump.replay.lags import LayerLags
from lstmdump.report.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 2.4  # inches, of the bars
_ROW = 0.16  # inches, of a feature
_TALLEST = 8.0  # inches, of all features
_BEYOND = 1.25  # the number of bars, as a multiple of the lags that have 95 %
_NORM = r"\|\partial h_T / \partial x_{T-k}\|_F"


def figure(layer: LayerLags, *, by_feature: bool = False) -> Figure:
    """Return a page on `layer`: the share of each lag in ‖∂h_T/∂x_{T-k}‖, a little beyond the lags that have 95 %."""
    below = min(_TALLEST, 0.6 + _ROW * layer.input_dim) if by_feature else 0.0
    page = style.page(height=_HEIGHT + below)
    page.suptitle(_write_title(layer))
    if not by_feature:
        _draw_bars(page.add_subplot(), layer)
        return page
    upper, lower = page.subplots(2, sharex=True, height_ratios=(_HEIGHT, below))
    _draw_bars(upper, layer)
    upper.set_xlabel("")
    _draw_features(lower, layer)
    return page


def _write_title(layer: LayerLags) -> str:
    of = f"{layer.units} units" if layer.unit is None else f"unit {layer.unit}"
    sequences = "1 sequence" if layer.batch == 1 else f"{layer.batch} sequences"
    where = layer.operating_point if layer.length is None else f"{sequences} of {layer.length} steps"
    return f"{style.legible(layer.name)}\ninfluence of each step on the last output ({of}; {where})"


def _count_bars(layer: LayerLags) -> int:
    return min(len(layer.norms), math.ceil(_BEYOND * layer.telling))


def _draw_bars(axes: Axes, layer: LayerLags) -> None:
    shares = [100 * (share or 0.0) for share in layer.shares[: _count_bars(layer)]]
    axes.bar(range(len(shares)), shares, width=0.8, color=style.BAR)
    axes.set_ylabel(rf"share of ${_NORM}$ in %", parse_math=True)
    axes.set_xlabel("lag $k$", parse_math=True)
    axes.set_xlim(-0.6, len(shares) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if layer.lag_95 is not None:
        at = layer.lag_95 + 0.5
        axes.axvline(at, color=style.FAINT, linewidth=0.8, linestyle="--")
        words = "95 %" if layer.is_complete else "95 % of these lags"
        axes.annotate(words, (at, 1), xycoords=("data", "axes fraction"), xytext=(-3, -2), textcoords="offset points",
                      ha="right", va="top", color=style.FAINT)  # fmt: skip


def _draw_features(axes: Axes, layer: LayerLags) -> None:
    total = sum(layer.feature_norms)
    shares = 100 * np.array(layer.by_feature[: _count_bars(layer)]).T / (total if layer.lag_95 is not None else 1.0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, aspect="auto", interpolation="nearest")
    axes.set_ylabel("input feature")
    axes.set_xlabel("lag $k$", parse_math=True)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.figure.colorbar(image, ax=axes, label="%", pad=0.01)
