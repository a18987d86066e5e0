"""Round numbers on an axis, whose labels touch neither each other nor those of the next axes."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

DIGIT = 0.056
"""The width in inches of a character of a label."""

_ENOUGH, _MOST = 3, 6  # numbers
_ROUND = [1, 2, 5, 10]


def choose(low: float, high: float, width: float, gap: float) -> list[float]:
    """Return three round numbers from `low` to `high`, or a few more or less.

    Args:
        low: The lower end of the axis.
        high: The upper end.
        width: Its width in inches.
        gap: The gap to the next axes, of which a label may take half.
    """
    best: list[float] = []
    for most in range(2, _MOST + 1):
        numbers = [float(number) for number in MaxNLocator(most, steps=_ROUND).tick_values(low, high)]
        numbers = [one for one in numbers if _has_room(width * (one - low) / (high - low), label(one), width, gap)]
        taken = DIGIT * sum(len(label(number)) + 2 for number in numbers)
        if len(best) < len(numbers) and len(best) < _ENOUGH and taken < width:
            best = numbers
    return best


def choose_counts(highest: int) -> list[int]:
    """Return about three round whole numbers from 0 to `highest`."""
    numbers = MaxNLocator(3, steps=_ROUND).tick_values(0, highest)
    return [int(number) for number in numbers if number <= highest and number == int(number)]


def label(number: float) -> str:
    """Return a number as it is written beside an axis."""
    return f"{number:.5g}".replace("-", "−")


def _has_room(place: float, text: str, width: float, gap: float) -> bool:
    beyond = max((DIGIT * (len(text) + 1) - gap) / 2, 0)
    return beyond <= place <= width - beyond
