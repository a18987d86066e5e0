"""Go back through many steps with the gradients of many numbers, without keeping them all.

The gradients of r numbers with respect to the n numbers of a state are the rows of P, (r, n). Going back a step
multiplies P from the right. How large its columns are depends on PᵀP only, so the rows may be replaced by others with
the same PᵀP: every few steps, they are turned into their principal directions, and those that are negligible beside
the rest are dropped.

A direction that is dropped may grow later, where the others fade. Therefore a few random combinations of all rows, the
probes, are carried along in full. Their difference from the same combinations of the rows that are kept consists of
what was dropped, with all that it has become; its mean square is the sum of squares that is missing. Where it is more
than `_TOLERATED`, all is computed again with all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

import numpy as np

from lstmdump.model.tensor import Array

Gradients: TypeAlias = "tuple[Array, ...]"
"""The gradients of r numbers with respect to the arrays of a state, each (batch, r, width)."""

StepBack: TypeAlias = Callable[[int, Gradients], "tuple[Gradients, Array]"]
"""Returns, from the gradients of the state after a step, those of the state before it and of its x, (batch, r, d)."""

_FEWEST = 48  # rows that are worth reducing
_ENOUGH = 16  # rows that are not worth reducing further
_EVERY = 8  # steps; turning m rows costs about as much as going back one step
_NEGLIGIBLE = (1e-13, 1e-22)  # of the sum of squares: what mostly does, and what does where directions grow
_RESOLVED = 1e-15  # of the sum of squares: what is smaller is lost in the products of rows
_PAUSE = 16  # steps, where too few are negligible
_WORTH = 16  # one row in so many must be dropped
_PROBES = 8
_TOGETHER = 8  # rows that a matrix product computes together: 23 rows take longer than 24
_TOLERATED = 5e-10  # of a sum of squares: 1/40 of what is 1e-8 of a norm; 8 probes all miss that much once in 200,000
_SMALL = 1e-200  # a sum of squares, from which on each step is looked at
_UNDERFLOW = 1e-280  # a sum of squares; numbers below the square of float64's smallest are slow and imprecise


class SquaredGradients(NamedTuple):
    """How much x counts at each step.

    Attributes:
        squares: The sums over the rows of the squared gradients of x, (batch, steps, d), in the order gone back.
        has_faded: Whether it was not necessary to go back all steps.
    """

    squares: Array
    has_faded: bool


def sum_squares(
    after: Gradients, steps: Iterable[int], step_back: StepBack, least: float | None = None
) -> SquaredGradients:
    """Go back `steps`; return the sums of squares of the gradients of x, each within 2e-8 of itself.

    Args:
        after: The gradients of the state after the first of `steps`.
        steps: The steps, in the order in which they are gone back; can be iterated over again.
        step_back: The chain rule of a step.
        least: The sum of squares of the gradients of the state at which to stop; if not given, where all are 0.
    """
    for negligible in _NEGLIGIBLE if after[0].shape[1] >= _FEWEST else ():
        try:
            return _collect(_ReducedRows(after, negligible), steps, step_back, least)
        except _TooMuchIsMissing:
            pass
    return _collect(_Rows(after), steps, step_back, least)


def _collect(rows: _Rows, steps: Iterable[int], step_back: StepBack, least: float | None) -> SquaredGradients:
    found: list[Array] = []
    waiting: list[Array] = []
    size = 1.0
    has_faded = False
    due = _EVERY
    for count, step in enumerate(steps, 1):
        rows.states, gradient = step_back(step, rows.states)
        waiting.append(gradient.copy())
        is_due = count == due
        if is_due or least is not None or not size > _SMALL:
            size = rows.forget()
            has_faded = size == 0 if least is None else not size > least
        if is_due or has_faded:
            found.append(rows.sum_squares(waiting))
            waiting = []
            if has_faded:
                break
            due = count + rows.reduce()
    if waiting:
        found.append(rows.sum_squares(waiting))
    return SquaredGradients(np.concatenate(found, axis=1), has_faded)


class _TooMuchIsMissing(Exception):
    """A direction that was dropped counts."""


class _Rows:
    """The rows of all gradients.

    Attributes:
        states: The gradients.
    """

    def __init__(self, states: Gradients) -> None:
        self.states = states

    def sum_squares(self, gradients: Sequence[Array]) -> Array:
        """Return the sums of squares of gradients of x, (batch, steps, d)."""
        return np.stack([_square(gradient) for gradient in gradients], axis=1)

    def forget(self) -> float:
        """Set gradients to 0 in sequences where they are too small to compute with; return the sum of squares."""
        sizes = sum(np.einsum("brm,brm->b", values, values) for values in map(self.select, self.states))
        small = sizes < _UNDERFLOW
        if small.any():
            self.states = tuple(np.where(small[:, None, None], 0, values) for values in self.states)
            sizes = np.where(small, 0, sizes)
        return float(sizes.sum())

    def select(self, values: Array) -> Array:
        """Return the gradients that count."""
        return values

    def reduce(self) -> int:
        """Replace the rows by fewer ones, where that is possible; return the steps after which to try again."""
        return _EVERY


class _ReducedRows(_Rows):
    """The principal directions of the gradients, and the probes below them."""

    def __init__(self, states: Gradients, negligible: float) -> None:
        self._negligible = negligible
        rows = states[0].shape[1]
        draw = _draw_combinations(rows)
        self._combinations = np.broadcast_to(draw, (len(states[0]), *draw.shape))
        super().__init__(tuple(np.concatenate([values, draw @ values], axis=1) for values in states))

    def select(self, values: Array) -> Array:
        return values[:, :-_PROBES]

    def sum_squares(self, gradients: Sequence[Array]) -> Array:
        """Return the sums of squares of gradients of x, (batch, steps, d).

        Raises:
            _TooMuchIsMissing: They are not precise enough.
        """
        side_by_side = np.concatenate(gradients, axis=2)
        kept = self.select(side_by_side)
        found = _square(kept)
        missing = _square(side_by_side[:, -_PROBES:] - self._combinations @ kept)
        if not (missing <= _PROBES * _TOLERATED * found).all():
            raise _TooMuchIsMissing
        return found.reshape(len(found), len(gradients), -1)

    def reduce(self) -> int:
        count = self.states[0].shape[1] - _PROBES
        if count <= _ENOUGH:
            return _PAUSE
        rows = np.concatenate(self.states, axis=2)
        kept = self.select(rows)
        sizes, vectors = self._find_directions(kept)
        sums = np.cumsum(sizes, axis=1)
        dropped = int((sums <= self._negligible * sums[:, -1:]).sum(1).min())
        dropped = max(0, count - max(_ENOUGH, _round_up(count - dropped)))
        if dropped * _WORTH < count:
            return _PAUSE
        vectors = vectors[..., dropped:]
        self._combinations = self._combinations @ vectors
        turned = np.concatenate([vectors.swapaxes(1, 2) @ kept, rows[:, -_PROBES:]], axis=1)
        ends = np.cumsum([values.shape[2] for values in self.states])[:-1]
        self.states = tuple(np.split(turned, ends, axis=2))
        return _EVERY

    def _find_directions(self, rows: Array) -> tuple[Array, Array]:
        """Return the principal directions of `rows`, as columns, and before them their sums of squares, ascending."""
        if self._negligible > _RESOLVED:
            squares, vectors = np.linalg.eigh(rows @ rows.swapaxes(1, 2))
            return np.maximum(squares, 0), vectors
        vectors, sizes, _ = np.linalg.svd(rows, full_matrices=False)
        return sizes[:, ::-1] ** 2, vectors[..., ::-1]


def _draw_combinations(rows: int) -> Array:
    """Return the same normally distributed numbers each time, (probes, rows).

    They are not drawn by numpy, whose generators take 10 ms to import: a quarter of the time for a small layer.
    """
    draw = Random(0).gauss  # noqa: S311 - not for cryptography
    return np.array([draw(0, 1) for _ in range(_PROBES * rows)]).reshape(_PROBES, rows)


def _round_up(rows: int) -> int:
    """Return how many rows to keep where so many are not negligible, to fill the registers with them and the probes."""
    return -(-(rows + _PROBES) // _TOGETHER) * _TOGETHER - _PROBES


def _square(values: Array) -> Array:
    squares: Array = np.einsum("brd,brd->bd", values, values)
    return squares
