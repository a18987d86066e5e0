"""Save pictures for a paper. Only this module and `report.plot` import matplotlib."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO

from lstmdump.errors import MissingDependency, NothingToDraw, OutputExists, TooManyPages, WrongSuffix
from lstmdump.export import conflicts
from lstmdump.export.atomic import already_there, whole_file
from lstmdump.model.escape import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
"""The formats of pictures. A `.pdf` has a page for each figure, the others hold one figure."""

_PIP_LINE = "pip install matplotlib"
_CREATOR = "lstmdump"


def require_writable(path: str, models: Iterable[str] = (), inputs: Iterable[str] = (), *, overwrite: bool) -> None:
    """Check, before anything is read, that pictures can be drawn, and saved at `path`.

    Raises:
        WrongSuffix: `path` has another suffix.
        OutputUnwritable: `path` is a URL.
        OutputExists: `path` exists and `overwrite` is false, or it is a directory.
        OutputClash: `path` is one of `models`, or of the other files that are read, `inputs`.
        MissingDependency: matplotlib is not installed.
    """
    _require_suffix(path)
    conflicts.require_writable(path, overwrite=overwrite)
    for model in models:
        conflicts.require_not_a_model(path, model)
    require_matplotlib()
    conflicts.require_not_an_input(path, inputs)


def require_matplotlib() -> None:
    """Check that matplotlib is installed, without importing it.

    Raises:
        MissingDependency: It is not.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependency(f"drawing needs matplotlib, which is not installed; {_PIP_LINE}")


def require_room(path: str, pages: int, choice: str = "choose a layer with -l") -> None:
    """Check, before anything is computed, that `path` can hold so many pages, and that there are any.

    Args:
        path: Where the pages are saved.
        pages: How many there are.
        choice: What makes them fewer.

    Raises:
        NothingToDraw: There are none.
        TooManyPages: The format of `path` holds one page only.
    """
    if not pages:
        raise NothingToDraw(f"there is nothing to draw, so {visible(path)} is not written")
    if pages > 1 and _require_suffix(path) != ".pdf":
        raise TooManyPages(f"{visible(path)} holds one page, and there are more; {choice}, or name a .pdf")


def save(figures: Iterable[Figure], path: str, *, overwrite: bool) -> None:
    """Save `figures` to `path`, one on each page, in the format that the suffix names: all of them, or nothing.

    Each figure is requested after the previous one is written, within `style.applied`, so that only one needs to be in
    memory. Equal figures are saved as equal bytes: the file holds no time.

    Raises:
        NothingToDraw: There are no figures.
        TooManyPages: There are more figures than `path` can hold.
        MissingDependency: matplotlib is not installed.
        OutputExists: `path` exists and `overwrite` is false.
        OutputUnwritable: `path` cannot be written.
        WrongSuffix: `path` has another suffix than those in `SUFFIXES`.
    """
    require_writable(path, overwrite=overwrite)
    with drawing():
        _save(iter(figures), path, overwrite=overwrite)


@contextmanager
def drawing() -> Iterator[None]:
    """Import matplotlib, and let the block draw in our style.

    Raises:
        MissingDependency: matplotlib is not installed, or is broken.
    """
    require_matplotlib()
    with _silence_matplotlib():
        try:
            from lstmdump.report.plot import style
        except ImportError as error:
            raise MissingDependency(f"matplotlib cannot be imported ({error}); {_PIP_LINE}") from error
        with style.applied():
            yield


@contextmanager
def _silence_matplotlib() -> Iterator[None]:
    """Suppress matplotlib's messages about what it lacks: for example a home directory for its list of fonts."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _save(pages: Iterator[Figure], path: str, *, overwrite: bool) -> None:
    some = list(islice(pages, 1))
    require_room(path, len(some))
    try:
        with whole_file(path, overwrite=overwrite) as file:
            _write(chain(some, pages), file, path)
    except OutputExists as error:  # it was created after the check
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
    require_room(path, 1 + len(list(islice(pages, 1))))
    metadata = {"Software": None} if suffix == ".png" else {"Creator": _CREATOR, "Date": None}
    page.savefig(file, format=suffix[1:], metadata=metadata)


def _require_suffix(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise WrongSuffix(f"{visible(path)} is not a picture format; use .png, .svg or .pdf")
    return suffix
