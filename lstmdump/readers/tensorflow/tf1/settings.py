"""The settings of the cells of TensorFlow 1, from their graph and their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from lstmdump.errors import CannotReplay
from lstmdump.model.cell_classes import TF1_ORDER
from lstmdump.model.settings import DeferredSettings, LayerSettings, bound, finite_number
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath, Sources
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell

_HALVES = {"bw": ("fw", "backward"), "BW": ("FW", "backward"), "fw": ("bw", "forward"), "FW": ("BW", "forward")}
"""The scope of the other half of a bidirectional network, and the direction, by the scope of a half."""


def sources(cells: Mapping[LayerPath, TF1Cell], tensors: Mapping[str, Tensor]) -> Sources:
    """Return the sources of `cells`, whose variables are among `tensors`."""
    from lstmdump.readers.tensorflow.tf1 import topology as tf1_topology

    return tf1_topology.of(cells, tensors)


def of(cell: TF1Cell, places: Collection[LayerPath]) -> DeferredSettings:
    """Return the settings of `cell`, one of the cells at `places`.

    If there is a graph, they include the activations and the bounds, or the reason why the cell is not a plain LSTM.
    """
    is_own = cell.order is not None or cell.kind is None  # such a cell has no class that states the order of its gates
    order = TF1_ORDER if is_own and cell.order is None else cell.order
    return DeferredSettings(partial(_read_settings, cell, places), finite_number(cell.forget_bias), order,
                            shows_equations=is_own and cell.computed is not None)  # fmt: skip


def _read_settings(cell: TF1Cell, places: Collection[LayerPath]) -> LayerSettings:
    equations, direction = _read_equations(cell), _find_direction(cell, places)
    return equations._replace(
        is_described=True,
        direction=direction,
        go_backwards=None if direction is None else direction == "backward",
        zero_output_for_mask=True,
    )


def _read_equations(cell: TF1Cell) -> LayerSettings:
    """Return the settings that the graph shows in the equations of `cell`."""
    is_normalized = any("/" in leaf and not leaf.startswith("projection/") for leaf in cell.variables)
    if cell.computed is None or is_normalized:
        return LayerSettings()
    from lstmdump.readers.tensorflow.graph import cell_equations

    try:
        found = cell_equations.read(cell.computed, cell.variables)
    except CannotReplay as error:
        return LayerSettings(cannot_replay=str(error))
    return LayerSettings(
        activation=found.activation,
        recurrent_activation="sigmoid",
        cell_clip=bound(found.cell_clip, "cell_clip"),
        projection_clip=bound(found.projection_clip, "projection_clip"),
    )


def _find_direction(cell: TF1Cell, places: Collection[LayerPath]) -> str | None:
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


def _is_turned(cell: TF1Cell) -> bool | None:
    """Return whether `cell` reads the last step of its input first, or None if no graph shows it."""
    from lstmdump.readers.tensorflow.graph import cell_inputs

    return None if cell.computed is None else cell_inputs.is_turned(cell.computed)
