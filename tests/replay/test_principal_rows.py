from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.cells import random_cell

from lstmdump.replay import equations, lags, principal_rows
from lstmdump.replay.equations import CellNumbers, States
from lstmdump.replay.gradients import Backward
from lstmdump.replay.principal_rows import Gradients, sum_squares

N, ROWS, STEPS = 64, 64, 96
RANDOM = np.random.default_rng(5)
KERNEL = RANDOM.standard_normal((N, 3))


def sum_plainly(after: np.ndarray, matrices: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the squares with all rows, (steps, d): P is multiplied by one matrix after the other."""
    found = []
    for matrix in matrices:
        after = after @ matrix
        found.append(((after @ kernel) ** 2).sum(0))
    return np.array(found)


class Recorder:
    """The chain rule of a state of one array, which counts how many rows were gone back."""

    def __init__(self, matrices: np.ndarray, kernel: np.ndarray) -> None:
        self.matrices, self.kernel = matrices, kernel
        self.rows: list[int] = []

    def __call__(self, step: int, after: Gradients) -> tuple[Gradients, np.ndarray]:
        self.rows.append(after[0].shape[1])
        before = after[0] @ self.matrices[step]
        return (before,), before @ self.kernel


def shrinking(rates: np.ndarray) -> np.ndarray:
    """Return a matrix whose principal directions are not those of the coordinates."""
    turn, _ = np.linalg.qr(RANDOM.standard_normal((len(rates), len(rates))))
    matrix: np.ndarray = turn @ np.diag(rates) @ turn.T
    return matrix


FADING = np.array([shrinking(np.geomspace(1, 0.05, N))] * STEPS)


def test_rows_are_dropped_and_the_sums_are_those_of_all_rows() -> None:
    back = Recorder(FADING, KERNEL)
    found = sum_squares((np.eye(N)[None],), range(STEPS), back).squares[0]
    assert len(back.rows) == STEPS
    assert back.rows[-1] < ROWS / 2
    np.testing.assert_allclose(found, sum_plainly(np.eye(N), FADING, KERNEL), rtol=2e-8)


@pytest.mark.parametrize("growth", [1e5, 1e12])
def test_a_dropped_direction_that_grows_counts(growth: float) -> None:
    """For 48 steps half of the directions fade; then they grow, and the others are lost."""
    half = N // 2
    fading = np.diag(np.repeat([1.0, 0.5], half))
    growing = np.diag(np.repeat([1e-4, growth ** (1 / 4)], half))
    matrices = np.array([fading] * 48 + [growing] * 4 + [np.eye(N)] * 20)
    back = Recorder(matrices, KERNEL)
    found = sum_squares((np.eye(N)[None],), range(len(matrices)), back).squares[0]
    assert min(back.rows[:72]) == half + 8
    np.testing.assert_allclose(found, sum_plainly(np.eye(N), matrices, KERNEL), rtol=2e-8)


def test_a_feature_that_only_dropped_directions_influence_counts() -> None:
    """The second feature depends on a direction that becomes 1e-9 of the others; the first on all of them."""
    matrices = np.array([np.diag(np.r_[np.ones(N - 1), 0.4])] * 24)
    kernel = np.zeros((N, 2))
    kernel[:-1, 0] = kernel[-1, 1] = 1
    found = sum_squares((np.eye(N)[None],), range(24), Recorder(matrices, kernel)).squares[0]
    np.testing.assert_allclose(found[:, 1], 0.4 ** (2 * np.arange(1, 25)), rtol=1e-12)


def test_few_rows_are_not_reduced() -> None:
    back = Recorder(FADING, KERNEL)
    sum_squares((np.eye(N)[None, :5],), range(STEPS), back)
    assert set(back.rows) == {5}


def test_each_sequence_of_a_batch_keeps_the_directions_that_it_needs() -> None:
    """The second sequence has rows in directions that fade slowly only: what the first drops counts there."""
    turn, _ = np.linalg.qr(RANDOM.standard_normal((ROWS, ROWS)))
    matrices = np.array([np.diag(np.repeat([1.0, 0.3], N // 2))] * 40)
    after = np.stack([turn, 1e6 * turn * np.repeat([0.0, 1.0], N // 2)])
    found = sum_squares((after,), range(40), Recorder(matrices, KERNEL)).squares
    for one, rows in enumerate(after):
        np.testing.assert_allclose(found[one], sum_plainly(rows, matrices, KERNEL), rtol=2e-8)


def test_numbers_that_are_not_finite_are_those_of_all_rows() -> None:
    matrices = np.array([np.eye(N) * 1e30] * 24)
    with np.errstate(all="ignore"):
        found = sum_squares((np.eye(N)[None],), range(24), Recorder(matrices, KERNEL)).squares[0]
        expected = sum_plainly(np.eye(N), matrices, KERNEL)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    assert not np.isfinite(found[-1]).any()


@pytest.mark.parametrize("rows", [5, N])
def test_negligible_gradients_of_a_sequence_become_zero(rows: int) -> None:
    """Numbers below 1e-140, whose squares are below 1e-280, are not computed with."""
    matrices = np.array([np.eye(N) * 1e-35] * 24)
    found = sum_squares((np.stack([np.eye(N)[:rows]] * 2),), range(24), Recorder(matrices, KERNEL))
    assert found.has_faded
    assert found.squares.shape[1] < 24
    assert not found.squares[:, -1].any() or found.squares[:, -1].max() < 1e-270


def test_it_stops_where_the_gradients_have_faded() -> None:
    """Of 5 rows, (1/4)^k · 5 is left after k steps: less than 5e-6 after 10, as 4^10 is 1,048,576."""
    matrices = np.array([np.eye(N) / 2] * 50)
    found = sum_squares((np.eye(N)[None, :5],), range(50), Recorder(matrices, KERNEL), least=5e-6)
    assert (found.squares.shape[1], found.has_faded) == (10, True)


def wide_cell(units: int) -> CellNumbers:
    """Return a plain LSTM of 3 features whose influences fade slowly."""
    made = random_cell(3, units, None, "float64")
    gates = {letter: replace(gate, U=gate.U / units**0.5, V=None) for letter, gate in made.gates.items()}
    return replace(made, gates=gates)


def plain_step(cell: CellNumbers, states: States) -> Callable[[int], np.ndarray]:
    """Return the map from a step to its Jacobian of (h, c) by (h, c, x) of the first sequence, written out.

    With σ' = σ(1-σ) and tanh' = 1-tanh²: c' = f∘c + i∘g, h' = o∘tanh(c').
    """

    def jacobian(step: int) -> np.ndarray:
        i, f, o, g, c = (getattr(states, name)[0, step] for name in ("i", "f", "o", "candidate", "c"))
        before = states.c[0, step - 1] if step else np.zeros_like(c)
        parts = {"i": g * i * (1 - i), "f": before * f * (1 - f), "c": i * (1 - g**2)}
        kernels = {letter: np.concatenate([gate.U, np.zeros((len(c), len(c))), gate.W])
                   for letter, gate in cell.gates.items()}  # fmt: skip
        of_c = sum(kernels[letter] * factor for letter, factor in parts.items())
        of_c[len(c) : 2 * len(c)] += np.diag(f)
        of_h = of_c * (o * (1 - np.tanh(c) ** 2)) + kernels["o"] * (np.tanh(c) * o * (1 - o))
        return np.concatenate([of_h, of_c], axis=1).T

    return jacobian


def test_the_influences_of_a_wide_layer_are_those_of_its_jacobians_written_out() -> None:
    cell = wide_cell(64)
    x = RANDOM.standard_normal((1, 60, 3))
    states = equations.replay(cell, x)
    jacobian, after, expected = plain_step(cell, states), np.eye(64, 128), []
    for step in range(59, -1, -1):
        product = after @ jacobian(step)
        after = product[:, :128]
        expected.append(np.sqrt((product[:, 128:] ** 2).sum(0)))
    np.testing.assert_allclose(lags.lags(cell, x).by_feature, expected, rtol=1e-8)


@pytest.mark.parametrize("rows", [4, 32])
def test_few_rows_and_many_have_the_same_gradients(rows: int) -> None:
    """From 16 rows on, kernels are combined before they are multiplied."""
    cell = wide_cell(32)
    backward = Backward(cell).over(RANDOM.standard_normal((2, 4, 3)), equations.zero_state(cell, 2))
    after = tuple(RANDOM.standard_normal((2, 32, 32)) for _ in "hc")
    whole = backward.back(3, after)
    part = backward.back(3, tuple(values[:, :rows] for values in after))
    np.testing.assert_allclose(part[1], whole[1][:, :rows], rtol=1e-12, atol=1e-15)
    for some, every in zip(part[0], whole[0], strict=True):
        np.testing.assert_allclose(some, every[:, :rows], rtol=1e-12, atol=1e-15)


def test_the_bound_is_less_than_what_is_promised() -> None:
    """A norm within 1e-8 has its square within 2e-8."""
    assert principal_rows._TOLERATED * 40 <= 2e-8


def test_reduced_rows_come_in_groups_that_a_matrix_product_computes_together() -> None:
    back = Recorder(FADING, KERNEL)
    sum_squares((np.eye(N)[None],), range(STEPS), back)
    assert {rows % 8 for rows in back.rows} == {0}


def test_no_part_of_numpy_is_imported_for_a_few_numbers() -> None:
    code = (
        "import sys, numpy as np; from support.cells import random_cell; import numpy.random as drawn\n"
        "cell, x = random_cell(3, 64, None, 'float64'), np.ones((1, 30, 3))\n"
        "for name in [name for name in sys.modules if name.startswith(('numpy.random', 'numpy.ma'))]: del sys.modules[name]\n"
        "del np.random; from lstmdump.replay import lags; lags.lags(cell, x)\n"
        "sys.exit(any(name.startswith(('numpy.random', 'numpy.ma.')) for name in sys.modules))"
    )
    path = {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"}
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, **path}, check=False).returncode == 0
