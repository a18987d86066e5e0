"""Heat maps in a page: the colour of each number, and what stands beside the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import builders, png_reading
from support.html_parsing import Parsed

import lstmdump
from lstmdump.report.html import colours, heat_maps, png


def section(path: Path, gates: str = "ifco") -> str:
    with lstmdump.open(path) as model:
        return heat_maps.section(model.lstms[0], gates)


def pictures(html: str) -> dict[str, str]:
    """Return the address of each picture of an array by its name, without the scales."""
    images = [element.attributes for element in Parsed(html).elements if element.tag == "img"]
    return {words[3]: image["src"] for image in images if (words := image["alt"].split())[0] == "Heat"}


def write(path: Path, kernel: np.ndarray) -> Path:  # type: ignore[type-arg]
    m = kernel.shape[1] // 4
    names = ("lstm_1/kernel:0", "lstm_1/recurrent_kernel:0", "lstm_1/bias:0")
    arrays = kernel, builders.numbers(m, 4 * m), builders.numbers(4 * m)
    return builders.write(path, {"lstm_1": list(zip(names, arrays, strict=True))})


def test_each_number_has_its_colour(tmp_path: Path) -> None:
    kernel = np.zeros((2, 8), np.float32)
    kernel[:, :2] = [[1.0, -1.0], [0.5, 0.0]]  # W_i
    shown = png_reading.read_address(pictures(section(write(tmp_path / "x.h5", kernel)))["W_i"])
    assert shown.colours[0].tolist() == [[0x67, 0, 0x1F], [5, 0x30, 0x61]]
    assert shown.places.tolist() == [[100, 0], [75, 50]]


def test_the_gates_of_a_row_share_a_scale(tmp_path: Path) -> None:
    kernel = np.zeros((1, 4), np.float32)
    kernel[0] = [4.0, 2.0, -1.0, 0.0]
    found = pictures(section(write(tmp_path / "x.h5", kernel)))
    places = [png_reading.read_address(found[f"W_{gate}"]).places.item() for gate in "ifco"]
    assert places == [100, 75, 38, 50]


def test_what_is_not_finite_is_grey(tmp_path: Path) -> None:
    kernel = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    html = section(write(tmp_path / "x.h5", kernel))
    shown = [png_reading.read_address(pictures(html)[f"W_{gate}"]).places.item() for gate in "ifco"]
    assert shown == [101, 101, 101, 100]
    assert "grey: not a finite number" in html
    assert "no finite number" in html


def test_a_large_array_is_reduced_to_its_largest_numbers(tmp_path: Path) -> None:
    kernel = np.full((400, 8), 0.1, np.float32)
    kernel[399, 0] = -1
    html = section(write(tmp_path / "x.h5", kernel))
    places = png_reading.read_address(pictures(html)["W_i"]).places
    assert places.shape == (134, 2)
    assert places[133].tolist() == [0, 55]
    assert "each point shows the largest, by modulus, of 3 × 1 numbers" in html.replace("\xa0", " ")


def test_the_sides_of_a_picture_are_bounded(tmp_path: Path) -> None:
    kernel = np.ones((1000, 4 * 600), np.float32)
    for address in pictures(section(write(tmp_path / "x.h5", kernel))).values():
        assert max(png_reading.read_address(address).places.shape) <= heat_maps.LARGEST


def test_a_picture_says_in_words_what_it_shows(tmp_path: Path) -> None:
    kernel = np.array([[1.0, -0.5, 0, 0, 0, 0, 0, 0]], np.float32)
    images = [e.attributes for e in Parsed(section(write(tmp_path / "x.h5", kernel))).elements if e.tag == "img"]
    assert images[1]["alt"].replace("\xa0", " ") == "Heat map of W_i of lstm_1, 1 × 2: −0.5 … +1, mean +0.25"
    assert all(image["alt"] for image in images)


def test_only_the_chosen_gates_are_drawn(model: Path) -> None:
    assert sorted(pictures(section(model, "f"))) == ["U_f", "W_f", "b_f"]


@pytest.mark.parametrize("place", range(0, colours.SHADES, 5))
def test_the_colours_are_those_of_the_plots(place: int) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    style = pytest.importorskip("lstmdump.report.plot.style")
    theirs = [round(255 * part) for part in matplotlib.colormaps[style.DIVERGING](place / (colours.SHADES - 1))[:3]]
    np.testing.assert_allclose(colours.PALETTE[place], theirs, atol=4)  # theirs has 256 shades


def test_what_is_not_finite_has_the_colour_of_the_plots() -> None:
    style = pytest.importorskip("lstmdump.report.plot.style")
    assert "#" + bytes(colours.PALETTE[colours.MISSING]).hex() == style.MISSING


def test_zero_is_between_two_sides_of_equal_length() -> None:
    assert colours.PALETTE[colours.SHADES // 2] == (0xF7, 0xF7, 0xF7)
    assert len(colours.PALETTE) == colours.SHADES + 1 <= 256


def test_a_picture_is_a_png() -> None:
    shown = png_reading.read(png.picture([bytes([0, 1]), bytes([1, 1])], [(1, 2, 3), (4, 5, 6)]))
    assert shown.colours.tolist() == [[[1, 2, 3], [4, 5, 6]], [[4, 5, 6], [4, 5, 6]]]
