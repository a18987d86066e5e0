"""Checkpoints and SavedModels of any size, without TensorFlow. Sizes: d inputs, m units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import keras_inputs
from benchmarks.sparse import SparseFile
from support import tensorflow_builders as tf

SCOPE = "rnn/basic_lstm_cell"


def _layer(name: str, arrays: dict[str, np.ndarray]) -> tf.Object:
    scope = f"{name}/lstm_cell"
    return tf.Object({"cell": tf.Object({leaf: tf.Variable(f"{scope}/{leaf}", of) for leaf, of in arrays.items()})})


def _entry(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "name": name, "config": {"name": name, **config}}


def _model(layers: list[tf.Object]) -> tuple[tf.Object, dict[tf.Object, Any]]:
    """Return a Keras model of `layers`, and the Keras metadata of each."""
    root = tf.Object({f"layer-{k}": layer for k, layer in enumerate(layers)}, identifier="_tf_keras_sequential")
    metadata: dict[tf.Object, Any] = {root: _entry("sequential", "Sequential")}
    for k, layer in enumerate(layers, 1):
        cell = layer.children["cell"]
        assert isinstance(cell, tf.Object)
        metadata[layer] = _entry(f"lstm_{k}", "LSTM")
        metadata[cell] = _entry("lstm_cell", "LSTMCell")
    return root, metadata


def _zeros(d: int, m: int) -> dict[str, np.ndarray]:
    return {leaf: np.zeros(shape, np.float32) for leaf, shape in keras_inputs.shapes(d, m).items()}


def _one(d: int, m: int, *, sparse: bool) -> list[tf.Object]:
    return [_layer("lstm_1", _zeros(d, m) if sparse else keras_inputs.weights(d, m))]


def _many(layers: int) -> list[tf.Object]:
    return [tf.layer(f"lstm_{k}/lstm_cell") for k in range(1, layers + 1)]


def write_checkpoint(prefix: Path, d: int, m: int, *, sparse: bool = False) -> Path:
    """Write a checkpoint of objects with one layer; if `sparse`, a sparse file of zeros."""
    return tf.write_checkpoint(prefix, _model(_one(d, m, sparse=sparse))[0], create=SparseFile)


def write_layers_checkpoint(prefix: Path, layers: int) -> Path:
    """Write a checkpoint of objects with many small layers."""
    return tf.write_checkpoint(prefix, _model(_many(layers))[0])


def write_saved_model(directory: Path, d: int, m: int, *, sparse: bool = False) -> Path:
    """Write a SavedModel with one layer; if `sparse`, a sparse file of zeros."""
    root, metadata = _model(_one(d, m, sparse=sparse))
    return tf.write_saved_model(directory, root, metadata=metadata, create=SparseFile)


def write_layers_saved_model(directory: Path, layers: int) -> Path:
    """Write a SavedModel with many small layers."""
    root, metadata = _model(_many(layers))
    return tf.write_saved_model(directory, root, metadata=metadata)


def write_tf1(prefix: Path, d: int, m: int) -> Path:
    """Write a checkpoint of TensorFlow 1 with a BasicLSTMCell, whose forget bias is in the graph file."""
    arrays = {"kernel": keras_inputs.many_numbers((d + m, 4 * m)), "bias": keras_inputs.many_numbers((4 * m,))}
    graph = b"".join(tf.variable(f"{SCOPE}/{leaf}", values.shape) for leaf, values in arrays.items())
    tf.write_bundle(prefix, {f"{SCOPE}/{leaf}": values for leaf, values in arrays.items()})
    prefix.with_name(f"{prefix.name}.meta").write_bytes(tf.meta_graph(graph=graph + tf.split_cell(SCOPE)))
    return prefix


def write_layers_tf1(prefix: Path, layers: int) -> Path:
    """Write a checkpoint of TensorFlow 1 with many small cells."""
    tensors: dict[str, np.ndarray] = {}
    for k in range(layers):
        scope = f"rnn/multi_rnn_cell/cell_{k}/basic_lstm_cell"
        tensors |= {f"{scope}/kernel": np.ones((7, 16), np.float32), f"{scope}/bias": np.ones(16, np.float32)}
    return tf.write_bundle(prefix, tensors)
