"""Checkpoints of objects: TensorFlow 2, and `save_weights` of Keras 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format
from lstmdump.readers.tensorflow.objects import graph as object_graph
from lstmdump.readers.tensorflow.objects import keras_names, weights
from lstmdump.readers.tensorflow.objects import model as object_model
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.wire.bundle import OBJECT_GRAPH_KEY, Bundle

_LOST_CELLS = (
    "a layer has a cell without weights: some releases of Keras omit those of RNN([cell, cell]) from checkpoints"
)


def read(bundle: Bundle, notes: Sequence[str]) -> Model:
    """Return the model whose objects are saved in `bundle`; `notes` precede those on the objects.

    Raises:
        UnreadableModel: The object graph is damaged, or a variable is missing.
    """
    graph = _read_object_graph(bundle)
    found = weights.find_holders(graph)
    named = keras_names.name_holders(graph, found, _read_metadata(bundle, graph))
    lost = [_LOST_CELLS] if weights.lacks_cells(graph, found) else []
    producer = object_model.producer(graph)
    return object_model.of_objects(bundle, graph, named, Format.CHECKPOINT, producer, [*notes, *lost])


def _read_object_graph(bundle: Bundle) -> ObjectGraph:
    """Return the object graph in `bundle`; if the data file is missing, it is derived from the paths in the keys."""
    if bundle.missing_files():
        return object_graph.of_keys(bundle.names(), bundle.limits)
    return object_graph.of_checkpoint(bundle.string(OBJECT_GRAPH_KEY), bundle.limits)


def _read_metadata(bundle: Bundle, graph: ObjectGraph) -> dict[int, dict[str, Any]]:
    """Return the JSON that TensorFlow 1.13 stored for each Keras object, by node."""
    texts = {node.metadata for node in graph.nodes if node.metadata and node.metadata in bundle}
    values = {key: keras_names.metadata_in(bundle.string(key), key, bundle.limits) for key in texts}
    return {
        number: value for number, node in enumerate(graph.nodes) if (value := values.get(node.metadata)) is not None
    }
