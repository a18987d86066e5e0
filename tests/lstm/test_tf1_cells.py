from __future__ import annotations

import numpy as np
import pytest
from support import builders

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm import LSTM
from lstmdump.lstm.find import read_lstm
from lstmdump.model.cell_classes import CELL_CLASSES
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer

D, M = 3, 4
MADE = builders.gates(D, M)


def tensor(name: str, values: np.ndarray) -> Tensor:
    return Tensor(name, values.shape, str(values.dtype), lambda cuts: values[cuts])


def kernel(order: str = "icfo") -> np.ndarray:
    return np.concatenate([np.concatenate([MADE[f"W_{g}"], MADE[f"U_{g}"]]) for g in order], axis=1)


def bias(order: str = "icfo") -> np.ndarray:
    return np.concatenate([MADE[f"b_{g}"] for g in order])


def read(kind: str | None = "LSTMCell", forget_bias: float | None = 1.0, **arrays: np.ndarray) -> LSTM:
    named = {leaf.replace("__", "/"): values for leaf, values in arrays.items()}
    stored = {leaf: tensor(f"rnn/cell/{leaf}", values) for leaf, values in named.items()}
    return read_lstm(Layer(("rnn", "cell"), kind, stored, stated=DeferredSettings(LayerSettings, forget_bias)))


@pytest.mark.parametrize("letter", "ifco")
@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("BasicLSTMCell", "icfo"),
        ("LSTMCell", "icfo"),
        ("LSTMBlockCell", "icfo"),
        ("BlockLSTM", "icfo"),
        ("BlockLSTMV2", "ifco"),
    ],
)
def test_rows_of_the_input_come_first_and_columns_are_in_the_order_of_the_class(
    kind: str, order: str, letter: str
) -> None:
    lstm = read(kind, kernel=kernel(order), bias=bias(order))
    gate = lstm.gates[letter]
    assert gate.W.read().tolist() == MADE[f"W_{letter}"].tolist()
    assert gate.U.read().tolist() == MADE[f"U_{letter}"].tolist()
    assert gate.b is not None
    assert gate.b.read().tolist() == MADE[f"b_{letter}"].tolist()
    assert (lstm.input_dim, lstm.units, lstm.kind) == (D, M, kind)


def test_the_forget_bias_is_not_added_to_the_bias() -> None:
    lstm = read(kernel=kernel(), bias=bias())
    assert (lstm.forget_bias, lstm.notes) == (1.0, ())


def test_a_missing_forget_bias_is_noted() -> None:
    lstm = read(forget_bias=None, kernel=kernel(), bias=bias())
    assert lstm.forget_bias is None
    assert "which this file does not store" in lstm.notes[0]


def test_a_cell_without_bias_has_gates_without() -> None:
    assert read(kernel=kernel()).gates["f"].b is None


def test_a_projection_replaces_the_state_in_the_kernel() -> None:
    width = 2
    lstm = read(kernel=builders.numbers(D + width, 4 * M), bias=bias(), projection__kernel=builders.numbers(M, width))
    assert (lstm.input_dim, lstm.units, lstm.projection) == (D, M, width)
    assert lstm.gates["o"].U.shape == (width, M)
    assert lstm.parameters == (D + width) * 4 * M + 4 * M + M * width


def test_peepholes_go_to_their_gates() -> None:
    made = {f"w_{letter}_diag": builders.numbers(M, seed=k) for k, letter in enumerate("ifo")}
    lstm = read(kernel=kernel(), bias=bias(), **made)
    for letter in "ifo":
        peephole = lstm.gates[letter].V
        assert peephole is not None
        assert peephole.read().tolist() == made[f"w_{letter}_diag"].tolist()
    assert lstm.gates["c"].V is None
    assert lstm.parameters == 4 * M * (D + M + 1) + 3 * M


def test_normalization_is_counted_and_noted() -> None:
    parts = {
        f"{part}__{a}": np.ones(M, "f4")
        for part in ("input", "transform", "forget", "output", "state")
        for a in ("gamma", "beta")
    }
    lstm = read("LayerNormBasicLSTMCell", kernel=kernel(), **parts)
    assert lstm.parameters == 4 * M * (D + M) + 10 * M
    assert "normalized with gamma and beta" in lstm.notes[0]


@pytest.mark.parametrize("shape", [(7, 15), (4, 16), (3, 16), (7, 0), (7,), (7, 16, 1), (0, 16)])
def test_a_kernel_with_other_rows_or_columns_is_not_an_lstm(shape: tuple[int, ...]) -> None:
    with pytest.raises(NotAnLSTM, match="rnn/cell/kernel is"):
        read(kernel=np.zeros(shape, "f4"))


@pytest.mark.parametrize(
    ("leaf", "shape"),
    [("bias", (15,)), ("w_i_diag", (5,)), ("projection__kernel", (4,)), ("projection__kernel", (5, 2))],
)
def test_another_array_of_a_wrong_shape_is_not_an_lstm(leaf: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(NotAnLSTM):
        read(kernel=kernel(), **{leaf: np.zeros(shape, "f4")})


@pytest.mark.parametrize("kind", [kind.name for kind in CELL_CLASSES.values() if kind.fused_order])
def test_the_shortest_input_is_one_wide(kind: str) -> None:
    assert read(kind, kernel=np.zeros((M + 1, 4 * M), "f4")).input_dim == 1
