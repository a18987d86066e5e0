"""What the numbers of a gate are like: mean, spread, extremes, norm, and how long the forget gate remembers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmdump.lstm import LSTM
from lstmdump.tensor import Array


@dataclass(frozen=True)
class ArrayStatistics:
    """Of one array, `W_f` or the projection `P`; computed in float64. `norm` is the Frobenius norm."""

    name: str
    mean: float
    std: float
    min: float
    max: float
    norm: float


@dataclass(frozen=True)
class TimeScales:
    """1/(1-σ(b_f + forget_bias)) over the units, in steps: how long the cell state lasts at x = h = 0."""

    forget_bias: float
    min: float
    median: float
    max: float


@dataclass(frozen=True)
class LayerStatistics:
    """Of one LSTM layer; `time_scales` is None where it has no bias or the file does not hold its forget bias."""

    name: str
    arrays: tuple[ArrayStatistics, ...]
    time_scales: TimeScales | None


def summarise(lstm: LSTM, gates: str) -> LayerStatistics:
    """The statistics of the arrays of GATES, letters out of i, f, c and o; with all four, of the projection as well.

    Reads the weights.
    """
    return LayerStatistics(
        lstm.name,
        tuple(_statistics(tensor.name.rpartition("/")[2], tensor.read()) for tensor in lstm.arrays(gates)),
        _time_scales(lstm) if "f" in gates else None,
    )


def _statistics(name: str, values: Array) -> ArrayStatistics:
    wide = values.astype(np.float64)
    return ArrayStatistics(
        name,
        float(wide.mean()),
        float(wide.std()),
        float(wide.min()),
        float(wide.max()),
        float(np.linalg.norm(wide)),
    )


def _time_scales(lstm: LSTM) -> TimeScales | None:
    bias = lstm.gates["f"].b
    if bias is None or lstm.forget_bias is None:
        return None
    with np.errstate(over="ignore"):
        steps = 1.0 + np.exp(bias.read().astype(np.float64) + lstm.forget_bias)  # 1/(1-σ(z)) = 1 + e^z
    return TimeScales(lstm.forget_bias, float(steps.min()), float(np.median(steps)), float(steps.max()))
