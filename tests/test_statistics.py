from __future__ import annotations

from pathlib import Path

import builders
import numpy as np
import pytest

import lstmdump
from lstmdump.statistics import LayerStatistics, summarise


def statistics_of(path: Path, gates: str = "ifco") -> LayerStatistics:
    with lstmdump.open(path) as model:
        return summarise(model.lstms[0], gates)


def weights(bias: np.ndarray) -> list[tuple[str, np.ndarray]]:
    kernel = np.array([[1, 2] + [0] * 6, [3, 4] + [0] * 6], "f4")
    return [("x/kernel:0", kernel), ("x/recurrent_kernel:0", np.zeros((2, 8), "f4")), ("x/bias:0", bias)]


def test_the_statistics_of_an_array(tmp_path: Path) -> None:
    found = statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8, "f4"))})).arrays[0]
    assert (found.name, found.mean, found.min, found.max) == ("W_i", 2.5, 1.0, 4.0)
    assert found.std == pytest.approx(1.25**0.5)
    assert found.norm == pytest.approx((1 + 4 + 9 + 16) ** 0.5)


def test_the_time_scale_is_one_over_one_minus_the_sigmoid_of_the_forget_bias(tmp_path: Path) -> None:
    bias = np.array([0, 0, 0, np.log(9), 0, 0, 0, 0], "f4")  # σ(0) = 1/2, σ(ln 9) = 9/10
    scales = statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(bias)})).time_scales
    assert scales is not None
    assert (scales.min, scales.max) == (pytest.approx(2), pytest.approx(10))


def test_without_a_bias_there_is_no_time_scale(tmp_path: Path) -> None:
    assert statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8))[:2]})).time_scales is None


def test_only_the_gates_that_are_asked_for(model: Path) -> None:
    assert [array.name for array in statistics_of(model, "f").arrays] == ["W_f", "U_f", "b_f"]
