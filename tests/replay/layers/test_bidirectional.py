from __future__ import annotations

from typing import Any

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
)

from lstmdump.errors import CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.model.network import NetworkLayer
from lstmdump.replay.layers.base import RunnableLayer

X = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
MASK = np.array([[True, True, False, False]])
FORWARD, BACKWARD = [1, 3, 7, 15], [15, 14, 12, 8]
"""The sums of `X` up to each step, and from each step on."""


def half(direction: str, weight: float = 1.0, **config: Any) -> NetworkLayer:
    """Return a half that adds up its inputs, times `weight`."""
    arrays = {"kernel": [[weight]], "recurrent_kernel": [[1.0]], "bias": [0.0]}
    return describe("SimpleRNN", {"units": 1, "activation": "linear", **config}, arrays, name=f"it/{direction}_rnn")


def both(release: KerasRelease = KERAS_3, merge: str | None = "concat", **config: Any) -> RunnableLayer:
    inner = {direction: half(direction, **config) for direction in ("forward", "backward")}
    return read_described(describe("Bidirectional", {"merge_mode": merge}, inner=inner), release)


def outputs(layer: RunnableLayer, *states: float, mask: Any = None) -> list[Any]:
    inputs = make_signals([X, *([[state]] for state in states)], {} if mask is None else {0: mask})
    return [made.values[0].tolist() for made in layer.forward(inputs)]


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("concat", [[f, b] for f, b in zip(FORWARD, BACKWARD, strict=True)]),
        ("sum", [[f + b] for f, b in zip(FORWARD, BACKWARD, strict=True)]),
        ("mul", [[f * b] for f, b in zip(FORWARD, BACKWARD, strict=True)]),
        ("ave", [[(f + b) / 2] for f, b in zip(FORWARD, BACKWARD, strict=True)]),
    ],
)
def test_sequences_are_merged_in_the_order_of_the_input(merge: str, expected: list[list[float]]) -> None:
    assert outputs(both(merge=merge, return_sequences=True)) == [expected]


def test_without_a_merge_there_are_two_outputs() -> None:
    assert outputs(both(merge=None, return_sequences=True)) == [[[f] for f in FORWARD], [[b] for b in BACKWARD]]


def test_one_vector_is_the_end_of_each_half() -> None:
    assert outputs(both()) == [[15, 15]]


def test_the_states_of_the_forward_half_come_first() -> None:
    assert outputs(both(return_state=True), 100, 1000) == [[115, 1015], [115], [1015]]


@pytest.mark.parametrize("release", [KERAS_1, KERAS_2])
def test_halves_of_old_releases_repeat_at_masked_steps(release: KerasRelease) -> None:
    assert outputs(both(release, return_sequences=True), mask=MASK) == [[[1, 3], [3, 2], [3, 0], [3, 0]]]


@pytest.mark.parametrize("release", [TENSORFLOW_KERAS, KERAS_3])
def test_halves_of_later_releases_are_zero_at_masked_steps(release: KerasRelease) -> None:
    assert outputs(both(release, return_sequences=True), mask=MASK) == [[[1, 3], [3, 2], [0, 0], [0, 0]]]


def test_halves_of_one_vector_keep_it_behind_masked_steps() -> None:
    assert outputs(both(zero_output_for_mask=True), mask=MASK) == [[3, 3]]


@pytest.mark.parametrize("merge", ["concat", None])
def test_sequences_hand_the_mask_on(merge: str | None) -> None:
    made = both(merge=merge, return_sequences=True).forward(make_signals([X], {0: MASK}))
    assert [np.array_equal(one.mask, MASK) for one in made] == [True] * (1 if merge else 2)


def test_vectors_and_states_have_no_mask() -> None:
    made = both(merge=None, return_state=True).forward(make_signals([X], {0: MASK}))
    assert [one.mask for one in made] == [None] * 4


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("sequences", [True, False])
def test_gradients_pass_both_halves(merge: str, sequences: bool) -> None:
    layer = both(merge=merge, return_sequences=sequences)
    (made,) = layer.forward(make_signals([X]))
    gradient = np.random.default_rng(0).standard_normal((1, 2, *made.values.shape[1:]))
    (found,) = pull_back(layer, X, gradient=gradient)
    np.testing.assert_allclose(found, differentiate(layer, X, gradient), rtol=1e-6)


def test_the_backward_half_goes_the_other_way_whatever_the_forward_half_does() -> None:
    inner = {"forward": half("forward", return_sequences=True, go_backwards=True),
             "backward": half("backward", return_sequences=True)}  # fmt: skip
    layer = read_described(describe("Bidirectional", {"merge_mode": None}, inner=inner))
    assert outputs(layer) == [[[b] for b in BACKWARD[::-1]], [[f] for f in FORWARD[::-1]]]


def test_another_number_of_states_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: the model gives it 1 initial states, but its halves have 1 and 1"):
        outputs(both(), 1)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"merge_mode": "max"}, r"^it: its merge mode 'max' is not known"),
        ({"merge_mode": ["concat"]}, r"^it: its merge mode \['concat'\] is not known"),
        ({"num_constants": 2}, r"^it takes constants beside its input"),
    ],
)
def test_settings_that_cannot_be_computed_are_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(CannotReplay, match=reason):
        read_described(
            describe("Bidirectional", config, inner={"forward": half("forward"), "backward": half("backward")})
        )


@pytest.mark.parametrize("inner", [{}, {"forward": describe("Dropout", name="it/forward_dropout")}])
def test_a_half_that_is_not_recurrent_is_refused(inner: dict[str, NetworkLayer]) -> None:
    with pytest.raises(CannotReplay, match=r"^it: its forward layer is not a recurrent layer that can be computed"):
        read_described(describe("Bidirectional", inner=inner))


def test_halves_that_return_different_outputs_are_refused() -> None:
    inner = {"forward": half("forward"), "backward": half("backward", return_sequences=True)}
    with pytest.raises(CannotReplay, match=r"^it: its halves return different outputs"):
        read_described(describe("Bidirectional", inner=inner))
