from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import KERAS_1, pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease

X = np.arange(1.0, 6).reshape(1, 5, 1)
MAX, AVERAGE = "MaxPooling1D", "AveragePooling1D"


def pooled(kind: str, x: Any = X, **config: Any) -> list[float]:
    return run_layer(read_layer(kind, config), x).values.ravel().tolist()


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        (MAX, {"pool_size": 2}, [2, 4]),
        (MAX, {"pool_size": [2], "padding": "same"}, [2, 4, 5]),
        (MAX, {"pool_size": [2], "strides": None}, [2, 4]),
        (MAX, {"pool_size": 3, "strides": [1]}, [3, 4, 5]),
        (MAX, {"pool_length": 2, "stride": 2, "border_mode": "valid"}, [2, 4]),
        (AVERAGE, {"pool_size": 2}, [1.5, 3.5]),
        (AVERAGE, {"pool_size": 2, "padding": "same"}, [1.5, 3.5, 5]),
        (AVERAGE, {"pool_size": 3, "strides": 2, "padding": "same"}, [1.5, 3, 4.5]),
    ],
)
def test_windows_are_pooled(kind: str, config: dict[str, Any], expected: list[float]) -> None:
    assert pooled(kind, **config) == expected


def test_padding_is_never_the_maximum() -> None:
    assert pooled(MAX, [[[-3.0], [-2.0], [-1.0]]], pool_size=2, padding="same") == [-2, -1]


def test_pictures_are_pooled_in_both_directions() -> None:
    x = [[[[1.0], [2.0], [3.0]], [[6.0], [5.0], [4.0]]]]
    assert pooled("MaxPooling2D", x, pool_size=[2, 2], padding="same") == [6, 4]
    assert pooled("AveragePooling2D", x, pool_size=[2, 2], padding="same") == [3.5, 3.5]


def test_the_gradient_of_a_window_belongs_to_its_first_maximum() -> None:
    layer = read_layer(MAX, {"pool_size": 2, "strides": 1})
    (found,) = pull_back(layer, [[[7], [7], [3]]], gradient=[[[[1], [10]]]])
    assert found.ravel().tolist() == [1, 10, 0]


def test_the_gradient_of_a_mean_belongs_to_the_steps_that_count() -> None:
    layer = read_layer(AVERAGE, {"pool_size": 2, "padding": "same"})
    (found,) = pull_back(layer, X, gradient=[[[[2], [20], [200]]]])
    assert found.ravel().tolist() == [1, 1, 10, 10, 200]


def test_the_gradient_of_a_global_maximum_is_shared() -> None:
    (found,) = pull_back(read_layer("GlobalMaxPooling1D"), [[[7], [3], [7]]], gradient=[[[8]]])
    assert found.ravel().tolist() == [4, 0, 4]


def test_a_global_maximum_takes_masked_steps_as_they_are() -> None:
    made = run_layer(read_layer("GlobalMaxPooling1D"), [[[-1], [0]]], masks={0: [[1, 0]]})
    assert made.values.tolist() == [[0]]
    assert made.mask is None


def test_a_global_mean_leaves_masked_steps_out() -> None:
    layer, x, masks = read_layer("GlobalAveragePooling1D"), [[[1], [2], [6]]], {0: [[1, 0, 1]]}
    assert run_layer(layer, x, masks=masks).values.tolist() == [[3.5]]
    (found,) = pull_back(layer, x, gradient=[[[8]]], masks=masks)
    assert found.ravel().tolist() == [4, 0, 4]


def test_the_mean_of_no_step_is_nan_as_in_keras() -> None:
    made = run_layer(read_layer("GlobalAveragePooling1D"), [[[1], [2]]], masks={0: [[0, 0]]})
    assert np.isnan(made.values).all()


@pytest.mark.parametrize(
    ("config", "shape"),
    [({}, (1, 3)), ({"keepdims": True}, (1, 1, 3)), ({"data_format": "channels_first"}, (1, 2)),
     ({"data_format": "channels_first", "keepdims": True}, (1, 2, 1))],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["GlobalMaxPooling1D", "GlobalAveragePooling1D"])
def test_axes_of_a_global_pooling(kind: str, config: dict[str, Any], shape: tuple[int, ...]) -> None:
    layer, x = read_layer(kind, config), np.ones((1, 2, 3))
    assert run_layer(layer, x).values.shape == shape
    (found,) = pull_back(layer, x, gradient=np.ones((1, 4, *shape[1:])))
    assert found.shape == (1, 4, 2, 3)


def test_an_input_shorter_than_a_window_is_an_error_that_names_the_layer() -> None:
    with pytest.raises(BadInput, match=r"^it takes an input of at least 6 steps, not \(1, 5, 1\)$"):
        pooled(MAX, pool_size=6)


def test_padding_of_theano_is_refused() -> None:
    theano = KerasRelease(1, is_theano=True)
    with pytest.raises(CannotReplay, match=r"^it: its padding is that of Theano"):
        read_layer(MAX, {"pool_length": 2, "border_mode": "same"}, release=theano)
    made = run_layer(read_layer(AVERAGE, {"pool_length": 2, "border_mode": "valid"}, release=theano), X)
    assert made.values.ravel().tolist() == [1.5, 3.5]


def test_keras_1_states_plain_numbers() -> None:
    layer = read_layer(MAX, {"pool_length": 3, "stride": 1, "border_mode": "valid"}, release=KERAS_1)
    assert run_layer(layer, X).values.ravel().tolist() == [3, 4, 5]
