"""The numbers of gates: arrays as numpy prints them, statistics as a table of text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstmdump.lstm import LSTM
from lstmdump.names import visible
from lstmdump.statistics import LayerStatistics, TimeScales

_COLUMNS = ("mean", "std", "min", "max", "norm")


def arrays(lstms: Sequence[LSTM], gates: str) -> str:
    """The arrays of GATES of each layer, each under its name; of all gates, the projection too. Reads the weights."""
    blocks = []
    for lstm in lstms:
        for tensor in lstm.arrays(gates):
            values = tensor.read()
            blocks.append(f"{visible(tensor.name)}  {tensor.shape} {values.dtype}\n{np.array2string(values)}\n")
    return "\n".join(blocks)


def statistics(layers: Sequence[LayerStatistics]) -> str:
    """One line per array, and the time scales of each layer."""
    lines = []
    for layer in layers:
        lines.append(visible(layer.name))
        lines.append(f"  {'':4}" + "".join(f"{column:>11}" for column in _COLUMNS))
        for array in layer.arrays:
            numbers = (array.mean, array.std, array.min, array.max, array.norm)
            lines.append(f"  {array.name:4}" + "".join(f"{number:>11.4g}" for number in numbers))
        if layer.time_scales is not None:
            lines.append(f"  {_scales(layer.time_scales)}")
        lines.append("")
    return "\n".join(lines)


def _scales(scales: TimeScales) -> str:
    bias = f"b_f{scales.forget_bias:+}" if scales.forget_bias else "b_f"
    words = f"{scales.min:.3g} to {scales.max:.3g} steps, half of the units below {scales.median:.3g}"
    return f"time scale 1/(1-σ({bias})): {words}"


def statistics_record(layer: LayerStatistics) -> dict[str, Any]:
    """The same for JSON; what is no finite number becomes null."""
    record: dict[str, Any] = {
        array.name: {column: _finite(getattr(array, column)) for column in _COLUMNS} for array in layer.arrays
    }
    scales = layer.time_scales
    record["time_scale"] = None if scales is None else {
        "min": _finite(scales.min), "median": _finite(scales.median), "max": _finite(scales.max)
    }  # fmt: skip
    return record


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
