"""LSTMs within other layers, such as the cells of a stack: run by themselves, and what the last output of each depends on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import BadInput

WHOLE = Path(__file__).parents[1] / "whole"
STACK = WHOLE / "rnn_cells-keras3.15.keras"
"""Keras's RNN of two LSTM cells of 4 and 5 units on 3 inputs, and one of one cell behind it."""


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((2, 6, 3))


def influence(model: lstmdump.OpenModel, x: np.ndarray, name: str) -> list[float]:
    """Return by how much the last h of the layer `name` moves with each step of `x`, by difference quotients."""
    found = np.zeros((len(x), x.shape[1]))
    for step in range(x.shape[1]):
        for feature in range(x.shape[2]):
            moved = np.zeros_like(x)
            moved[:, step, feature] = 1e-6
            after, before = (model.trace(one, layer=name, dtype="float64")[name].h for one in (x + moved, x - moved))
            found[:, step] += np.square((after[:, -1] - before[:, -1]) / 2e-6).sum(axis=1)
    return [float(one) for one in np.sqrt(found).mean(axis=0)[::-1]]


@pytest.mark.parametrize("name", ["rnn/lstm_cell", "rnn/lstm_cell_1"])
def test_lags_of_a_cell_are_those_of_its_own_h(x: np.ndarray, name: str) -> None:
    with lstmdump.open(STACK) as model:
        assert model.lags(x, of=name).norms == pytest.approx(influence(model, x, name), rel=1e-6)


def test_lags_of_all_cells_are_those_of_each(x: np.ndarray) -> None:
    with lstmdump.open(STACK) as model:
        every = {one.name: one.norms for one in model.lags(x, of="*")}
        assert every == {name: model.lags(x, of=name).norms for name in model}


@pytest.mark.parametrize("name", ["rnn/lstm_cell", "rnn/lstm_cell_1"])
def test_lags_of_a_cell_may_be_those_by_the_input_of_its_stack(x: np.ndarray, name: str) -> None:
    with lstmdump.open(STACK) as model:
        assert model.lags(x, of=name, into="rnn").norms == model.lags(x, of=name).norms


def test_a_cell_by_itself_takes_its_own_input() -> None:
    own = np.random.default_rng(6).standard_normal((2, 6, 4)).astype(np.float32)
    with lstmdump.open(STACK) as model:
        cell = model["rnn/lstm_cell_1"]
        h, c = (np.full(5, value, np.float32) for value in (0.25, -0.5))
        found = cell.trace(own, initial=(h, c))
        gates = {g: cell.gates[g] for g in "ifco"}
        z = {g: own[:, 0] @ gate.W.read() + h @ gate.U.read() + np.asarray(gate.b) for g, gate in gates.items()}
    i, f = (1 / (1 + np.exp(-z[g])) for g in "if")
    np.testing.assert_allclose(found.c[:, 0], f * c + i * np.tanh(z["c"]), atol=1e-6)


def test_a_note_on_a_cell_by_itself_offers_no_option_that_it_has_not() -> None:
    with lstmdump.open(STACK) as model:
        (note,) = model["rnn/lstm_cell_1"].trace(np.zeros((6, 4))).notes
    assert note.endswith("takes the input given, although in the model it takes the output of rnn/lstm_cell")


def test_lags_of_a_cell_by_itself_are_by_its_own_input() -> None:
    own = np.random.default_rng(6).standard_normal((1, 6, 4))
    with lstmdump.open(STACK) as model:
        cell, moved = model["rnn/lstm_cell_1"], np.zeros_like(own)
        found = cell.lags(own).by_feature[2][1]
        moved[:, 3, 1] = 1e-6
        after, before = (cell.trace(one, dtype="float64").h[0, -1] for one in (own + moved, own - moved))
    assert found == pytest.approx(float(np.linalg.norm((after - before) / 2e-6)), rel=1e-6)


def test_a_cell_behind_another_is_given_no_input_in_the_network() -> None:
    with lstmdump.open(STACK) as model:
        for call in (model.trace, model.lags):
            with pytest.raises(
                BadInput, match=r"^rnn/lstm_cell_1 takes what comes before it within rnn: only rnn can be"
            ):
                call(np.zeros((2, 6, 4)), into="rnn/lstm_cell_1")  # type: ignore[operator]


def test_an_lstm_within_each_step_takes_sequences() -> None:
    recorded = np.load(WHOLE / "td_lstm-keras2.2.4.io.npz")
    with lstmdump.open(WHOLE / "td_lstm-keras2.2.4.h5") as model:
        name = next(name for name in model if name.startswith("time_distributed"))
        key = f"lstm/{name.rpartition('/')[2]}#0"
        found = model[name].trace(recorded[f"{key}/in"])
        np.testing.assert_allclose(found.h, recorded[f"{key}/h"], atol=1e-6)
        one = model[name].trace(recorded[f"{key}/in"][0])
        np.testing.assert_allclose(one.h, recorded[f"{key}/h"][0], atol=1e-6)


def test_a_layer_for_each_step_takes_one_sequence_without_a_batch() -> None:
    x = np.load(WHOLE / "td_lstm-keras2.2.4.io.npz")
    x = next(x[name] for name in x.files if name.startswith("x/"))
    with lstmdump.open(WHOLE / "td_lstm-keras2.2.4.h5") as model:
        name = next(name for name in model if name.startswith("time_distributed"))
        np.testing.assert_array_equal(model.trace(x[0], into=name).y, model.trace(x[0]).y)
