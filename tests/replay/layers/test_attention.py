from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import KERAS_3, TENSORFLOW_KERAS, make_signals, pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.replay.layers.base import RunnableLayer

QUERY = [[[1.0], [0.0]]]
VALUE = [[[0.0], [np.log(3)]]]
"""The scores of the first step of the query are 0 and log 3, so that the weights are 1/4 and 3/4; else 1/2 and 1/2."""


def heads(release: KerasRelease = KERAS_3, **config: Any) -> RunnableLayer:
    """Return a layer of one head whose projections change nothing."""
    names = ("query/kernel", "key/kernel", "value/kernel", "attention_output/kernel")
    settings = {"num_heads": 1, "key_dim": 1, "use_bias": False, "attention_axes": [1], **config}
    return read_layer("MultiHeadAttention", settings, {f"it/{name}": [[[1.0]]] for name in names}, release)


@pytest.mark.parametrize("layer", [read_layer("Attention"), heads()])
def test_values_are_weighted_by_the_softmax_of_their_scores(layer: RunnableLayer) -> None:
    made = run_layer(layer, QUERY, VALUE)
    np.testing.assert_allclose(made.values, [[[np.log(3) * 3 / 4], [np.log(3) / 2]]])


def test_a_key_may_differ_from_the_value() -> None:
    made = run_layer(read_layer("Attention"), QUERY, [[[8.0], [4.0]]], VALUE)
    np.testing.assert_allclose(made.values, [[[8 / 4 + 4 * 3 / 4], [6]]])


def test_scores_may_be_scaled() -> None:
    layer = read_layer("Attention", {"use_scale": True}, {"scale": 2.0})
    made = run_layer(layer, QUERY, VALUE)  # weights 1/10 and 9/10
    np.testing.assert_allclose(made.values, [[[np.log(3) * 9 / 10], [np.log(3) / 2]]])


@pytest.mark.parametrize("layer", [
    read_layer("Attention", {"score_mode": "concat"}, {"concat_score_weight": 2.0}),
    read_layer("AdditiveAttention", {}, {"scale": [2.0]}),
])  # fmt: skip
def test_scores_may_be_sums_over_the_tanh(layer: RunnableLayer) -> None:
    made = run_layer(layer, [[[0.0]]], [[[8.0], [4.0]]], [[[0.0], [np.arctanh(np.log(3) / 2)]]])
    np.testing.assert_allclose(made.values, [[[8 / 4 + 4 * 3 / 4]]])


@pytest.mark.parametrize("release", [TENSORFLOW_KERAS, KERAS_3])
def test_masked_values_have_no_weight_and_masked_queries_give_0(release: KerasRelease) -> None:
    layer = read_layer("Attention", release=release)
    made = run_layer(layer, QUERY, VALUE, masks={0: [[1, 0]], 1: [[1, 0]]})
    assert made.values.tolist() == [[[0.0], [0.0]]]
    made = run_layer(layer, QUERY, VALUE, masks={0: [[0, 1]], 1: [[0, 1]]})
    np.testing.assert_allclose(made.values, [[[0], [np.log(3)]]])
    assert made.mask is not None
    assert made.mask.tolist() == [[False, True]]


def test_a_causal_layer_sees_no_later_steps() -> None:
    made = run_layer(
        read_layer("Attention", {"causal": True}, release=TENSORFLOW_KERAS), [[[0.0], [0.0]]], [[[2.0], [4.0]]]
    )
    assert made.values.tolist() == [[[2.0], [3.0]]]


def test_masked_queries_pull_nothing_back() -> None:
    found = pull_back(read_layer("Attention"), QUERY, VALUE, gradient=[[[[0], [1]]]], masks={0: [[1, 0]]})
    assert not np.any(found[0])
    assert not np.any(found[1])


@pytest.mark.parametrize("release", [TENSORFLOW_KERAS, KERAS_3])
def test_all_masks_decide_which_steps_heads_see(release: KerasRelease) -> None:
    made = run_layer(heads(release), QUERY, VALUE, masks={1: [[1, 0]]})
    assert made.values.tolist() == [[[0.0], [0.0]]]
    assert made.mask is None
    made = run_layer(heads(release), QUERY, VALUE, VALUE, masks={2: [[0, 1]]})
    np.testing.assert_allclose(made.values, [[[np.log(3)], [np.log(3)]]])


def test_a_masked_query_of_keras_3_7_weighs_all_values_alike() -> None:
    made = run_layer(heads(KerasRelease(3, minor=7)), QUERY, VALUE, masks={0: [[0, 1]]})
    np.testing.assert_allclose(made.values, [[[np.log(3) / 2], [np.log(3) / 2]]])
    assert made.mask is not None
    assert made.mask.tolist() == [[False, True]]


@pytest.mark.parametrize(("release", "dropout"), [(TENSORFLOW_KERAS, 0), (KerasRelease(3, minor=7), 0.5)])
def test_a_masked_query_of_other_releases_weighs_values_by_their_scores(release: KerasRelease, dropout: float) -> None:
    made = run_layer(heads(release, dropout=dropout), QUERY, VALUE, masks={0: [[0, 1]]})
    np.testing.assert_allclose(made.values, [[[np.log(3) * 3 / 4], [np.log(3) / 2]]], rtol=1e-6)


def test_masks_that_keras_takes_away_in_some_order_are_refused() -> None:
    layer = heads(KerasRelease(3, minor=8))
    np.testing.assert_allclose(run_layer(layer, QUERY, VALUE).values[0, 1], [np.log(3) / 2])
    with pytest.raises(CannotReplay, match=r"^it is a MultiHeadAttention layer of masked steps; .* order"):
        run_layer(layer, QUERY, VALUE, masks={0: [[0, 1]]})


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Attention", {"score_mode": "cosine"}),
        ("MultiHeadAttention", {"num_heads": 1, "key_dim": 1, "attention_axes": [1, 2]}),
        ("MultiHeadAttention", {"num_heads": 1, "key_dim": 1, "use_gate": True}),
        ("MultiHeadAttention", {"num_heads": 1, "key_dim": 1, "sliding_window": 3}),
        ("MultiHeadAttention", {"num_heads": 0, "key_dim": 1}),
        ("AdditiveAttention", {}),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_the_name_of_the_layer(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=r"^it: its "):
        read_layer(kind, config)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (read_layer("Attention"), [(1, 2, 3), (1, 2, 4)]),
        (read_layer("Attention"), [(1, 3), (1, 2, 3)]),
        (read_layer("Attention"), [(1, 2, 3), (2, 2, 3)]),
        (read_layer("Attention"), [(1, 2, 3), (1, 2, 3), (1, 4, 3)]),
        (read_layer("AdditiveAttention", {}, {"scale": [1.0, 2.0]}), [(1, 2, 3), (1, 2, 3)]),
        (heads(), [(1, 2, 3), (1, 2, 1)]),
    ],
)
def test_inputs_that_do_not_fit_are_an_error_that_names_the_layer(
    layer: RunnableLayer, shapes: list[tuple[int, ...]]
) -> None:
    with pytest.raises(BadInput, match=r"^it (takes|cannot) "):
        run_layer(layer, *map(np.ones, shapes))


@pytest.mark.parametrize("layer", [read_layer("Attention"), heads()])
def test_gradients_that_are_zero_stay_so(layer: RunnableLayer) -> None:
    inputs = make_signals([QUERY, VALUE])
    assert layer.backward(inputs, layer.forward(inputs), (None,)) == (None, None)


@pytest.mark.parametrize("count", [1, 4])
def test_other_numbers_of_inputs_are_refused(count: int) -> None:
    with pytest.raises(CannotReplay, match=rf"^it has {count} inputs, and not query, value and perhaps key$"):
        run_layer(read_layer("Attention"), *[QUERY] * count)


def test_a_bias_that_does_not_fit_its_kernel_is_refused() -> None:
    arrays = {f"{name}/kernel": [[[1.0]]] for name in ("query", "key", "value", "attention_output")}
    biases = {f"{name}/bias": [[0.0]] for name in ("query", "key", "value")} | {"attention_output/bias": [0.0, 0.0]}
    with pytest.raises(CannotReplay, match=r"^it: its attention_output/bias is \(2,\), which does not fit"):
        read_layer("MultiHeadAttention", {"num_heads": 1, "key_dim": 1}, arrays | biases)
