"""Small LSTM layers for the replay: one with a single unit and given values, and random ones."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np

from lstmdump.lstm import LSTM, Gate, LSTMWeight, Role
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.lstm.gate_layouts import TWO_KERNELS
from lstmdump.model.tensor import derived
from lstmdump.replay import equations
from lstmdump.replay.equations import CellNumbers, GateNumbers

NUMBERS = {"W_i": 0.5, "U_i": -1.5, "b_i": 0.25, "W_f": -0.75, "U_f": 2.0, "b_f": 1.0, "W_c": 1.25, "U_c": 0.5,
           "b_c": -0.5, "W_o": -1.0, "U_o": 0.75, "b_o": 0.125}  # fmt: skip
PEEPHOLES = {"V_i": 0.5, "V_f": -0.25, "V_o": 1.5}
X = [0.5, -1.0, 2.0, 0.25]


def tensor(name: str, *values: Any) -> Any:
    array = np.array(values, np.float32)
    return derived(name, array.shape, "float32", lambda first, last: array[first:last])


def one_unit(numbers: dict[str, float], **fields: Any) -> LSTM:
    """Return an LSTM of one unit on one input; the keys of `numbers` are those of `reference.one_unit`."""
    gates = {
        letter: Gate(
            tensor("W", [numbers[f"W_{letter}"]]),
            tensor("U", [numbers[f"U_{letter}"]]),
            tensor("b", numbers[f"b_{letter}"]) if f"b_{letter}" in numbers else None,
            tensor("V", numbers[f"V_{letter}"]) if f"V_{letter}" in numbers else None,
        )
        for letter in "ifco"
    }
    weights = (LSTMWeight(Role.PROJECTION, "P", tensor("P", [numbers["P"]])),) if "P" in numbers else ()
    return LSTM("one", "LSTM", 1, 1, weights, TWO_KERNELS, gates, projection=1 if weights else None, **fields)


def changed(lstm: LSTM, **fields: Any) -> LSTM:
    """Return a copy of `lstm` with other `fields`."""
    names = signature(LSTM).parameters
    return LSTM(**{name: getattr(lstm, name) for name in names} | fields)


def states(lstm: LSTM, **options: Any) -> equations.States:
    return equations.replay(equations.read(lstm, dtype="float64", **options), np.array(X).reshape(1, -1, 1))


def random_cell(d: int, m: int, p: int | None, dtype: str, **behaviour: Any) -> CellNumbers:
    random = np.random.default_rng(0)
    h = m if p is None else p
    gates = {
        letter: GateNumbers(*(random.standard_normal(shape).astype(dtype) for shape in ((d, m), (h, m), (m,), (m,))))
        for letter in "ifco"
    }
    projection = None if p is None else random.standard_normal((m, p)).astype(dtype)
    return CellNumbers("random", dtype, gates, projection, Behaviour(**behaviour))
