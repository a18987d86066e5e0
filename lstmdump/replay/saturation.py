"""Summarise the gates of a layer over all steps of an input: mean, spread, extremes, and the share that is saturated.

A gate is saturated where it is nearly closed or open: below 0.1 or above 0.9, as Karpathy, Johnson and Li (2015),
"Visualizing and Understanding Recurrent Networks", count it; a candidate where it is beyond ±0.9.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, States

BOUNDS = {"i": (0.1, 0.9), "f": (0.1, 0.9), "o": (0.1, 0.9), "candidate": (-0.9, 0.9)}
"""By gate, the bounds below and above which a value is saturated."""

_BLOCK = 1 << 20  # numbers examined at once


class GateSummary(NamedTuple):
    """The values of one gate over all units and all unmasked steps. NaN where there is no such step.

    Attributes:
        low: The share of the values below the lower bound.
        high: The share of the values above the upper bound.
    """

    mean: float
    std: float
    min: float
    max: float
    low: float
    high: float


class LayerSummary(NamedTuple):
    """The gates of one layer.

    Attributes:
        name: The name of the layer.
        batch: The number of sequences.
        steps: The number of steps of each sequence.
        units: The number of units.
        passed_over: The number of masked steps, over all sequences.
        gates: The summary of each gate, by name.
    """

    name: str
    batch: int
    steps: int
    units: int
    passed_over: int
    gates: dict[str, GateSummary]


def summarise(cell: CellNumbers, states: States, mask: Array | None = None) -> LayerSummary:
    """Summarise the gates of `cell` in `states`, without the steps where `mask`, (batch, length), is false.

    If the layer goes backwards, `states` are in the order of the layer, and `mask` in the order of the input.
    """
    batch, steps = states.i.shape[:2]
    how = cell.behaviour
    if mask is not None and how.go_backwards and not how.is_aligned:
        mask = mask[:, ::-1]
    passed_over = 0 if mask is None else int(mask.size - np.count_nonzero(mask))
    gates = {name: _summarise_gate(getattr(states, name), mask, *bounds) for name, bounds in BOUNDS.items()}
    return LayerSummary(cell.name, batch, steps, cell.units, passed_over, gates)


def _summarise_gate(values: Array, mask: Array | None, low: float, high: float) -> GateSummary:
    """Compute in float64, block by block; the spreads are combined as in Chan, Golub and LeVeque (1983)."""
    count, mean, squares, below, above = 0, 0.0, 0.0, 0, 0
    least, most = np.inf, -np.inf
    step = max(1, _BLOCK // (values.shape[1] * values.shape[2]))
    for first in range(0, len(values), step):
        block = values[first : first + step]
        taken = (block if mask is None else block[mask[first : first + step]]).astype(np.float64).reshape(-1)
        if not taken.size:
            continue
        block_mean = float(taken.mean())
        total = count + taken.size
        squares += float(np.square(taken - block_mean).sum()) + (block_mean - mean) ** 2 * count * taken.size / total
        mean += (block_mean - mean) * taken.size / total
        count = total
        below += int(np.count_nonzero(taken < low))
        above += int(np.count_nonzero(taken > high))
        least, most = min(least, float(taken.min())), max(most, float(taken.max()))
    if not count:
        return GateSummary(*[float("nan")] * 6)
    return GateSummary(mean, float(np.sqrt(squares / count)), least, most, below / count, above / count)
