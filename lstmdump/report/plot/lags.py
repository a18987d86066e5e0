"""Figure of the influence of each lag: a bar per lag and, on request, the share of each input feature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from lstmdump.errors import NothingToDraw
from lstmdump.replay.lags import LayerLags
from lstmdump.report.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

_HEIGHT = 2.4  # inches, of the bars
_WITHOUT_BARS = 0.9  # inches
_ROW = 0.16  # inches, of a feature
_TALLEST = 8.0  # inches, of all features
_BEYOND = 1.25  # the number of bars, as a multiple of the lags that have 95 %
_NORM = r"\|\partial {symbol} / \partial x_{{T-k}}\|_F"


def figure(layer: LayerLags, *, by_feature: bool = False) -> Figure:
    """Return a page on `layer`: the share of each lag in ‖∂h_T/∂x_{T-k}‖, a little beyond the lags that have 95 %."""
    return panels((layer,), by_feature=by_feature)


def panels(layers: Sequence[LayerLags], *, by_feature: bool = False) -> Figure:
    """Return a page on several layers, one below the other.

    Raises:
        NothingToDraw: There are none.
    """
    if not layers:
        raise NothingToDraw("there are no lags to draw")
    heights = [_find_height(layer, by_feature=by_feature) for layer in layers]
    page = style.page(height=sum(heights))
    if len(layers) == 1:
        _fill(page, layers[0], by_feature=by_feature)
        return page
    parts = page.subfigures(len(layers), 1, squeeze=False, height_ratios=heights)
    for part, layer in zip(parts[:, 0], layers, strict=True):
        _fill(part, layer, by_feature=by_feature)
    return page


def _find_height(layer: LayerLags, *, by_feature: bool) -> float:
    if not layer.norms:
        return _WITHOUT_BARS
    return _HEIGHT + (_find_height_of_features(layer) if by_feature else 0.0)


def _find_height_of_features(layer: LayerLags) -> float:
    return min(_TALLEST, 0.6 + _ROW * layer.input_dim)


def _fill(page: FigureBase, layer: LayerLags, *, by_feature: bool) -> None:
    page.suptitle(_write_title(layer))
    if not layer.norms:
        _write_reason(page.add_subplot(), layer)
    elif not by_feature:
        _draw_bars(page.add_subplot(), layer)
    else:
        heights = _HEIGHT, _find_height_of_features(layer)
        upper, lower = page.subplots(2, sharex=True, height_ratios=heights)
        _draw_bars(upper, layer)
        upper.set_xlabel("")
        _draw_features(lower, layer)


def _write_reason(axes: Axes, layer: LayerLags) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, f"no numbers: {layer.no_point or 'there are no lags'}", ha="center", va="center",
              color=style.FAINT)  # fmt: skip


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
    norm = _NORM.format(symbol=layer.symbol)
    axes.set_ylabel(f"share of ${norm}$ in %", parse_math=True)
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
