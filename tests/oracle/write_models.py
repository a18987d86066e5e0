"""Write models with Keras 3 or Keras 2 (tf_keras), and record the weights of the live layers, in a separate process.

    write_models.py keras|tf_keras OUT

Writes OUT/<case>.h5, .keras, .weights.h5 and, where this Keras supports it, .weights.json, and OUT/<case>.npz with
`<k>|kernel`, `<k>|recurrent_kernel` and `<k>|bias` of the k-th LSTM cell in the order of the model, `total`, `x` and, where the model is one LSTM that returns sequences, `y`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

keras: Any = importlib.import_module(sys.argv[1])
layers: Any = keras.layers
LENGTH, WIDTH = 5, 3
LARGEST = 800  # bytes of a shard: at least as many as any array has


def sequential(*stack: Any) -> Any:
    return keras.Sequential([keras.Input((LENGTH, WIDTH)), *stack])


def nested() -> Any:
    inner = keras.Sequential(
        [keras.Input((LENGTH, WIDTH)), layers.LSTM(4, return_sequences=True, name="deep")], name="in"
    )
    a = keras.Input((LENGTH, WIDTH))
    middle = keras.Model(a, layers.LSTM(2, return_sequences=True, name="mid")(inner(a)), name="middle")
    b = keras.Input((LENGTH, WIDTH))
    return keras.Model(b, layers.LSTM(6, name="out")(middle(b)))


def shared() -> Any:
    a, b, lstm = keras.Input((LENGTH, WIDTH)), keras.Input((LENGTH, WIDTH)), layers.LSTM(4, name="shared")
    return keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([lstm(a), lstm(b)])))


def frozen() -> Any:
    first = layers.LSTM(4, return_sequences=True, name="frozen")
    first.trainable = False
    inner = keras.Sequential([keras.Input((LENGTH, WIDTH)), first, layers.LSTM(2, name="free")], name="inner")
    a = keras.Input((LENGTH, WIDTH))
    return keras.Model(a, layers.Dense(1)(inner(a)))


def distributed() -> Any:
    a = keras.Input((2, LENGTH, WIDTH))
    one = layers.TimeDistributed(layers.Bidirectional(layers.LSTM(4)), name="each")(a)
    return keras.Model(a, layers.LSTM(2, name="over")(one))


def compiled() -> Any:
    model = sequential(layers.LSTM(4), layers.Dense(1))
    model.compile("adam", "mse")
    model.fit(np.zeros((2, LENGTH, WIDTH)), np.zeros((2, 1)), verbose=0)
    return model


CASES: dict[str, Callable[[], Any]] = {
    "one": lambda: sequential(layers.LSTM(7, return_sequences=True, name="only")),
    "square": lambda: sequential(layers.LSTM(WIDTH, return_sequences=True, name="only")),
    "without_bias": lambda: sequential(layers.LSTM(4, return_sequences=True, use_bias=False, name="only")),
    "float16": lambda: sequential(layers.LSTM(4, dtype="float16", recurrent_initializer="zeros", name="only")),
    "bfloat16": lambda: sequential(layers.LSTM(4, dtype="bfloat16", recurrent_initializer="zeros", name="only")),
    "bidirectional": lambda: sequential(layers.Bidirectional(layers.LSTM(4, name="read"), name="both"), layers.Dense(1)),
    "cell": lambda: sequential(layers.RNN(layers.LSTMCell(4), name="rnn"), layers.Dense(1)),
    "cells": lambda: sequential(layers.RNN([layers.LSTMCell(4, name="first"), layers.GRUCell(3), layers.LSTMCell(2, name="second")], name="rnn")),
    "nested": nested,
    "shared": shared,
    "frozen": frozen,
    "distributed": distributed,
    "compiled": compiled,
    "others": lambda: sequential(layers.GRU(4, return_sequences=True), layers.SimpleRNN(4, return_sequences=True),
                                 layers.BatchNormalization(), layers.LSTM(4, name="only")),
}  # fmt: skip


def cells(layer: Any, seen: set[int]) -> list[Any]:
    """Return all LSTM cells in `layer`, each once, in the order of the model."""
    if id(layer) in seen:
        return []
    seen.add(id(layer))
    if type(layer).__name__ == "LSTMCell":
        return [layer]
    inner = [*getattr(layer, "layers", [])]
    for name in ("forward_layer", "backward_layer", "layer", "cell"):
        inner += [getattr(layer, name)] if hasattr(layer, name) and not hasattr(layer, "layers") else []
    inner += list(getattr(layer, "cells", []))
    if type(layer).__name__ == "Bidirectional":
        inner = [layer.forward_layer, layer.backward_layer]
    return [cell for one in inner for cell in cells(one, seen)]


def main() -> None:
    out = Path(sys.argv[2])
    numbers = np.random.default_rng(0)
    for name, build in CASES.items():
        keras.utils.set_random_seed(1)
        model = build()
        model.set_weights([numbers.standard_normal(np.shape(w)).astype(w.dtype) for w in model.get_weights()])
        made: dict[str, Any] = {"total": sum(int(np.prod(w.shape)) for w in model.get_weights())}
        for k, cell in enumerate(cells(model, set())):
            for leaf, values in zip(("kernel", "recurrent_kernel", "bias"), cell.get_weights(), strict=False):
                made[f"{k}|{leaf}"] = np.asarray(values).astype(np.float32)
        made["x"] = numbers.standard_normal((2, LENGTH, WIDTH)).astype(np.float32)
        if len(model.layers) == 1 and getattr(model.layers[0], "return_sequences", False):
            made["y"] = model.predict(made["x"], verbose=0)
        model.save(out / f"{name}.h5")
        model.save(out / f"{name}.keras")
        model.save_weights(out / f"{name}.weights.h5")
        if keras.__version__.startswith("3"):
            model.save_weights(out / f"{name}.weights.json", max_shard_size=LARGEST / 2**30)
        np.savez(out / f"{name}.npz", **made)


main()
