"""Counts of the calls that Python code makes: the same on every computer, whatever its load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def count_calls(run: Callable[[], object]) -> int:
    """Return the number of functions written in Python that are called while `run` is."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def count_more(run: Callable[[int], object], size: int) -> float:
    """Return how many calls `run`, given a size, makes for each further element between `size` and twice that."""
    return (count_calls(lambda: run(2 * size)) - count_calls(lambda: run(size))) / size
