"""How all pictures look: fonts, lines, colours, and what they hold of text from a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from lstmdump.model.escape import visible

WIDTH = 7.2
"""Inches: a page of a paper between its margins, over both columns."""

INK, FAINT, BAR = "#1a1a1a", "#666666", "#3b6ea5"
"""The colours of text and lines, of what stands back, and of bars and curves."""

DIVERGING = "RdBu_r"
"""The colours of signed numbers, white at 0: told apart by the colour-blind, too (Brewer)."""

MISSING = "#a6a6a6"
"""The colour of what is no number, which is none of those."""

_FONT = "DejaVu Sans"  # comes with matplotlib
_LONGEST = 100  # signs of a name; a line has no more
_READ = 2000  # characters of it that are looked at
_OURS = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.labelsize": 7, "axes.linewidth": 0.5,
    "axes.spines.right": False, "axes.spines.top": False, "axes.titlecolor": INK, "axes.titlesize": 8,
    "figure.titlesize": 9,
    "font.family": [_FONT, "sans-serif"], "font.sans-serif": [_FONT, "Verdana"], "font.size": 7,
    "pdf.fonttype": 42, "savefig.dpi": 300,
    "svg.fonttype": "none", "svg.hashsalt": "lstmdump", "text.color": INK, "text.parse_math": False,
    "xtick.color": INK, "xtick.labelsize": 6, "xtick.major.size": 2, "xtick.major.width": 0.5,
    "ytick.color": INK, "ytick.labelsize": 6, "ytick.major.size": 2, "ytick.major.width": 0.5,
}  # fmt: skip
_THE_USERS = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone", "date.epoch"})


@contextmanager
def applied() -> Iterator[None]:
    """Within, matplotlib draws by its own defaults and ours, whatever the user has set; after, all is as it was.

    A user's `matplotlibrc` could have every text go through TeX, and so what is called in a file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a picture is good or not; its reader sees no warnings
        settings: Any = {name: value for name, value in mpl.rcParamsDefault.items() if name not in _THE_USERS}
        with mpl.rc_context(settings | _OURS):
            yield


def page(width: float = WIDTH, height: float = WIDTH / 2, *, is_laid_out: bool = False) -> Figure:
    """An empty figure of WIDTH × HEIGHT inches, in which axes find their places by themselves, unless IS_LAID_OUT."""
    return Figure(figsize=(width, height), layout=None if is_laid_out else "constrained")


def legible(text: str, most: int = _LONGEST) -> str:
    """TEXT from a file, as it may stand in a picture: of MOST signs at most, those that the font lacks escaped."""
    shown = "".join(sign if _has(sign) else _escaped(sign) for sign in visible(text[:_READ]))
    half = (most - 1) // 2
    return shown if len(shown) <= most else f"{shown[:half]}…{shown[-half:]}"


@lru_cache(maxsize=1)
def _signs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=[_FONT]))).get_charmap())


def _has(sign: str) -> bool:
    return ord(sign) in _signs()


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
