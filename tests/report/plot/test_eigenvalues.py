from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.report.plot import eigenvalues
from lstmdump.report.plot.eigenvalues import LayerEigenvalues
from lstmdump.sandbox import answers


def read(path: Path, gates: str = "ifco") -> LayerEigenvalues:
    with lstmdump.open(path) as opened:
        return eigenvalues.read(opened.lstms[0], "m.h5", gates)


def test_the_eigenvalues_are_those_of_numpy(model: Path) -> None:
    expected = builders.gates(3, 4)
    for gate in read(model).gates:
        values = np.linalg.eigvals(expected[gate.name].astype(np.float64))
        np.testing.assert_allclose(np.sort_complex(gate.values), np.sort_complex(values), rtol=1e-12)
        assert gate.radius == pytest.approx(np.abs(values).max())


def test_only_the_selected_gates_have_eigenvalues(model: Path) -> None:
    assert [gate.name for gate in read(model, "fo").gates] == ["U_f", "U_o"]


def test_a_kernel_that_is_not_square_has_none(projected: Path) -> None:
    found = read(projected)
    assert (found.gates, found.reason) == ((), "with a projection, U is (2, 4), not square")


def test_a_layer_of_too_many_units_is_not_computed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.replay.statistics.MOST_UNITS", 3)
    found = read(model)
    assert (found.gates, found.reason) == ((), "it takes too long for more than 3 units")


def test_a_number_that_is_not_finite_leaves_a_gate_without(tmp_path: Path) -> None:
    made = builders.gates(3, 4)
    made["U_f"][1, 2] = np.inf
    fused = [(f"lstm_1/{leaf}:0", values) for leaf, values in builders.fused(made).items()]
    found = read(builders.write(tmp_path / "x.h5", {"lstm_1": fused}))
    assert {gate.name: (gate.values.size, gate.radius is None) for gate in found.gates} == {
        "U_i": (4, False), "U_f": (0, True), "U_c": (4, False), "U_o": (4, False)
    }  # fmt: skip


def test_eigenvalues_cross_to_another_process(model: Path) -> None:
    found = read(model)
    again = answers.decode(answers.encode(found))
    np.testing.assert_array_equal(again.gates[1].values, found.gates[1].values)
