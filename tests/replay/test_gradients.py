from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.cells import random_cell

from lstmdump.replay import equations
from lstmdump.replay.equations import CellNumbers, State
from lstmdump.replay.gradients import Backward

CELL = random_cell(2, 3, 2, "float64")
RANDOM = np.random.default_rng(3)
X, BEFORE = RANDOM.standard_normal((4, 2)), State(RANDOM.standard_normal((4, 2)), RANDOM.standard_normal((4, 3)))


def after(cell: CellNumbers, x: np.ndarray, before: State) -> np.ndarray:
    """Return h and c after a step, side by side."""
    states = equations.replay(cell, x[:, None], initial=before)
    return np.concatenate([states.h[:, 0], states.c[:, 0]], 1)


def differences(of: str, cell: CellNumbers = CELL) -> np.ndarray:
    """Return the derivatives of each number after the step with respect to x, h or c, by central differences."""
    values = {"x": X, "h": BEFORE.h, "c": BEFORE.c}
    columns = []
    for j in range(values[of].shape[1]):
        sides = []
        for sign in (1, -1):
            moved = {name: array.copy() for name, array in values.items()}
            moved[of][:, j] += sign * 1e-6
            sides.append(after(cell, moved["x"], State(moved["h"], moved["c"])))
        columns.append((sides[0] - sides[1]) / 2e-6)
    return np.stack(columns, -1)


@pytest.mark.parametrize("of", ["x", "h", "c"])
def test_gradients_of_h_and_c_reach_all_inputs_of_a_step(of: str) -> None:
    both = np.tile(np.eye(5), (4, 1, 1))
    (of_h, of_c), of_x = Backward(CELL).over(X[:, None], BEFORE).back(0, (both[..., :2], both[..., 2:]))
    found = {"x": of_x, "h": of_h, "c": of_c}[of]
    np.testing.assert_allclose(found, differences(of), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("of", ["x", "h", "c"])
@pytest.mark.parametrize(
    "changes", [{"gate_clip": 0.6}, {"output_activation": "softsign"}, {"activation": "relu", "gate_clip": 0.8}]
)
def test_gradients_go_through_clipped_gates_and_another_output_activation(of: str, changes: dict[str, object]) -> None:
    cell = replace(CELL, behaviour=CELL.behaviour._replace(**changes))
    both = np.tile(np.eye(5), (4, 1, 1))
    (of_h, of_c), of_x = Backward(cell).over(X[:, None], BEFORE).back(0, (both[..., :2], both[..., 2:]))
    found = {"x": of_x, "h": of_h, "c": of_c}[of]
    np.testing.assert_allclose(found, differences(of, cell), rtol=1e-5, atol=1e-8)
