from __future__ import annotations

import numpy as np
import pytest

from lstmdump.lstm.behaviour import Behaviour
from lstmdump.replay import saturation
from lstmdump.replay.equations import CellNumbers, GateNumbers, States
from lstmdump.replay.saturation import LayerSummary

VALUES = np.array([[[0.05], [0.5], [0.95], [0.9]], [[-0.95], [0.1], [0.2], [1.0]]])  # two sequences of four steps


def cell(**behaviour: bool) -> CellNumbers:
    gate = GateNumbers(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1), None)
    return CellNumbers("a", "float64", dict.fromkeys("ifco", gate), None, Behaviour(**behaviour))  # type: ignore[arg-type]


def summary(values: np.ndarray = VALUES, mask: np.ndarray | None = None, **behaviour: bool) -> LayerSummary:
    return saturation.summarise(cell(**behaviour), States(*[values] * 6), mask)


def test_a_gate_is_saturated_below_one_and_above_nine_tenths() -> None:
    assert {(gate.low, gate.high) for name, gate in summary().gates.items() if name != "candidate"} == {(2 / 8, 2 / 8)}


def test_a_candidate_is_saturated_beyond_nine_tenths() -> None:
    gate = summary().gates["candidate"]
    assert (gate.low, gate.high) == (1 / 8, 2 / 8)


@pytest.mark.parametrize("block", [1, 4, 1 << 20])
def test_mean_and_spread_are_those_of_all_values(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saturation, "_BLOCK", block)
    values = np.random.default_rng(0).normal(100, 1, (7, 5, 3))
    gate = summary(values).gates["i"]
    np.testing.assert_allclose(gate[:4], [values.mean(), values.std(), values.min(), values.max()], rtol=1e-12)


def test_masked_steps_are_left_out() -> None:
    mask = np.array([[False, True, False, False], [False, True, True, False]])
    found = summary(mask=mask)
    assert (found.passed_over, found.gates["i"].min, found.gates["i"].max) == (5, 0.1, 0.5)


def test_the_mask_of_a_layer_that_goes_backwards_is_reversed() -> None:
    mask = np.array([[True, False, False, False]] * 2)
    assert summary(mask=mask, go_backwards=True).gates["i"].min == 0.9


def test_the_mask_of_an_aligned_half_is_not_reversed() -> None:
    mask = np.array([[True, False, False, False]] * 2)
    assert summary(mask=mask, go_backwards=True, is_aligned=True).gates["i"].min == -0.95


def test_without_a_step_the_summary_is_nan() -> None:
    assert all(np.isnan(summary(mask=np.zeros((2, 4), bool)).gates["f"]))


def test_a_summary_holds_the_sizes_of_the_layer() -> None:
    assert summary()[:5] == ("a", 2, 4, 1, 0)
