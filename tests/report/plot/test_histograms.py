from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import builders

pytest.importorskip("matplotlib")

import lstmdump
from lstmdump.export import pictures
from lstmdump.report.plot import counts, histograms, style
from lstmdump.report.plot.counts import LayerCounts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def layer(
    folder: Path, d: int = 3, m: int = 4, gates: str = "ifco", name: str = "lstm_1", **arrays: Any
) -> LayerCounts:
    """Return the histograms of a layer of random numbers, some of whose arrays are filled with `arrays`."""
    made = builders.gates(d, m)
    for array, values in arrays.items():
        made[array][...] = values
    weights = [(f"{name}/{leaf}:0", values) for leaf, values in builders.fused(made).items()]
    with lstmdump.open(builders.write(folder / "of.h5", {name: weights})) as opened:
        return counts.read(opened.lstms[0], "dir/m.h5", gates)


def drawn(found: LayerCounts, *, with_model: bool = False) -> Figure:
    with style.applied():
        return histograms.page(found, with_model=with_model)


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title().partition("  ")[0]: axes for axes in figure.axes}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def bars(axes: Axes) -> list[tuple[float, float]]:
    return [(bar.get_x(), bar.get_height()) for bar in axes.patches]


def test_each_panel_has_the_bars_of_its_array(tmp_path: Path) -> None:
    found = layer(tmp_path)
    by_name = panels(drawn(found))
    assert list(by_name) == [f"{kind}_{gate}" for kind in "WUb" for gate in "ifco"]
    for kind in found.kinds:
        for one in kind.arrays:
            expected = np.histogram(builders.gates(3, 4)[one.name], kind.edges)[0]
            np.testing.assert_allclose(bars(by_name[one.name]), np.stack([kind.edges[:-1], expected], axis=1))


def test_the_panels_of_a_kind_have_one_scale(tmp_path: Path) -> None:
    by_name = panels(drawn(layer(tmp_path, W_f=7.0)))
    assert len({(by_name[f"W_{gate}"].get_xlim(), by_name[f"W_{gate}"].get_ylim()) for gate in "ifco"}) == 1


def test_the_mark_goes_from_the_mean_by_one_deviation_to_each_side(tmp_path: Path) -> None:
    values = builders.gates(3, 4)["U_f"].astype(np.float64)
    line, dot = panels(drawn(layer(tmp_path)))["U_f"].lines
    assert list(line.get_xdata()) == pytest.approx([values.mean() - values.std(), values.mean() + values.std()])
    assert list(dot.get_xdata()) == pytest.approx([values.mean()])


def test_the_number_of_values_the_mean_and_the_deviation_are_stated(tmp_path: Path) -> None:
    (about,) = panels(drawn(layer(tmp_path, 100, 50, W_f=-0.25)))["W_f"].texts
    assert about.get_text() == "5,000 · −0.25 ± 0"


def test_a_title_has_the_name_and_the_shape(tmp_path: Path) -> None:
    assert panels(drawn(layer(tmp_path)))["W_f"].get_title() == "W_f  (3, 4)"


def test_a_gate_alone_has_a_column_of_its_own(tmp_path: Path) -> None:
    assert list(panels(drawn(layer(tmp_path, gates="f")))) == ["W_f", "U_f", "b_f"]


def test_the_projection_is_below(projected: Path) -> None:
    with lstmdump.open(projected) as opened:
        by_name = panels(drawn(counts.read(opened.lstms[0], "m")))
    assert list(by_name)[-1] == "P"
    assert by_name["P"].get_position().x0 == by_name["W_i"].get_position().x0


def test_counts_are_plain_where_all_bars_can_be_seen(tmp_path: Path) -> None:
    figure = drawn(layer(tmp_path))
    assert {axes.get_yscale() for axes in figure.axes} == {"linear"}
    assert not any(line.startswith("log") for line in texts(figure))


def test_counts_are_logarithmic_where_one_bin_has_most_numbers_and_the_page_says_so(tmp_path: Path) -> None:
    outlier = np.zeros((30, 40))
    outlier[0, 0] = 9.0
    figure = drawn(layer(tmp_path, 30, 40, W_c=outlier))
    by_name = panels(figure)
    assert {by_name[f"W_{gate}"].get_yscale() for gate in "ifco"} == {"log"}
    assert (by_name["W_i"].get_ylabel(), by_name["U_i"].get_ylabel()) == ("numbers (log)", "numbers")
    assert texts(figure)[-1] == "log: one bin has more than half of a gate's numbers"


def test_logarithmic_counts_have_plain_labels(tmp_path: Path) -> None:
    outlier = np.zeros((30, 40))
    outlier[0, 0] = 9.0
    axes = panels(drawn(layer(tmp_path, 30, 40, W_c=outlier)))["W_i"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "100"]


def test_the_smallest_bar_is_seen_with_logarithmic_counts(tmp_path: Path) -> None:
    outlier = np.zeros((30, 40))
    outlier[0, 0] = 9.0
    assert panels(drawn(layer(tmp_path, 30, 40, W_c=outlier)))["W_c"].get_ylim()[0] < 1


def test_the_head_counts_what_is_left_out(tmp_path: Path) -> None:
    figure = drawn(layer(tmp_path, U_f=[[np.nan, 1, 2, 3]] * 4, b_c=np.inf))
    assert texts(figure)[-1] == "not finite, left out: 4 of U_f, 4 of b_c"


def test_the_list_of_what_is_left_out_is_short(tmp_path: Path) -> None:
    every = {f"{kind}_{gate}": np.nan for kind in "Ub" for gate in "ifco"}
    assert texts(drawn(layer(tmp_path, **every)))[-1].endswith("16 of U_o, 4 of b_i, and of 3 other arrays")


def test_an_array_without_a_finite_number_says_so(tmp_path: Path) -> None:
    axes = panels(drawn(layer(tmp_path, b_c=np.nan)))["b_c"]
    assert ([text.get_text() for text in axes.texts], len(axes.lines)) == (["no finite number"], 0)


def test_the_head_names_the_layer_and_the_model(tmp_path: Path) -> None:
    assert texts(drawn(layer(tmp_path), with_model=True))[:3] == ["lstm_1", "dir/m.h5", "LSTM · 3 inputs, 4 units"]


@pytest.mark.parametrize("value", [0.0, np.nan, 1e-38, 3e38])
def test_numbers_of_any_size_are_drawn(value: float, tmp_path: Path) -> None:
    every = {f"{kind}_{gate}": value for kind in "WUb" for gate in "ifco"}
    pictures.save([drawn(layer(tmp_path, **every))], str(tmp_path / "x.png"), overwrite=False)
    assert (tmp_path / "x.png").stat().st_size > 10_000


@pytest.mark.parametrize(("d", "m"), [(1, 1), (3, 6), (64, 512)])
@pytest.mark.parametrize("gates", ["ifco", "f"])
@pytest.mark.parametrize("factor", [1.0, 1e-20, 1e30])
def test_nothing_is_cut_off_or_overlaps(d: int, m: int, gates: str, factor: float, tmp_path: Path) -> None:
    scaled = {name: values * factor for name, values in builders.gates(d, m).items()}
    found = layer(tmp_path, d, m, gates, "n" * 300, **scaled)
    with style.applied():
        figure = histograms.page(found, with_model=True)
        figure.draw_without_rendering()
        boxes = [box for box in (axes.get_tightbbox() for axes in figure.axes) if box is not None]
        boxes += [text.get_window_extent() for text in figure.texts]
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)] == []


def test_equal_numbers_give_equal_bytes(tmp_path: Path) -> None:
    found = layer(tmp_path)
    for name in "ab":
        pictures.save([drawn(found)], str(tmp_path / f"{name}.png"), overwrite=False)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_name_is_text_and_neither_markup_nor_mathematics(tmp_path: Path) -> None:
    pictures.save([drawn(layer(tmp_path, name="$x_{ <b>\n"))], str(tmp_path / "x.svg"), overwrite=False)
    assert re.search(r">\$x_\{ &lt;b&gt;\\n</text>", (tmp_path / "x.svg").read_text())
