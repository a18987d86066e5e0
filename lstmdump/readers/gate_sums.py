"""What the sums of gates have in common in graphs of all runtimes: terms that are added, and cut in four by columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lstmdump.model.named_tuple import NamedTuple

PARTS = 4
"""How many parts the columns of all gates have."""

_MAX_TERMS = 24  # of the sum of a gate, with the nodes that add them and cut them

_Source = TypeVar("_Source")


class GatePart(NamedTuple):
    """One of four equal parts of the columns; `width` is how many columns it has, where the graph states it."""

    place: int
    width: int | None = None


def read_terms(
    source: _Source,
    read_term: Callable[[_Source, GatePart | None], list[tuple[_Source, GatePart | None]] | None],
    part: GatePart | None = None,
) -> bool:
    """Read all terms of a sum; return whether they are those of a gate, and not too many.

    Args:
        source: what stands for the sum in the graph.
        read_term: returns the terms of which a term, cut as it says, consists; none of one that it has read, and None
            for one that is not of a gate.
        part: which part is cut out of the sum.
    """
    waiting: list[tuple[_Source, GatePart | None]] = [(source, part)]
    for _ in range(_MAX_TERMS):
        if not waiting:
            return True
        inner = read_term(*waiting.pop())
        if inner is None:
            return False
        waiting.extend(inner)
    return False


def find_part(start: int, stop: int | None) -> GatePart | None:
    """Return which part the columns from `start` on are, up to `stop`, or to the end if that is None; None if none."""
    width = start // (PARTS - 1) if stop is None else stop - start
    is_part = width > 0 and start % width == 0 and start // width < PARTS
    return GatePart(start // width, width) if is_part else None
