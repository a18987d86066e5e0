from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import (
    KERAS_1,
    KERAS_2,
    KERAS_3,
    TENSORFLOW_KERAS,
    differentiate,
    pull_back,
    read_layer,
    run_layer,
)

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease

X = np.array([[-3.0, -1.0, 0.0, 0.5, 2.0]])


def test_relu_has_a_slope_a_threshold_and_a_limit() -> None:
    layer = read_layer("ReLU", {"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.1})
    x = np.array([[-1.0, 0.05, 0.1, 0.5, 2.0]])
    np.testing.assert_allclose(run_layer(layer, x).values, [[-0.22, -0.01, 0.0, 0.5, 1.0]], atol=1e-15)


def test_a_limit_may_be_stored_as_an_array_of_numpy() -> None:
    layer = read_layer("ReLU", {"max_value": {"type": "ndarray", "value": 1}, "negative_slope": 0.0}, release=KERAS_2)
    assert run_layer(layer, X).values.tolist() == [[0.0, 0.0, 0.0, 0.5, 1.0]]


@pytest.mark.parametrize(
    ("config", "slope"),
    [({"alpha": 0.1}, 0.1), ({"negative_slope": 0.1}, 0.1), ({}, 0.3)],
    ids=["old", "new", "unstated"],
)
def test_leaky_relu_has_its_slope_under_two_names(config: dict[str, float], slope: float) -> None:
    found = run_layer(read_layer("LeakyReLU", config), X).values
    np.testing.assert_allclose(found, [[-3 * slope, -slope, 0.0, 0.5, 2.0]])


def test_elu_and_thresholded_relu_have_one_setting() -> None:
    found = run_layer(read_layer("ELU", {"alpha": 0.5}), X).values
    np.testing.assert_allclose(found, [[0.5 * np.expm1(-3.0), 0.5 * np.expm1(-1.0), 0.0, 0.5, 2.0]])
    assert run_layer(read_layer("ThresholdedReLU", {"theta": 0.5}), X).values.tolist() == [[0.0, 0.0, 0.0, 0.0, 2.0]]


@pytest.mark.parametrize(("release", "at_1"), [(KERAS_1, 0.7), (KERAS_2, 0.7), (KERAS_3, 2 / 3)])
def test_a_hard_sigmoid_is_that_of_the_release(release: KerasRelease, at_1: float) -> None:
    layer = read_layer("Activation", {"activation": "hard_sigmoid"}, release=release)
    np.testing.assert_allclose(run_layer(layer, [[1.0]]).values, [[at_1]])


def test_an_activation_of_the_users_own_is_refused_by_name() -> None:
    with pytest.raises(CannotReplay, match=r"^it: the activation my_function cannot be replayed$"):
        read_layer("Activation", {"activation": "my_function"})


def test_a_softmax_along_another_axis_is_refused_as_an_activation() -> None:
    activation = {"class_name": "Softmax", "config": {"axis": 1}}
    with pytest.raises(CannotReplay, match=r"^it: its activation acts along another axis than the last$"):
        read_layer("Activation", {"activation": activation})


def test_prelu_has_a_slope_for_each_place() -> None:
    layer = read_layer("PReLU", {}, {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5]})
    np.testing.assert_allclose(run_layer(layer, X).values, [[-0.3, -0.2, 0.0, 0.5, 2.0]])


def test_prelu_shares_slopes_along_axes_of_length_1() -> None:
    layer = read_layer("PReLU", {"shared_axes": [1]}, {"it_alphas": [[0.1, 0.2]]}, KERAS_1)
    x = np.array([[[-1.0, -1.0], [-2.0, 2.0]]])
    np.testing.assert_allclose(run_layer(layer, x).values, [[[-0.1, -0.2], [-0.2, 2.0]]])


def test_the_derivative_of_prelu_at_0_is_0() -> None:
    layer = read_layer("PReLU", {}, {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5]})
    (gradient,) = pull_back(layer, X, gradient=np.ones((1, 1, 5)))
    assert gradient.tolist() == [[[0.1, 0.2, 0.0, 1.0, 1.0]]]


@pytest.mark.parametrize("x", [np.ones((1, 4)), np.ones((1, 5, 5))])
def test_slopes_that_do_not_fit_are_an_error(x: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"^it has slopes of the shape \(5,\), which do not fit"):
        run_layer(read_layer("PReLU", {}, {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5]}), x)


def test_softmax_acts_along_its_axis() -> None:
    found = run_layer(read_layer("Softmax", {"axis": 1}), np.log([[[1.0, 2.0], [3.0, 2.0]]])).values
    np.testing.assert_allclose(found, [[[0.25, 0.5], [0.75, 0.5]]])


@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_the_gradient_of_softmax_is_that_of_differences(axis: object) -> None:
    random = np.random.default_rng(0)
    x, gradient = random.standard_normal((2, 3, 2)), random.standard_normal((2, 4, 3, 2))
    layer = read_layer("Softmax", {"axis": axis})
    (found,) = pull_back(layer, x, gradient=gradient)
    np.testing.assert_allclose(found, differentiate(layer, x, gradient), atol=1e-8)


def test_softmax_of_keras_2_ignores_a_mask_and_passes_it_on() -> None:
    made = run_layer(read_layer("Softmax", release=KERAS_2), [[[0.0, 0.0]]], masks={0: [[False]]})
    assert made.values.tolist() == [[[0.5, 0.5]]]
    assert made.mask is not None


@pytest.mark.parametrize("release", [TENSORFLOW_KERAS, KERAS_3])
def test_softmax_of_other_releases_refuses_a_mask(release: KerasRelease) -> None:
    with pytest.raises(CannotReplay, match=r"^it takes a mask"):
        run_layer(read_layer("Softmax", release=release), [[[0.0, 0.0]]], masks={0: [[True]]})


@pytest.mark.parametrize(("axis", "error"), [(0, CannotReplay), (3, BadInput)])
def test_softmax_along_an_axis_that_is_not_one_of_a_sample_is_an_error(axis: int, error: Any) -> None:
    with pytest.raises(error, match=r"^it acts a"):
        run_layer(read_layer("Softmax", {"axis": axis}), np.zeros((1, 2, 2)))
