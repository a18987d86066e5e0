"""Freeze models as TensorFlow 2 does, and record the weights of the live layers, in a separate process.

    write_frozen.py keras|tf_keras OUT

Writes OUT/<case>-<lowered>.pb and OUT/<case>.npz with `<k>|<array>` of the k-th LSTM cell in the order of the model.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

keras: Any = importlib.import_module(sys.argv[1])
layers: Any = keras.layers


def models() -> dict[str, Any]:
    plain = [layers.LSTM(4, return_sequences=True, name="first"), layers.LSTM(4, name="square")]
    both = [layers.Bidirectional(layers.LSTM(6), name="both")]
    cells = [layers.RNN([layers.LSTMCell(4, name="one"), layers.LSTMCell(5, name="two")], name="stack")]
    unrolled = [layers.LSTM(6, unroll=True, use_bias=False, name="unrolled"), layers.Dense(7)]
    others = [layers.GRU(4, return_sequences=True), layers.SimpleRNN(8), layers.Dense(3)]
    stacks = {"plain": plain, "both": both, "cells": cells, "unrolled": unrolled, "others": others}
    return {case: keras.Sequential([keras.Input((5, 3)), *stack]) for case, stack in stacks.items()}


def cells_of(model: Any) -> list[Any]:
    weights = [variable.numpy() for variable in model.weights]
    return [
        weights[place : place + 3]
        for place in range(len(weights) - 1)
        if weights[place].ndim == 2
        and weights[place + 1].shape == (weights[place].shape[1] // 4, weights[place].shape[1])
    ]


def main() -> None:
    out = Path(sys.argv[2])
    for case, model in models().items():
        call = tf.function(lambda x, model=model: model(x)).get_concrete_function(tf.TensorSpec((1, 5, 3)))
        for lowered in (True, False):
            graph = convert_variables_to_constants_v2(call, lower_control_flow=lowered).graph.as_graph_def()
            (out / f"{case}-{lowered}.pb").write_bytes(graph.SerializeToString())
        arrays = {}
        for place, cell in enumerate(cells_of(model) if case != "others" else []):
            for name, value in zip(("kernel", "recurrent_kernel", "bias"), cell, strict=False):
                if name != "bias" or value.shape == cell[0].shape[1:]:
                    arrays[f"{place}|{name}"] = value
        np.savez(out / f"{case}.npz", **arrays)


if __name__ == "__main__":
    main()
