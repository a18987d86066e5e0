from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.model.tensor import Tensor
from lstmdump.report.plot import counts
from lstmdump.report.plot.counts import ArrayCounts, LayerCounts
from lstmdump.sandbox import answers


def read(path: Path, gates: str = "ifco") -> LayerCounts:
    with lstmdump.open(path) as opened:
        return counts.read(opened.lstms[0], "m.h5", gates)


def of(path: Path, **arrays: Any) -> dict[str, ArrayCounts]:
    """Return the histograms of a layer of 3 inputs and 4 units, some of whose arrays are filled with `arrays`."""
    made = builders.gates(3, 4)
    for name, values in arrays.items():
        made[name][...] = values
    fused = [(f"lstm_1/{leaf}:0", values) for leaf, values in builders.fused(made).items()]
    found = read(builders.write(path / "of.h5", {"lstm_1": fused}))
    return {one.name: one for kind in found.kinds for one in kind.arrays}


def test_the_counts_are_those_of_numpy_in_the_same_bins(model: Path) -> None:
    expected = builders.gates(3, 4)
    for kind in read(model).kinds:
        for one in kind.arrays:
            np.testing.assert_array_equal(one.counts, np.histogram(expected[one.name], kind.edges)[0])


def test_the_mean_and_the_standard_deviation_are_those_of_numpy(model: Path) -> None:
    expected = {name: values.astype(np.float64) for name, values in builders.gates(3, 4).items()}
    for kind in read(model).kinds:
        for one in kind.arrays:
            assert (one.mean, one.std) == pytest.approx((expected[one.name].mean(), expected[one.name].std()))


def test_all_numbers_are_counted(model: Path) -> None:
    assert [[int(one.counts.sum()) for one in kind.arrays] for kind in read(model).kinds] == [
        [12] * 4,
        [16] * 4,
        [4] * 4,
    ]


def test_the_bins_of_a_kind_span_the_numbers_of_all_gates(model: Path) -> None:
    kernels = [values for name, values in builders.gates(3, 4).items() if name[0] == "W"]
    edges = read(model).kinds[0].edges
    width = edges[1] - edges[0]
    assert edges[0] <= np.min(kernels) < edges[0] + width
    assert edges[-1] - width < np.max(kernels) <= edges[-1]


def test_only_the_selected_gates_are_counted(model: Path) -> None:
    assert [one.name for kind in read(model, "f").kinds for one in kind.arrays] == ["W_f", "U_f", "b_f"]


def test_a_projection_is_counted(projected: Path) -> None:
    (one,) = read(projected).kinds[-1].arrays
    assert (one.name, one.shape, one.mean, one.std) == ("P", (4, 2), 0.5, 0.0)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_left_out(strange: float, tmp_path: Path) -> None:
    one = of(tmp_path, U_f=[[strange, 1, 1, 1]] * 4)["U_f"]
    assert (one.left_out, one.counted, int(one.counts.sum()), one.mean, one.std) == (4, 12, 12, 1.0, 0.0)


def test_without_a_finite_number_there_is_no_mean(tmp_path: Path) -> None:
    one = of(tmp_path, b_c=np.nan)["b_c"]
    assert (one.counted, int(one.counts.sum()), np.isnan([one.mean, one.std]).all()) == (0, 0, True)


def test_a_kind_without_a_finite_number_has_bins(tmp_path: Path) -> None:
    every = of(tmp_path, **{f"b_{gate}": np.nan for gate in "ifco"})
    assert sum(int(every[f"b_{gate}"].counts.sum()) for gate in "ifco") == 0


@pytest.mark.parametrize("value", [0.0, 1.0, -0.25, 1e-30, 1e30])
def test_equal_numbers_are_in_one_bin_in_the_middle(value: float, tmp_path: Path) -> None:
    one = of(tmp_path, **{f"b_{gate}": value for gate in "ifco"})["b_i"]
    assert np.flatnonzero(one.counts).tolist() == [len(one.counts) // 2]


@pytest.mark.parametrize("size", [1, 100, 10_000, 10**8])
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (-0.03, 0.21), (5, 5.001), (-1e300, 1e300), (0, 1e-299)])
def test_bins_are_neither_too_few_nor_too_many(low: float, high: float, size: int) -> None:
    assert 3 <= len(counts.choose_edges(low, high, size)) - 1 <= 62


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-0.03, 0.21), (0, 7.5), (-1e300, 1e300)])
def test_a_bin_is_centred_at_0(low: float, high: float) -> None:
    edges = counts.choose_edges(low, high, 100)
    middles = (edges[1:] + edges[:-1]) / 2
    assert np.abs(middles).min() < 1e-9 * (edges[1] - edges[0])


def test_many_numbers_have_more_bins() -> None:
    assert len(counts.choose_edges(-1, 1, 20)) < len(counts.choose_edges(-1, 1, 10_000))


def test_the_sides_of_a_number_at_an_edge_are_those_of_numpy() -> None:
    halves = np.arange(-5, 6) / 2
    tensor = Tensor("lstm/W_i", halves.shape, "float64", lambda cuts: halves[cuts[0]])
    (one,) = counts._count_kind([counts._Pieces(tensor)]).arrays
    assert one.counts.tolist() == np.histogram(halves, counts.choose_edges(-2.5, 2.5, 11))[0].tolist()


def test_a_large_array_is_read_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).standard_normal((40, 25))
    sizes: list[int] = []

    def fetch(cuts: tuple[slice, ...]) -> np.ndarray:
        sizes.append(values[cuts].size)
        return values[cuts]

    monkeypatch.setattr("lstmdump.report.plot.counts._AT_ONCE", 100)
    kind = counts._count_kind([counts._Pieces(Tensor("lstm/W_i", values.shape, "float64", fetch))])
    (one,) = kind.arrays
    np.testing.assert_array_equal(one.counts, np.histogram(values, kind.edges)[0])
    assert (one.mean, one.std) == pytest.approx((values.mean(), values.std()))
    assert max(sizes) == 100


def test_a_small_array_is_read_once() -> None:
    reads = []

    def fetch(cuts: tuple[slice, ...]) -> np.ndarray:
        reads.append(cuts)
        return np.zeros(3)[cuts[0]]

    counts._count_kind([counts._Pieces(Tensor("lstm/b_i", (3,), "float64", fetch))])
    assert len(reads) == 1


def test_what_crosses_to_another_process_does_not_grow_with_the_layer(tmp_path: Path) -> None:
    sizes = []
    for m in (64, 256):
        weights = builders.keras_2_weights("lstm_1", 3, m)
        found = read(builders.write(tmp_path / f"{m}.h5", {"lstm_1": weights}))
        sizes.append(len(answers.encode(found)))
    assert sizes[1] < 1.5 * sizes[0] < 20_000
