from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lstmdump.errors import MissingDependency, NothingToDraw, OutputExists, OutputUnwritable, TooManyPages, WrongSuffix
from lstmdump.export import pictures
from lstmdump.report.plot import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


def figures(*titles: str) -> Iterator[Figure]:
    for title in titles:
        figure = style.page(3, 2)
        figure.subplots().set_title(title)
        yield figure


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_the_suffix_names_the_format(suffix: str, tmp_path: Path) -> None:
    pictures.save(figures("a"), str(tmp_path / f"x{suffix}"), overwrite=False)
    assert (tmp_path / f"x{suffix}").read_bytes().startswith(MAGIC[suffix])


def test_a_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    pictures.save(figures("a"), str(tmp_path / "x.PNG"), overwrite=False)
    assert (tmp_path / "x.PNG").read_bytes().startswith(MAGIC[".png"])


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_what_is_drawn_alike_is_saved_in_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    for name in "ab":
        pictures.save(figures("a"), str(tmp_path / f"{name}{suffix}"), overwrite=False)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_a_picture_does_not_tell_when_it_was_made(suffix: str, tmp_path: Path) -> None:
    pictures.save(figures("a"), str(tmp_path / f"x{suffix}"), overwrite=False)
    assert re.findall(rb"20[2-9][0-9]|CreationDate|dc:date|Software", (tmp_path / f"x{suffix}").read_bytes()) == []


def test_a_pdf_has_a_page_for_each_figure(tmp_path: Path) -> None:
    pictures.save(figures("a", "b", "c"), str(tmp_path / "x.pdf"), overwrite=False)
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "x.pdf").read_bytes())) == 3


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_other_formats_hold_one_page(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(TooManyPages, match=r"holds one page, and there are more; .* name a \.pdf$"):
        pictures.save(figures("a", "b"), str(tmp_path / f"x{suffix}"), overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingToDraw, match=r"nothing to draw, so .*x\.pdf is not written"):
        pictures.save([], str(tmp_path / "x.pdf"), overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.jpg", "x", "pdf"])
def test_another_suffix_is_told_in_a_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSuffix, match=r"is not a picture format; use \.png, \.svg or \.pdf$"):
        pictures.require_writable(str(tmp_path / name), overwrite=False)


def test_no_picture_goes_to_a_url() -> None:
    with pytest.raises(OutputUnwritable, match="is a URL"):
        pictures.require_writable("s3://bucket/x.png", overwrite=True)


def test_what_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("mine")
    with pytest.raises(OutputExists, match=r"already exists; use --force$"):
        pictures.save(figures("a"), str(tmp_path / "x.png"), overwrite=False)
    assert (tmp_path / "x.png").read_text() == "mine"


def test_what_comes_into_being_meanwhile_stays_too(tmp_path: Path) -> None:
    def late() -> Iterator[Figure]:
        (tmp_path / "x.pdf").write_text("mine")
        yield from figures("a")

    with pytest.raises(OutputExists, match=r"already exists; use --force$"):
        pictures.save(late(), str(tmp_path / "x.pdf"), overwrite=False)
    assert (tmp_path / "x.pdf").read_text() == "mine"


def test_what_is_there_is_overwritten_where_told_to(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("mine")
    pictures.save(figures("a"), str(tmp_path / "x.png"), overwrite=True)
    assert (tmp_path / "x.png").read_bytes().startswith(MAGIC[".png"])


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_a_picture_that_fails_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    def failing() -> Iterator[Figure]:
        yield from figures("a")
        raise KeyError("b")

    with pytest.raises(KeyError):
        pictures.save(failing(), str(tmp_path / f"x{suffix}"), overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match=r"needs matplotlib.*; pip install matplotlib$"):
        pictures.require_writable(str(tmp_path / "x.png"), overwrite=False)


def test_a_broken_matplotlib_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr("lstmdump.report.plot.style", raising=False)
    monkeypatch.setitem(sys.modules, "lstmdump.report.plot.style", None)
    with pytest.raises(MissingDependency, match=r"matplotlib cannot be imported .*; pip install matplotlib$"):
        pictures.save(figures("a"), str(tmp_path / "x.png"), overwrite=False)


def test_nothing_is_said_where_there_is_no_home_for_a_list_of_fonts(tmp_path: Path) -> None:
    code = f"from lstmdump.export import pictures as plot; plot.save([], {str(tmp_path / 'x.png')!r}, overwrite=False)"
    environment = {**os.environ, "MPLCONFIGDIR": "/proc/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stderr.splitlines()[-1].startswith("lstmdump.errors.NothingToDraw: there is nothing to draw")
    assert "cache" not in done.stderr


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_dollars_are_dollars(suffix: str, tmp_path: Path) -> None:
    pictures.save(figures(r"$\frac{$ a_1"), str(tmp_path / f"x{suffix}"), overwrite=False)
    if suffix == ".svg":
        assert r">$\frac{$ a_1</text>" in (tmp_path / "x.svg").read_text()
