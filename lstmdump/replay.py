"""The LSTM equations in numpy: what the gates of a layer make of an input, at every step.

::

    i = σ(x·W_i + h·U_i + b_i + c·V_i)                  the input gate
    f = σ(x·W_f + h·U_f + b_f + forget_bias + c·V_f)    the forget gate
    candidate = tanh(x·W_c + h·U_c + b_c)
    c' = f∘c + i∘candidate                              the cell state
    o = σ(x·W_o + h·U_o + b_o + c'·V_o)                 the output gate
    h' = (o∘tanh(c'))·P                                 the output

h and c are those of the step before, and zero at first. V, the peepholes, and P, the projection, are there in some
cells only. Source: the cells of Keras 2 and 3 and of TensorFlow 1, each reproduced from the numbers that it gave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lstmdump.errors import BadInput, CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM, Gate, Role
from lstmdump.tensor import Array, Tensor

Activation: TypeAlias = Callable[[Array], Array]
"""Applied to an array element by element; keeps its shape and dtype."""


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
    """

    name: str
    dtype: str
    gates: Mapping[str, GateNumbers]
    projection: Array | None

    @property
    def input_dim(self) -> int:
        """The width d of the input."""
        return int(self.gates["i"].W.shape[0])


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


def sigmoid(z: Array) -> Array:
    """1/(1+e^-z), which is 0 where e^-z is too large a number."""
    with np.errstate(over="ignore"):
        result: Array = 1 / (1 + np.exp(-z))
    return result


def read(lstm: LSTM, *, dtype: str = "float32", forget_bias: float | None = None) -> CellNumbers:
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
    return CellNumbers(lstm.name, dtype, gates, _read(lstm.projection_kernel, dtype))


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


def replay(
    cell: CellNumbers, x: Array, *, activation: Activation = np.tanh, recurrent_activation: Activation = sigmoid
) -> States:
    """The states and gates of CELL at every step of X, (batch, length, d), from h = c = 0.

    ACTIVATION is that of the candidate and of the output, RECURRENT_ACTIVATION that of the gates i, f and o.

    Raises:
        BadInput: X has another shape.
    """
    if x.ndim != 3 or x.shape[2] != cell.input_dim:
        raise BadInput(f"the input is {x.shape}, but {cell.name} takes (batch, length, {cell.input_dim})")
    values = x.astype(cell.dtype, copy=False)
    from_input = {letter: values @ gate.W + gate.b for letter, gate in cell.gates.items()}
    batch, length, units = from_input["i"].shape
    width = units if cell.projection is None else cell.projection.shape[1]
    states = States(np.empty((batch, length, width), cell.dtype),
                    *(np.empty((batch, length, units), cell.dtype) for _ in range(5)))  # fmt: skip
    h, c = np.zeros((batch, width), cell.dtype), np.zeros((batch, units), cell.dtype)
    for step in range(length):
        z = {letter: from_input[letter][:, step] + h @ gate.U for letter, gate in cell.gates.items()}
        states.i[:, step] = i = recurrent_activation(z["i"] + _seen(cell, "i", c))
        states.f[:, step] = f = recurrent_activation(z["f"] + _seen(cell, "f", c))
        states.candidate[:, step] = candidate = activation(z["c"])
        states.c[:, step] = c = f * c + i * candidate
        states.o[:, step] = o = recurrent_activation(z["o"] + _seen(cell, "o", c))
        output = o * activation(c)
        states.h[:, step] = h = output if cell.projection is None else output @ cell.projection
    return states


def _seen(cell: CellNumbers, letter: str, c: Array) -> Array | float:
    """What a gate sees of the cell state through its peephole."""
    peephole = cell.gates[letter].V
    return 0.0 if peephole is None else c * peephole
