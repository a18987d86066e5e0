"""What else is known of a cell of TensorFlow 1, in the words that Keras has for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from lstmdump.errors import CannotReplay
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath, Sources
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell

_HALVES = {"bw": ("fw", "backward"), "BW": ("FW", "backward"), "fw": ("bw", "forward"), "FW": ("BW", "forward")}
"""By the scope of a half of a bidirectional network, that of the other half, and the direction."""


class CellSettings(Mapping[str, Any]):
    """What is KNOWN of a cell, and what LOOK finds in its graph, which is not done before more is asked for."""

    def __init__(self, known: Mapping[str, Any], look: Callable[[], Mapping[str, Any]]) -> None:
        self._known = known
        self._look = look

    @cached_property
    def _all(self) -> Mapping[str, Any]:
        return {**self._known, **self._look()}

    def __getitem__(self, key: str) -> Any:
        return self._known[key] if key in self._known else self._all[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __bool__(self) -> bool:
        return True


def sources(cells: Mapping[LayerPath, TF1Cell], tensors: Mapping[str, Tensor]) -> Sources:
    """The sources of CELLS, whose variables are among TENSORS."""
    from lstmdump.readers.tensorflow.tf1 import topology as tf1_topology

    return tf1_topology.of(cells, tensors)


def of(cell: TF1Cell, places: Collection[LayerPath]) -> Mapping[str, Any]:
    """The settings of CELL, one of those at PLACES.

    `activation` and what else tells how it computes is there if a graph is, and `cannot_replay`, the reason, instead
    if that is no plain LSTM.
    """
    known = {"forget_bias": cell.forget_bias, "zero_output_for_mask": True}
    return CellSettings(known, lambda: {**_equations(cell), **_direction(cell, places)})


def _equations(cell: TF1Cell) -> dict[str, Any]:
    is_normalized = any("/" in leaf and not leaf.startswith("projection/") for leaf in cell.variables)
    if cell.computed is None or is_normalized:
        return {}
    from lstmdump.readers.tensorflow.graph import cell_equations

    try:
        found = cell_equations.read(cell.computed, cell.variables)
    except CannotReplay as error:
        return {"cannot_replay": str(error)}
    clips = {"cell_clip": found.cell_clip, "projection_clip": found.projection_clip}
    return {"activation": found.activation, "recurrent_activation": "sigmoid", **clips}


def _direction(cell: TF1Cell, places: Collection[LayerPath]) -> dict[str, Any]:
    """Which half of a bidirectional network CELL is: by its name beside the other's, if its graph does not differ."""
    steps = tuple(filter(None, cell.scope.split("/")))
    for length in reversed(range(len(steps))):
        other, direction = _HALVES.get(steps[length], ("", ""))
        around = (*steps[:length], other)
        if other and any(place[: length + 1] == around for place in places):
            go_backwards = direction == "backward"
            differs = _is_turned(cell) is (not go_backwards)
            return {} if differs else {"direction": direction, "go_backwards": go_backwards}
    return {}


def _is_turned(cell: TF1Cell) -> bool | None:
    """Whether it gets the last step of its input first; None where no graph shows it."""
    from lstmdump.readers.tensorflow.graph import cell_inputs

    return None if cell.computed is None else cell_inputs.is_turned(cell.computed)
