"""Pictures that can stand in a paper, drawn by matplotlib, which is imported below this door and nowhere else."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from lstmdump.errors import MissingDependency, NothingToDraw, OutputExists, TooManyPages, WrongSuffix
from lstmdump.export import conflicts
from lstmdump.export.atomic import already_there, whole_file
from lstmdump.model.escape import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
"""What pictures can be saved as. A `.pdf` has as many pages as there are, the others hold one."""

_PIP_LINE = "pip install matplotlib"
_CREATOR = "lstmdump"


def require_writable(path: str, models: Iterable[str] = (), inputs: Iterable[str] = (), *, overwrite: bool) -> None:
    """Check, before anything is read, that pictures can be drawn, and saved at `path`.

    Raises:
        WrongSuffix: `path` ends in none of the suffixes.
        OutputUnwritable: it is a URL.
        OutputExists: it is there already and `overwrite` is false, or it is a directory.
        OutputClash: it is one of `models`, or of the other files that are read, `inputs`.
        MissingDependency: matplotlib is not installed.
    """
    _require_suffix(path)
    conflicts.require_writable(path, overwrite=overwrite)
    for model in models:
        conflicts.require_not_a_model(path, model)
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependency(f"to draw needs matplotlib, which is not installed; {_PIP_LINE}")
    conflicts.require_not_an_input(path, inputs)


def save(figures: Iterable[Figure], path: str, *, overwrite: bool) -> None:
    """Save FIGURES at PATH, each on a page of its own, in the format that its suffix names: all of them, or nothing.

    Each is asked for when the one before is written, within `style.applied`, so that but one needs to be in memory.
    What is drawn alike is saved in the same bytes: nothing in them tells when.

    Raises:
        NothingToDraw: there are no FIGURES.
        TooManyPages: there are more than PATH can hold.
        MissingDependency: matplotlib is not installed.
        OutputExists: PATH is there already and OVERWRITE is false.
        OutputUnwritable: it cannot be written, or ends in none of the suffixes.
    """
    require_writable(path, overwrite=overwrite)
    with _silence_matplotlib():
        try:
            from lstmdump.report.plot import style
        except ImportError as error:
            raise MissingDependency(f"matplotlib cannot be imported ({error}); {_PIP_LINE}") from error
        with style.applied():
            _save(iter(figures), path, overwrite=overwrite)


@contextmanager
def _silence_matplotlib() -> Iterator[None]:
    """Within, matplotlib says nothing of what it has to do without: a home directory, say, to keep a list of fonts."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _save(pages: Iterator[Figure], path: str, *, overwrite: bool) -> None:
    first = next(pages, None)
    if first is None:
        raise NothingToDraw(f"there is nothing to draw, so {visible(path)} is not written")
    try:
        with whole_file(path, overwrite=overwrite) as file:
            _write(chain((first,), pages), file, path)
    except OutputExists as error:  # since we looked
        raise already_there(visible(path)) from error


def _write(pages: Iterator[Figure], file: BinaryIO, path: str) -> None:
    suffix = _require_suffix(path)
    if suffix == ".pdf":
        from matplotlib.backends.backend_pdf import PdfPages

        with PdfPages(file, metadata={"Creator": _CREATOR, "Producer": None, "CreationDate": None}) as document:
            for page in pages:
                document.savefig(page)
        return
    page = next(pages)
    if next(pages, None) is not None:
        raise TooManyPages(
            f"{visible(path)} holds one page, and there are more; choose a layer with -l, or name a .pdf"
        )
    metadata = {"Software": None} if suffix == ".png" else {"Creator": _CREATOR, "Date": None}
    page.savefig(file, format=suffix[1:], metadata=metadata)


def _require_suffix(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise WrongSuffix(f"{visible(path)} cannot be drawn: a picture is a .png, .svg or .pdf")
    return suffix
