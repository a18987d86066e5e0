"""Which layer of one model belongs to which of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lstmdump.lstm import LSTM
from lstmdump.report.diff import arrays


class LayerPair(NamedTuple):
    """A layer of each model, and what they have in common: see `LayerDifference.paired_by`."""

    first: LSTM
    second: LSTM
    paired_by: str


def pair(first: Sequence[LSTM], second: Sequence[LSTM]) -> list[LayerPair]:
    """Return which layers belong together: by name, then by sizes in order, then by the nearest numbers."""
    by_name = {lstm.name: lstm for lstm in second}
    pairs = [LayerPair(lstm, by_name[lstm.name], "name") for lstm in first if lstm.name in by_name]
    named = {pair.first.name for pair in pairs}
    left: dict[object, list[LSTM]] = {}
    for lstm in second:
        if lstm.name not in named:
            left.setdefault(lstm.sizes, []).append(lstm)
    waiting: dict[object, list[LSTM]] = {}
    for lstm in first:
        if lstm.name not in named:
            waiting.setdefault(lstm.sizes, []).append(lstm)
    for sizes, ones in waiting.items():
        pairs += _pair_alike(ones, left.get(sizes, []))
    return pairs


def _pair_alike(first: Sequence[LSTM], second: Sequence[LSTM]) -> list[LayerPair]:
    """Return the pairs of layers that all have the same sizes."""
    if len(first) <= 1 and len(second) <= 1:
        return [LayerPair(*both, "sizes and order") for both in zip(first, second, strict=False)]
    distances = sorted(
        (_find_distance(a, b), abs(place - other), place, other)
        for place, a in enumerate(first)
        for other, b in enumerate(second)
    )
    found: dict[int, int] = {}
    for _, _, place, other in distances:
        if place not in found and other not in found.values():
            found[place] = other
    in_order = all(place == other for place, other in found.items()) and len(first) == len(second)
    return [
        LayerPair(first[place], second[other], "sizes and order" if in_order else "nearest numbers")
        for place, other in sorted(found.items())
    ]


def _find_distance(a: LSTM, b: LSTM) -> float:
    """Return how far the recurrent kernels of the input gates are from each other."""
    from lstmdump.replay.differences.measuring import measure_all  # with numpy: most layers have names in common

    pair = arrays.pair_arrays(a, b, "U", "i")
    return math.inf if pair is None else measure_all([pair])[0].relative_norm
