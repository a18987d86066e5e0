from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.cells import random_cell
from support.layer_reading import KERAS_2, TENSORFLOW_KERAS, describe, make_signals, read_described

from lstmdump.errors import CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.model.network import NetworkLayer
from lstmdump.replay import equations
from lstmdump.replay.layers.base import RunContext, RunnableLayer

X = np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1)
MASK = np.array([[True, False, True]])


def adding_cell(name: str) -> NetworkLayer:
    """Return a cell that adds up its inputs."""
    arrays = {"kernel": [[1.0]], "recurrent_kernel": [[1.0]], "bias": [0.0]}
    return describe("SimpleRNNCell", {"units": 1, "activation": "linear"}, arrays, name=f"it/{name}")


def stack(release: KerasRelease = TENSORFLOW_KERAS, **config: Any) -> RunnableLayer:
    inner = {f"cell_{number}": adding_cell(f"cell_{number}") for number in range(2)}
    return read_described(describe("RNN", config, inner=inner), release)


def outputs(layer: RunnableLayer, *states: float, mask: Any = None) -> list[list[float]]:
    inputs = make_signals([X, *([[state]] for state in states)], {} if mask is None else {0: mask})
    return [made.values.ravel().tolist() for made in layer.forward(inputs)]


def test_each_cell_takes_the_outputs_of_the_one_before() -> None:
    assert outputs(stack(return_sequences=True)) == [[1, 1 + 3, 1 + 3 + 7]]


def test_the_states_of_all_cells_are_returned_in_their_order() -> None:
    assert outputs(stack(return_state=True)) == [[11], [7], [11]]


def test_each_cell_begins_with_its_own_state() -> None:
    assert outputs(stack(return_sequences=True), 10, 100) == [[111, 111 + 13, 111 + 13 + 17]]


def test_all_cells_skip_a_masked_step() -> None:
    assert outputs(stack(return_sequences=True, return_state=True), mask=MASK) == [[1, 1, 1 + 5], [5], [6]]


def test_backwards_turns_the_input_once() -> None:
    assert outputs(stack(return_sequences=True, go_backwards=True)) == [[4, 4 + 6, 4 + 6 + 7]]


KERAS_2_2_2 = KerasRelease(2, minor=2, patch=2)
TENSORFLOW_1_9_TO_1_12 = KerasRelease(2, is_tensorflow_keras=True, minor=1, patch=6)


def test_states_of_the_last_cell_come_first_in_keras_2_2_2() -> None:
    """The first cell begins with 10, the last one with 100; X adds up to 1, 3, 7."""
    sums = [10 + 1, 10 + 3, 10 + 7]
    assert outputs(stack(KERAS_2_2_2, return_state=True), 100, 10) == [[100 + sum(sums)], [100 + sum(sums)], [sums[2]]]


def test_states_of_cells_with_several_are_kept_together_in_reverse_order() -> None:
    one, other = (replace(random_cell(d, m, None, "float64"), name=f"it/{d}") for d, m in ((1, 2), (2, 3)))
    inner = {f"cell_{d}": describe("LSTMCell", {}, name=f"it/{d}") for d in (1, 2)}
    layer = read_described(
        describe("RNN", {"return_state": True}, inner=inner), KERAS_2_2_2, {one.name: one, other.name: other}
    )
    states = [np.full((1, width), value) for width, value in ((3, 0.1), (3, 0.2), (2, 0.3), (2, 0.4))]
    lower = equations.replay(one, X, initial=equations.State(*states[2:]))
    upper = equations.replay(other, lower.h, initial=equations.State(*states[:2]))
    made = layer.forward(make_signals([X, *states]))
    for found, expected in zip(made, (upper.h, upper.h, upper.c, lower.h, lower.c), strict=True):
        np.testing.assert_allclose(found.values, expected[:, -1])


def test_gradients_of_states_are_in_the_order_of_the_release() -> None:
    """The state of the first cell is added to that of the last one in each of three steps."""
    layer = stack(KERAS_2_2_2, return_state=True)
    inputs = make_signals([X, [[100.0]], [[10.0]]])
    gradients = [np.full((1, 1, 1), weight) for weight in (1.0, 100.0, 10_000.0)]
    _, of_last, of_first = layer.backward(inputs, layer.forward(inputs), gradients)
    assert of_last is not None
    assert of_first is not None
    assert (of_last.item(), of_first.item()) == (1 + 100, 3 * (1 + 100) + 10_000)


def test_a_masked_stack_of_keras_2_2_2_repeats_the_state_of_its_last_cell() -> None:
    layer = stack(KERAS_2_2_2, return_sequences=True)
    assert outputs(layer, 100, 10, mask=~MASK) == [[100, 100 + 10 + 2, 112]]


def test_states_are_refused_where_the_version_does_not_settle_their_order() -> None:
    words = r"^it: the version in the file, of tf.keras in TensorFlow 1.9 to 1.12, does not settle"
    with pytest.raises(CannotReplay, match=words):
        outputs(stack(TENSORFLOW_1_9_TO_1_12, return_state=True))
    with pytest.raises(CannotReplay, match=words):
        outputs(stack(TENSORFLOW_1_9_TO_1_12), 100, 10)
    assert outputs(stack(TENSORFLOW_1_9_TO_1_12)) == [[11]]


def test_a_masked_stack_of_an_old_release_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: at masked steps this release of Keras returns a state of the first"):
        outputs(stack(KERAS_2, return_sequences=True), mask=MASK)


def test_each_lstm_in_a_stack_is_watched_and_begins_with_the_states_of_the_user() -> None:
    one, other = (replace(random_cell(d, 3, None, "float64"), name=f"it/{d}") for d in (1, 3))
    inner = {f"cell_{d}": describe("LSTMCell", {}, name=f"it/{d}") for d in (1, 3)}
    layer = read_described(describe("RNN", inner=inner), TENSORFLOW_KERAS, {one.name: one, other.name: other})
    first = equations.State(np.ones((1, 3)), np.ones((1, 3)))
    seen: dict[str, equations.States] = {}
    context = RunContext({other.name: first}, lambda cell, states, _: seen.update({cell.name: states}))
    layer.forward(make_signals([X]), context)
    np.testing.assert_allclose(seen[one.name].h, equations.replay(one, X).h)
    np.testing.assert_allclose(seen[other.name].h, equations.replay(other, seen[one.name].h, initial=first).h)


@pytest.mark.parametrize("is_of_keras", [True, False])
def test_another_cell_is_refused_by_name(is_of_keras: bool) -> None:
    cell = describe("MyCell", {"units": 1}, name="it/my_cell", is_of_keras=is_of_keras)
    with pytest.raises(CannotReplay, match=r"^it/my_cell is a MyCell, .*cannot be computed"):
        read_described(describe("RNN", inner={"cell": cell}))


def test_a_layer_without_a_cell_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: its cell is not known"):
        read_described(describe("RNN"))


def test_states_in_reverse_order_are_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: its cells give their states in reverse order"):
        stack(cell={"class_name": "StackedRNNCells", "config": {"reverse_state_order": True}})
