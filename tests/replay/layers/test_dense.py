from __future__ import annotations

import numpy as np
import pytest
from support.layer_reading import KERAS_1, differentiate, pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay

HIGHWAY = {
    "it_W": [[1.0, 0.0], [0.0, 2.0]], "it_b": [0.5, 0.0], "it_W_carry": [[0.0, 1.0], [1.0, 0.0]], "it_b_carry": [0.0, -1.0]
}  # fmt: skip
MAXOUT = {"it_W": [[[1.0], [2.0]], [[-3.0], [1.0]]], "it_b": [[0.5], [0.0]]}
"""Two products of two features, for one unit: x·(1, 2) + 0.5 and x·(-3, 1)."""


def test_a_mask_is_passed_on() -> None:
    layer = read_layer("Dense", {"units": 1}, {"kernel": [[2.0]], "bias": [1.0]})
    made = run_layer(layer, [[[0.0], [3.0]]], masks={0: [[False, True]]})
    assert made.values.tolist() == [[[1.0], [7.0]]]
    assert made.mask is not None
    assert made.mask.tolist() == [[False, True]]


@pytest.mark.parametrize("shape", [(1, 2), (1,)])
def test_an_input_of_another_width_is_an_error(shape: tuple[int, ...]) -> None:
    layer = read_layer("Dense", {"units": 1}, {"kernel": [[2.0]], "bias": [1.0]})
    with pytest.raises(BadInput, match=r"^it takes 1 features; its input is"):
        run_layer(layer, np.zeros((*shape, 2)))


def test_a_highway_mixes_the_input_with_what_it_computes() -> None:
    layer = read_layer("Highway", {"activation": "linear", "bias": True}, HIGHWAY, KERAS_1)
    gate = 1 / (1 + np.exp(-np.array([3.0, 2.0 - 1.0])))  # of x = (2, 3), exchanged by W_carry
    expected = gate * np.array([2.5, 6.0]) + (1 - gate) * np.array([2.0, 3.0])
    np.testing.assert_allclose(run_layer(layer, [[2.0, 3.0]]).values, [expected])


def test_a_highway_has_as_many_units_as_features() -> None:
    arrays = {**HIGHWAY, "it_b": [0.5]}
    with pytest.raises(CannotReplay, match=r"^it: its arrays are not those of a Highway layer$"):
        read_layer("Highway", {}, arrays, KERAS_1)


def test_maxout_takes_the_largest_product() -> None:
    layer = read_layer("MaxoutDense", {"output_dim": 1, "nb_feature": 2}, MAXOUT, KERAS_1)
    assert run_layer(layer, [[1.0, 1.0], [-1.0, 0.0]]).values.tolist() == [[3.5], [3.0]]


@pytest.mark.parametrize(
    ("kind", "config", "arrays"),
    [("Highway", {"activation": "tanh"}, HIGHWAY), ("MaxoutDense", {"output_dim": 1, "nb_feature": 2}, MAXOUT)],
)
def test_gradients_are_those_of_differences(kind: str, config: dict[str, object], arrays: dict[str, object]) -> None:
    random = np.random.default_rng(0)
    layer = read_layer(kind, config, arrays, KERAS_1)
    x = random.standard_normal((3, 2))
    gradient = random.standard_normal((3, 4, *run_layer(layer, x).values.shape[1:]))
    (found,) = pull_back(layer, x, gradient=gradient)
    np.testing.assert_allclose(found, differentiate(layer, x, gradient), atol=1e-8)
