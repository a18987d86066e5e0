"""Models whose variables are known by name only, as TensorFlow 1 saved them, with their graph if it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor, without_numbers
from lstmdump.model.tree import Model, grow
from lstmdump.readers.detect import Format
from lstmdump.readers.protobuf import Buffer, Message, as_text
from lstmdump.readers.tensorflow.graph.cell_search import all_cells
from lstmdump.readers.tensorflow.graph.graph_def import Graph, variables_declared
from lstmdump.readers.tensorflow.tf1 import cells as tf1_cells
from lstmdump.readers.tensorflow.tf1 import variables as tf1_variables
from lstmdump.readers.tensorflow.wire.bundle import Bundle
from lstmdump.readers.tensorflow.wire.file_bytes import read_whole

if TYPE_CHECKING:
    from lstmdump.readers.tensorflow.tf1.checkpoint_v1 import CheckpointV1

_META = ".meta"
_TRAINABLE = "trainable_variables"
_COPIES = 4  # of a graph in memory


def of_variables(
    tensors: dict[str, Tensor],
    graph: Graph | None,
    kind: Format,
    notes: Sequence[str],
    held: Bundle | CheckpointV1 | None,
    limits: Limits,
) -> Model:
    """Return the model of `tensors`, which are known by name only, and of the `graph` that computes with them."""

    def build(*, take_averages: bool) -> Model:
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        computed = () if graph is None else all_cells(graph, tf1_cells.is_in_cell, shapes)
        placed = tf1_variables.place(tensors, graph, computed, take_averages=take_averages)
        return Model(
            kind.value,
            f"tensorflow{version or ' 1'}",
            grow(placed.weights, placed.kinds, placed.settings, limits),
            notes=(*notes, *placed.notes),
            release=(lambda: None) if held is None else held.close,
            sources=placed.sources,
            beside=placed.beside,
            averages=partial(build, take_averages=True) if placed.holds_averages else None,
        )

    version = "" if graph is None or not graph.version else f" {graph.version}"
    return build(take_averages=False)


def of_saved_model(meta_graph: Message, bundle: Bundle | None, notes: Sequence[str], limits: Limits) -> Model:
    """Return the model of a SavedModel of TensorFlow 1, of the variables in its graph if there is no `bundle`."""
    graph = of_meta_graph(meta_graph, limits)
    if bundle is None:
        tensors = {name: without_numbers(name, *kind) for name, kind in variables_declared(graph).items()}
    else:
        tensors = {name: bundle.tensor(name) for name in bundle.names()}
    return of_variables(tensors, graph, Format.SAVED_MODEL, notes, bundle, limits)


def of_names(
    prefix: Location, tensors: dict[str, Tensor], kind: Format, notes: Sequence[str], held: Bundle | CheckpointV1
) -> Model:
    """Return the model of `tensors` and of the graph in the `.meta` file, which may be missing or damaged."""
    meta = prefix.sibling(prefix.name + _META)
    if not meta.is_file():
        return of_variables(tensors, None, kind, notes, held, prefix.limits)
    try:
        return of_variables(
            tensors,
            of_meta_graph(Message(_read_meta(meta), prefix.limits.nodes), prefix.limits),
            kind,
            notes,
            held,
            prefix.limits,
        )
    except (CorruptModel, OSError) as error:
        note = f"{meta.name}, which describes the cells, cannot be read: {error}"
        return of_variables(tensors, None, kind, [*notes, note], held, prefix.limits)


def read_first_format(location: Location) -> Model:
    """Return the model in the single file at `location`, a checkpoint of TensorFlow's first format."""
    from lstmdump.readers.tensorflow.tf1.checkpoint_v1 import CheckpointV1

    checkpoint = CheckpointV1(location)
    try:
        return of_names(location, checkpoint.tensors(), Format.CHECKPOINT, (), checkpoint)
    except BaseException:
        checkpoint.close()
        raise


def _read_meta(meta: Location) -> Buffer:
    return memoryview(read_whole(meta, meta.name, copies=_COPIES))


def of_meta_graph(meta_graph: Message, limits: Limits = DEFAULTS) -> Graph:
    """Return the graph in a MetaGraphDef, within `limits`, with the version of TensorFlow that wrote it."""
    graph = Graph(meta_graph.message_bytes(2), limits)
    graph.version = meta_graph.message(1).text(5)
    graph.trainable = _list_trainable(meta_graph)
    return graph


def _list_trainable(meta_graph: Message) -> frozenset[str] | None:
    """Return the names in the collection of trainable variables, or None if there is no such collection."""
    for entry in reversed(meta_graph.messages(4)):  # of two with one name, the last counts
        if entry.text(1) == _TRAINABLE:
            collection = entry.choice(2)  # a CollectionDef of VariableDefs, which begin with the name of the variable
            stored = collection.message(2).all_bytes(1) or collection.message(1).all_bytes(1)
            return frozenset(_read_variable_name(value) for value in stored)
    return None


def _read_variable_name(value: Buffer) -> str:
    """Return the name in a VariableDef, or in the plain text that TensorFlow writes for a variable without one."""
    try:
        name = Message(value).text(1)
    except CorruptModel:
        name = as_text(value)
    return name.partition(":")[0]
