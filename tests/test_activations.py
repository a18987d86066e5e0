from __future__ import annotations

import numpy as np
import pytest

from lstmdump import activations


@pytest.mark.parametrize("z", [-1000.0, -2.0, 0.0, 2.0, 1000.0])
def test_the_sigmoid_takes_any_number(z: float) -> None:
    wanted = 0.5 * (1 + np.tanh(z / 2))
    np.testing.assert_allclose(activations.named("sigmoid", 3)(np.array([z])), [wanted], atol=1e-15)
