from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.cells import random_cell

pytest.importorskip("matplotlib")

from lstmdump.export import pictures
from lstmdump.replay import equations
from lstmdump.report.plot import sequences, style, trace
from lstmdump.report.plot.sequences import DrawnSequence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ["h: output", "o: output gate", "c: cell state", "f: forget gate", "candidate", "i: input gate"]


def run(steps: int = 5, units: int = 4, mask: list[bool] | None = None, **behaviour: bool) -> DrawnSequence:
    """Return a sequence of a layer that is run on two of them."""
    x = np.random.default_rng(0).standard_normal((2, steps, 3)).astype(np.float32)
    its_mask = None if mask is None else np.array([mask, [True] * steps])
    cell = random_cell(3, units, None, "float32", **behaviour)
    return sequences.take("lstm_1", cell, equations.replay(cell, x, mask=its_mask), its_mask)


def drawn(sequence: DrawnSequence) -> Figure:
    with style.applied():
        return trace.page(sequence)


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("steps", [5, 500])
def test_each_panel_shows_its_matrix_on_its_scale(steps: int) -> None:
    sequence = run(steps)
    by_title = panels(drawn(sequence))
    assert list(by_title) == PANELS
    for name, title in zip(("h", "o", "c", "f", "candidate", "i"), PANELS, strict=True):
        axes, matrix = by_title[title], sequence.matrices[name]
        picture = [*axes.images, *axes.collections][0]
        np.testing.assert_array_equal(np.asarray(picture.get_array()), matrix.points)
        assert picture.get_clim() == matrix.limits


def test_masked_steps_are_covered_in_every_panel() -> None:
    for axes in panels(drawn(run(mask=[True, False, False, True, False]))).values():
        (cover,) = [one for one in axes.collections if one.get_hatch()]
        boxes = [path.get_extents() for path in cover.get_paths()]
        assert [(box.x0, box.x1, box.y0, box.y1) for box in boxes] == [(0.5, 2.5, -0.5, 3.5), (3.5, 4.5, -0.5, 3.5)]
        assert cover.get_zorder() >= max(one.get_zorder() for one in axes.collections)


def test_the_head_says_what_is_drawn() -> None:
    assert texts(drawn(run())) == ["lstm_1", "sequence 1 of 2 · 5 steps, 4 units"]


def test_the_head_explains_masked_steps() -> None:
    head = texts(drawn(run(mask=[True, False, True, True, False])))
    assert head[2:] == ["hatched: 2 masked steps, which the layer skips"]


def test_the_head_says_that_a_layer_goes_backwards() -> None:
    head = texts(drawn(run(go_backwards=True)))
    assert head[2:] == ["the layer goes backwards: it takes the last step first"]


def test_the_head_explains_gaps() -> None:
    sequence = run()
    h = sequence.matrices["h"]
    gap = h._replace(points=np.full_like(h.points, np.nan))
    head = texts(drawn(sequence._replace(matrices={**sequence.matrices, "h": gap})))
    assert head[2:] == ["plain grey: not a finite number"]


def test_the_head_says_that_points_are_several_numbers() -> None:
    head = texts(drawn(run(4000, 1)))
    assert head[2:] == ["each point is one of 1 × 5 numbers: that furthest from the middle of the scale"]


def test_steps_and_units_are_named_at_the_edges() -> None:
    by_title = panels(drawn(run()))
    assert [axes.get_xlabel() for axes in by_title.values()] == ["", "", "", "", "step", "step"]
    assert [axes.get_ylabel() for axes in by_title.values()] == ["unit", ""] * 3


def test_the_rows_of_a_projected_output_are_outputs() -> None:
    x = np.ones((1, 5, 3), np.float32)
    cell = random_cell(3, 4, 2, "float32")
    figure = drawn(sequences.take("lstm_1", cell, equations.replay(cell, x)))
    assert texts(figure)[1] == "sequence 1 of 1 · 5 steps, 4 units, projected to 2 outputs"
    assert [axes.get_ylabel() for axes in panels(figure).values()] == ["output", "", "unit", "", "unit", ""]


@pytest.mark.parametrize(("steps", "units"), [(1, 1), (5, 4), (100, 64), (1000, 2), (3, 1000)])
def test_a_page_fits_on_paper_and_nothing_is_cut_off_or_overlaps(steps: int, units: int) -> None:
    with style.applied():
        figure = trace.page(run(steps, units, [False] * steps)._replace(name="n" * 900))
        figure.draw_without_rendering()
        boxes = [box for box in (axes.get_tightbbox() for axes in figure.axes) if box is not None]
        boxes += [text.get_window_extent() for text in figure.texts]
    width, height = figure.get_size_inches()
    page = figure.bbox
    assert (width <= 8.3, height <= 9.5) == (True, True)
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)] == []


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_states_are_equal_bytes(suffix: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for path in paths:
        pictures.save((trace.page(one) for one in [run(mask=[True] * 4 + [False])]), str(path), overwrite=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()
