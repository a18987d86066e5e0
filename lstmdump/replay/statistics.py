"""Summarise the numbers of a gate: mean, spread, extremes, norm, and how long the forget gate remembers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.lstm import GATES, LSTM, behaviour
from lstmdump.lstm.activation_names import word
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model import budget
from lstmdump.model.tensor import Array
from lstmdump.replay import activations

MOST_UNITS = 1024
"""The most units for which eigenvalues are computed: 1,024 take 1 s, and twice as many 8 times as long."""

_LADDERS = (
    (1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8, 3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0),
    (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0),
    (1.0, 2.0, 5.0),
    (1.0,),
)  # bin edges within a decade, evenly spaced in their logarithms: preferred numbers
_DECADES = 6  # all time scales longer than 10⁶ steps share one bin
_MOST_BINS = 8
_EIGENVALUES = 20  # those of n × n numbers take as long as reading n³/20 bytes, on slow machines, too


@dataclass(frozen=True)
class ArrayStatistics:
    """The statistics of one array, `W_f` or the projection `P`; computed in float64.

    Attributes:
        norm: The Frobenius norm.
        spectral_radius: The largest modulus of an eigenvalue of a recurrent kernel; None for other arrays, and where
            `LayerStatistics.no_radius` gives the reason.
    """

    name: str
    mean: float
    std: float
    min: float
    max: float
    norm: float
    spectral_radius: float | None = None


@dataclass(frozen=True)
class Bin:
    """The number of units with a time scale of at least `start` and less than `end` steps."""

    start: float
    end: float
    units: int


@dataclass(frozen=True)
class TimeScales:
    """1/(1-σ(b_f + forget_bias)) over the units, in steps: how long the cell state lasts at x = h = 0.

    This is how long a leaky integrator remembers; the cell is one as long as its forget gate does not move. Each input
    moves the gate. Source: Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018.

    Attributes:
        forget_bias: The constant that the cell adds to b_f.
        activation: The name of σ in the file, or in the release that wrote it.
        bins: The bins from the shortest to the longest finite time scale.
        never_forget: The number of units that keep their whole state, and so have no finite time scale.
        peepholes: Whether the cell state moves the gate, too.
    """

    forget_bias: float
    min: float
    median: float
    max: float
    activation: str = "sigmoid"
    bins: tuple[Bin, ...] = ()
    never_forget: int = 0
    peepholes: bool = False


@dataclass(frozen=True)
class LayerStatistics:
    """The statistics of one LSTM layer.

    Attributes:
        time_scales: None where the layer has no bias, or where `no_time_scales` gives a reason.
        no_radius: Why the spectral radius of the recurrent kernels is not computed; None where it is.
        no_time_scales: Why the time scales are not known: what the file does not hold, or an unknown activation.
    """

    name: str
    arrays: tuple[ArrayStatistics, ...]
    time_scales: TimeScales | None
    no_radius: str | None = None
    no_time_scales: str | None = None


def summarise(lstm: LSTM, gates: str = GATES, *, producer: str) -> LayerStatistics:
    """Compute the statistics of a layer. Reads the weights.

    Args:
        lstm: The layer.
        gates: Letters out of i, f, c and o; with all four, the projection is included.
        producer: The release that wrote the model; it decides on the activation of the forget gate where the file does
            not name it.
    """
    no_radius = explain_no_eigenvalues(lstm)
    arrays = [
        _compute_statistics(tensor.name.rpartition("/")[2], tensor.read(), radius=no_radius is None)
        for tensor in lstm.arrays(gates)
    ]
    bias = lstm.gates["f"].b if "f" in gates else None
    if bias is None:
        return LayerStatistics(lstm.name, tuple(arrays), None, no_radius)
    if lstm.forget_bias is None:
        return LayerStatistics(lstm.name, tuple(arrays), None, no_radius, "the file does not hold the forget bias")
    try:
        scales = _compute_time_scales(
            bias.read(), lstm.forget_bias, behaviour.of(lstm, producer), peepholes=lstm.peepholes
        )
    except CannotReplay as error:
        return LayerStatistics(lstm.name, tuple(arrays), None, no_radius, str(error).partition(";")[0])
    return LayerStatistics(lstm.name, tuple(arrays), scales, no_radius)


def explain_no_eigenvalues(lstm: LSTM) -> str | None:
    """Return why eigenvalues of the recurrent kernels of a layer are not computed; None if they are."""
    if lstm.projection is not None:
        return f"with a projection, U is ({lstm.projection}, {lstm.units}), not square"
    if lstm.units > MOST_UNITS:
        return f"it takes too long for more than {MOST_UNITS:,} units"
    return None


def _compute_statistics(name: str, values: Array, *, radius: bool) -> ArrayStatistics:
    wide = values.astype(np.float64)
    return ArrayStatistics(
        name,
        float(wide.mean()),
        float(wide.std()),
        float(wide.min()),
        float(wide.max()),
        float(np.linalg.norm(wide)),
        _compute_spectral_radius(wide) if radius and name.startswith("U_") else None,
    )


def _compute_spectral_radius(square: Array) -> float:
    """Return NaN where there are no eigenvalues."""
    return float(np.abs(compute_eigenvalues(square)).max(initial=0.0)) if np.isfinite(square).all() else np.nan


def compute_eigenvalues(square: Array) -> Array:
    """Return the eigenvalues of a matrix of float64, (n, n), as complex128; none where an element is not finite."""
    if not np.isfinite(square).all():
        return np.empty(0, np.complex128)
    budget.allow(len(square) ** 3 // _EIGENVALUES)
    return np.linalg.eigvals(square).astype(np.complex128)


def _compute_time_scales(bias: Array, forget_bias: float, how: Behaviour, *, peepholes: bool) -> TimeScales:
    steps = _compute_steps(bias.astype(np.float64) + forget_bias, how)
    return TimeScales(
        forget_bias,
        float(steps.min()),
        float(np.median(steps)),
        float(steps.max()),
        word(how.recurrent_activation),
        _choose_bins(steps[np.isfinite(steps)]),
        int(np.isinf(steps).sum()),
        peepholes,
    )


def _compute_steps(z: Array, how: Behaviour) -> Array:
    """Return the time scale of each unit, (m,): about how many steps the cell state takes to shrink to 1/e."""
    with np.errstate(over="ignore", divide="ignore"):
        if how.recurrent_activation == "sigmoid":
            kept = z if how.gate_clip is None else np.clip(z, -how.gate_clip, how.gate_clip)
            return np.asarray(1.0 + np.exp(kept))  # 1/(1-σ(z)), without the rounding of σ(z) to 1
        gate = activations.of_cell(how).gates(z)
        return np.where(np.abs(gate) < 1.0, 1.0 / (1.0 - gate), np.where(np.isnan(gate), np.nan, np.inf))


def _choose_bins(steps: Array) -> tuple[Bin, ...]:
    """Return the finest bins that are few enough, with edges that are easy to read."""
    return next(bins for bins in (_count_units(steps, ladder) for ladder in _LADDERS) if len(bins) <= _MOST_BINS)


def _count_units(steps: Array, ladder: tuple[float, ...]) -> tuple[Bin, ...]:
    """Count `steps` in the bins between the edges of `ladder`, from the first that is not empty to the last."""
    edges = (
        0.0,
        *(round(10.0**decade * rung, 9) for decade in range(_DECADES) for rung in ladder),
        10.0**_DECADES,
        np.inf,
    )
    counts = np.bincount(np.searchsorted(edges, steps, side="right"), minlength=1)[1:]
    bins = [Bin(start, end, int(units)) for (start, end), units in zip(pairwise(edges), counts, strict=False)]
    return tuple(bins[next((k for k, one in enumerate(bins) if one.units), 0) :])
