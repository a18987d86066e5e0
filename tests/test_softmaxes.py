from __future__ import annotations

import math

import numpy as np
import pytest

from lstmdump import softmaxes

ALL = {"softmax": softmaxes.softmax(), "log_softmax": softmaxes.log_softmax(), "sparsemax": softmaxes.sparsemax()}
every_function = pytest.mark.parametrize("name", ALL)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (4, 6)).astype(dtype)


@pytest.mark.parametrize(
    ("name", "z", "wanted"),
    [
        ("softmax", [0, math.log(3)], [0.25, 0.75]),
        ("softmax", [1000, -1000], [1, 0]),
        ("log_softmax", [0, math.log(3)], [-math.log(4), math.log(0.75)]),
        ("log_softmax", [1000, -1000], [0, -2000]),
        ("sparsemax", [1000, -1000], [1, 0]),
        ("sparsemax", [0.25, -0.75], [1, 0]),
        ("sparsemax", [0.5, 1, 0], [0, 0.25, 0]),  # τ = (1 + 1.5 - 1)/2
    ],
)
@both_dtypes
def test_what_is_taken_along_the_last_axis(name: str, z: list[float], wanted: list[float], dtype: str) -> None:
    value = ALL[name](np.array([z, z], dtype))
    np.testing.assert_allclose(value, [wanted, wanted], rtol=2e-7 if dtype == "float32" else 1e-15)


@every_function
@both_dtypes
def test_the_dtype_and_shape_are_kept(name: str, dtype: str) -> None:
    z = drawn(dtype)
    value, gradient = ALL[name](z), ALL[name].pull_back(z, z)
    assert (value.dtype, gradient.dtype, value.shape, gradient.shape) == (z.dtype, z.dtype, z.shape, z.shape)


@every_function
def test_the_input_is_left_as_it_is(name: str) -> None:
    z = drawn()
    ALL[name](z)[...] = 0
    ALL[name].pull_back(z, z)[...] = 0
    np.testing.assert_array_equal(z, drawn())


@every_function
def test_the_value_can_be_written_over_the_input(name: str) -> None:
    z = drawn("float32")
    wanted = ALL[name](z)
    assert ALL[name](z, out=z) is z
    np.testing.assert_array_equal(z, wanted)


@every_function
@both_dtypes
def test_large_numbers_neither_warn_nor_give_nan(name: str, dtype: str) -> None:
    z = np.array([[-1000, -100, 0, 0.3, 100, 1000], [1000] * 6, [-1000] * 6], dtype)
    assert not np.isnan(ALL[name](z)).any()
    assert not np.isnan(ALL[name].pull_back(z, np.ones_like(z))).any()


@every_function
def test_nan_is_passed_on_in_its_row_alone(name: str) -> None:
    value = ALL[name](np.array([[np.nan, np.nan], [0.0, np.nan], [0.0, 1.0]]))
    assert np.isnan(value)[:, 1].tolist() == [True, True, False]


@every_function
def test_the_gradient_is_that_of_central_differences(name: str) -> None:
    z, gradient, step = drawn(), np.random.default_rng(1).standard_normal((4, 6)), 1e-6
    differences = np.zeros_like(z)
    for place in np.ndindex(z.shape):
        move = np.zeros_like(z)
        move[place] = step
        differences[place] = (gradient * (ALL[name](z + move) - ALL[name](z - move))).sum() / (2 * step)
    np.testing.assert_allclose(ALL[name].pull_back(z, gradient), differences, rtol=1e-7, atol=1e-8)
