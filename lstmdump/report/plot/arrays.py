"""The numbers of a layer that a picture is drawn of. They are read where models are, and drawn elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lstmdump.lstm import GATES, LSTM
from lstmdump.model import budget
from lstmdump.model.tensor import Array


class LayerNumbers(NamedTuple):
    """An LSTM layer, read.

    Attributes:
        model: the path of its model.
        name: its name there.
        kind: its class.
        input_dim: d.
        units: m.
        projection: p, or None.
        forget_bias: what the cell adds to b_f at run time; None where unknown.
        gates: the letters of those that were read.
        arrays: by name, `W_i` to `V_o`, and `P` where all gates were read and the output is projected.
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


def read(lstm: LSTM, model: str, gates: str = GATES) -> LayerNumbers:
    """The numbers of the GATES of LSTM, a layer of MODEL.

    Raises:
        UnreadableModel: they cannot be read.
    """
    arrays = {}
    for tensor in lstm.arrays(gates):
        values = tensor.read()
        budget.allow(values.nbytes, copies=budget.HANDED_ON)
        arrays[tensor.name.rpartition("/")[2]] = values
    return LayerNumbers(
        model, lstm.name, lstm.kind, lstm.input_dim, lstm.units, lstm.projection, lstm.forget_bias, gates, arrays
    )
