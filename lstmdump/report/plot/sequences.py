"""The states of a layer over one sequence, to be drawn after all layers have been run.

They are reduced to what a page can show at once, so that what is kept does not grow with the input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lstmdump.errors import BadInput, NothingToDraw
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, States
from lstmdump.report.plot import scales

WIDEST, HIGHEST = 2.9, 2.2
"""The largest size in inches of the picture of a matrix."""

_STATES, _GATES = ("h", "c", "candidate"), ("i", "f", "o")


class SequenceMatrix(NamedTuple):
    """One of h, c, i, f, o and candidate over a sequence, its units down and its steps across.

    Attributes:
        points: Numbers, each of which stands for a block; NaN where the numbers are not finite.
        shape: The number of units and of steps.
        block: The number of units and of steps of a block.
        limits: The ends of the scale.
    """

    points: Array
    shape: tuple[int, int]
    block: tuple[int, int]
    limits: tuple[float, float]

    @property
    def has_gaps(self) -> bool:
        """Whether some numbers are not finite."""
        return not np.isfinite(self.points).all()


class DrawnSequence(NamedTuple):
    """The states of a layer over one sequence of a batch, in the order of the input.

    Attributes:
        name: The name of the layer.
        batch: The number of sequences.
        steps: The number of steps.
        units: m.
        width: The width of h: m, or p where it is projected.
        is_backwards: Whether the layer takes the last step first.
        skipped: The steps that are masked, from the first of each run to the one after its last.
        matrices: The matrices by name.
        place: The index of the sequence.
    """

    name: str
    batch: int
    steps: int
    units: int
    width: int
    is_backwards: bool
    skipped: tuple[tuple[int, int], ...]
    matrices: Mapping[str, SequenceMatrix]
    place: int = 0


def take(name: str, cell: CellNumbers, states: States, mask: Array | None = None) -> DrawnSequence:
    """Return the first sequence of `states`, those of `cell`, without the steps where `mask` is false.

    Args:
        name: The name to draw.
        cell: The layer.
        states: Its states, in the order of the layer.
        mask: True where there is a step, (batch, steps), in the order of the input.
    """
    batch, steps = states.i.shape[:2]
    how = cell.behaviour
    turn = -1 if how.go_backwards and not how.is_aligned else 1
    skipped = np.zeros(steps, bool) if mask is None else ~mask[0].astype(bool)
    arrays = {member: getattr(states, member)[0, ::turn].T for member in (*_STATES, *_GATES)}
    return _reduce_all(name, batch, 0, arrays, skipped, is_backwards=how.go_backwards)


def take_one(name: str, states: Any, mask: Array | None, sequence: int) -> DrawnSequence:
    """Return one sequence of `states`, in the order that they are in.

    Args:
        name: The name to draw.
        states: What has the attributes of `States`, each (length, m) or (batch, length, m).
        mask: True where there is a step, (length,) or (batch, length); if not given, a step without gates is masked.
        sequence: The index of the sequence.

    Raises:
        BadInput: The arrays do not belong together, or there is no such sequence.
        NothingToDraw: There are no steps.
    """
    batched = {member: _add_batch(np.asarray(getattr(states, member)), 3) for member in (*_STATES, *_GATES)}
    _require_same_shapes(batched)
    batch, steps = batched["c"].shape[:2]
    if not -batch <= sequence < batch:
        raise BadInput(f"there is no sequence {sequence}: the states are those of {batch}")
    if not batched["c"].size:
        raise NothingToDraw("there are no steps to draw")
    arrays = {member: values[sequence].T for member, values in batched.items()}
    given = None if mask is None else _add_batch(np.asarray(mask), 2)
    if given is not None and given.shape != (batch, steps):
        raise BadInput(f"the mask is {given.shape}, but the states are (batch, length) = {batch, steps}")
    skipped = _find_skipped(arrays) if given is None else ~given[sequence].astype(bool)
    return _reduce_all(name, batch, sequence % batch, arrays, skipped, is_backwards=False)


def _add_batch(values: Array, dimensions: int) -> Array:
    return values[None] if values.ndim == dimensions - 1 else values


def _require_same_shapes(arrays: Mapping[str, Array]) -> None:
    """Check that all are (batch, length, m), but for h, which may be projected."""
    shape = arrays["c"].shape
    for member, values in arrays.items():
        expected = (*shape[:2], *values.shape[2:3]) if member == "h" else shape
        if len(shape) != 3 or values.shape != expected:
            raise BadInput(f"{member} is {values.shape} beside a c of {shape}; both are (batch, length, units)")


def _find_skipped(arrays: Mapping[str, Array]) -> Array:
    """Return which steps have no gates although they have a state, as `replay` leaves them."""
    has_gates = [~np.isnan(arrays[member]).all(axis=0) for member in (*_GATES, "candidate")]
    return np.asarray(~np.logical_or.reduce(has_gates) & np.isfinite(arrays["c"]).all(axis=0))


def _reduce_all(
    name: str, batch: int, place: int, arrays: Mapping[str, Array], skipped: Array, *, is_backwards: bool
) -> DrawnSequence:
    """Return what is drawn of `arrays`, each (units, steps)."""
    units, steps = arrays["c"].shape
    limits = _find_limits({member: values[:, ~skipped] for member, values in arrays.items()})
    return DrawnSequence(
        name, batch, steps, units, len(arrays["h"]), is_backwards, tuple(_find_runs(skipped)),
        {member: _reduce(values, skipped, limits[member]) for member, values in arrays.items()}, place,
    )  # fmt: skip


def _find_limits(arrays: Mapping[str, Array]) -> dict[str, tuple[float, float]]:
    """Return the ends of the scales: one for all gates, and one for each of the others."""
    ends = {member: scales.find_limit([arrays[member]]) for member in _STATES}
    limits = {member: (-end, end) for member, end in ends.items()}
    return limits | dict.fromkeys(_GATES, _find_limits_of_gates([arrays[gate] for gate in _GATES]))


def _find_limits_of_gates(gates: list[Array]) -> tuple[float, float]:
    """Return 0 and 1, unless an activation gives other numbers."""
    finite = [values[np.isfinite(values)] for values in gates]
    is_signed = min(float(values.min(initial=0)) for values in finite) < 0
    if not is_signed and max(float(values.max(initial=0)) for values in finite) <= 1:
        return 0.0, 1.0
    limit = scales.find_limit(gates)
    return (-limit if is_signed else 0.0), limit


def _reduce(values: Array, skipped: Array, limits: tuple[float, float]) -> SequenceMatrix:
    """Return a copy of `values`, (units, steps), of as many points as can be printed.

    A masked step has no part in the blocks of which others have one.
    """
    units, steps = values.shape
    block = math.ceil(units / (HIGHEST * scales.POINTS)), math.ceil(steps / (WIDEST * scales.POINTS))
    middle = (limits[0] + limits[1]) / 2
    finite = np.where(np.isfinite(values), values, np.nan)
    points = scales.take_furthest(np.where(skipped, values.dtype.type(middle), finite), block, middle)
    return SequenceMatrix(np.ascontiguousarray(points), (units, steps), block, limits)


def _find_runs(skipped: Array) -> list[tuple[int, int]]:
    """Return the first step of each run of masked ones, and the step after its last one."""
    edges = np.flatnonzero(np.diff(skipped.astype(np.int8), prepend=0, append=0))
    return [(int(first), int(after)) for first, after in edges.reshape(-1, 2)]
