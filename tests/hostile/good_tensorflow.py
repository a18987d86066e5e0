"""Good TensorFlow models of one LSTM and another array, in every format, for hostile files to be made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hostile.cases import Gates
from hostile.good_keras import Sizes, config
from support import builders
from support import tensorflow_builders as tensorflow
from support.tensorflow_builders import Object, Variable

CELL = "rnn/lstm_cell"
GRAPH_KEY = b"_CHECKPOINTABLE_OBJECT_GRAPH"


class Kind(NamedTuple):
    """A format of models.

    Attributes:
        write: Writes a model into a directory, with options of the builder, and returns its path.
        layer: The name of the LSTM.
        parts: The files that make up the model.
    """

    name: str
    write: Callable[..., Path]
    layer: str
    parts: Sequence[str]


def gates(size: Sizes, layer: str) -> Gates:
    """Return the arrays that `export` must write for an LSTM of this `size`."""
    return {f"{layer}/{key}": values for key, values in builders.gates(*size).items()}


def cell(size: Sizes) -> dict[str, np.ndarray]:
    """Return the variables of an LSTM as TensorFlow 1 stores them, and another one."""
    fused = builders.fused(builders.gates(*size), "icfo")
    kernel = np.concatenate([fused["kernel"], fused["recurrent_kernel"]])
    return {f"{CELL}/kernel": kernel, f"{CELL}/bias": fused["bias"], "dense/kernel": builders.numbers(size.m, 2)}


def objects(size: Sizes) -> Object:
    """Return an object graph of Keras 2 with an LSTM and another layer."""
    dense = Object({"kernel": Variable("dense_1/kernel", builders.numbers(size.m, 2))}, identifier="_tf_keras_layer")
    return Object({"layer-0": tensorflow.layer("lstm_1/lstm_cell", *size), "layer-1": dense})


def graph(size: Sizes) -> bytes:
    """Return a frozen graph."""
    read = b"".join(tensorflow.node(f"{name}/read", "Identity", name) for name in cell(size))
    constants = b"".join(tensorflow.constant(name, values) for name, values in cell(size).items())
    return constants + read + tensorflow.split_cell(CELL, 1.0)


def _checkpoint(directory: Path, size: Sizes, **options: Any) -> Path:
    return tensorflow.write_checkpoint(directory / "model", objects(size), **options)


def _bundle(directory: Path, size: Sizes, **options: Any) -> Path:
    return tensorflow.write_bundle(directory / "model", cell(size), **options)


def _first_format(directory: Path, size: Sizes, **options: Any) -> Path:
    return tensorflow.write_v1(directory / "model.ckpt", cell(size), **options)


def _saved_model(directory: Path, size: Sizes, **options: Any) -> Path:
    root = objects(size)
    metadata = {root.children["layer-0"]: {"class_name": "LSTM", "name": "lstm_1", "config": {"name": "lstm_1"}}}
    return tensorflow.write_saved_model(directory / "model", root, metadata=metadata, **options)


def _exported(directory: Path, size: Sizes, **options: Any) -> Path:
    """Write a Keras model as TensorFlow 1.13 and later export it: a checkpoint of objects, and the configuration."""
    path = directory / "model"
    root = Object({"layer-0": tensorflow.layer("lstm_1", *size)})
    tensorflow.write_checkpoint(path / "variables" / "variables", root, **options)
    (path / "saved_model.pb").write_bytes(tensorflow.saved_model(version="1.15.5"))
    (path / "assets").mkdir()
    (path / "assets" / "saved_model.json").write_text(json.dumps(config(size)), "utf-8")
    return path


def _computing(size: Sizes) -> bytes:
    """Return the graph of a cell whose variables are in a bundle."""
    variables = b"".join(tensorflow.variable(name, values.shape) for name, values in cell(size).items())
    return variables + tensorflow.split_cell(CELL, 1.0)


def _saved_graph(directory: Path, size: Sizes, **options: Any) -> Path:
    path = directory / "model"
    tensorflow.write_bundle(path / "variables" / "variables", cell(size), **options)
    (path / "saved_model.pb").write_bytes(tensorflow.saved_model(graph=_computing(size), version="1.4.1"))
    return path


def _with_graph(directory: Path, size: Sizes, **options: Any) -> Path:
    meta = tensorflow.meta_graph(graph=_computing(size))
    (directory / "model.meta").write_bytes(meta)
    return _bundle(directory, size, **options)


def _frozen(directory: Path, size: Sizes) -> Path:
    path = directory / "model.pb"
    path.write_bytes(graph(size))
    return path


_BUNDLE = ["model.index", "model.data-00000-of-00001"]
_SAVED = ["saved_model.pb", "keras_metadata.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]

CHECKPOINT = Kind("checkpoint", _checkpoint, "lstm_1", _BUNDLE)
BUNDLE = Kind("bundle", _bundle, CELL, _BUNDLE)
FIRST_FORMAT = Kind("first format", _first_format, CELL, ["model.ckpt"])
SAVED_MODEL = Kind("saved model", _saved_model, "lstm_1", [f"model/{name}" for name in _SAVED])
FROZEN = Kind("frozen graph", _frozen, CELL, ["model.pb"])
EXPORTED = Kind("exported", _exported, "lstm_1",
                [f"model/{name}" for name in ("saved_model.pb", "assets/saved_model.json", *_SAVED[2:])])  # fmt: skip
SAVED_GRAPH = Kind("saved graph", _saved_graph, CELL, [f"model/{name}" for name in (_SAVED[0], *_SAVED[2:])])
WITH_GRAPH = Kind("bundle with graph", _with_graph, CELL, ["model.meta"])
KINDS: Sequence[Kind] = (
    CHECKPOINT,
    BUNDLE,
    FIRST_FORMAT,
    SAVED_MODEL,
    EXPORTED,
    SAVED_GRAPH,
    WITH_GRAPH,
    FROZEN,
)
