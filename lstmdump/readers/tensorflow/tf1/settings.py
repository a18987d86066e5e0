"""The settings of the cells of TensorFlow 1, from their graph and their names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from lstmdump.errors import CannotReplay
from lstmdump.model.cell_classes import TF1_ORDER
from lstmdump.model.settings import DeferredSettings, LayerSettings, bound, finite_number
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath, Sources
from lstmdump.readers.tensorflow.tf1 import directions
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell

if TYPE_CHECKING:
    from lstmdump.readers.tensorflow.graph.cell_outputs import CellOutputs


def sources(cells: Mapping[LayerPath, TF1Cell], tensors: Mapping[str, Tensor]) -> Sources:
    """Return the sources of `cells`, whose variables are among `tensors`."""
    from lstmdump.readers.tensorflow.tf1 import topology as tf1_topology

    return tf1_topology.of(cells, tensors)


def of(cells: Mapping[LayerPath, TF1Cell]) -> dict[LayerPath, DeferredSettings]:
    """Return the settings of all `cells`.

    If there is a graph, they include the activations and the bounds, or the reason why a cell is not a plain LSTM; and
    what the cell is given besides its input.
    """

    @cache
    def outputs() -> CellOutputs:
        from lstmdump.readers.tensorflow.tf1 import topology

        return topology.outputs_of(cells)

    return {path: _defer(path, cells, outputs) for path in cells}


def _defer(path: LayerPath, cells: Mapping[LayerPath, TF1Cell], outputs: Callable[[], CellOutputs]) -> DeferredSettings:
    cell = cells[path]
    is_own = cell.order is not None or cell.kind is None  # such a cell has no class that states the order of its gates
    order = TF1_ORDER if is_own and cell.order is None else cell.order
    return DeferredSettings(
        partial(_read_settings, cell, cells),
        finite_number(cell.forget_bias),
        order,
        shows_equations=is_own and cell.computed is not None,
        add_given=None if cell.computed is None else partial(_add_given, "/".join(path), outputs),
    )


def _read_settings(cell: TF1Cell, places: Collection[LayerPath]) -> LayerSettings:
    equations, direction = _read_equations(cell), directions.find(cell, places)
    return equations._replace(
        is_described=True,
        direction=direction,
        go_backwards=directions.goes_backwards(cell, direction),
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
        recurrent_activation=found.recurrent_activation,
        cell_clip=bound(found.cell_clip, "cell_clip"),
        projection_clip=bound(found.projection_clip, "projection_clip"),
    )


def _add_given(name: str, outputs: Callable[[], CellOutputs], settings: LayerSettings) -> LayerSettings:
    """Return `settings`, of the cell `name`, with what it is given in the graph: first states, lengths of sequences."""
    from lstmdump.readers.tensorflow.graph import cell_states

    if settings.cannot_replay is not None:
        return settings
    try:
        states, lengths = cell_states.first_states(name, outputs()), cell_states.lengths(name, outputs())
    except CannotReplay:
        return settings
    return settings._replace(
        first_states_from=states,
        sequence_lengths_from="" if lengths is None else lengths.name,
        sequence_lengths=None if lengths is None else lengths.numbers,
    )
