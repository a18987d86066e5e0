from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lstmdump
from lstmdump.export import pictures
from lstmdump.report.plot import arrays as plot_arrays
from lstmdump.report.plot import heat_maps, style
from lstmdump.report.plot.arrays import LayerNumbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure


def layer(
    d: int = 3,
    m: int = 4,
    gates: str = "ifco",
    forget_bias: float | None = 0.0,
    name: str = "lstm_1",
    **arrays: np.ndarray,
) -> LayerNumbers:
    """Return a layer of random numbers, with `arrays` added or in place of some."""
    draw = np.random.default_rng(0).standard_normal
    made = {f"{kind}_{gate}": draw(shape) for kind, shape in (("W", (d, m)), ("U", (m, m)), ("b", m)) for gate in gates}
    projection = arrays["P"].shape[1] if "P" in arrays else None
    return LayerNumbers("dir/m.h5", name, "LSTM", d, m, projection, forget_bias, gates, made | arrays)


def drawn(given: LayerNumbers, *, with_model: bool = False) -> Figure:
    with style.applied():
        return heat_maps.page(given, with_model=with_model)


def matrices(figure: Figure) -> dict[str, Axes]:
    """Return the axes by the names in their titles."""
    return {axes.get_title().partition("  ")[0]: axes for axes in figure.axes if axes.get_title()}


def picture(axes: Axes) -> ScalarMappable:
    (only,) = [*axes.images, *axes.collections]
    return only


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def scales(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if not axes.get_title()]


@pytest.mark.parametrize("m", [4, 40])
def test_each_matrix_is_that_of_its_gate(m: int) -> None:
    given = layer(m=m)
    by_name = matrices(drawn(given))
    assert list(by_name) == [f"{kind}_{gate}" for kind in "WUb" for gate in "ifco"]
    for name, values in given.arrays.items():
        np.testing.assert_array_equal(np.asarray(picture(by_name[name]).get_array()), np.atleast_2d(values))


@pytest.mark.parametrize("m", [4, 40])
def test_the_first_row_is_above(m: int) -> None:
    low, high = matrices(drawn(layer(m=m)))["U_i"].get_ylim()
    assert (low, high) == (m - 0.5, -0.5)


def test_the_matrices_of_a_kind_have_one_scale_with_0_in_its_middle() -> None:
    by_name = matrices(drawn(layer(W_c=np.full((3, 4), -7.26), U_o=np.full((4, 4), 0.5))))
    assert {picture(by_name[f"W_{gate}"]).get_clim() for gate in "ifco"} == {(-7.3, 7.3)}
    assert len({picture(by_name[f"U_{gate}"]).get_clim() for gate in "ifco"}) == 1


def test_no_number_is_beyond_the_scale() -> None:
    given = layer(12, 64)
    for name, axes in matrices(drawn(given)).items():
        assert np.abs(given.arrays[name]).max() <= picture(axes).get_clim()[1]


def test_each_row_has_a_scale_with_its_ends() -> None:
    bars = scales(drawn(layer(**{f"W_{gate}": np.full((3, 4), 0.125) for gate in "ifco"})))
    assert len(bars) == 3
    assert [label.get_text() for label in bars[0].get_yticklabels()] == ["−0.13", "0", "+0.13"]


def test_a_title_has_the_name_and_the_shape() -> None:
    titles = [axes.get_title() for axes in drawn(layer(12, 64)).axes]
    assert [title for title in titles if title.endswith("_i  (12, 64)") or "_f" in title] == [
        "W_i  (12, 64)", "W_f  (12, 64)", "U_f  (64, 64)", "b_f  (64,)"
    ]  # fmt: skip


def test_the_axes_name_rows_and_columns() -> None:
    by_name = matrices(drawn(layer()))
    assert [by_name[name].get_ylabel() for name in ("W_i", "U_i", "b_i")] == ["input", "unit at t − 1", ""]
    assert [by_name[name].get_xlabel() for name in ("W_i", "U_i", "b_i")] == ["", "", "unit"]


def test_peepholes_have_a_row_without_the_candidate() -> None:
    peepholes = {f"V_{gate}": np.ones(4) for gate in "ifo"}
    assert [name for name in matrices(drawn(layer(**peepholes))) if name[0] == "V"] == ["V_i", "V_f", "V_o"]


def test_a_projection_is_below_with_its_outputs_across() -> None:
    given = layer(P=np.ones((4, 2)), **{f"U_{gate}": np.ones((2, 4)) for gate in "ifco"})
    by_name = matrices(drawn(given))
    assert (by_name["P"].get_xlabel(), by_name["P"].get_ylabel()) == ("output", "unit")
    assert (by_name["U_i"].get_ylabel(), by_name["b_i"].get_xlabel()) == ("output at t − 1", "unit")


def test_a_layer_without_bias_has_no_row_for_it() -> None:
    given = layer()
    without = given._replace(arrays={name: values for name, values in given.arrays.items() if name[0] != "b"})
    by_name = matrices(drawn(without))
    assert (len(by_name), by_name["U_i"].get_xlabel()) == (8, "unit")


def test_a_gate_alone_has_a_column_of_its_own() -> None:
    assert list(matrices(drawn(layer(gates="f")))) == ["W_f", "U_f", "b_f"]


def test_the_head_names_the_layer_and_what_it_is() -> None:
    assert texts(drawn(layer(1, 1))) == ["lstm_1", "LSTM · 1 input, 1 unit"]


def test_the_head_names_the_model_where_there_are_several() -> None:
    assert texts(drawn(layer(), with_model=True))[1] == "dir/m.h5"


@pytest.mark.parametrize(
    ("forget_bias", "words"),
    [
        (1.0, "b_f as stored; the cell adds 1 at run time"),
        (None, "b_f as stored; the forget bias added at run time is not in the file"),
    ],
)
def test_the_head_names_the_forget_bias_added_at_run_time(forget_bias: float | None, words: str) -> None:
    assert texts(drawn(layer(forget_bias=forget_bias)))[-1] == words


def test_the_forget_bias_is_named_only_with_the_forget_gate() -> None:
    assert len(texts(drawn(layer(gates="i", forget_bias=1.0)))) == 2


def block(m: int = 1000) -> int:
    """Return the number of rows, and of columns, of a matrix of `m` × `m` in one point."""
    return -(-m // np.asarray(picture(matrices(drawn(layer(1, m)))["U_i"]).get_array()).shape[0])


def test_a_point_of_a_large_matrix_is_the_number_of_largest_modulus() -> None:
    size = block()
    assert size > 1
    recurrent = np.full((1000, 1000), 0.1)
    recurrent[size - 1, 1], recurrent[size, 2 * size], recurrent[999, 999] = -3.0, 2.0, -1.0
    drawing = matrices(drawn(layer(1, 1000, U_f=recurrent)))["U_f"]
    shown = np.asarray(picture(drawing).get_array())
    assert (shown[0, 0], shown[1, 2], shown[-1, -1], np.median(shown)) == (-3.0, 2.0, -1.0, 0.1)


def test_nan_is_visible_in_a_large_matrix() -> None:
    recurrent = np.ones((1000, 1000))
    recurrent[7, 999] = np.nan
    shown = picture(matrices(drawn(layer(1, 1000, U_f=recurrent)))["U_f"]).get_array()
    assert np.argwhere(np.ma.getmaskarray(shown)).tolist() == [[7 // block(), shown.shape[1] - 1]]


def test_the_points_of_a_large_matrix_are_where_the_axes_say() -> None:
    axes = matrices(drawn(layer(1, 1000)))["U_f"]
    left, right, bottom, top = axes.images[0].get_extent()
    size = block()
    assert (left, top, right, bottom) == (-0.5, -0.5, *[-(-1000 // size) * size - 0.5] * 2)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 999.5), (999.5, -0.5))


@pytest.mark.parametrize(("m", "expected"), [(300, False), (1000, True)])
def test_the_head_says_whether_a_point_is_several_numbers(m: int, expected: bool) -> None:
    assert ("each point is the largest of several numbers, by modulus" in texts(drawn(layer(1, m)))) is expected


@pytest.mark.parametrize("m", [4, 40])
@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_nan_and_infinities_are_grey_and_in_the_head(strange: float, m: int) -> None:
    recurrent = np.ones((m, m))
    recurrent[0, 1] = strange
    figure = drawn(layer(m=m, U_f=recurrent))
    mask = np.ma.getmaskarray(np.ma.asarray(picture(matrices(figure)["U_f"]).get_array()))
    assert (np.argwhere(mask).tolist(), texts(figure)[-1]) == ([[0, 1]], "grey: not a finite number")


@pytest.mark.parametrize(
    "value", [0.0, np.nan, 5e-324, 1e-310, 1.7e308, np.float16(6e-8), np.float32(3e38), np.float16(65504)]
)
def test_numbers_of_any_size_are_drawn(value: float, tmp_path: Path) -> None:
    arrays = {
        f"{kind}_{gate}": np.full(shape, value)
        for kind, shape in (("W", (3, 40)), ("U", (40, 40)), ("b", 40))
        for gate in "ifco"
    }
    with style.applied():
        pictures.save([heat_maps.page(layer(3, 40, **arrays))], str(tmp_path / "x.png"), overwrite=False)
    assert (tmp_path / "x.png").stat().st_size > 10_000


@pytest.mark.parametrize(("d", "m"), [(1, 1), (3, 6), (12, 64), (64, 512), (2000, 5), (1, 900)])
def test_a_page_of_a_layer_of_any_size_fits_on_paper(d: int, m: int) -> None:
    width, height = drawn(layer(d, m)).get_size_inches()
    assert 4 < width <= 8.3
    assert 2 < height <= 8.3


@pytest.mark.parametrize(("d", "m"), [(1, 1), (3, 6), (12, 64), (2000, 5), (1, 4096)])
@pytest.mark.parametrize("gates", ["ifco", "f"])
def test_nothing_is_cut_off_or_overlaps(d: int, m: int, gates: str) -> None:
    with style.applied():
        figure = heat_maps.page(layer(d, m, gates, 1.0, name="n" * 900), with_model=True)
        figure.draw_without_rendering()
        boxes = [box for box in (axes.get_tightbbox() for axes in figure.axes) if box is not None]
        boxes += [text.get_window_extent() for text in figure.texts]
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    covered = [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)]
    assert covered == []


def test_numbers_are_squares_where_the_page_can_hold_them() -> None:
    box = matrices(drawn(layer(12, 64)))["U_i"].get_position()
    width, height = drawn(layer(12, 64)).get_size_inches()
    assert box.width * width == pytest.approx(box.height * height)


@pytest.mark.parametrize(("m", "images"), [(32, 0), (33, 4)])
def test_only_large_matrices_are_points_of_a_raster_in_vector_formats(m: int, images: int, tmp_path: Path) -> None:
    bars = 3
    with style.applied():
        pictures.save([heat_maps.page(layer(3, m))], str(tmp_path / "x.svg"), overwrite=False)
    assert (tmp_path / "x.svg").read_text().count("<image ") == images + bars


def test_a_name_is_text_and_neither_markup_nor_mathematics(tmp_path: Path) -> None:
    with style.applied():
        given = layer(name="$x^2$ <b>\x1b[2J \u65e5")
        pictures.save([heat_maps.page(given)], str(tmp_path / "x.svg"), overwrite=False)
    assert ">$x^2$ &lt;b&gt;\\x1b[2J \\u65e5</text>" in (tmp_path / "x.svg").read_text()


def test_the_texts_of_an_svg_are_text(samples: Path, tmp_path: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model, style.applied():
        page = heat_maps.page(plot_arrays.read(model.lstms[0], "m"))
        pictures.save([page], str(tmp_path / "x.svg"), overwrite=False)
    shown = re.findall(r">([^<>]+)</text>", (tmp_path / "x.svg").read_text())
    assert {"lstm_1", "W_i  (3, 6)", "U_f  (6, 6)", "b_o  (6,)", "unit at t − 1"} <= set(shown)
