from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay

X = np.arange(1, 7).reshape(1, 3, 2)
"""Three steps of two features: 1 2, 3 4, 5 6."""


def test_flatten_takes_numbers_row_by_row() -> None:
    assert run_layer(read_layer("Flatten"), X).values.tolist() == [[1, 2, 3, 4, 5, 6]]


def test_flatten_puts_channels_last_that_come_first() -> None:
    layer = read_layer("Flatten", {"data_format": "channels_first"})
    assert run_layer(layer, X).values.tolist() == [[1, 3, 5, 2, 4, 6]]
    (found,) = pull_back(layer, X, gradient=[[[1, 3, 5, 2, 4, 6]]])
    assert found.tolist() == [X.tolist()]


@pytest.mark.parametrize("target", [[2, 3], [2, -1], {"class_name": "__tuple__", "items": [2, 3]}])
def test_reshape_takes_numbers_row_by_row(target: Any) -> None:
    layer = read_layer("Reshape", {"target_shape": target})
    assert run_layer(layer, X).values.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    (found,) = pull_back(layer, X, gradient=[[[[1, 2, 3], [4, 5, 6]]]])
    assert found.tolist() == [X.tolist()]


def test_repeat_vector_makes_equal_steps_whose_gradients_are_summed() -> None:
    layer = read_layer("RepeatVector", {"n": 3})
    assert run_layer(layer, [[1, 2]]).values.tolist() == [[[1, 2], [1, 2], [1, 2]]]
    (found,) = pull_back(layer, [[1, 2]], gradient=[X.tolist()])
    assert found.tolist() == [[[9, 12]]]


def test_permute_counts_axes_from_1() -> None:
    layer = read_layer("Permute", {"dims": [2, 1]})
    assert run_layer(layer, X).values.tolist() == [[[1, 3, 5], [2, 4, 6]]]


def test_the_gradient_of_permute_has_the_axes_of_the_input() -> None:
    layer, x = read_layer("Permute", {"dims": [3, 1, 2]}), np.arange(24).reshape(1, 2, 3, 4)
    made = run_layer(layer, x)
    assert made.values.shape == (1, 4, 2, 3)
    (found,) = pull_back(layer, x, gradient=[made.values])
    assert found.tolist() == [x.tolist()]


@pytest.mark.parametrize(("kind", "config"), [("Flatten", {}), ("Reshape", {"target_shape": [2, 3]}),
                                              ("Permute", {"dims": [2, 1]})])  # fmt: skip
def test_masks_end_where_steps_do_not_stay(kind: str, config: dict[str, Any]) -> None:
    assert run_layer(read_layer(kind, config), X, masks={0: [[1, 1, 0]]}).mask is None


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Reshape", {"target_shape": [4, 2]}),
        ("Reshape", {"target_shape": [4, -1]}),
        ("Permute", {"dims": [1]}),
        ("RepeatVector", {"n": 2}),
    ],
)
def test_an_input_of_another_shape_is_an_error_that_names_the_layer(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"^it (cannot|takes) "):
        run_layer(read_layer(kind, config), X)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Reshape", {}), ("Reshape", {"target_shape": [-1, -1]}), ("Reshape", {"target_shape": [0, 3]}),
        ("Reshape", {"target_shape": ["2", 3]}), ("Reshape", {"target_shape": [1] * 40}), ("Permute", {"dims": [1, 3]}),
        ("Permute", {"dims": [1, 1]}), ("RepeatVector", {"n": 0}), ("RepeatVector", {"n": 1 << 40}),
        ("RepeatVector", {}), ("Flatten", {"data_format": 3}),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused_by_the_name_of_the_layer(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=r"^it: its "):
        read_layer(kind, config)
