from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.cells import random_cell
from support.layer_reading import (
    KERAS_1,
    KERAS_2,
    KERAS_3,
    TENSORFLOW_KERAS,
    describe,
    make_signals,
    read_described,
    read_layer,
)

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.replay.equations import CellNumbers, State, States
from lstmdump.replay.layers.base import RunContext, RunnableLayer, Signal

KERAS_2_3 = KerasRelease(2, minor=3)
OLD_TENSORFLOW_KERAS = KerasRelease(2, is_tensorflow_keras=True, minor=1, patch=6)
SUM = {"kernel": [[1.0]], "recurrent_kernel": [[1.0]], "bias": [0.0]}
"""A SimpleRNN with these arrays, and without an activation, adds up its inputs."""

NUMBERS = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
GAPS = np.array([[False, True, False, True]])


def adder(release: KerasRelease = KERAS_3, **config: Any) -> RunnableLayer:
    return read_layer("SimpleRNN", {"units": 1, "activation": "linear", **config}, SUM, release)


def sums(layer: RunnableLayer, *states: float, mask: Any = GAPS, **context: Any) -> list[list[float]]:
    """Return each output for `NUMBERS`."""
    inputs = make_signals([NUMBERS, *([[state]] for state in states)], {} if mask is None else {0: mask})
    return [made.values.ravel().tolist() for made in layer.forward(inputs, RunContext(**context))]


# Masks


def test_a_masked_step_repeats_the_output_and_the_first_is_zero() -> None:
    assert sums(adder(return_sequences=True)) == [[0, 2, 2, 10]]


@pytest.mark.parametrize("release", [TENSORFLOW_KERAS, KERAS_2_3, KerasRelease(2, is_theano=True)])
def test_the_first_masked_steps_are_zero_with_an_initial_state_too(release: KerasRelease) -> None:
    assert sums(adder(release, return_sequences=True, return_state=True), 100) == [[0, 102, 102, 110], [110]]


@pytest.mark.parametrize("release", [KERAS_1, KERAS_2, OLD_TENSORFLOW_KERAS])
def test_the_first_masked_steps_are_the_initial_state_in_old_releases(release: KerasRelease) -> None:
    assert sums(adder(release, return_sequences=True), 100) == [[100, 102, 102, 110]]


def test_an_unrolled_layer_of_an_old_release_is_zero_there() -> None:
    assert sums(adder(KERAS_2, return_sequences=True, unroll=True), 100) == [[0, 102, 102, 110]]


def test_zero_output_for_mask() -> None:
    assert sums(adder(return_sequences=True, zero_output_for_mask=True)) == [[0, 2, 0, 10]]


def test_a_sequence_of_padding_is_zero_and_keeps_its_state() -> None:
    layer = adder(TENSORFLOW_KERAS, return_state=True)
    assert sums(layer, 100, mask=np.zeros((1, 4), bool)) == [[0], [100]]


def test_keras_3_leaves_out_the_mask_that_comes_with_the_input_of_a_layer_with_initial_states() -> None:
    assert sums(adder(return_sequences=True), 100) == [[101, 103, 107, 115]]


def test_keras_3_hands_on_the_mask_that_it_leaves_out() -> None:
    made = adder(return_sequences=True).forward(make_signals([NUMBERS, [[100.0]]], {0: GAPS}))
    assert made[0].mask is not None
    assert made[0].mask.tolist() == GAPS.tolist()


def test_keras_3_heeds_a_mask_that_the_call_states_with_initial_states() -> None:
    x, state = Signal(NUMBERS, GAPS, is_mask_stated=True), Signal(np.array([[100.0]]))
    (made,) = adder(return_sequences=True).forward([x, state])
    assert made.values.ravel().tolist() == [0, 102, 102, 110]


def test_backwards_takes_the_last_step_first() -> None:
    assert sums(adder(return_sequences=True, go_backwards=True)) == [[8, 8, 10, 10]]


def test_the_mask_is_handed_on_as_it_is() -> None:
    (made,) = adder(return_sequences=True, go_backwards=True).forward(make_signals([NUMBERS], {0: GAPS}))
    assert made.mask is not None
    assert made.mask.tolist() == GAPS.tolist()


def test_one_vector_and_states_have_no_mask() -> None:
    made = adder(return_state=True).forward(make_signals([NUMBERS], {0: GAPS}))
    assert [one.mask for one in made] == [None, None]


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(BadInput, match=r"the mask of it is \(1, 3\), but its input has \(batch, length\) = \(1, 4\)"):
        sums(adder(), mask=GAPS[:, :3])


# States


def test_the_states_of_the_model_are_used() -> None:
    assert sums(adder(), 100, mask=None) == [[115]]


def test_a_stateful_layer_begins_with_zero() -> None:
    assert sums(adder(stateful=True), mask=None) == [[15]]


def test_another_number_of_states_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: the model gives it 2 initial states, but it has 1"):
        sums(adder(), 1, 2, mask=None)


def test_a_state_of_another_shape_is_refused() -> None:
    with pytest.raises(BadInput, match=r"an initial state of it is \(1, 2\), but it takes \(1, 1\)"):
        adder().forward(make_signals([NUMBERS, [[1.0, 2.0]]]))


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 2), (1, 0, 1), (1, 4, 1, 1)])
def test_an_input_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"the input of it is .*, but it takes \(batch, length, 1\)"):
        adder().forward(make_signals([np.zeros(shape)]))


# What is refused


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"time_major": True}, r"^it takes the steps as the first axis \(time_major\), which cannot be computed"),
        ({"num_constants": 1}, r"^it takes constants beside its input, which cannot be computed"),
        ({"return_sequences": "yes"}, r"^it: its return_sequences is neither true nor false"),
    ],
)
def test_settings_that_cannot_be_computed_are_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(CannotReplay, match=reason):
        adder(**config)


# LSTM layers


def lstm(release: KerasRelease = TENSORFLOW_KERAS, cell: CellNumbers | None = None, **config: Any) -> RunnableLayer:
    return read_described(describe("LSTM", config), release, {"it": cell or CELL})


CELL = random_cell(2, 3, None, "float64")
RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((3, 5, 2))
H, C = RANDOM.standard_normal((3, 3)), RANDOM.standard_normal((3, 3))
MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)


def test_an_lstm_is_computed_by_the_equations() -> None:
    made = lstm(return_sequences=True, return_state=True).forward(make_signals([X, H, C]))
    states = equations.replay(CELL, X, initial=State(H, C))
    for found, expected in zip(made, [states.h, states.h[:, -1], states.c[:, -1]], strict=True):
        np.testing.assert_array_equal(found.values, expected)


def test_the_last_states_of_a_masked_lstm_are_those_of_its_last_step() -> None:
    _, h, c = lstm(return_state=True).forward(make_signals([X, H, C], {0: MASK}))
    taken = equations.replay(CELL, X[1:2, [1, 3]], initial=State(H[1:2], C[1:2]))
    np.testing.assert_allclose(h.values[1], taken.h[0, -1])
    np.testing.assert_allclose(c.values[1], taken.c[0, -1])
    np.testing.assert_array_equal([h.values[2], c.values[2]], [H[2], C[2]])


def test_states_that_the_user_gives_replace_those_of_the_model() -> None:
    context = RunContext({CELL.name: State(H, C)})
    (made,) = lstm().forward(make_signals([X, C, H]), context)
    np.testing.assert_array_equal(made.values, equations.replay(CELL, X, initial=State(H, C)).h[:, -1])


def test_states_that_have_been_replaced_have_no_influence() -> None:
    inputs, context = make_signals([X, C, H]), RunContext({CELL.name: State(H, C)})
    layer = lstm()
    found = layer.backward(inputs, layer.forward(inputs, context), [np.ones((3, 1, 3))], context)
    assert found[0] is not None
    assert found[1:] == (None, None)


def watched(layer: RunnableLayer, mask: Array | None) -> list[tuple[str, States, Array | None]]:
    seen: list[tuple[str, States, Array | None]] = []
    context = RunContext({}, lambda cell, states, its: seen.append((cell.name, states, its)))
    layer.forward(make_signals([X], {} if mask is None else {0: mask}), context)
    return seen


@pytest.mark.parametrize(
    "behaviour",
    [{}, {"go_backwards": True}, {"go_backwards": True, "is_aligned": True}, {"zero_output_for_mask": True}],
)
def test_the_states_watched_are_those_of_the_equations(behaviour: dict[str, bool]) -> None:
    cell = random_cell(2, 3, None, "float64", **behaviour)
    ((name, states, mask),) = watched(lstm(cell=cell), MASK)
    expected = equations.replay(cell, X, mask=MASK)
    for key in vars(expected):
        np.testing.assert_allclose(getattr(states, key), getattr(expected, key), err_msg=key)
    assert (name, mask is not None and mask.tolist()) == ("random", MASK.tolist())


def test_a_mask_that_is_not_heeded_is_not_watched() -> None:
    seen: list[Array | None] = []
    context = RunContext({}, lambda _cell, _states, mask: seen.append(mask))
    lstm(KERAS_3).forward(make_signals([X, H, C], {0: MASK}), context)
    assert seen == [None]


def test_nothing_is_watched_on_the_way_back() -> None:
    seen: list[str] = []
    context = RunContext({}, lambda cell, *_: seen.append(cell.name))
    layer, inputs = lstm(), make_signals([X])
    layer.backward(inputs, layer.forward(inputs), [np.ones((3, 1, 3))], context)
    assert seen == []


# Gradients


def differentiate_all(layer: RunnableLayer, inputs: list[Array], mask: Array, seeds: list[Array]) -> list[Array]:
    """Return the gradients of all inputs by central differences."""
    found = [np.zeros((*seeds[0].shape[:2], *values.shape[1:])) for values in inputs]
    for number, values in enumerate(inputs):
        for place in np.ndindex(values.shape[1:]):
            sides = []
            for sign in (1e-6, -1e-6):
                moved = [one.copy() for one in inputs]
                moved[number][(slice(None), *place)] += sign
                sides.append([one.values for one in layer.forward(make_signals(moved, {0: mask}))])
            for seed, one, other in zip(seeds, *sides, strict=True):
                change = seed * ((one - other) / 2e-6)[:, None]
                found[number][(slice(None), slice(None), *place)] += change.sum(axis=tuple(range(2, change.ndim)))
    return found


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("release", [KERAS_2, TENSORFLOW_KERAS])
def test_gradients_of_outputs_and_states_reach_the_input_and_the_initial_states(
    release: KerasRelease, sequences: bool, backwards: bool
) -> None:
    cell = random_cell(2, 3, 2, "float64", go_backwards=backwards)
    layer = lstm(release, cell, return_sequences=sequences, return_state=True)
    inputs = [X, H[:, :2], C]
    signals = make_signals(inputs, {0: MASK})
    made = layer.forward(signals)
    seeds = [RANDOM.standard_normal((3, 2, *one.values.shape[1:])) for one in made]
    expected = differentiate_all(layer, inputs, MASK, seeds)
    for found, truth in zip(layer.backward(signals, made, seeds), expected, strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-8)


def test_no_gradient_gives_none() -> None:
    inputs = make_signals([X, H, C])
    layer = lstm(return_state=True)
    assert layer.backward(inputs, layer.forward(inputs), [None, None, None]) == (None, None, None)


def test_the_gradient_of_the_cell_state_alone() -> None:
    inputs = make_signals([X[:, :1]])
    layer = lstm(return_state=True)
    (found,) = layer.backward(inputs, layer.forward(inputs), [None, None, np.ones((3, 1, 3))])
    moved = [equations.replay(CELL, X[:, :1] + [step, 0]).c.sum((1, 2)) for step in (1e-6, -1e-6)]
    assert found is not None
    np.testing.assert_allclose(found[:, 0, 0, 0], (moved[0] - moved[1]) / 2e-6, rtol=1e-6)


def test_a_gradient_that_has_faded_becomes_zero() -> None:
    """With h' = x + h/2, the influence of step k is 2^-k, of which the square is below 1e-280 from about k = 465 on."""
    arrays = {**SUM, "recurrent_kernel": [[0.5]]}
    layer = read_layer("SimpleRNN", {"units": 1, "activation": "linear"}, arrays)
    inputs = make_signals([np.ones((1, 600, 1))])
    (found,) = layer.backward(inputs, layer.forward(inputs), [np.ones((1, 1, 1))])
    assert found is not None
    assert found[0, 0, [599, 499, 0], 0].tolist() == [1.0, 2.0**-100, 0.0]
