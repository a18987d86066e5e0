from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support import builders
from support.cells import changed
from support.settings import stated

import lstmdump
from lstmdump.replay.statistics import Bin, LayerStatistics, TimeScales, summarise


def statistics_of(path: Path, gates: str = "ifco", producer: str | None = None) -> LayerStatistics:
    with lstmdump.open(path) as model:
        return summarise(model.lstms[0], gates, producer=producer or model.producer)


def weights(bias: np.ndarray, recurrent: np.ndarray | None = None) -> list[tuple[str, np.ndarray]]:
    kernel = np.array([[1, 2] + [0] * 6, [3, 4] + [0] * 6], "f4")
    square = np.zeros((2, 8), "f4") if recurrent is None else recurrent
    return [("x/kernel:0", kernel), ("x/recurrent_kernel:0", square), ("x/bias:0", bias)]


def test_the_statistics_of_an_array(tmp_path: Path) -> None:
    found = statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8, "f4"))})).arrays[0]
    assert (found.name, found.mean, found.min, found.max) == ("W_i", 2.5, 1.0, 4.0)
    assert found.std == pytest.approx(1.25**0.5)
    assert found.norm == pytest.approx((1 + 4 + 9 + 16) ** 0.5)


def test_the_time_scale_is_one_over_one_minus_the_sigmoid_of_the_forget_bias(tmp_path: Path) -> None:
    bias = np.array([0, 0, 0, np.log(9), 0, 0, 0, 0], "f4")  # σ(0) = 1/2, σ(ln 9) = 9/10
    path = builders.write(tmp_path / "a.h5", {"x": weights(bias)})
    scales = statistics_of(path, producer="keras 2.3.1").time_scales
    assert scales is not None
    assert (scales.min, scales.max) == (pytest.approx(2), pytest.approx(10))


def test_the_spectral_radius_of_a_rotation_is_the_factor_by_which_it_stretches(tmp_path: Path) -> None:
    recurrent = np.zeros((2, 8), "f4")
    recurrent[:, 2:4] = [[0, -3], [3, 0]]  # the eigenvalues are ±3i
    found = statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8, "f4"), recurrent)}))
    assert {array.name: array.spectral_radius for array in found.arrays if array.name.startswith("U")} == {
        "U_i": 0.0, "U_f": pytest.approx(3), "U_c": 0.0, "U_o": 0.0
    }  # fmt: skip


def test_the_spectral_radius_of_a_nilpotent_kernel_is_0_whatever_its_norm(tmp_path: Path) -> None:
    recurrent = np.zeros((2, 8), "f4")
    recurrent[:, :2] = [[0, 100], [0, 0]]  # nilpotent
    found = statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8, "f4"), recurrent)}), "i").arrays[
        1
    ]
    assert (found.norm, found.spectral_radius) == (100.0, 0.0)


def test_only_recurrent_kernels_have_a_spectral_radius(model: Path) -> None:
    assert {array.name for array in statistics_of(model).arrays if array.spectral_radius is not None} == {
        "U_i", "U_f", "U_c", "U_o"
    }  # fmt: skip


def test_with_a_projection_there_is_no_spectral_radius(projected: Path) -> None:
    found = statistics_of(projected)
    assert found.no_radius == "with a projection, U is (2, 4), not square"
    assert [array.spectral_radius for array in found.arrays] == [None] * len(found.arrays)


@pytest.mark.parametrize(("most", "has"), [(4, True), (3, False)])
def test_with_too_many_units_there_is_no_spectral_radius(
    most: int, has: bool, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmdump.replay.statistics.MOST_UNITS", most)
    found = statistics_of(model)
    assert (found.arrays[1].spectral_radius is not None, found.no_radius is None) == (has, has)


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_the_spectral_radius_of_a_kernel_that_is_not_finite_is_nan(strange: float, tmp_path: Path) -> None:
    recurrent = np.full((2, 8), strange, "f4")
    with np.errstate(invalid="ignore"):
        found = statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8, "f4"), recurrent)}))
    assert np.isnan(found.arrays[1].spectral_radius)


def test_the_time_for_eigenvalues_is_requested(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[int] = []
    monkeypatch.setattr("lstmdump.model.budget.allow", lambda size, **_: allowed.append(size))
    statistics_of(model)
    assert allowed.count(4**3 // 20) >= 4


def test_a_time_scale_is_right_where_the_gate_is_almost_1(tmp_path: Path) -> None:
    bias = np.array([0, 0, 30, 30, 0, 0, 0, 0], "f4")
    path = builders.write(tmp_path / "a.h5", {"x": weights(bias)})
    scales = statistics_of(path, producer="keras 2.3.1").time_scales
    assert scales is not None
    assert scales.max == pytest.approx(1 + math.exp(30), rel=1e-12)


def gated(path: Path, word: object, producer: str = "keras 2.2.4") -> LayerStatistics:
    """Return the statistics of the layer at `path`, with `word` as recurrent activation, as if written by `producer`."""
    with lstmdump.open(path) as model:
        lstm = changed(model.lstms[0], stated=stated({"recurrent_activation": word}))
        return summarise(lstm, producer=producer)


def hard(path: Path, forget: list[float], producer: str = "keras 2.2.4") -> TimeScales:
    """Return the time scales of two units with these biases of the forget gates, and hard sigmoids."""
    bias = np.array([0, 0, *forget, 0, 0, 0, 0], "f4")
    found = gated(builders.write(path / "h.h5", {"x": weights(bias)}), "hard_sigmoid", producer).time_scales
    assert found is not None
    return found


@pytest.mark.parametrize(("producer", "slope"), [("keras 2.2.4", 1 / 5), ("keras 3.0.5", 1 / 6)])
def test_the_time_scale_is_that_of_the_layers_own_activation(producer: str, slope: float, tmp_path: Path) -> None:
    scales = hard(tmp_path, [0.0, 1.5], producer)
    assert (scales.activation, scales.min) == ("hard_sigmoid", 2.0)
    assert scales.max == pytest.approx(1 / (1 - (0.5 + slope * 1.5)))


def test_an_activation_that_is_an_object_is_named_by_its_word(model: Path) -> None:
    described = {
        "module": "builtins",
        "class_name": "function",
        "config": "hard_sigmoid",
        "registered_name": "function",
    }
    scales = gated(model, described).time_scales
    assert scales is not None
    assert scales.activation == "hard_sigmoid"


def test_a_unit_whose_gate_is_1_never_forgets(tmp_path: Path) -> None:
    scales = hard(tmp_path, [0.0, 2.5])
    assert (scales.never_forget, scales.max, scales.bins) == (1, math.inf, (Bin(2.0, 2.24, 1),))


def test_a_unit_whose_gate_is_0_lasts_one_step(tmp_path: Path) -> None:
    assert hard(tmp_path, [-9.0, -9.0]).bins == (Bin(1.0, 1.12, 2),)


def test_an_unknown_activation_leaves_no_time_scales_and_is_named(model: Path) -> None:
    found = gated(model, "my_gate")
    assert found.time_scales is None
    assert "my_gate" in (found.no_time_scales or "")


@pytest.mark.parametrize("z", [40.0, -40.0])
def test_a_gate_of_minus_1_never_forgets_either(z: float, tmp_path: Path) -> None:
    bias = np.array([0, 0, z, 0, 0, 0, 0, 0], "f4")
    scales = gated(builders.write(tmp_path / "h.h5", {"x": weights(bias)}), "tanh").time_scales  # ±1, and 0
    assert scales is not None
    assert (scales.never_forget, scales.min) == (1, 1.0)


def test_a_forget_bias_that_the_file_does_not_hold_leaves_no_time_scales(projected: Path) -> None:
    projected.with_name("x.meta").unlink()
    found = statistics_of(projected)
    assert (found.time_scales, found.no_time_scales) == (None, "the file does not hold the forget bias")


@pytest.mark.parametrize(
    ("steps", "bins"),
    [
        ([1.7, 1.9, 1.95, 2.3], [(1.6, 1.8, 1), (1.8, 2.0, 2), (2.0, 2.24, 0), (2.24, 2.5, 1)]),
        ([2, 5, 5, 9.9], [(2.0, 2.5, 1), (2.5, 3.15, 0), (3.15, 4.0, 0), (4.0, 5.0, 0), (5.0, 6.3, 2), (6.3, 8.0, 0), (8.0, 10.0, 1)]),
        ([1.5, 30], [(1.0, 2.0, 1), (2.0, 5.0, 0), (5.0, 10.0, 0), (10.0, 20.0, 0), (20.0, 50.0, 1)]),
        ([5, 700], [(5.0, 10.0, 1), *((edge, end, 0) for edge, end in [(10.0, 20.0), (20.0, 50.0), (50.0, 100.0), (100.0, 200.0), (200.0, 500.0)]), (500.0, 1000.0, 1)]),
        ([1.5, 2e9], [(1.0, 10.0, 1), (10.0, 100.0, 0), (100.0, 1e3, 0), (1e3, 1e4, 0), (1e4, 1e5, 0), (1e5, 1e6, 0), (1e6, math.inf, 1)]),
    ],
)  # fmt: skip
def test_units_are_counted_in_a_few_bins_with_round_edges(
    steps: list[float], bins: list[tuple[float, float, int]], tmp_path: Path
) -> None:
    bias = np.zeros(4 * len(steps))
    bias[len(steps) : 2 * len(steps)] = np.log(np.array(steps) - 1 + 1e-9)  # 1 + e^b is the time scale
    shapes = {"x/kernel:0": (2, bias.size), "x/recurrent_kernel:0": (len(steps), bias.size)}
    arrays = [(name, np.zeros(shape)) for name, shape in shapes.items()]
    path = builders.write(tmp_path / "a.h5", {"x": [*arrays, ("x/bias:0", bias)]}, version="2.3.1")
    found = statistics_of(path).time_scales
    assert found is not None
    assert [(one.start, one.end, one.units) for one in found.bins] == bins


def test_without_a_bias_there_is_no_time_scale(tmp_path: Path) -> None:
    assert statistics_of(builders.write(tmp_path / "a.h5", {"x": weights(np.zeros(8))[:2]})).time_scales is None


def test_only_the_requested_gates_are_summarised(model: Path) -> None:
    assert [array.name for array in statistics_of(model, "f").arrays] == ["W_f", "U_f", "b_f"]
