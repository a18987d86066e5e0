from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import builders

pytest.importorskip("matplotlib")

from matplotlib.patches import Circle

import lstmdump
from lstmdump.export import pictures
from lstmdump.report.plot import eigenvalues, spectra, style
from lstmdump.report.plot.eigenvalues import LayerEigenvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def layer(folder: Path, m: int = 4, gates: str = "ifco", name: str = "lstm_1", **arrays: Any) -> LayerEigenvalues:
    """Return the eigenvalues of a layer of random numbers, some of whose arrays are filled with `arrays`."""
    made = builders.gates(3, m)
    for array, values in arrays.items():
        made[array][...] = values
    weights = [(f"{name}/{leaf}:0", values) for leaf, values in builders.fused(made).items()]
    with lstmdump.open(builders.write(folder / "of.h5", {name: weights})) as opened:
        return eigenvalues.read(opened.lstms[0], "dir/m.h5", gates)


def drawn(found: LayerEigenvalues, *, with_model: bool = False) -> Figure:
    with style.applied():
        return spectra.page(found, with_model=with_model)


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title().partition("  ")[0]: axes for axes in figure.axes}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def radii(axes: Axes) -> list[float]:
    return [patch.get_radius() for patch in axes.patches if isinstance(patch, Circle)]


def test_the_points_are_the_eigenvalues_of_numpy(tmp_path: Path) -> None:
    by_name = panels(drawn(layer(tmp_path)))
    assert list(by_name) == ["U_i", "U_f", "U_c", "U_o"]
    for name, axes in by_name.items():
        (points,) = axes.lines
        shown = np.sort_complex(np.asarray(points.get_xdata()) + 1j * np.asarray(points.get_ydata()))
        expected = np.linalg.eigvals(builders.gates(3, 4)[name].astype(np.float64))
        np.testing.assert_allclose(shown, np.sort_complex(expected), rtol=1e-12)


def test_the_circles_are_the_unit_circle_and_the_spectral_radius(tmp_path: Path) -> None:
    assert radii(panels(drawn(layer(tmp_path, U_f=np.eye(4) / 4)))["U_f"]) == [1, 0.25]


def test_the_spectral_radius_is_stated(tmp_path: Path) -> None:
    (about,) = panels(drawn(layer(tmp_path, U_f=np.eye(4) / 8)))["U_f"].texts
    assert about.get_text() == "spectral radius 0.125"


def test_a_title_has_the_name_and_the_shape(tmp_path: Path) -> None:
    assert panels(drawn(layer(tmp_path)))["U_f"].get_title() == "U_f  (4, 4)"


def test_the_axes_are_the_complex_plane(tmp_path: Path) -> None:
    axes = panels(drawn(layer(tmp_path)))["U_i"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("real part", "imaginary part", axes.get_ylim())


def test_the_planes_have_one_scale_with_all_of_the_unit_circle(tmp_path: Path) -> None:
    small = {f"U_{gate}": np.eye(4) / 4 for gate in "ifco"}
    limits = {axes.get_xlim() for axes in drawn(layer(tmp_path, **small)).axes}
    assert limits == {(-1.08, 1.08)}


def test_very_different_radii_have_scales_of_their_own_and_the_page_says_so(tmp_path: Path) -> None:
    kernels = {f"U_{gate}": np.eye(4) * scale for gate, scale in zip("ifco", (1, 100, 1, 1), strict=True)}
    figure = drawn(layer(tmp_path, **kernels))
    by_name = panels(figure)
    assert (by_name["U_i"].get_xlim()[1], by_name["U_f"].get_xlim()[1]) == (1.08, pytest.approx(108))
    assert texts(figure)[-1] == "each gate has a scale of its own"


def test_a_kernel_that_is_not_square_is_named_in_the_place_of_planes(projected: Path) -> None:
    with lstmdump.open(projected) as opened:
        figure = drawn(eigenvalues.read(opened.lstms[0], "m"))
    assert (figure.axes, texts(figure)[-1]) == (
        [], "no eigenvalues of U: with a projection, U is (2, 4), not square"
    )  # fmt: skip


def test_a_gate_with_numbers_that_are_not_finite_has_no_points(tmp_path: Path) -> None:
    axes = panels(drawn(layer(tmp_path, U_f=np.nan)))["U_f"]
    assert [text.get_text() for text in axes.texts] == ["not finite: no eigenvalues"]
    assert len(np.asarray(axes.lines[0].get_xdata())) == 0


def test_the_head_does_not_speak_of_biases(projected: Path) -> None:
    with lstmdump.open(projected) as opened:
        assert not any("b_f" in line for line in texts(drawn(eigenvalues.read(opened.lstms[0], "m"))))


@pytest.mark.parametrize("m", [1, 6, 200])
@pytest.mark.parametrize("gates", ["ifco", "f"])
@pytest.mark.parametrize("factor", [0.0, 1.0, 1e20])
def test_nothing_is_cut_off_or_overlaps(m: int, gates: str, factor: float, tmp_path: Path) -> None:
    found = layer(tmp_path, m, gates, "n" * 300, U_f=np.eye(m) * factor)
    with style.applied():
        figure = spectra.page(found, with_model=True)
        figure.draw_without_rendering()
        boxes = [box for box in (axes.get_tightbbox() for axes in figure.axes) if box is not None]
        boxes += [text.get_window_extent() for text in figure.texts]
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)] == []


def test_a_name_is_text_and_neither_markup_nor_mathematics(tmp_path: Path) -> None:
    pictures.save([drawn(layer(tmp_path, name="$x_{ <b>\n"))], str(tmp_path / "x.svg"), overwrite=False)
    assert re.search(r">\$x_\{ &lt;b&gt;\\n</text>", (tmp_path / "x.svg").read_text())
