from __future__ import annotations

import numpy as np
import pytest
from support.layer_reading import pull_back, read_layer, run_layer

from lstmdump.errors import CannotReplay

X = np.array([[[5.0, 5.0], [5.0, 1.0], [2.0, 3.0]]])
"""One sequence of three steps, of which the first consists of 5 only."""


def test_a_step_is_masked_if_all_its_features_have_the_value() -> None:
    made = run_layer(read_layer("Masking", {"mask_value": 5.0}), X)
    assert made.mask is not None
    assert made.mask.tolist() == [[False, True, True]]


def test_features_of_masked_steps_become_0() -> None:
    made = run_layer(read_layer("Masking", {"mask_value": 5.0}), X)
    assert made.values.tolist() == [[[0.0, 0.0], [5.0, 1.0], [2.0, 3.0]]]


def test_the_derivative_by_a_masked_step_is_0() -> None:
    (gradient,) = pull_back(read_layer("Masking", {"mask_value": 5}), X, gradient=np.ones((1, 2, 3, 2)))
    assert gradient[0, :, :, 0].tolist() == [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]


def test_its_own_mask_replaces_an_older_one() -> None:
    made = run_layer(read_layer("Masking", {"mask_value": 5.0}), X, masks={0: [[True, False, False]]})
    assert made.mask is not None
    assert made.mask.tolist() == [[False, True, True]]


def test_a_value_is_compared_in_float32_also_in_a_run_in_float64() -> None:
    x = np.full((1, 1, 2), -1.1, "float32").astype("float64")
    made = run_layer(read_layer("Masking", {"mask_value": -1.1}), x)
    assert made.mask is not None
    assert made.mask.tolist() == [[False]]


def test_a_value_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: its mask_value is x, and not a number$"):
        read_layer("Masking", {"mask_value": "x"})
