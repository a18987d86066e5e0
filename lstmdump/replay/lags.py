"""Measure how much of the last output of an LSTM comes from each step of its input: ‖∂h_T/∂x_{T-k}‖ for every lag k.

The Jacobian is exact: from the states of the replay, the chain rule is applied backwards through each step, for all
units of h_T at once. A step that is not at a kink of its functions (the bounds of a clip, the ends of a hard sigmoid)
has one derivative; at a kink, the derivative of the frameworks is used. Computed in float64.

T is the last step that the layer takes, and T-k the k-th one before: for a layer that goes backwards, T is the first
step of the input. Masked steps are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lstmdump.errors import BadInput
from lstmdump.model.escape import visible
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.replay.equations import CellNumbers, State
from lstmdump.replay.gradients import Backward
from lstmdump.replay.principal_rows import SquaredGradients, sum_squares

DTYPE = "float64"
WITHOUT_INPUT = "x = 0, from the state reached there"
NOT_BY_WEIGHTS = (
    "the weights alone do not determine the influence: each step back multiplies the Jacobian by factors that depend "
    "on how far the gates are open, and so on the inputs and states of the layer; here they are those of one point, "
    "x = 0; give real inputs with -i"
)
_MOST = 0.95
_AT_LEAST = 10
_LAGS_WITHOUT_INPUT = 1_000
_REST = 1e-6  # of the influence of the state itself: earlier steps change no digit of any figure that is shown
SETTLING = 10_000  # steps
SETTLED = 1e-9  # change in one step, relative to the largest state
UNSETTLED = f"the state does not settle in {SETTLING:,} steps of x = 0 from h = c = 0"
NOT_FINITE = "the state does not stay finite at x = 0 from h = c = 0"
_BLOCK = 250  # steps
_AT_ONCE = 1 << 19  # numbers of the largest array of a step
_IN_TEXT = 3  # shares
_STATES_AT_ONCE = 1 << 19  # numbers of the states of all steps, and of their factors


@dataclass(frozen=True, repr=False)
class LayerLags:
    """How much of the last output of one layer, or of the model, comes from each lag of one input.

    Attributes:
        name: The name of the layer, or of the output of the model.
        input_dim: d, the width of the input.
        units: The number of numbers of the last output: m, or p where it is projected.
        unit: The unit whose influences these are; None for all, taken together.
        length: The number of steps of the input; None without an input.
        batch: The number of sequences.
        operating_point: Where the Jacobian is taken, in words.
        dtype: The dtype of the computation.
        norms: By lag, ‖∂h_T/∂x_{T-k}‖_F, the mean over the sequences; 0 for a sequence without such a step.
        deviations: By lag, the standard deviation over the sequences.
        by_feature: By lag and feature j, ‖∂h_T/∂x_{T-k,j}‖, the mean over the sequences; (lags, d).
        notes: Remarks on the result.
        is_complete: Whether these are all lags that matter; if not, the shares are of the lags that are here.
        goes_backwards: Whether the layer takes the steps of the input from the last to the first.
        is_masked: Whether steps of the input are masked, which are not lags.
        symbol: What is influenced: `h_T`, the last output of an LSTM layer, or `y`, that of the model.
        input: The name of the input of the model, or of the Embedding whose vectors count; None for a layer by itself.
        is_fixed_length: Whether the model takes no other number of steps than this input has.
        no_point: The reason why there is no operating point without an input, and so no norms; None if there is one.
    """

    name: str
    input_dim: int
    units: int
    unit: int | None
    length: int | None
    batch: int
    operating_point: str
    dtype: str
    norms: tuple[float, ...]
    deviations: tuple[float, ...]
    by_feature: tuple[tuple[float, ...], ...]
    notes: tuple[str, ...] = ()
    is_complete: bool = True
    goes_backwards: bool = False
    is_masked: bool = False
    no_point: str | None = None
    symbol: str = "h_T"
    input: str | None = None
    is_fixed_length: bool = False

    def __repr__(self) -> str:
        name = visible(self.name if self.input in (None, self.name) else f"{self.name} by {self.input}")
        if self.lag_95 is None:
            return f"<lags of {name}: no shares>"
        first = [f"{share:.1%}" for share in self.shares[:_IN_TEXT] if share is not None]
        shares = ", ".join([*first, "…"] if len(self.norms) > _IN_TEXT else first)
        return f"<lags of {name}: {len(self.norms)} shares, {shares}; 95 % at t-{self.lag_95}>"

    @property
    def total(self) -> float:
        """The sum of the norms; infinite or NaN where one of them is."""
        return sum(self.norms)

    @property
    def shares(self) -> tuple[float | None, ...]:
        """By lag, the norm's share of the total; None where the total is 0 or not finite."""
        return tuple(_divide_by_total(self.norms))

    @property
    def cumulative(self) -> tuple[float | None, ...]:
        """By lag, the share of this lag and all smaller ones."""
        if not _can_divide_by(self.total):
            return (None,) * len(self.norms)
        sums = np.cumsum(self.norms)
        return tuple((sums / sums[-1]).tolist())

    @property
    def lag_95(self) -> int | None:
        """The smallest lag that has, with all smaller ones, 95 % of the total; None where there are no shares."""
        parts = enumerate(self.cumulative)
        return next((lag for lag, part in parts if part is not None and part >= _MOST), None)

    @property
    def telling(self) -> int:
        """The number of lags worth showing one by one: those that have 95 % of the total, and at least ten."""
        last = self.lag_95
        return min(len(self.norms), max(0 if last is None else last + 1, _AT_LEAST))

    @property
    def feature_norms(self) -> tuple[float, ...]:
        """By feature, the sum over the lags."""
        return tuple(map(sum, zip(*self.by_feature, strict=True)))

    @property
    def feature_shares(self) -> tuple[float | None, ...]:
        """By feature, its share of the sum over features and lags."""
        return tuple(_divide_by_total(self.feature_norms))


def _divide_by_total(norms: tuple[float, ...]) -> Iterator[float | None]:
    total = sum(norms)
    return (norm / total if _can_divide_by(total) else None for norm in norms)


def _can_divide_by(total: float) -> bool:
    return 0 < total < math.inf


def lags(
    cell: CellNumbers,
    x: Array,
    *,
    unit: int | None = None,
    most: int | None = None,
    mask: Array | None = None,
    initial: State | None = None,
) -> LayerLags:
    """Return the influence of each step of `x` on the last output of `cell`.

    Args:
        cell: The layer, as `float64`.
        x: The input, (batch, length, d).
        unit: The only unit of the output to consider.
        most: The number of lags to compute.
        mask: False where a step is skipped, (batch, length); such a step is not a lag.
        initial: The state before the first step, (batch, …); 0 if there is none.

    Raises:
        BadInput: `x` or `mask` has another shape, or all steps are masked, or there is no such unit.
        CannotReplay: The layer's activations are unknown.
    """
    rows = _select_rows(cell, unit)
    taken = _find_taken_steps(cell, x, mask)
    if cell.behaviour.go_backwards:
        x, taken = x[:, ::-1], taken[:, ::-1]
    steps = int(taken.sum(1).max())
    squares = np.zeros((len(x), steps if most is None else min(steps, most), cell.input_dim))
    for members in _group_by_length(cell, taken, len(rows)):
        kept = x[members][taken[members]].reshape(len(members), -1, cell.input_dim)
        first = equations.zero_state(cell, len(members)) if initial is None else _take(initial, members)
        _go_back(cell, kept, first, rows, squares, members)
    found = _summarise(cell, unit, squares, x.shape[1], "the inputs given", tuple(_note_steps(cell, taken)))
    found = replace(found, is_masked=not taken.all())
    return found if squares.shape[1] == steps else mark_incomplete(found)


def lags_without_input(cell: CellNumbers, *, unit: int | None = None, most: int | None = None) -> LayerLags:
    """Return the influence of each lag on the output of `cell` at an input of 0, in the state that this input leads to.

    If the state does not settle, there are no norms: the Jacobian of one point of a path, taken to the power of the
    lag, says nothing of the path.

    Args:
        cell: The layer, as `float64`.
        unit: The only unit of the output to consider.
        most: The number of lags to compute; as many as matter if not given.

    Raises:
        BadInput: There is no such unit.
        CannotReplay: The layer's activations are unknown.
    """
    rows = _select_rows(cell, unit)
    state, no_point = _settle(cell)
    if no_point is not None:
        found = _summarise(cell, unit, np.zeros((1, 0, cell.input_dim)), None, WITHOUT_INPUT, ())
        return replace(found, notes=(), is_complete=False, no_point=no_point)
    squares, has_faded = _go_back_at(cell, state, rows, most or _LAGS_WITHOUT_INPUT)
    found = _summarise(cell, unit, squares, None, WITHOUT_INPUT, (NOT_BY_WEIGHTS,))
    return found if has_faded else mark_incomplete(found)


def _note_steps(cell: CellNumbers, taken: Array) -> Iterator[str]:
    """Yield remarks on how lags are counted."""
    if cell.behaviour.go_backwards:
        yield "it goes backwards: t-k is step k of the input, counted from 0"
    if not taken.all():
        yield "t-k counts only the steps that are not masked"


def _select_rows(cell: CellNumbers, unit: int | None) -> Array:
    """Return the selected units of h_T, as rows of ∂h_T/∂h_T."""
    if unit is not None and not 0 <= unit < cell.width:
        raise BadInput(f"{cell.name} has no unit {unit}; its {cell.width} are numbered from 0 to {cell.width - 1}")
    identity = np.eye(cell.width)
    return identity if unit is None else identity[unit : unit + 1]


def _find_taken_steps(cell: CellNumbers, x: Array, mask: Array | None) -> Array:
    """Return which steps of `x` are taken, (batch, length)."""
    equations.require_shapes(cell, x, None, mask)
    taken = np.ones(x.shape[:2], bool) if mask is None else mask.astype(bool)
    if not taken.any():
        raise BadInput(f"all steps of the input are masked, so nothing influences {cell.name}")
    return taken


def _group_by_length(cell: CellNumbers, taken: Array, rows: int) -> Iterator[Array]:
    """Yield the indices of sequences with equally many steps, few enough to be computed together."""
    counts = taken.sum(1)
    for count in sorted(set(counts[counts > 0].tolist())):  # np.unique would import numpy.ma, which takes 10 ms
        members = np.flatnonzero(counts == count)
        most = min(_AT_ONCE // (rows * 4 * cell.units), _STATES_AT_ONCE // (count * 12 * cell.units))
        yield from np.split(members, range(max(1, most), len(members), max(1, most)))


def _drop_direction(cell: CellNumbers) -> CellNumbers:
    """Return `cell` for steps that are already in the order in which it takes them."""
    return replace(cell, behaviour=cell.behaviour._replace(go_backwards=False, is_aligned=False))


def _take(state: State, members: Array) -> State:
    return State(state.h[members], state.c[members])


def _go_back(cell: CellNumbers, x: Array, first: State, rows: Array, squares: Array, members: Array) -> None:
    """Fill `squares`, (sequences, lags, d), at `members`, whose steps `x` are in the order in which they are taken."""
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that are too large are reported
        backward = Backward(cell).over(x, first)
        steps = range(x.shape[1])[::-1][: squares.shape[1]]
        found = sum_squares(backward.seed(rows), steps, backward.back).squares
    squares[members, : found.shape[1]] = found


def _go_back_at(cell: CellNumbers, state: State, rows: Array, most: int) -> SquaredGradients:
    """Return the squares, (1, lags, d), with each step taken at x = 0 from `state`."""
    with np.errstate(over="ignore", invalid="ignore"):
        backward = Backward(cell).over(np.zeros((1, 1, cell.input_dim)), state)
        return sum_squares(backward.seed(rows), [0] * most, backward.back, least=_REST**2 * len(rows))


def _settle(cell: CellNumbers) -> tuple[State, str | None]:
    """Return the state that inputs of 0 lead to from 0, and the reason why it has not settled, or None."""
    state = equations.zero_state(cell, 1)
    x = np.zeros((1, _BLOCK, cell.input_dim))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(0, SETTLING, _BLOCK):
            states = equations.replay(_drop_direction(cell), x, initial=state)
            both = np.concatenate([np.concatenate(state, 1)[:, None], np.concatenate([states.h, states.c], 2)], 1)[0]
            change = np.abs(np.diff(both, axis=0)).max(1)
            if not np.isfinite(change).all():
                return state, NOT_FINITE
            still = np.flatnonzero(change <= SETTLED * max(1.0, np.abs(both).max()))
            at = int(still[0]) if len(still) else _BLOCK - 1
            state = State(states.h[:, at], states.c[:, at])
            if len(still):
                return state, None
    return state, UNSETTLED


class LagSubject(NamedTuple):
    """What is influenced by what; see the attributes of `LayerLags`."""

    name: str
    input_dim: int
    units: int
    unit: int | None
    symbol: str = "h_T"
    input: str | None = None


def summarise(
    subject: LagSubject, squares: Array, length: int | None, point: str, notes: tuple[str, ...] = ()
) -> LayerLags:
    """Return the influence whose `squares`, (batch, lags, d), are the sums over the units of squared derivatives.

    Args:
        subject: What is influenced by what.
        squares: The sums of squares.
        length: The number of steps of the input; None without an input.
        point: Where the derivatives are taken, in words.
        notes: Remarks on the result.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        norms, features = np.sqrt(squares.sum(2)), np.sqrt(squares)
        means, deviations = norms.mean(0), norms.std(0)
        by_feature = features.mean(0)
    broken = np.flatnonzero(~np.isfinite(means))
    if len(broken):
        notes = (*notes, f"from t-{broken[0]} on, the influence is not finite, so there are no shares")
    elif not means.any():
        notes = (*notes, "no step of the input has any influence: all derivatives are 0 there")
    return LayerLags(
        subject.name, subject.input_dim, subject.units, subject.unit, length, len(squares), point, DTYPE,
        tuple(means.tolist()), tuple(deviations.tolist()), tuple(map(tuple, by_feature.tolist())), notes,
        symbol=subject.symbol, input=subject.input,
    )  # fmt: skip


def mark_incomplete(found: LayerLags) -> LayerLags:
    """Return `found` with the note that smaller steps are not counted."""
    note = f"steps before t-{len(found.norms) - 1} are not counted: the shares are of the other steps"
    return replace(found, notes=(*found.notes, note), is_complete=False)


def _summarise(
    cell: CellNumbers, unit: int | None, squares: Array, length: int | None, point: str, notes: tuple[str, ...]
) -> LayerLags:
    found = summarise(LagSubject(cell.name, cell.input_dim, cell.width, unit), squares, length, point, notes)
    return replace(found, goes_backwards=cell.behaviour.go_backwards)
