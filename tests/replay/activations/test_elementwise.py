from __future__ import annotations

import math

import numpy as np
import pytest

from lstmdump.replay.activations import elementwise, softmax
from lstmdump.replay.activations.elementwise import Activation

BY_ELEMENT: dict[str, Activation] = {
    "affine": elementwise.affine(0.3, 0.1),
    "clipped sigmoid": elementwise.clipped(elementwise.sigmoid(), 2.5),
    "clipped relu": elementwise.clipped(elementwise.relu(), 2.5),
    "elu": elementwise.elu(),
    "elu of alpha 0.5": elementwise.elu(0.5),
    "exponential": elementwise.exponential(),
    "gelu": elementwise.gelu(),
    "hard_shrink": elementwise.hard_shrink(),
    "hard_silu": elementwise.hard_silu(),
    "linear": elementwise.linear(),
    "log_sigmoid": elementwise.log_sigmoid(),
    "mish": elementwise.mish(),
    "ramp": elementwise.ramp(0.2, 0.5, low=0, high=1),
    "relu": elementwise.relu(),
    "relu with all": elementwise.relu(most=3, negative_slope=0.1, threshold=0.7),
    "scaled_tanh": elementwise.scaled_tanh(1.2, 0.6),
    "selu": elementwise.selu(),
    "sigmoid": elementwise.sigmoid(),
    "silu": elementwise.silu(),
    "soft_shrink": elementwise.soft_shrink(),
    "softplus": elementwise.softplus(),
    "softsign": elementwise.softsign(),
    "sparse_plus": elementwise.sparse_plus(),
    "squareplus": elementwise.squareplus(),
    "tanh": elementwise.tanh(),
    "tanh_shrink": elementwise.tanh_shrink(),
}
ALL = {
    **BY_ELEMENT,
    "softmax": softmax.softmax(),
    "log_softmax": softmax.log_softmax(),
    "sparsemax": softmax.sparsemax(),
}
EXTREMES = [-1000.0, -100.0, -3.0, 0.0, 0.3, 100.0, 1000.0]
every_function = pytest.mark.parametrize("name", ALL)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(dtype: str = "float64") -> np.ndarray:
    """Return numbers (4, 6) from -4 to 4, none of them at a kink of a function."""
    return np.random.default_rng(0).uniform(-4, 4, (4, 6)).astype(dtype)


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("affine", 2, 0.3 * 2 + 0.1),
        ("clipped sigmoid", 4, 1 / (1 + math.exp(-2.5))),
        ("clipped sigmoid", -4, 1 / (1 + math.exp(2.5))),
        ("clipped relu", 4, 2.5),
        ("scaled_tanh", 1, 1.2 * math.tanh(0.6)),
        ("elu", -1, 1 / math.e - 1),
        ("elu", 2, 2),
        ("elu of alpha 0.5", -1, 0.5 / math.e - 0.5),
        ("exponential", 1, math.e),
        ("gelu", 1, 0.5 * (1 + math.erf(math.sqrt(0.5)))),
        ("gelu", -1, -0.5 * (1 - math.erf(math.sqrt(0.5)))),
        ("hard_shrink", 0.5, 0),
        ("hard_shrink", -0.6, -0.6),
        ("hard_silu", 1.5, 1.5 * 0.75),
        ("hard_silu", -3, 0),
        ("linear", -7, -7),
        ("log_sigmoid", 0, -math.log(2)),
        ("log_sigmoid", -1000, -1000),
        ("mish", 1, math.tanh(math.log(1 + math.e))),
        ("mish", -1000, 0),
        ("ramp", 1, 0.7),
        ("ramp", 9, 1),
        ("relu", -2, 0),
        ("relu", 2, 2),
        ("relu with all", 5, 3),
        ("relu with all", 2, 2),
        ("relu with all", -0.3, -0.1),
        ("selu", 1, 1.0507009873554805),
        ("selu", -1000, -1.7580993408473766),
        ("sigmoid", 0, 0.5),
        ("sigmoid", 1, 1 / (1 + math.exp(-1))),
        ("sigmoid", -1000, 0),
        ("sigmoid", 1000, 1),
        ("silu", -1, -1 / (1 + math.e)),
        ("silu", 1000, 1000),
        ("soft_shrink", 2, 1.5),
        ("soft_shrink", -0.6, -0.1),
        ("soft_shrink", 0.4, 0),
        ("softplus", 0, math.log(2)),
        ("softplus", 1000, 1000),
        ("softsign", -1, -0.5),
        ("sparse_plus", -1, 0),
        ("sparse_plus", 0, 0.25),
        ("sparse_plus", 5, 5),
        ("squareplus", 0, 1),
        ("squareplus", 1.5, 2),
        ("squareplus", -1000, 2 / (1000 + math.sqrt(1000004))),
        ("tanh", 0.5, math.tanh(0.5)),
        ("tanh_shrink", 1, 1 - math.tanh(1)),
    ],
)
@both_dtypes
def test_a_known_point(name: str, z: float, expected: float, dtype: str) -> None:
    (value,) = ALL[name](np.array([z], dtype))
    assert float(value) == pytest.approx(
        expected, rel=1e-15 if dtype == "float64" else 2e-7, abs=float(np.finfo(dtype).eps) / 2
    )


@both_dtypes
def test_the_sigmoid_is_exact_to_a_rounding_error_of_one(dtype: str) -> None:
    z = np.linspace(-40, 40, 1001).astype(dtype)
    expected = [1 / (1 + math.exp(-number)) for number in z.tolist()]
    assert np.abs(elementwise.sigmoid()(z) - np.array(expected)).max() <= np.finfo(dtype).eps


@every_function
@both_dtypes
def test_the_dtype_and_shape_are_kept(name: str, dtype: str) -> None:
    z = drawn(dtype)
    value, gradient = ALL[name](z), ALL[name].pull_back(z, z)
    assert (value.dtype, gradient.dtype, value.shape, gradient.shape) == (z.dtype, z.dtype, z.shape, z.shape)


@every_function
def test_the_input_is_not_modified(name: str) -> None:
    z = drawn()
    ALL[name](z)[...] = 0
    ALL[name].pull_back(z, z)[...] = 0
    np.testing.assert_array_equal(z, drawn())


@every_function
def test_the_value_can_be_written_over_the_input(name: str) -> None:
    z = drawn("float32")
    expected = ALL[name](z)
    assert ALL[name](z, out=z) is z
    np.testing.assert_array_equal(z, expected)


@every_function
def test_the_value_can_be_written_to_columns_of_another_array(name: str) -> None:
    z, out = drawn(), np.zeros((4, 8))
    ALL[name](z, out=out[:, 1:7])
    np.testing.assert_array_equal(out, np.pad(ALL[name](z), ((0, 0), (1, 1))))


@every_function
@both_dtypes
def test_large_numbers_neither_warn_nor_give_nan(name: str, dtype: str) -> None:
    z = np.array([EXTREMES, [1000.0] * 7, [-1000.0] * 7], dtype)
    assert not np.isnan(ALL[name](z)).any()
    assert not np.isnan(ALL[name].pull_back(z, np.ones_like(z))).any()


@pytest.mark.parametrize("name", BY_ELEMENT)
def test_nan_is_passed_on(name: str) -> None:
    z = np.array([[np.nan, np.nan]])
    assert np.isnan(ALL[name](z)).all()


@every_function
def test_the_gradient_is_that_of_central_differences(name: str) -> None:
    z, gradient, step = drawn(), np.random.default_rng(1).standard_normal((4, 6)), 1e-6
    differences = np.zeros_like(z)
    for place in np.ndindex(z.shape):
        move = np.zeros_like(z)
        move[place] = step
        differences[place] = (gradient * (ALL[name](z + move) - ALL[name](z - move))).sum() / (2 * step)
    np.testing.assert_allclose(ALL[name].pull_back(z, gradient), differences, rtol=1e-7, atol=1e-8)


@every_function
def test_mixes_units_is_true_where_a_unit_affects_another(name: str) -> None:
    z = np.array([0.1, 0.2, 0.3])
    moved = ALL[name](np.array([0.11, 0.2, 0.3]))
    assert (moved[1:] != ALL[name](z)[1:]).any() == ALL[name].mixes_units


@pytest.mark.parametrize(
    ("name", "slope"), [("relu", 0), ("relu with all", 0.1), ("elu of alpha 0.5", 0.5), ("selu", 1.0507009873554805)]
)
def test_a_kink_at_0_has_the_slope_that_tensorflow_gives_it(name: str, slope: float) -> None:
    assert ALL[name].pull_back(np.zeros(1), np.ones(1)) == [slope]
