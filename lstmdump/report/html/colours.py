"""The colours of heat maps: those of `report.plot.style`, without matplotlib."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]

_RED_TO_BLUE = (
    "67001f", "b2182b", "d6604d", "f4a582", "fddbc7", "f7f7f7", "d1e5f0", "92c5de", "4393c3", "2166ac", "053061",
)  # fmt: skip
"""The map RdBu of ColorBrewer, whose sides the colour-blind can distinguish: https://colorbrewer2.org (Apache 2.0)."""
_BETWEEN = 10  # shades from one of them to the next

SHADES = _BETWEEN * (len(_RED_TO_BLUE) - 1) + 1
"""The number of shades from the lowest number to the highest; the one in the middle is that of 0."""

MISSING = SHADES
"""The place in the palette of what is not a finite number."""


def _parse(digits: str) -> Colour:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def _blend(low: Colour, high: Colour, part: float) -> Colour:
    red, green, blue = (round(first + part * (last - first)) for first, last in zip(low, high, strict=True))
    return red, green, blue


_STOPS = [_parse(digits) for digits in reversed(_RED_TO_BLUE)]

PALETTE: tuple[Colour, ...] = (
    *(_blend(low, high, step / _BETWEEN) for low, high in pairwise(_STOPS) for step in range(_BETWEEN)),
    _STOPS[-1],
    _parse("a6a6a6"),
)
"""The shades from blue through white to red, and grey."""
