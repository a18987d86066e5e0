"""SavedModels of objects: Keras 2 and 3, `tf.saved_model.save`, and exports of tf.keras in the style of TensorFlow 1.

Keras 2 stores its JSON within the objects (TensorFlow 1.15 to 2.5) or in `keras_metadata.pb` (2.5 and later); exports
in the style of TensorFlow 1 have it in `assets/saved_model.json`. Source: Keras's `saved_metadata.proto`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.tree import Model, Sources
from lstmdump.readers.detect import Format
from lstmdump.readers.protobuf import Message, as_bytes, as_integer, as_text, fields
from lstmdump.readers.tensorflow.objects import graph as object_graph
from lstmdump.readers.tensorflow.objects import keras_names, weights
from lstmdump.readers.tensorflow.objects import model as object_model
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.objects.keras_names import Named
from lstmdump.readers.tensorflow.wire.bundle import OBJECT_GRAPH_KEY, Bundle
from lstmdump.readers.tensorflow.wire.file_bytes import read_whole

if TYPE_CHECKING:
    from lstmdump.model.network import NetworkDescription
    from lstmdump.readers.keras.architecture.config import ConfigLayer

_METADATA = "keras_metadata.pb"
_ARCHITECTURE = "saved_model.json"
_OBJECT_GRAPH = 7


def read(meta_graph: Message, directory: Location, bundle: Bundle | None, notes: Sequence[str]) -> Model:
    """Return the model whose objects are saved in `meta_graph`; `notes` precede those on the objects.

    Raises:
        UnreadableModel: The object graph is damaged, or a variable is missing.
    """
    graph = object_graph.of_saved_model(meta_graph.message_bytes(_OBJECT_GRAPH), directory.limits)
    _set_keys(graph, bundle)
    found = weights.find_holders(graph)
    metadata = _read_metadata(graph, directory, found)
    named = keras_names.name_holders(graph, found, metadata)
    producer = object_model.producer(graph, _read_version(meta_graph))
    model = object_model.of_objects(bundle, graph, named, Format.SAVED_MODEL, producer, notes)
    described = partial(_parse_architecture, metadata.get(0), directory.limits)
    return _add_connections(model, named, described, directory.limits)


def read_tf1_export(meta_graph: Message, directory: Location, bundle: Bundle, notes: Sequence[str]) -> Model:
    """Return the model of an export in the style of TensorFlow 1, whose objects are saved in `bundle`.

    Raises:
        UnreadableModel: The object graph is damaged, or a variable is missing.
    """
    from lstmdump.readers.tensorflow.objects import tf1_exports

    graph = object_graph.of_checkpoint(bundle.string(OBJECT_GRAPH_KEY), directory.limits)
    named = keras_names.name_holders(graph, weights.find_holders(graph), {})
    known = tf1_exports.architecture(directory.child("assets").child(_ARCHITECTURE))
    updated = named if known is None else tf1_exports.add_architecture(named, known)
    producer = f"tf.keras (tensorflow {_read_version(meta_graph)})"
    model = object_model.of_objects(bundle, graph, updated, Format.SAVED_MODEL, producer, notes)
    return _add_connections(model, updated, lambda: known, directory.limits)


def _read_version(meta_graph: Message) -> str:
    return meta_graph.message(1).text(5)


def _add_connections(
    model: Model, named: Sequence[Named], architecture: Callable[[], ConfigLayer | None], limits: Limits
) -> Model:
    """Return `model` with the connections between the `named` layers that the `architecture` states."""

    def find_sources() -> Sources:
        from lstmdump.readers.keras.architecture import topology
        from lstmdump.readers.tensorflow.objects import tf1_exports

        known = architecture()
        return (
            {} if known is None else topology.find_sources(known, tf1_exports.find_described(named, known), model.root)
        )

    def describe_network() -> NetworkDescription | None:
        from lstmdump.readers.keras.architecture import network
        from lstmdump.readers.tensorflow.objects import tf1_exports

        known = architecture()
        if known is None:
            return None
        described = tf1_exports.find_described(named, known)
        return network.describe_network(known, described, model.root, model.producer, limits)

    return model._replace(sources=find_sources, network=describe_network)


def _parse_architecture(config: object, limits: Limits) -> ConfigLayer | None:
    """Return the architecture in `config`, the JSON of the model itself."""
    from lstmdump.readers.keras.architecture.config import describe_architecture, plain_lists

    return describe_architecture(plain_lists(config), limits)


def _set_keys(graph: ObjectGraph, bundle: Bundle | None) -> None:
    """Set the key of each variable in `graph`: the path that the key consists of leads to the variable."""
    for key in bundle.names() if bundle is not None else ():
        path = object_graph.path_of_key(key)
        number = None if path is None else graph.walk_to(path)
        if number is not None and (variable := graph.nodes[number].variable) is not None:
            variable.key = key


def _read_metadata(graph: ObjectGraph, directory: Location, found: list[weights.Holder]) -> dict[int, dict[str, Any]]:
    """Return Keras's JSON of all objects on the way to weights, by node."""
    needed = {0} | {number for holder in found for _, number in holder.way}
    texts = {number: graph.nodes[number].metadata for number in needed}
    file = directory.child(_METADATA)
    if file.is_file():
        for data in Message(memoryview(read_whole(file, file.name)), directory.limits.nodes).all_bytes(1):
            node = dict(fields(data))
            number = as_integer(node.get(2, 0))
            if number in needed:
                texts[number] = as_text(as_bytes(node.get(5, b"")))
    parsed = {
        number: keras_names.metadata_in(text, "Keras's metadata", directory.limits)
        for number, text in texts.items()
        if text
    }
    return {number: value for number, value in parsed.items() if value is not None}
