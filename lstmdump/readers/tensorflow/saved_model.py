"""TensorFlow SavedModels of Keras 2 and 3, `tf.saved_model.save` and TensorFlow 1.

`saved_model.pb` holds the graph of the saved objects or, with TensorFlow 1, only that of the computation. The values
are in the bundle `variables/variables`.
Sources: `saved_model.proto`, `meta_graph.proto`.
"""

from __future__ import annotations

from lstmdump.errors import CorruptModel, UnsupportedFormat
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers.protobuf import Buffer, Message
from lstmdump.readers.tensorflow.wire.bundle import OBJECT_GRAPH_KEY, Bundle, note_missing_files
from lstmdump.readers.tensorflow.wire.file_bytes import read_whole

_MODEL, _TEXT_MODEL = "saved_model.pb", "saved_model.pbtxt"
_SERVING = "serve"
_OBJECT_GRAPH = 7


def read(location: Location) -> Model:
    """Return the model in the SavedModel at `location`, its directory or the `saved_model.pb` in it.

    Raises:
        UnreadableModel: The model is damaged, or in TensorFlow's text form.
    """
    directory = location if location.is_dir() else location.parent
    file = directory.child(_MODEL) if location.is_dir() else location
    if not file.is_file() and directory.child(_TEXT_MODEL).is_file():
        raise UnsupportedFormat("a SavedModel in text form (saved_model.pbtxt); save it with as_text=False")
    meta_graph = _choose_meta_graph(memoryview(read_whole(file, file.name)), directory.limits)
    prefix = directory.child("variables").child("variables")
    bundle = Bundle(prefix) if prefix.sibling("variables.index").is_file() else None
    try:
        return _read(meta_graph, directory, bundle)
    except BaseException:
        if bundle is not None:
            bundle.close()
        raise


def _choose_meta_graph(data: Buffer, limits: Limits) -> Message:
    """Return the meta graph with the tag `serve`, or else the first."""
    found = Message(data, limits.nodes).all_bytes(2)
    if not found:
        raise CorruptModel("a SavedModel without a graph")
    messages = (Message(one, limits.nodes) for one in found)
    serving = (
        one
        for one in messages
        if _SERVING in [bytes(tag).decode("utf-8", "replace") for tag in one.message(1).all_bytes(4)]
    )
    return next(serving, None) or Message(found[0], limits.nodes)


def _read(meta_graph: Message, directory: Location, bundle: Bundle | None) -> Model:
    notes = (
        note_missing_files(bundle) if bundle else ["variables/variables.index is missing; no numbers can be exported"]
    )
    if _OBJECT_GRAPH in meta_graph:
        from lstmdump.readers.tensorflow.objects import saved_model

        return saved_model.read(meta_graph, directory, bundle, notes)
    if bundle is not None and OBJECT_GRAPH_KEY in bundle and not bundle.missing_files():
        from lstmdump.readers.tensorflow.objects import saved_model

        return saved_model.read_tf1_export(meta_graph, directory, bundle, notes)
    from lstmdump.readers.tensorflow.tf1 import model as tf1_model

    return tf1_model.of_saved_model(meta_graph, bundle, notes, directory.limits)
