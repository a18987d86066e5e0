"""The LSTM equations in numpy: what the gates of a layer make of an input, at every step.

::

    i = σ(x·W_i + h·U_i + b_i + c·V_i)                  the input gate
    f = σ(x·W_f + h·U_f + b_f + forget_bias + c·V_f)    the forget gate
    candidate = tanh(x·W_c + h·U_c + b_c)
    c' = f∘c + i∘candidate                              the cell state
    o = σ(x·W_o + h·U_o + b_o + c'·V_o)                 the output gate
    h' = (o∘tanh(c'))·P                                 the output

h and c are those of the step before, and zero at first where no others are given. V, the peepholes, and P, the
projection, are there in some cells only; tanh and σ are others in some layers, and some cells clip c' and h'. Source:
the cells of Keras 2 and 3 and of TensorFlow 1, each reproduced from the numbers that it gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lstmdump import activations
from lstmdump.behaviour import Behaviour
from lstmdump.errors import BadInput, CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM, Gate, Role
from lstmdump.tensor import Array, Tensor

_PLAIN = Behaviour()


@dataclass(frozen=True)
class GateNumbers:
    """One gate, read. W is (d, m), U (h, m), b (m,) with the forget bias added, zero where the layer has none.

    V, the peephole, is (m,), or None.
    """

    W: Array
    U: Array
    b: Array
    V: Array | None


@dataclass(frozen=True)
class CellNumbers:
    """All that is needed to run an LSTM.

    Attributes:
        name: the layer's name.
        dtype: `float32` or `float64`: that of the numbers, and of all that is computed with them.
        gates: by letter.
        projection: P, (m, p), or None.
        behaviour: what its arrays do not tell.
    """

    name: str
    dtype: str
    gates: Mapping[str, GateNumbers]
    projection: Array | None
    behaviour: Behaviour = _PLAIN

    @property
    def input_dim(self) -> int:
        """The width d of the input."""
        return int(self.gates["i"].W.shape[0])

    @property
    def units(self) -> int:
        """The number m of units."""
        return int(self.gates["i"].W.shape[1])

    @property
    def width(self) -> int:
        """The width of h: m, or p where it is projected."""
        return self.units if self.projection is None else int(self.projection.shape[1])


class State(NamedTuple):
    """What goes from one step to the next: h, (batch, m), or (batch, p) if projected, and c, (batch, m)."""

    h: Array
    c: Array


@dataclass(frozen=True)
class States:
    """What an LSTM computes, at every step: each array is (batch, length, m), and h is (batch, length, p) if projected.

    The gates i, f and o and the candidate are those that went into the c and h of the same step.
    """

    h: Array
    c: Array
    i: Array
    f: Array
    o: Array
    candidate: Array


def read(
    lstm: LSTM, behaviour: Behaviour = _PLAIN, *, dtype: str = "float32", forget_bias: float | None = None
) -> CellNumbers:
    """The numbers of LSTM as DTYPE. FORGET_BIAS stands in for one that the file does not hold.

    Raises:
        CannotReplay: it is no cell of these equations.
        NoForgetBias: the file does not hold it, and none is given.
        UnreadableModel: the numbers cannot be read.
    """
    if any(weight.role is Role.NORMALIZATION for weight in lstm.weights):
        raise CannotReplay("its gates are normalized before they act, which the equations of an LSTM do not do")
    added = forget_bias if lstm.forget_bias is None else lstm.forget_bias
    if added is None:
        raise NoForgetBias("the file does not hold its forget bias")
    gates = {letter: _read_gate(gate, dtype, added if letter == "f" else 0.0) for letter, gate in lstm.gates.items()}
    return CellNumbers(lstm.name, dtype, gates, _read(lstm.projection_kernel, dtype), behaviour)


def _read_gate(gate: Gate, dtype: str, added: float) -> GateNumbers:
    kernel, recurrent = gate.W.read().astype(dtype), gate.U.read().astype(dtype)
    bias = _read(gate.b, dtype)
    return GateNumbers(
        kernel,
        recurrent,
        (np.zeros(kernel.shape[1], dtype) if bias is None else bias) + np.asarray(added, dtype),
        _read(gate.V, dtype),
    )


def _read(tensor: Tensor | None, dtype: str) -> Array | None:
    return None if tensor is None else tensor.read().astype(dtype)


def replay(cell: CellNumbers, x: Array, *, initial: State | None = None, mask: Array | None = None) -> States:
    """The states and gates of CELL at every step of X, (batch, length, d), from h = c = 0 or from INITIAL on.

    Where MASK, (batch, length), is false, a step is passed over: h and c stay, and the gates are NaN.

    The steps are in the order in which the layer gives them, as in Keras: one that goes backwards has the last step of
    X first, but for the backward half of a Bidirectional, whose outputs are put in the order of X again.

    Raises:
        BadInput: X, INITIAL or MASK have another shape.
        CannotReplay: the layer's activations are unknown.
    """
    if x.ndim != 3 or x.shape[2] != cell.input_dim:
        raise BadInput(f"the input is {x.shape}, but {cell.name} takes (batch, length, {cell.input_dim})")
    if mask is not None and mask.shape != x.shape[:2]:
        raise BadInput(f"the mask is {mask.shape}, but the input has (batch, length) = {x.shape[:2]}")
    behaviour, batch, length = cell.behaviour, *x.shape[:2]
    activation = activations.named(behaviour.activation, behaviour.keras)
    recurrent_activation = activations.named(behaviour.recurrent_activation, behaviour.keras)
    values = x.astype(cell.dtype, copy=False)
    from_input = {letter: values @ gate.W + gate.b for letter, gate in cell.gates.items()}
    states = States(*(np.full((batch, length, width), np.nan, cell.dtype) for width in (cell.width, *[cell.units] * 5)))
    h, c = _first(cell, batch) if initial is None else initial
    output = np.zeros_like(h)
    for index in range(length):
        step = length - 1 - index if behaviour.go_backwards else index
        at = step if behaviour.is_aligned else index
        z = {letter: from_input[letter][:, step] + h @ gate.U for letter, gate in cell.gates.items()}
        i = recurrent_activation(z["i"] + _seen(cell, "i", c))
        f = recurrent_activation(z["f"] + _seen(cell, "f", c))
        candidate = activation(z["c"])
        new_c = _clipped(f * c + i * candidate, behaviour.cell_clip)
        o = recurrent_activation(z["o"] + _seen(cell, "o", new_c))
        new_h = o * activation(new_c)
        if cell.projection is not None:
            new_h = _clipped(new_h @ cell.projection, behaviour.projection_clip)
        taken = np.ones((batch, 1), bool) if mask is None else mask[:, step, None]
        for kept, gate_values in zip(
            (states.i, states.f, states.o, states.candidate), (i, f, o, candidate), strict=True
        ):
            kept[:, at] = np.where(taken, gate_values, np.nan)
        h, c = np.where(taken, new_h, h), np.where(taken, new_c, c)
        output = np.where(taken, new_h, 0 if behaviour.zero_output_for_mask else output)
        states.h[:, at], states.c[:, at] = output, c
    return states


def _first(cell: CellNumbers, batch: int) -> State:
    return State(np.zeros((batch, cell.width), cell.dtype), np.zeros((batch, cell.units), cell.dtype))


def _clipped(values: Array, bound: float | None) -> Array:
    return values if bound is None else np.clip(values, -bound, bound)


def _seen(cell: CellNumbers, letter: str, c: Array) -> Array | float:
    """What a gate sees of the cell state through its peephole."""
    peephole = cell.gates[letter].V
    return 0.0 if peephole is None else c * peephole
