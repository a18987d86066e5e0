"""The numbers of gates: arrays as numpy prints them, statistics as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lstmdump.lstm import LSTM
from lstmdump.model.escape import shortened, visible
from lstmdump.replay.statistics import ArrayStatistics, Bin, LayerStatistics, TimeScales
from lstmdump.report import record
from lstmdump.report.render.words import bar

_COLUMNS = ("mean", "std", "min", "max", "norm")
_RADIUS = "spectral radius"
_BAR = 36  # columns
_LONGEST = 40  # characters of the name of an activation in a file


def arrays(lstms: Sequence[LSTM], gates: str) -> str:
    """Return the arrays of `gates` of each layer under their names; with all gates, the projection too.

    This reads the weights.
    """
    blocks = []
    for lstm in lstms:
        for tensor in lstm.arrays(gates):
            values = tensor.read()
            blocks.append(f"{visible(tensor.name)}  {tensor.shape} {values.dtype}\n{np.array2string(values)}\n")
    return "\n".join(blocks)


def statistics(layers: Sequence[LayerStatistics]) -> str:
    """Return a line per array, and the time scales of each layer with the number of units in each range."""
    return "\n".join(line for layer in layers for line in (visible(layer.name), *_list_statistics(layer), ""))


def _list_statistics(layer: LayerStatistics) -> Iterator[str]:
    has_radius = any(array.spectral_radius is not None for array in layer.arrays)
    yield f"  {'':4}" + "".join(f"{column:>11}" for column in _COLUMNS) + (f"{_RADIUS:>17}" if has_radius else "")
    for array in layer.arrays:
        numbers = "".join(f"{getattr(array, column):>11.4g}" for column in _COLUMNS)
        radius = "" if array.spectral_radius is None else f"{array.spectral_radius:>17.4g}"
        yield f"  {array.name:4}{numbers}{radius}"
    if layer.no_radius is not None:
        yield f"  no {_RADIUS}: {layer.no_radius}"
    if layer.no_time_scales is not None:
        yield f"  no time scale: {visible(layer.no_time_scales)}"
    if layer.time_scales is not None:
        yield from (f"  {line}" for line in _list_scales(layer.time_scales))


def _list_scales(scales: TimeScales) -> Iterator[str]:
    yield f"time scale {_write_formula(scales)}: {_format_range(scales)}"
    rows = [(_format_bin(one), one.units) for one in scales.bins]
    if scales.never_forget:
        rows.append(("never forget", scales.never_forget))
    labels = max((len(label) for label, _ in rows), default=0)
    most = max((units for _, units in rows), default=0)
    for label, units in rows:
        yield f"  {label:<{labels}}  {units:>6,}  {bar(units / most, _BAR)}".rstrip()
    movers = "inputs and peepholes" if scales.peepholes else "inputs"
    yield f"At x = h = 0 only: {movers} move the gate (Tallec & Ollivier 2018)"


def _write_formula(scales: TimeScales) -> str:
    bias = f"b_f{scales.forget_bias:+}" if scales.forget_bias else "b_f"
    sigma = "σ" if scales.activation == "sigmoid" else visible(shortened(scales.activation, _LONGEST))
    return f"1/(1-{sigma}({bias}))"


def _format_range(scales: TimeScales) -> str:
    if scales.min == math.inf:
        return "without end"
    shortest, median, longest = (_format_steps(steps) for steps in (scales.min, scales.median, scales.max))
    return f"{shortest} to {longest} steps, median {median}"


def _format_steps(steps: float) -> str:
    return "∞" if steps == math.inf else f"{steps:.3g}"


def _format_bin(one: Bin) -> str:
    if one.end == math.inf:
        return f"{_format_edge(one.start)} steps or more"
    return f"{_format_edge(one.start)} to {_format_edge(one.end)} step{'' if one.end == 1 else 's'}"


def _format_edge(steps: float) -> str:
    return f"{steps:g}" if steps < 1000 else f"{steps:,.0f}"


def statistics_record(layer: LayerStatistics) -> dict[str, Any]:
    """Return the statistics of a layer as JSON; NaN and infinities become null."""
    scales = None if layer.time_scales is None else _record_scales(layer.time_scales)
    return {array.name: _record_array(array) for array in layer.arrays} | {"time_scale": scales}


def _record_array(array: ArrayStatistics) -> dict[str, float | None]:
    columns = (*_COLUMNS, "spectral_radius") if array.name.startswith("U_") else _COLUMNS
    return {column: record.finite(getattr(array, column)) for column in columns}


def _record_scales(scales: TimeScales) -> dict[str, Any]:
    return {
        "min": record.finite(scales.min),
        "median": record.finite(scales.median),
        "max": record.finite(scales.max),
        "activation": scales.activation,
        "bins": [{"from": one.start, "to": record.finite(one.end), "units": one.units} for one in scales.bins],
        "never_forget": scales.never_forget,
    }
