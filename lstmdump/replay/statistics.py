"""What the numbers of a gate are like: mean, spread, extremes, norm, and how long the forget gate remembers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.lstm import GATES, LSTM, behaviour
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model import budget
from lstmdump.model.tensor import Array
from lstmdump.replay import activations

MOST_UNITS = 1024
"""Of how many the spectral radius is computed: it takes 1 s of 1,024, and 8 times that for twice as many."""

_LADDERS = (
    (1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8, 3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0),
    (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0),
    (1.0, 2.0, 5.0),
    (1.0,),
)  # of edges within a decade, evenly spaced by their logarithms: preferred numbers
_DECADES = 6  # whatever lasts longer than 10⁶ steps is in one bin
_MOST_BINS = 8
_EIGENVALUES = 20  # of n × n numbers are computed in the time of n³/20 bytes that are read, on slow machines, too


@dataclass(frozen=True)
class ArrayStatistics:
    """Of one array, `W_f` or the projection `P`; computed in float64.

    Attributes:
        norm: the Frobenius norm.
        spectral_radius: the largest modulus of an eigenvalue of a recurrent kernel; None where
            `LayerStatistics.no_radius` says why, and of other arrays.
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
    """How many UNITS have a time scale of START steps or more, but of less than END."""

    start: float
    end: float
    units: int


@dataclass(frozen=True)
class TimeScales:
    """1/(1-σ(b_f + forget_bias)) over the units, in steps: how long the cell state lasts at x = h = 0.

    This is how long a leaky integrator remembers, and the cell is one while its forget gate stands still: at x = h = 0.
    Each input moves the gate. Source: Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018.

    Attributes:
        forget_bias: what the cell adds to b_f.
        activation: σ, as the file or the release that wrote it calls it.
        bins: from that of the shortest to that of the longest time scale that is finite.
        never_forget: how many units keep their whole state, so that they have none.
        peepholes: whether the cell state moves the gate, too.
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
    """Of one LSTM layer.

    Attributes:
        time_scales: None where the layer has no bias, or where `no_time_scales` says why.
        no_radius: why its recurrent kernels have no spectral radius here; None where they have.
        no_time_scales: what of the forget gate the file does not tell.
    """

    name: str
    arrays: tuple[ArrayStatistics, ...]
    time_scales: TimeScales | None
    no_radius: str | None = None
    no_time_scales: str | None = None


def summarise(lstm: LSTM, gates: str = GATES, *, producer: str) -> LayerStatistics:
    """The statistics of the arrays of GATES, letters out of i, f, c and o; with all four, of the projection as well.

    PRODUCER wrote the model, and decides on the activation of the forget gate where the file does not name it. Reads
    the weights.
    """
    no_radius = _explain_no_radius(lstm)
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


def _explain_no_radius(lstm: LSTM) -> str | None:
    if lstm.projection is not None:
        return f"U is ({lstm.projection}, {lstm.units}) behind a projection, not square"
    if lstm.units > MOST_UNITS:
        return f"of more than {MOST_UNITS:,} units it takes too long"
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
    """NaN where an element is no finite number."""
    if not np.isfinite(square).all():
        return np.nan
    budget.allow(len(square) ** 3 // _EIGENVALUES)
    return float(np.abs(np.linalg.eigvals(square)).max())


def _compute_time_scales(bias: Array, forget_bias: float, how: Behaviour, *, peepholes: bool) -> TimeScales:
    steps = _compute_steps(bias.astype(np.float64) + forget_bias, how)
    return TimeScales(
        forget_bias,
        float(steps.min()),
        float(np.median(steps)),
        float(steps.max()),
        activations.word(how.recurrent_activation),
        _choose_bins(steps[np.isfinite(steps)]),
        int(np.isinf(steps).sum()),
        peepholes,
    )


def _compute_steps(z: Array, how: Behaviour) -> Array:
    """The time scale of each unit, (m,): how many steps the cell state takes to shrink to 1/e or about that."""
    with np.errstate(over="ignore", divide="ignore"):
        if how.recurrent_activation == "sigmoid":
            return np.asarray(1.0 + np.exp(z))  # 1/(1-σ(z)), without the rounding of σ(z) to 1
        gate = activations.named(how.recurrent_activation, how.keras)(z)
        return np.where(np.abs(gate) < 1.0, 1.0 / (1.0 - gate), np.where(np.isnan(gate), np.nan, np.inf))


def _choose_bins(steps: Array) -> tuple[Bin, ...]:
    """As many as tell the units apart best, but few, and at edges that can be read."""
    return next(bins for bins in (_count_units(steps, ladder) for ladder in _LADDERS) if len(bins) <= _MOST_BINS)


def _count_units(steps: Array, ladder: tuple[float, ...]) -> tuple[Bin, ...]:
    """How many of STEPS lie where: bins between the edges of LADDER, from the first that is not empty to the last."""
    edges = (
        0.0,
        *(round(10.0**decade * rung, 9) for decade in range(_DECADES) for rung in ladder),
        10.0**_DECADES,
        np.inf,
    )
    counts = np.bincount(np.searchsorted(edges, steps, side="right"), minlength=1)[1:]
    bins = [Bin(start, end, int(units)) for (start, end), units in zip(pairwise(edges), counts, strict=False)]
    return tuple(bins[next((k for k, one in enumerate(bins) if one.units), 0) :])
