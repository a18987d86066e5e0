"""Run networks of several LSTM layers in Keras, in a separate process.

    write_networks.py OUT

Writes OUT/<library>-<network>, the model as its library saves it, with x.npy, mask.npy, and y.npy, the output of the
last layer at every step; masked.npy is the same where each layer is given the mask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import keras
import numpy as np
import tensorflow as tf
import tf_keras

D, BATCH, LENGTH = 3, 3, 8
MASK = np.array([[1] * 8, [1, 1, 1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 1, 1, 1]], bool)
Layers = list[Any]


def stacked(k: Any) -> Layers:
    return [k.LSTM(4, return_sequences=True), k.LSTM(5, return_sequences=True), k.LSTM(2, return_sequences=True)]


def apart(k: Any) -> Layers:
    return [k.LSTM(4, return_sequences=True), k.Dropout(0.5), k.LSTM(5, return_sequences=True)]


def both_ways(k: Any) -> Layers:
    return [k.Bidirectional(k.LSTM(4, return_sequences=True)), k.LSTM(5, return_sequences=True)]


def summed(k: Any) -> Layers:
    first = k.Bidirectional(k.LSTM(4, return_sequences=True), merge_mode="sum")
    return [
        first,
        k.Bidirectional(k.LSTM(3, return_sequences=True), merge_mode="ave"),
        k.LSTM(2, return_sequences=True),
    ]


def multiplied(k: Any) -> Layers:
    first = k.Bidirectional(k.LSTM(4, return_sequences=True), merge_mode="mul")
    return [first, k.LSTM(2, return_sequences=True)]


def backwards(k: Any) -> Layers:
    return [k.LSTM(4, return_sequences=True, go_backwards=True), k.LSTM(5, return_sequences=True, activation="relu")]


def cells(k: Any) -> Layers:
    return [k.RNN([k.LSTMCell(4), k.LSTMCell(5)], return_sequences=True), k.LSTM(2, return_sequences=True)]


NETWORKS: tuple[Callable[[Any], Layers], ...] = (stacked, apart, both_ways, summed, multiplied, backwards, cells)


def run(layers: Layers, x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    values = tf.constant(x)
    for layer in layers:
        values = layer(values) if "dropout" in layer.name or mask is None else layer(values, mask=tf.constant(mask))
    return np.asarray(values)


def write(library: Any, ending: str, network: Callable[[Any], Layers], out: Path) -> None:
    random = np.random.default_rng(len(network.__name__))
    out.mkdir()
    x = random.standard_normal((BATCH, LENGTH, D)).astype("float32")
    layers = network(library.layers)
    model = library.Sequential([library.Input((LENGTH, D)), *layers])
    for layer in layers:
        layer.set_weights(
            [random.standard_normal(weight.shape).astype("float32") * 0.5 for weight in layer.get_weights()]
        )
    model.save(out / f"model{ending}")
    for name, values in (("x", x), ("mask", MASK), ("y", run(layers, x, None)), ("masked", run(layers, x, MASK))):
        np.save(out / f"{name}.npy", values)


for each in NETWORKS:
    write(keras, ".keras", each, Path(sys.argv[1]) / f"keras-{each.__name__}")
    write(tf_keras, ".h5", each, Path(sys.argv[1]) / f"tf_keras-{each.__name__}")
