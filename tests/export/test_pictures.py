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


def test_a_suffix_may_be_in_upper_case(tmp_path: Path) -> None:
    pictures.save(figures("a"), str(tmp_path / "x.PNG"), overwrite=False)
    assert (tmp_path / "x.PNG").read_bytes().startswith(MAGIC[".png"])


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_equal_figures_are_saved_as_equal_bytes(suffix: str, tmp_path: Path) -> None:
    for name in "ab":
        pictures.save(figures("a"), str(tmp_path / f"{name}{suffix}"), overwrite=False)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_a_picture_holds_no_time(suffix: str, tmp_path: Path) -> None:
    pictures.save(figures("a"), str(tmp_path / f"x{suffix}"), overwrite=False)
    dates = rb"20[2-9][0-9]-[01][0-9]|D:20[2-9][0-9]|CreationDate|Creation Time|dc:date|Software"  # not a coordinate
    assert re.findall(dates, (tmp_path / f"x{suffix}").read_bytes()) == []


def test_a_pdf_has_a_page_for_each_figure(tmp_path: Path) -> None:
    pictures.save(figures("a", "b", "c"), str(tmp_path / "x.pdf"), overwrite=False)
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "x.pdf").read_bytes())) == 3


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_other_formats_hold_one_page(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(TooManyPages, match=r"holds one page, and there are more; .* name a \.pdf$"):
        pictures.save(figures("a", "b"), str(tmp_path / f"x{suffix}"), overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_list_of_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingToDraw, match=r"nothing to draw, so .*x\.pdf is not written"):
        pictures.save([], str(tmp_path / "x.pdf"), overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.jpg", "x", "pdf"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSuffix, match=r"is not a picture format; use \.png, \.svg or \.pdf$"):
        pictures.require_writable(str(tmp_path / name), overwrite=False)


def test_a_picture_at_a_url_is_refused() -> None:
    with pytest.raises(OutputUnwritable, match="is a URL"):
        pictures.require_writable("s3://bucket/x.png", overwrite=True)


def test_an_existing_file_is_not_overwritten_by_default(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("mine")
    with pytest.raises(OutputExists, match=r"already exists; use --force$"):
        pictures.save(figures("a"), str(tmp_path / "x.png"), overwrite=False)
    assert (tmp_path / "x.png").read_text() == "mine"


def test_a_picture_created_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def late() -> Iterator[Figure]:
        (tmp_path / "x.pdf").write_text("mine")
        yield from figures("a")

    with pytest.raises(OutputExists, match=r"already exists; use --force$"):
        pictures.save(late(), str(tmp_path / "x.pdf"), overwrite=False)
    assert (tmp_path / "x.pdf").read_text() == "mine"


def test_an_existing_file_is_overwritten_on_request(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("mine")
    pictures.save(figures("a"), str(tmp_path / "x.png"), overwrite=True)
    assert (tmp_path / "x.png").read_bytes().startswith(MAGIC[".png"])


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_a_failed_picture_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    def failing() -> Iterator[Figure]:
        yield from figures("a")
        raise KeyError("b")

    with pytest.raises(KeyError):
        pictures.save(failing(), str(tmp_path / f"x{suffix}"), overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_error_gives_the_pip_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match=r"needs matplotlib.*; pip install matplotlib$"):
        pictures.require_writable(str(tmp_path / "x.png"), overwrite=False)


def test_a_broken_matplotlib_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr("lstmdump.report.plot.style", raising=False)
    monkeypatch.setitem(sys.modules, "lstmdump.report.plot.style", None)
    with pytest.raises(MissingDependency, match=r"matplotlib cannot be imported .*; pip install matplotlib$"):
        pictures.save(figures("a"), str(tmp_path / "x.png"), overwrite=False)


def test_matplotlib_is_silent_without_a_home_directory(tmp_path: Path) -> None:
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
