"""The style of all figures: fonts, lines and colours; and text from files made safe to draw."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from lstmdump.model.escape import visible

WIDTH = 7.2
"""Width in inches of a page of a paper between the margins, over both columns."""

INK, FAINT, BAR = "#1a1a1a", "#666666", "#3b6ea5"
"""The colours of text and lines, of secondary text, and of bars and curves."""

DIVERGING = "RdBu_r"
"""The colour map of signed numbers, white at 0; the colour-blind can distinguish its sides (Brewer)."""

SEQUENTIAL = "Greens"
"""The colour map of numbers from 0, which is white; darker is more, also in black and white."""

MISSING = "#a6a6a6"
"""The colour of NaN and infinities, which the colour maps do not contain."""

SKIPPED, HATCHES = "#e4e4e4", "#9a9a9a"
"""The colours of steps that a layer skips, and of the lines across them."""

_FONT = "DejaVu Sans"  # comes with matplotlib
_ON_SCREEN = 144  # dots per inch in a notebook, where the smallest text is to be read
_LONGEST = 100  # characters of a name, as many as fit on a line
_READ = 2000  # characters of a name that are examined
_OURS = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.labelsize": 7, "axes.linewidth": 0.5,
    "axes.spines.right": False, "axes.spines.top": False, "axes.titlecolor": INK, "axes.titlesize": 8,
    "figure.titlesize": 9,
    "font.family": [_FONT, "sans-serif"], "font.sans-serif": [_FONT, "Verdana"], "font.size": 7,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42, "savefig.dpi": 300,
    "svg.fonttype": "none", "svg.hashsalt": "lstmdump", "text.color": INK, "text.parse_math": False,
    "xtick.color": INK, "xtick.labelsize": 6, "xtick.major.size": 2, "xtick.major.width": 0.5,
    "ytick.color": INK, "ytick.labelsize": 6, "ytick.major.size": 2, "ytick.major.width": 0.5,
}  # fmt: skip
_THE_USERS = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone", "date.epoch"})


@contextmanager
def applied() -> Iterator[None]:
    """Draw with matplotlib's defaults and our style, whatever the user has set, and restore the settings on exit.

    A user's `matplotlibrc` could send every text through TeX, including names from an untrusted file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about fonts and layout, and do not help the user of the command
        settings: Any = {name: value for name, value in mpl.rcParamsDefault.items() if name not in _THE_USERS}
        with mpl.rc_context(settings | _OURS):
            yield


class StyledFigure(Figure):
    """A figure that is drawn in our style even outside of `applied`, and that a notebook shows as the value of a cell.

    Without pyplot, IPython shows a figure of matplotlib only after `%matplotlib inline`, which then takes the place of
    `_repr_png_`; and pyplot shows, once more, only figures that it has made itself.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure in our style, which ticks get only now."""
        with applied():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure as matplotlib does, in our resolution and with our fonts if `options` give no others."""
        with applied():
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=self.dpi)
        return stream.getvalue()


def page(width: float = WIDTH, height: float = WIDTH / 2, *, is_laid_out: bool = False) -> StyledFigure:
    """Return an empty figure of `width` × `height` inches; axes are placed automatically unless `is_laid_out`."""
    return StyledFigure(figsize=(width, height), dpi=_ON_SCREEN, layout=None if is_laid_out else "constrained")


def legible(text: str, most: int = _LONGEST) -> str:
    """Return `text` from a file for a figure: at most `most` characters, those that the font lacks escaped."""
    shown = "".join(character if _has_glyph(character) else _escape(character) for character in visible(text[:_READ]))
    half = (most - 1) // 2
    return shown if len(shown) <= most else f"{shown[:half]}…{shown[-half:]}"


@lru_cache(maxsize=1)
def _list_characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=[_FONT]))).get_charmap())


def _has_glyph(character: str) -> bool:
    return ord(character) in _list_characters()


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
