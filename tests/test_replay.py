from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference

from lstmdump import replay
from lstmdump.behaviour import Behaviour
from lstmdump.errors import BadInput, CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM, Gate, LSTMWeight, Role
from lstmdump.replay import CellNumbers, GateNumbers
from lstmdump.tensor import derived

NUMBERS = {"W_i": 0.5, "U_i": -1.5, "b_i": 0.25, "W_f": -0.75, "U_f": 2.0, "b_f": 1.0, "W_c": 1.25, "U_c": 0.5,
           "b_c": -0.5, "W_o": -1.0, "U_o": 0.75, "b_o": 0.125}  # fmt: skip
PEEPHOLES = {"V_i": 0.5, "V_f": -0.25, "V_o": 1.5}
X = [0.5, -1.0, 2.0, 0.25]


def tensor(name: str, *values: Any) -> Any:
    array = np.array(values, np.float32)
    return derived(name, array.shape, "float32", lambda first, last: array[first:last])


def one_unit(numbers: dict[str, float], **fields: Any) -> LSTM:
    """An LSTM of one unit on one input with these NUMBERS, called as `reference.one_unit` calls them."""
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
    return LSTM("one", "LSTM", 1, 1, weights, "ifco", gates, projection=1 if weights else None, **fields)


def states(lstm: LSTM, **options: Any) -> replay.States:
    return replay.replay(replay.read(lstm, dtype="float64", **options), np.array(X).reshape(1, -1, 1))


@pytest.mark.parametrize("key", ["h", "c", "i", "f", "o", "candidate"])
@pytest.mark.parametrize("numbers", [NUMBERS, NUMBERS | PEEPHOLES, NUMBERS | {"P": -2.0}], ids=["plain", "V", "P"])
def test_every_step_has_the_states_and_gates_of_the_equations(numbers: dict[str, float], key: str) -> None:
    wanted = [step[key] for step in reference.one_unit(X, numbers)]
    np.testing.assert_allclose(getattr(states(one_unit(numbers)), key)[0, :, 0], wanted, rtol=1e-12)


def test_the_forget_bias_is_added_to_b_f() -> None:
    wanted = reference.one_unit(X, NUMBERS | {"b_f": NUMBERS["b_f"] + 1.5})
    np.testing.assert_allclose(states(one_unit(NUMBERS, forget_bias=1.5)).c[0, -1, 0], wanted[-1]["c"], rtol=1e-12)


def test_a_forget_bias_that_the_file_does_not_hold_can_be_given() -> None:
    lstm = one_unit(NUMBERS, forget_bias=None)
    with pytest.raises(NoForgetBias):
        states(lstm)
    assert states(lstm, forget_bias=1.5).c.tolist() == states(one_unit(NUMBERS, forget_bias=1.5)).c.tolist()


def test_a_forget_bias_that_the_file_holds_stays() -> None:
    lstm = one_unit(NUMBERS, forget_bias=0.0)
    assert states(lstm, forget_bias=1.5).c.tolist() == states(lstm).c.tolist()


def test_a_layer_without_bias_adds_none() -> None:
    bare = {name: value for name, value in NUMBERS.items() if not name.startswith("b")}
    wanted = reference.one_unit(X, {"b_i": 0.0, "b_f": 0.0, "b_c": 0.0, "b_o": 0.0, **bare})
    np.testing.assert_allclose(states(one_unit(bare)).h[0, -1, 0], wanted[-1]["h"], rtol=1e-12)


def random_cell(d: int, m: int, p: int | None, dtype: str) -> CellNumbers:
    random = np.random.default_rng(0)
    h = m if p is None else p
    gates = {
        letter: GateNumbers(*(random.standard_normal(shape).astype(dtype) for shape in ((d, m), (h, m), (m,), (m,))))
        for letter in "ifco"
    }
    projection = None if p is None else random.standard_normal((m, p)).astype(dtype)
    return CellNumbers("random", dtype, gates, projection)


def test_a_projection_makes_h_of_another_width() -> None:
    made = replay.replay(random_cell(3, 5, 2, "float32"), np.zeros((4, 6, 3)))
    assert (made.h.shape, made.c.shape, made.o.shape) == ((4, 6, 2), (4, 6, 5), (4, 6, 5))


def test_each_sequence_of_a_batch_is_its_own() -> None:
    cell, x = random_cell(3, 5, None, "float64"), np.random.default_rng(1).standard_normal((4, 6, 3))
    alone = np.concatenate([replay.replay(cell, one[None]).h for one in x])
    np.testing.assert_allclose(replay.replay(cell, x).h, alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_is_of_the_dtype_asked_for(dtype: str) -> None:
    made = replay.replay(random_cell(3, 5, 2, dtype), np.ones((1, 2, 3)))
    assert {values.dtype for values in vars(made).values()} == {np.dtype(dtype)}


def test_activations_are_those_of_the_behaviour() -> None:
    behaviour = Behaviour("sigmoid", "tanh")
    cell = replace(random_cell(3, 5, None, "float64"), behaviour=behaviour)
    x = np.ones((1, 1, 3))
    z = {letter: x[0, 0] @ gate.W + gate.b for letter, gate in cell.gates.items()}
    c = np.tanh(z["i"]) / (1 + np.exp(-z["c"]))
    wanted = np.tanh(z["o"] + c * cell.gates["o"].V) / (1 + np.exp(-c))
    np.testing.assert_allclose(replay.replay(cell, x).h[0, 0], wanted)


def test_no_step_at_all_is_no_error() -> None:
    assert replay.replay(random_cell(3, 5, None, "float32"), np.zeros((2, 0, 3))).h.shape == (2, 0, 5)


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 5)])
def test_an_input_of_another_shape_is_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        replay.replay(random_cell(3, 5, None, "float32"), np.zeros(shape))
    assert str(caught.value) == f"the input is {shape}, but random takes (batch, length, 3)"


def test_a_normalized_cell_is_refused() -> None:
    weight = LSTMWeight(Role.NORMALIZATION, "input/gamma", tensor("gamma", 1.0))
    lstm = one_unit(NUMBERS)
    with pytest.raises(CannotReplay):
        replay.read(LSTM("one", "x", 1, 1, (weight,), "ifco", lstm.gates))
