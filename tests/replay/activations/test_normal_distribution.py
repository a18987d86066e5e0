from __future__ import annotations

import math

import numpy as np
import pytest

from lstmdump.replay.activations.normal_distribution import complementary_error_function, normal_cdf, normal_density


@pytest.mark.parametrize(("low", "high"), [(0, 0.1), (0.1, 0.5), (0.5, 1), (1, 3), (3, 8), (8, 26)])
def test_erfc_is_that_of_c_to_a_few_rounding_errors(low: float, high: float) -> None:
    x = np.linspace(low, high, 20_011)
    np.testing.assert_allclose(complementary_error_function(x), [math.erfc(one) for one in x], rtol=1e-15, atol=0)


@pytest.mark.parametrize("x", [0.0, 1e-300, 27.0, 30.0, 1e300, math.inf])
def test_erfc_holds_at_both_ends(x: float) -> None:
    (found,) = complementary_error_function(np.array([x]))
    assert found == pytest.approx(math.erfc(x), rel=1e-6, abs=0)


def test_erfc_of_a_float32_is_a_float32() -> None:
    x = np.linspace(0, 9, 1001, dtype="float32")
    found = complementary_error_function(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [math.erfc(one) for one in x.tolist()], rtol=2e-6)


def test_the_normal_distribution_function_is_half_erfc_on_both_sides() -> None:
    z = np.array([[-5.0, -1.0, 0.0], [1.0, 5.0, math.nan]])
    expected = [[math.erfc(-one / math.sqrt(2)) / 2 for one in row] for row in z.tolist()]
    np.testing.assert_allclose(normal_cdf(z), expected, rtol=1e-14)


def test_the_density_is_the_derivative_of_the_distribution() -> None:
    z = np.linspace(-4, 4, 33)
    difference = (normal_cdf(z + 1e-5) - normal_cdf(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(normal_density(z), difference, rtol=1e-6)
