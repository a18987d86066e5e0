from __future__ import annotations

import math

import numpy as np
import pytest

from lstmdump.replay.activations import softmax

ALL = {"softmax": softmax.softmax(), "log_softmax": softmax.log_softmax(), "sparsemax": softmax.sparsemax()}


@pytest.mark.parametrize(
    ("name", "z", "expected"),
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
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_are_computed_along_the_last_axis(name: str, z: list[float], expected: list[float], dtype: str) -> None:
    value = ALL[name](np.array([z, z], dtype))
    np.testing.assert_allclose(value, [expected, expected], rtol=2e-7 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("name", ALL)
def test_nan_is_passed_on_within_its_row_only(name: str) -> None:
    value = ALL[name](np.array([[np.nan, np.nan], [0.0, np.nan], [0.0, 1.0]]))
    assert np.isnan(value)[:, 1].tolist() == [True, True, False]
