"""Compare the gates that this package cuts out with TensorFlow's own cells, on the same arrays and random input.

What is compared is the layout: which slice is which gate, which rows belong to the input, what is transposed, summed or
added. TensorFlow gets the arrays as they are stored and slices them itself; the replay gets the gates as `export`
writes them. Both apply tanh and the sigmoid, whatever the layer's own activations are, so these are not checked.

Both compute in float64 where TensorFlow's cell can, so that the differences come from the layout and not from rounding:
in float32, a layer of 1024 units with standard normal weights amplifies rounding to 1e-2 within ten steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from lstmdump.errors import CannotReplay, TensorFlowFailed
from lstmdump.lstm import GATES, LSTM
from lstmdump.lstm.gate_layouts import TensorFlowCell
from lstmdump.model.tensor import Array, Tensor
from lstmdump.replay import equations
from lstmdump.replay.equations import CellNumbers, States
from lstmdump.sandbox.tensorflow_client import Answer, Request, TensorFlow

TOLERANCE = 1e-5
"""Far above rounding, which was 1e-6 at most in 2,222 layers of 40 releases, including those that run in float32;
far below the effect of a wrong slice: the smallest in these layers was 0.016, from two exchanged gates."""

_BATCH, _STEPS = 3, 10
_DEFAULT_FORGET_BIAS = 1.0  # the default of every cell of TensorFlow 1 that has one
_OF_GATES = ("TensorFlow has no cell that takes arrays in this form: it got the gates as they are exported, so the "
             "result shows what is computed with them, and not which slice is which gate")  # fmt: skip
_FLOAT32_ONLY = frozenset({"block", "block-v2"})


@dataclass(frozen=True)
class LayerVerdict:
    """The result for one layer.

    Attributes:
        layer: The name of the layer.
        kind: The class of the layer.
        cell: The cell that TensorFlow ran, by TensorFlow's name; None where the layer was not verified.
        dtype: The dtype that both sides computed in.
        difference: The largest difference between two outputs or cell states; NaN where one of them is NaN.
        agrees: Whether the difference is within the tolerance; None where the layer was not verified.
        notes: Remarks on the result, or why the layer was not verified.
    """

    layer: str
    kind: str
    cell: str | None = None
    dtype: str | None = None
    difference: float | None = None
    agrees: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelVerdict:
    """The results for the layers of one model."""

    model: str
    layers: tuple[LayerVerdict, ...]
    tolerance: float
    seed: int

    @property
    def agrees(self) -> bool | None:
        """Whether all verified layers agree; None where none was verified."""
        known = [layer.agrees for layer in self.layers if layer.agrees is not None]
        return all(known) if known else None


class Case(NamedTuple):
    """A layer that has been read and can be run on both sides.

    Attributes:
        kind: The class of the layer.
        knows_forget_bias: Whether the file holds the forget bias that the cell adds.
        request: The request to TensorFlow.
        numbers: The numbers for the replay.
    """

    kind: str
    knows_forget_bias: bool
    request: Request
    numbers: CellNumbers


def case(lstm: LSTM, *, seed: int = 0) -> Case | LayerVerdict:
    """Read an LSTM so that it can be run on both sides; return a verdict with the reason if it cannot be verified.

    Raises:
        UnreadableModel: The numbers cannot be read.
    """
    try:
        request = _make_request(lstm, seed)
        _check_finite(request.arrays)
        numbers = equations.read(lstm, dtype=request.dtype, forget_bias=request.forget_bias)
    except CannotReplay as error:
        return LayerVerdict(lstm.name, lstm.kind, notes=(f"not verified: {error}",))
    return Case(lstm.kind, lstm.forget_bias is not None, request, numbers)


def compare(given: Case | LayerVerdict, tensorflow: TensorFlow, *, tolerance: float = TOLERANCE) -> LayerVerdict:
    """Run a case in TensorFlow and in the replay, and compare; return a verdict unchanged.

    Raises:
        MissingDependency: TensorFlow is not installed.
        TensorFlowFailed: TensorFlow died, hung, or refused the layer.
    """
    if isinstance(given, LayerVerdict):
        return given
    request, name = given.request, given.request.layer
    theirs = tensorflow.run(request)
    with np.errstate(over="ignore", invalid="ignore"):  # NaN is a valid result
        ours = equations.replay(given.numbers, request.x)
        if (ours.h.shape, _get_last_cell_state(ours).shape) != (theirs.h.shape, theirs.c.shape):
            raise TensorFlowFailed(
                f"the output of {name} is {theirs.h.shape} in TensorFlow, but {ours.h.shape} in the replay"
            )
        difference = _largest_difference(ours, theirs)
        notes = tuple(_collect_notes(given, tolerance))
    return LayerVerdict(name, given.kind, theirs.cell, request.dtype, difference, difference <= tolerance, notes)


def _make_request(lstm: LSTM, seed: int) -> Request:
    cell = lstm.layout.tensorflow_cell(lstm)
    dtype = "float32" if cell in _FLOAT32_ONLY else "float64"
    forget_bias = _DEFAULT_FORGET_BIAS if lstm.forget_bias is None else lstm.forget_bias
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and are reported
        arrays = {name: tensor.read().astype(dtype) for name, tensor in _list_arrays(lstm, cell).items()}
    x = np.random.default_rng(seed).standard_normal((_BATCH, _STEPS, lstm.input_dim)).astype(dtype)
    return Request(lstm.name, cell, lstm.units, forget_bias, dtype, x, arrays)


def _list_arrays(lstm: LSTM, cell: TensorFlowCell) -> dict[str, Tensor]:
    """Return the arrays that `cell` takes: those that are stored, or those of each gate, by their names."""
    if cell != "gates":
        return {weight.name: weight.tensor for weight in lstm.weights}
    return {tensor.name.rpartition("/")[2]: tensor for tensor in lstm.arrays()}


def _check_finite(arrays: Mapping[str, Array]) -> None:
    broken = [name for name, values in arrays.items() if not np.isfinite(values).all()]
    if broken:
        raise CannotReplay(f"NaN or infinite numbers in {', '.join(broken)}")


def _largest_difference(ours: States, theirs: States | Answer) -> float:
    """Return the largest difference of all outputs and the last cell states; NaN if either side has one."""
    differences = ours.h - theirs.h, _get_last_cell_state(ours) - _get_last_cell_state(theirs)
    return float(np.max([np.abs(values).max() for values in differences]))


def _get_last_cell_state(outcome: States | Answer) -> Array:
    """Return the last cell state, (batch, m)."""
    return outcome.c[:, -1] if isinstance(outcome, States) else outcome.c


def _collect_notes(given: Case, tolerance: float) -> Iterator[str]:
    if given.request.cell == "gates":
        yield _OF_GATES
    if not given.knows_forget_bias:
        yield f"with a forget bias of {_DEFAULT_FORGET_BIAS} on both sides: the file does not hold it"
    alike = list(_find_alike(given.numbers, given.request.x, tolerance))
    if alike:
        yield f"the result would not reveal an exchange of {', of '.join(alike)}"


def _find_alike(numbers: CellNumbers, x: Array, tolerance: float) -> Iterator[str]:
    """Yield the pairs of gates whose exchange `x` does not reveal: `i and o`."""
    right = equations.replay(numbers, x)
    for one, other in combinations(GATES, 2):
        gates = {**numbers.gates, one: numbers.gates[other], other: numbers.gates[one]}
        if _largest_difference(right, equations.replay(replace(numbers, gates=gates), x)) <= tolerance:
            yield f"{one} and {other}"
