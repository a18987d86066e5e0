"""The direction in which a cell of TensorFlow 1 takes the steps of its input, by its name and by the graph."""

from __future__ import annotations

from collections.abc import Collection

from lstmdump.model.tree import LayerPath
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell

_HALVES = {"bw": ("fw", "backward"), "BW": ("FW", "backward"), "fw": ("bw", "forward"), "FW": ("BW", "forward")}
"""The scope of the other half of a bidirectional network, and the direction, by the scope of a half."""


def find(cell: TF1Cell, places: Collection[LayerPath]) -> str | None:
    """Return the direction of `cell` if it is a half of a bidirectional network, else None.

    It is a half if its name is next to that of the other half, and the graph does not contradict.
    """
    steps = tuple(filter(None, cell.scope.split("/")))
    for length in reversed(range(len(steps))):
        other, direction = _HALVES.get(steps[length], ("", ""))
        around = (*steps[:length], other)
        if other and any(place[: length + 1] == around for place in places):
            differs = _is_turned(cell) is (direction != "backward")
            return None if differs else direction
    return None


def goes_backwards(cell: TF1Cell, direction: str | None) -> bool | None:
    """Return whether `cell`, with that direction as a half, takes the last step first; None if nothing shows it."""
    if direction is not None:
        return direction == "backward"
    return _is_turned(cell) or None  # a graph shows a reversal, but not always that there is none


def _is_turned(cell: TF1Cell) -> bool | None:
    """Return whether `cell` reads the last step of its input first, or None if no graph shows it."""
    from lstmdump.readers.tensorflow.graph import cell_inputs

    return None if cell.computed is None else cell_inputs.is_turned(cell.computed)
