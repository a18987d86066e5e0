"""Read the numbers of an LSTM: all that is needed to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lstmdump.errors import CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM, Gate
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model import budget
from lstmdump.model.tensor import Array, Tensor

_PLAIN = Behaviour()


@dataclass(frozen=True)
class GateNumbers:
    """The numbers of one gate.

    Attributes:
        W: The kernel, (d, m).
        U: The recurrent kernel, (h, m).
        b: The bias, (m,), with the forget bias added; 0 where the layer has none.
        V: The peephole, (m,), or None.
    """

    W: Array
    U: Array
    b: Array
    V: Array | None


@dataclass(frozen=True)
class CellNumbers:
    """All that is needed to run an LSTM.

    Attributes:
        name: The name of the layer.
        dtype: The dtype of the numbers and of all that is computed with them, `float32` or `float64`.
        gates: The gates, by letter.
        projection: P, (m, p), or None.
        behaviour: How the layer computes, apart from its arrays.
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


def read(
    lstm: LSTM, behaviour: Behaviour = _PLAIN, *, dtype: str = "float32", forget_bias: float | None = None
) -> CellNumbers:
    """Read the numbers of `lstm` as `dtype`. `forget_bias` replaces one that the file does not hold.

    Raises:
        CannotReplay: The layer computes something else than the equations of an LSTM.
        NoForgetBias: The file does not hold the forget bias, and none is given.
        UnreadableModel: The numbers cannot be read.
    """
    if lstm.normalized:
        raise CannotReplay("its gates are normalized before activation, which the LSTM equations do not include")
    added = forget_bias if lstm.forget_bias is None else lstm.forget_bias
    if added is None:
        raise NoForgetBias("the file does not hold its forget bias")
    gates = {letter: _read_gate(gate, dtype, added if letter == "f" else 0.0) for letter, gate in lstm.gates.items()}
    return CellNumbers(lstm.name, dtype, gates, _read_optional(lstm.projection_kernel, dtype), behaviour)


def _read_gate(gate: Gate, dtype: str, added: float) -> GateNumbers:
    kernel, recurrent, bias = _read_as(gate.W, dtype), _read_as(gate.U, dtype), _read_optional(gate.b, dtype)
    return GateNumbers(
        kernel,
        recurrent,
        (np.zeros(kernel.shape[1], dtype) if bias is None else bias) + np.asarray(added, dtype),
        _read_optional(gate.V, dtype),
    )


def _read_optional(tensor: Tensor | None, dtype: str) -> Array | None:
    return None if tensor is None else _read_as(tensor, dtype)


def _read_as(tensor: Tensor, dtype: str) -> Array:
    values = tensor.read().astype(dtype)
    budget.allow(values.nbytes, copies=budget.HANDED_ON)
    return values
