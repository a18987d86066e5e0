from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.report.plot import arrays as plot_arrays


def test_the_arrays_are_those_of_the_gates(model: Path) -> None:
    with lstmdump.open(model) as opened:
        read = plot_arrays.read(opened.lstms[0], "m.h5")
    for name, values in builders.gates(3, 4).items():
        np.testing.assert_array_equal(read.arrays[name], values)


def test_only_the_selected_gates_are_read(model: Path) -> None:
    with lstmdump.open(model) as opened:
        assert list(plot_arrays.read(opened.lstms[0], "m.h5", "f").arrays) == ["W_f", "U_f", "b_f"]


def test_the_projection_and_the_forget_bias_are_those_of_the_cell(projected: Path) -> None:
    with lstmdump.open(projected) as opened:
        read = plot_arrays.read(opened.lstms[0], "m")
    assert (read.projection, read.forget_bias, read.arrays["P"].shape) == (2, 1.0, (4, 2))


def test_the_numbers_outlast_the_model_and_can_be_pickled(model: Path) -> None:
    with lstmdump.open(model) as opened:
        read = plot_arrays.read(opened.lstms[0], "m.h5")
    assert pickle.loads(pickle.dumps(read)).arrays["U_o"].shape == (4, 4)  # noqa: S301 - our own


def test_the_memory_of_all_copies_is_in_the_budget(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[tuple[int, int]] = []
    monkeypatch.setattr("lstmdump.model.budget.allow", lambda size, *, copies=0: allowed.append((size, copies)))
    with lstmdump.open(model) as opened:
        allowed.clear()
        plot_arrays.read(opened.lstms[0], "m.h5")
    assert sum(size for size, copies in allowed if copies == 2) >= 128 * 4
