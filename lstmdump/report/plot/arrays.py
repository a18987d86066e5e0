"""The numbers of a layer to draw: read in the process that opens the model, and drawn in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lstmdump.lstm import GATES, LSTM
from lstmdump.model import budget
from lstmdump.model.tensor import Array


class LayerDescription(NamedTuple):
    """What the head of a page says of a layer; the attributes are those of `LayerNumbers`."""

    model: str
    name: str
    kind: str
    input_dim: int
    units: int
    projection: int | None
    forget_bias: float | None
    gates: str


class LayerNumbers(NamedTuple):
    """An LSTM layer with its numbers.

    Attributes:
        model: The path of the model.
        name: The name of the layer.
        kind: The class of the layer.
        input_dim: d.
        units: m.
        projection: p, or None.
        forget_bias: The constant that the cell adds to b_f at run time; None if unknown.
        gates: The letters of the gates that were read.
        arrays: The arrays by name, `W_i` to `V_o`, and `P` if all gates were read and the output is projected.
    """

    model: str
    name: str
    kind: str
    input_dim: int
    units: int
    projection: int | None
    forget_bias: float | None
    gates: str
    arrays: Mapping[str, Array]

    @property
    def description(self) -> LayerDescription:
        """All but the arrays."""
        return LayerDescription(*self[:-1])


def describe(lstm: LSTM, model: str, gates: str = GATES) -> LayerDescription:
    """Return what is said of a layer of the model at the path `model`, of which `gates` are drawn."""
    return LayerDescription(
        model, lstm.name, lstm.kind, lstm.input_dim, lstm.units, lstm.projection, lstm.forget_bias, gates
    )


def read(lstm: LSTM, model: str, gates: str = GATES) -> LayerNumbers:
    """Return the numbers of `gates` of a layer of the model at the path `model`.

    Raises:
        UnreadableModel: The numbers cannot be read.
    """
    arrays = {}
    for tensor in lstm.arrays(gates):
        values = tensor.read()
        budget.allow(values.nbytes, copies=budget.HANDED_ON)
        arrays[tensor.name.rpartition("/")[2]] = values
    return LayerNumbers(*describe(lstm, model, gates), arrays)
