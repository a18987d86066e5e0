from __future__ import annotations

import numpy as np
import pytest
from support.layer_reading import (
    KERAS_1,
    KERAS_2,
    KERAS_3,
    TENSORFLOW_KERAS,
    describe,
    differentiate,
    make_signals,
    pull_back,
    read_described,
    run_layer,
)

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.model.network import (
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from lstmdump.replay.layers.base import RunnableLayer

RANDOM = np.random.default_rng(0)
ADDER = describe(
    "SimpleRNN",
    {"units": 1, "activation": "linear"},
    {"kernel": [[1.0]], "recurrent_kernel": [[1.0]], "bias": [0.0]},
    name="it/rnn",
)
DENSE = describe(
    "Dense", {"units": 1, "activation": "tanh"}, {"kernel": [[2.0], [-1.0]], "bias": [0.5]}, name="it/dense"
)
WORDS = np.array([[[1.0, 2.0, 4.0], [8.0, 16.0, 0.0]]])[..., None]
"""Two words of three characters, (1, 2, 3, 1)."""
OTHER_PADDING = WORDS.copy()
OTHER_PADDING[0, 1, 2] = 100
CHARACTERS = np.array([[[1, 1, 1], [1, 1, 0]]], bool)


def each_step(layer: NetworkLayer, release: KerasRelease = KERAS_3) -> RunnableLayer:
    return read_described(describe("TimeDistributed", inner={"layer": layer}), release)


def test_each_step_is_an_input_by_itself() -> None:
    assert run_layer(each_step(ADDER), WORDS).values.tolist() == [[[7], [24]]]


def test_the_gradient_of_each_step_comes_from_its_own_output() -> None:
    x, gradient = RANDOM.standard_normal((2, 3, 2)), RANDOM.standard_normal((2, 4, 3, 1))
    layer = each_step(DENSE)
    (found,) = pull_back(layer, x, gradient=gradient)
    np.testing.assert_allclose(found, differentiate(layer, x, gradient), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("release", [KERAS_1, KERAS_2, KERAS_3])
def test_the_mask_of_the_steps_is_handed_on(release: KerasRelease) -> None:
    mask = np.array([[True, False, True]])
    made = run_layer(each_step(DENSE, release), np.zeros((1, 3, 2)), masks={0: mask})
    assert made.mask is not None
    assert made.mask.tolist() == mask.tolist()


def test_the_steps_of_a_mask_within_reach_the_layer() -> None:
    assert run_layer(each_step(ADDER, KERAS_3), OTHER_PADDING, masks={0: CHARACTERS}).values.tolist() == [[[7], [24]]]


def test_keras_1_gives_the_layer_no_mask() -> None:
    assert run_layer(each_step(ADDER, KERAS_1), OTHER_PADDING, masks={0: CHARACTERS}).values.tolist() == [[[7], [124]]]


def test_keras_2_masks_a_step_in_which_everything_is_masked() -> None:
    """The layer within returns one vector for each word, and so no mask."""
    mask = np.array([[[1, 1, 0], [0, 0, 0]]], bool)
    made = run_layer(each_step(ADDER, TENSORFLOW_KERAS), WORDS, masks={0: mask})
    assert made.mask is not None
    assert made.mask.tolist() == [[True, False]]


MASKING = describe("Masking", {"mask_value": 0.0}, name="it/masking")


def test_a_mask_that_the_layer_within_makes_is_handed_on_by_keras_2() -> None:
    made = run_layer(each_step(MASKING, TENSORFLOW_KERAS), WORDS)
    assert made.mask is not None
    assert made.mask.tolist() == CHARACTERS.tolist()


@pytest.mark.parametrize("release", [KERAS_1, KERAS_3])
def test_a_mask_that_the_layer_within_makes_is_lost_in_keras_1_and_3(release: KerasRelease) -> None:
    assert run_layer(each_step(MASKING, release), WORDS).mask is None


def test_a_model_is_run_on_each_step() -> None:
    network = NetworkDescription(
        (describe("InputLayer", name="it/x"), ADDER, describe("Dense", {"units": 1}, {"kernel": [[3.0]], "bias": [1.0]},
                                                              name="it/out")),
        (NetworkCall(0), NetworkCall(1, (NetworkTensor(0),)), NetworkCall(2, (NetworkTensor(1),))),
        (NetworkInput("x", NetworkTensor(0)),),
        (NetworkOutput("out", NetworkTensor(2)),),
    )  # fmt: skip
    layer = read_described(describe("TimeDistributed", network=network))
    assert run_layer(layer, WORDS).values.tolist() == [[[7 * 3 + 1], [24 * 3 + 1]]]
    (found,) = pull_back(layer, WORDS, gradient=np.ones((1, 1, 2, 1)))
    assert found.tolist() == np.full((1, 1, 2, 3, 1), 3.0).tolist()


def test_a_stateful_layer_is_refused() -> None:
    stateful = describe("SimpleRNN", {**ADDER.config, "stateful": True}, name="it/rnn")
    with pytest.raises(CannotReplay, match=r"^it: its layer is stateful, and goes on from step to step"):
        each_step(stateful)


def test_a_layer_that_is_not_described_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: the layer within is not known"):
        read_described(describe("TimeDistributed"))


def test_several_inputs_are_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: the model gives it 2 inputs, but only one can be computed"):
        each_step(DENSE).forward(make_signals([np.zeros((1, 3, 2))] * 2))


def test_an_input_without_steps_within_is_refused() -> None:
    with pytest.raises(BadInput, match=r"the input of it is \(3, 2\), but it takes \(batch, length, …\)"):
        run_layer(each_step(DENSE), np.zeros((3, 2)))


# What becomes of masks by release, measured with an RNN that adds up its inputs: 1, 6 and a masked step; 21, 26 and one.

KERAS_2_1_6 = KerasRelease(2, minor=1, patch=6)
TENSORFLOW_1_8 = KerasRelease(2, is_tensorflow_keras=True, minor=1, patch=5)
TENSORFLOW_1_12 = KerasRelease(2, is_tensorflow_keras=True, minor=1, patch=6)
TENSORFLOW_1_13 = KerasRelease(2, is_tensorflow_keras=True, minor=2, patch=4)
BIASED_ADDER = describe(
    "SimpleRNN",
    {"units": 1, "activation": "linear"},
    {"kernel": [[1.0]], "recurrent_kernel": [[1.0]], "bias": [1.0]},
    name="it/rnn",
)
MEASURED = np.array([[[1.0, 6.0, 0.0], [21.0, 26.0, 0.0]]])[..., None]
LAST_IS_MASKED = np.array([[[1, 1, 0], [1, 1, 0]]], bool)


def within(layer: NetworkLayer, release: KerasRelease, *, fixed: bool | None) -> RunnableLayer:
    return read_described(describe("TimeDistributed", inner={"layer": layer}), release, has_fixed_batch=fixed)


@pytest.mark.parametrize(
    ("release", "fixed", "sums"),
    [
        (KERAS_2_1_6, False, [10, 50]),
        (KERAS_2_1_6, True, [10, 50]),
        (KERAS_2, False, [9, 49]),
        (KERAS_2, True, [10, 50]),
        (TENSORFLOW_1_8, False, [10, 50]),
        (TENSORFLOW_1_12, True, [10, 50]),
        (TENSORFLOW_1_13, False, [9, 49]),
        (TENSORFLOW_KERAS, True, [9, 49]),
        (KERAS_3, True, [9, 49]),
    ],
)
def test_the_release_and_the_batch_decide_whether_a_mask_reaches_the_layer(
    release: KerasRelease, fixed: bool, sums: list[float]
) -> None:
    layer = within(BIASED_ADDER, release, fixed=fixed)
    assert run_layer(layer, MEASURED, masks={0: LAST_IS_MASKED}).values.ravel().tolist() == sums


@pytest.mark.parametrize(
    ("release", "fixed", "is_masked"),
    [
        (KERAS_2_1_6, False, False),
        (KERAS_2, False, True),
        (KERAS_2, True, False),
        (TENSORFLOW_1_12, True, False),
        (TENSORFLOW_1_13, False, True),
        (TENSORFLOW_1_13, True, False),
        (TENSORFLOW_KERAS, True, True),
        (KERAS_3, False, False),
    ],
)
def test_the_release_and_the_batch_decide_whether_a_mask_made_within_is_handed_on(
    release: KerasRelease, fixed: bool, is_masked: bool
) -> None:
    made = run_layer(within(MASKING, release, fixed=fixed), MEASURED[:, 0])
    assert (made.mask is None) is not is_masked
    assert made.mask is None or made.mask.tolist() == [[True, True, False]]


@pytest.mark.parametrize(("release", "fixed"), [(KERAS_2, None), (TENSORFLOW_1_12, False), (TENSORFLOW_1_13, True)])
def test_a_mask_is_refused_where_the_file_does_not_settle_whether_it_reaches_the_layer(
    release: KerasRelease, fixed: bool | None
) -> None:
    with pytest.raises(CannotReplay, match=r"^it: what becomes of its mask depends on the release of TensorFlow, or"):
        run_layer(within(BIASED_ADDER, release, fixed=fixed), MEASURED, masks={0: LAST_IS_MASKED})


@pytest.mark.parametrize(("release", "fixed"), [(KERAS_2, None), (TENSORFLOW_1_12, False), (TENSORFLOW_1_13, None)])
def test_a_mask_made_within_is_refused_where_the_file_does_not_settle_whether_it_is_handed_on(
    release: KerasRelease, fixed: bool | None
) -> None:
    with pytest.raises(CannotReplay, match=r"^it: what becomes of its mask depends on the release of TensorFlow, or"):
        run_layer(within(MASKING, release, fixed=fixed), MEASURED[:, 0])


@pytest.mark.parametrize(("release", "fixed"), [(KERAS_2, None), (TENSORFLOW_1_12, False), (TENSORFLOW_1_13, True)])
def test_a_mask_of_steps_is_handed_on_by_all_releases(release: KerasRelease, fixed: bool | None) -> None:
    made = run_layer(within(DENSE, release, fixed=fixed), np.zeros((1, 3, 2)), masks={0: [[1, 0, 1]]})
    assert made.mask is not None
    assert made.mask.tolist() == [[True, False, True]]
