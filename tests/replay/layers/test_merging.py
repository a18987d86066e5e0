"""Masks of merging layers as recorded with Keras 1.2.2, 2.2.4, 3.15.1 and tf_keras 2.21; Keras 3.3.3 is as Keras 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import KERAS_1, KERAS_2, TENSORFLOW_KERAS, make_signals, pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.replay.layers.base import RunnableLayer

KERAS_3_3, KERAS_3_4 = KerasRelease(3, minor=3), KerasRelease(3, minor=4)
BY_AND = [KERAS_2, TENSORFLOW_KERAS, KERAS_3_3]
FIRST, SECOND = [[[1.0], [5.0], [3.0]]], [[[4.0], [2.0], [3.0]]]
MASKS = {0: [[1, 1, 0]], 1: [[0, 1, 0]]}
ELEMENTWISE = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")


def merge(mode: str, **config: Any) -> RunnableLayer:
    return read_layer("Merge", {"mode": mode, "mode_type": "raw", **config}, release=KERAS_1)


def mask_of(layer: RunnableLayer, *inputs: Any, masks: dict[int, Any]) -> Any:
    mask = run_layer(layer, *inputs, masks=masks).mask
    return None if mask is None else mask.astype(int).tolist()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Add", [5, 7, 6]),
        ("Average", [2.5, 3.5, 3]),
        ("Maximum", [4, 5, 3]),
        ("Minimum", [1, 2, 3]),
        ("Multiply", [4, 10, 9]),
        ("Subtract", [-3, 3, 0]),
    ],
)
def test_numbers_at_the_same_place_are_combined(kind: str, expected: list[float]) -> None:
    assert run_layer(read_layer(kind), FIRST, SECOND).values.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("kind", "of_first", "of_second"),
    [
        ("Add", [1, 10, 100], [1, 10, 100]),
        ("Average", [0.5, 5, 50], [0.5, 5, 50]),
        ("Maximum", [0, 10, 100], [1, 0, 0]),  # of equal numbers, the first one
        ("Minimum", [1, 0, 100], [0, 10, 0]),
        ("Multiply", [4, 20, 300], [1, 50, 300]),
        ("Subtract", [1, 10, 100], [-1, -10, -100]),
    ],
)
def test_gradients_of_both_inputs(kind: str, of_first: list[float], of_second: list[float]) -> None:
    found = pull_back(read_layer(kind), FIRST, SECOND, gradient=[[[[1], [10], [100]]]])
    assert [one.ravel().tolist() for one in found] == [of_first, of_second]


def test_a_vector_is_repeated_for_all_steps_and_its_gradients_are_summed() -> None:
    layer, vector = read_layer("Multiply"), [[2.0]]
    assert run_layer(layer, FIRST, vector).values.tolist() == [[[2], [10], [6]]]
    of_first, of_vector = pull_back(layer, FIRST, vector, gradient=[[[[1], [10], [100]]]])
    assert of_first.tolist() == [[[[2], [20], [200]]]]
    assert of_vector.tolist() == [[[1 * 1 + 5 * 10 + 3 * 100]]]


@pytest.mark.parametrize("kind", ELEMENTWISE)
@pytest.mark.parametrize("release", BY_AND)
def test_before_keras_3_4_a_step_counts_if_it_does_in_all_inputs(kind: str, release: KerasRelease) -> None:
    layer = read_layer(kind, release=release)
    assert mask_of(layer, FIRST, SECOND, masks=MASKS) == [[0, 1, 0]]
    assert mask_of(layer, FIRST, SECOND, masks={1: MASKS[1]}) == [[0, 1, 0]]


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_since_keras_3_4_a_step_counts_if_it_does_in_any_input(kind: str) -> None:
    layer = read_layer(kind, release=KERAS_3_4)
    assert mask_of(layer, FIRST, SECOND, masks=MASKS) == [[1, 1, 0]]
    assert mask_of(layer, FIRST, SECOND, masks={0: MASKS[0]}) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Multiply", [1, 10, 0]),  # the factor 4 is masked; where both are, the product is 0
        ("Maximum", [1, 5, 3]),  # the 4 is masked
        ("Minimum", [1, 2, 3]),
        ("Add", [5, 7, 6]),
    ],
)
def test_keras_3_4_leaves_masked_numbers_out(kind: str, expected: list[float]) -> None:
    made = run_layer(read_layer(kind, release=KERAS_3_4), FIRST, SECOND, masks=MASKS)
    assert made.values.ravel().tolist() == expected


def test_masked_numbers_that_are_left_out_have_no_gradient() -> None:
    gradient = [[[[1], [10], [100]]]]
    product = pull_back(read_layer("Multiply", release=KERAS_3_4), FIRST, SECOND, gradient=gradient, masks=MASKS)
    assert [one.ravel().tolist() for one in product] == [[1, 20, 0], [0, 50, 0]]
    largest = pull_back(read_layer("Maximum", release=KERAS_3_4), FIRST, SECOND, gradient=gradient, masks=MASKS)
    assert [one.ravel().tolist() for one in largest] == [[1, 10, 100], [0, 0, 0]]


def test_before_keras_3_4_masked_numbers_are_taken_as_they_are() -> None:
    made = run_layer(read_layer("Multiply", release=KERAS_3_3), FIRST, SECOND, masks=MASKS)
    assert made.values.ravel().tolist() == [4, 10, 9]


@pytest.mark.parametrize("release", [*BY_AND, KERAS_3_4])
def test_concatenate_joins_features_or_steps(release: KerasRelease) -> None:
    joined = run_layer(read_layer("Concatenate", {"axis": -1}, release=release), FIRST, SECOND)
    assert joined.values.tolist() == [[[1, 4], [5, 2], [3, 3]]]
    joined = run_layer(read_layer("Concatenate", {"axis": 1}, release=release), FIRST, SECOND, masks=MASKS)
    assert joined.values.ravel().tolist() == [1, 5, 3, 4, 2, 3]
    assert joined.mask is not None
    assert joined.mask.astype(int).tolist() == [[1, 1, 0, 0, 1, 0]]


def test_the_gradient_of_concatenate_is_split() -> None:
    found = pull_back(read_layer("Concatenate"), FIRST, SECOND, gradient=[[[[1, 4], [5, 2], [3, 3]]]])
    assert [one.tolist() for one in found] == [[FIRST], [SECOND]]


@pytest.mark.parametrize("release", BY_AND)
def test_masks_of_joined_features_before_keras_3_4(release: KerasRelease) -> None:
    layer = read_layer("Concatenate", release=release)
    assert mask_of(layer, FIRST, SECOND, masks=MASKS) == [[0, 1, 0]]
    assert mask_of(layer, FIRST, SECOND, masks={0: MASKS[0]}) == [[1, 1, 0]]
    with pytest.raises(CannotReplay, match=r"^it joins steps of an input with a mask and one without"):
        run_layer(read_layer("Concatenate", {"axis": 1}, release=release), FIRST, SECOND, masks={0: MASKS[0]})


def test_masks_of_joined_features_since_keras_3_4() -> None:
    layer = read_layer("Concatenate", release=KERAS_3_4)
    assert mask_of(layer, FIRST, SECOND, masks=MASKS) == [[1, 1, 0]]
    assert mask_of(layer, FIRST, SECOND, masks={0: MASKS[0]}) == [[1, 1, 1]]
    steps = read_layer("Concatenate", {"axis": 1}, release=KERAS_3_4)
    assert mask_of(steps, FIRST, SECOND, masks={1: MASKS[1]}) == [[1, 1, 1, 0, 1, 0]]


def test_vectors_have_no_masks_behind_concatenate() -> None:
    layer = read_layer("Concatenate", release=KERAS_3_4)
    assert mask_of(layer, [[1.0, 2.0]], [[3.0]], masks={0: [[1, 0]]}) is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("sum", [5, 7, 6]), ("ave", [2.5, 3.5, 3]), ("max", [4, 5, 3]), ("mul", [4, 10, 9])],
)
def test_modes_of_merge(mode: str, expected: list[float]) -> None:
    made = run_layer(merge(mode, concat_axis=-1, dot_axes=-1), FIRST, SECOND, masks={0: MASKS[0]})
    assert made.values.ravel().tolist() == expected
    assert made.mask is not None
    assert made.mask.astype(int).tolist() == [[1, 1, 0]]


def test_merge_joins_along_an_axis() -> None:
    assert run_layer(merge("concat", concat_axis=1), FIRST, SECOND).values.ravel().tolist() == [1, 5, 3, 4, 2, 3]
    assert run_layer(merge("concat", concat_axis=-1), FIRST, SECOND).values.shape == (1, 3, 2)


def test_merge_sums_products_along_axes() -> None:
    assert run_layer(merge("dot", dot_axes=[1, 1]), FIRST, SECOND).values.tolist() == [[[4 + 10 + 9]]]
    assert run_layer(merge("dot", dot_axes=-1), [[1.0, 5]], [[4.0, 2]]).values.tolist() == [[14]]


def test_the_cosine_of_merge() -> None:
    layer = merge("cos", dot_axes=1)
    made = run_layer(layer, [[3.0, 4.0], [0, 0]], [[4.0, 3.0], [1, 2]])
    np.testing.assert_allclose(made.values, [[[24 / 25]], [[0]]])
    x, other, gradient = np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]), np.array([[[[2.0]]]])
    (of_first, of_second) = pull_back(layer, x, other, gradient=gradient)
    # (other/|other| - cos·x/|x|)/|x|, times 2
    expected = 2 * (other / 5 - 24 / 25 * x / 5) / 5
    np.testing.assert_allclose(of_first[:, 0], expected)
    np.testing.assert_allclose(of_second[:, 0], expected[:, ::-1])


@pytest.mark.parametrize("config", [{"mode": "<lambda>", "mode_type": "lambda"}, {"mode": "f", "mode_type": "function"},
                                    {"mode": {"code": 1}}])  # fmt: skip
def test_a_python_function_as_the_mode_of_merge_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=r"^it is a Merge layer whose mode is a Python function"):
        read_layer("Merge", config, release=KERAS_1)


@pytest.mark.parametrize("config", [{"mode": "median"}, {"mode": "concat", "concat_axis": "1"},
                                    {"mode": "cos", "dot_axes": [1, 2]}, {"mode": "dot", "dot_axes": [[1], [1]]}])  # fmt: skip
def test_a_mode_that_cannot_be_computed_is_refused_by_the_name_of_the_layer(config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=r"^it"):
        read_layer("Merge", config, release=KERAS_1)


def test_dot_leaves_the_other_axes_of_both_inputs() -> None:
    layer = read_layer("Dot", {"axes": [2, 1]})
    first, second = [[[1.0, 2], [3, 4]]], [[10.0, 100]]
    made = run_layer(layer, first, second, masks={0: [[1, 0]]})
    assert made.values.tolist() == [[210, 430]]
    assert made.mask is None
    of_first, of_second = pull_back(layer, first, second, gradient=[[[1, 2]]])
    assert of_first.tolist() == [[[[10, 100], [20, 200]]]]
    assert of_second.tolist() == [[[1 * 1 + 3 * 2, 2 * 1 + 4 * 2]]]


def test_dot_of_normalized_vectors_is_their_cosine() -> None:
    made = run_layer(read_layer("Dot", {"axes": -1, "normalize": True}), [[3.0, 4.0]], [[8.0, 6.0]])
    np.testing.assert_allclose(made.values, [[24 / 25]])


@pytest.mark.parametrize(("release", "factor"), [(TENSORFLOW_KERAS, 1e6), (KERAS_3_4, 1e7)])
def test_short_vectors_are_divided_by_the_least_norm_of_the_release(release: KerasRelease, factor: float) -> None:
    layer = read_layer("Dot", {"axes": 1, "normalize": True}, release=release)
    made = run_layer(layer, [[3e-9, 0.0]], [[1.0, 0.0]])
    np.testing.assert_allclose(made.values, [[3e-9 * factor]])
    of_first, _ = pull_back(layer, [[3e-9, 0.0]], [[1.0, 0.0]], gradient=[[[1.0]]])
    np.testing.assert_allclose(of_first, [[[factor, 0.0]]])


@pytest.mark.parametrize(
    ("kind", "config", "shapes"),
    [
        ("Add", {}, [(1, 2, 3), (1, 3, 3)]),
        ("Add", {}, [(1, 2), (2, 2)]),
        ("Concatenate", {"axis": -1}, [(1, 2, 3), (1, 3, 3)]),
        ("Concatenate", {"axis": -1}, [(1, 2, 3), (1, 3)]),
        ("Concatenate", {"axis": 0}, [(1, 2), (1, 2)]),
        ("Concatenate", {"axis": 5}, [(1, 2), (1, 2)]),
        ("Dot", {"axes": 1}, [(1, 2, 3), (1, 3, 3)]),
        ("Dot", {"axes": 1}, [(1, 2), (2, 2)]),
        ("Dot", {"axes": 3}, [(1, 2, 3), (1, 2, 3)]),
    ],
)
def test_inputs_that_do_not_fit_are_an_error_that_names_the_layer(
    kind: str, config: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    with pytest.raises(BadInput, match=r"^it cannot "):
        run_layer(read_layer(kind, config), *map(np.ones, shapes))


@pytest.mark.parametrize(("kind", "count"), [("Subtract", 3), ("Subtract", 1), ("Dot", 3)])
def test_a_layer_of_two_inputs_refuses_others(kind: str, count: int) -> None:
    with pytest.raises(CannotReplay, match=rf"^it has {count} inputs, and not two$"):
        run_layer(read_layer(kind, {"axes": 1}), *[np.ones((1, 2))] * count)


def test_gradients_that_are_zero_stay_so() -> None:
    for kind, config in (("Add", {}), ("Concatenate", {}), ("Dot", {"axes": 1})):
        layer = read_layer(kind, config)
        inputs = make_signals([FIRST, SECOND])
        assert layer.backward(inputs, layer.forward(inputs), (None,)) == (None, None)
